"""Who may ask: API keys for the API, a token of its own for what only the operator may see.

Knows headers. Compares in constant time and never says how a key was wrong.
"""

from __future__ import annotations

from lingma_trio.errors import NotFound, Unauthorized
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.locality import is_local
from lingma_trio.http.tenants import Tenant, Tenants, utc_now
from lingma_trio.http.token_check import TokenCheck
from lingma_trio.keys.key import digest_of


class Gatekeeper:
    """Decides for each request whether it is served, and whose it is."""

    def __init__(
        self,
        tenants: Tenants,
        *,
        anonymous: bool,
        admin_token: str,
        metrics_token: str,
        tokens: TokenCheck | None = None,
    ) -> None:
        self.tenants = tenants
        self.tokens = tokens or TokenCheck()
        self._anonymous = anonymous
        self._admin = digest_of(admin_token) if admin_token else None
        self._metrics = digest_of(metrics_token) if metrics_token else None

    def __repr__(self) -> str:
        return f"<Gatekeeper keys={len(self.tenants)} anonymous={self._anonymous}>"

    def admit(self, exchange: Exchange) -> Tenant:
        """The tenant whose request this is, which the exchange has from now on.

        Raises `Unauthorized`. Without any key configured only this machine's own processes are served, unless
        ALLOW_ANONYMOUS opens the gateway to everybody.
        """
        exchange.tenant = self._tenant(exchange)
        return exchange.tenant

    async def admit_operator(self, exchange: Exchange) -> None:
        """Pass the bearer of ADMIN_TOKEN. For anybody else, or without a token configured, there is nothing here.

        Raises `NotFound`, and `Overloaded` for a wrong token after too many of them.
        """
        if self._admin is None or not await self.tokens.passes(exchange, _presented(exchange), self._admin):
            raise NotFound("no such path")

    async def admit_scraper(self, exchange: Exchange) -> None:
        """Pass the bearer of METRICS_TOKEN; without one, of any API key; without keys, anybody.

        Raises `Unauthorized`, and `Overloaded` for a wrong token after too many of them.
        """
        presented = _presented(exchange)
        if self._metrics is not None:
            passed = await self.tokens.passes(exchange, presented, self._metrics)
        else:
            tenant = self._tenant_of(presented)
            passed = not self.tenants.required or (tenant is not None and not tenant.has_expired(utc_now()))
        if not passed:
            raise Unauthorized("missing or wrong token; send METRICS_TOKEN (or an API key) as `Authorization: Bearer`")

    def _tenant(self, exchange: Exchange) -> Tenant:
        if self.tenants.required:
            tenant = self._tenant_of(_presented(exchange))
            if tenant is None:
                raise Unauthorized("missing or wrong API key; send `Authorization: Bearer KEY` or `x-api-key: KEY`")
            if tenant.has_expired(utc_now()):
                raise Unauthorized("this API key has expired; ask whoever gave it to you for another one")
            return tenant
        if self._anonymous or is_local(exchange):
            return self.tenants.anonymous
        raise Unauthorized(
            "this gateway has no API keys, so it serves only its own machine: programs that ask for localhost, and no "
            "proxies or web pages; set API_KEYS (or ALLOW_ANONYMOUS=true to serve everybody)"
        )

    def _tenant_of(self, presented: str) -> Tenant | None:
        return self.tenants.find(digest_of(presented))


def _presented(exchange: Exchange) -> str:
    scheme, _, credentials = exchange.head.headers.get(b"authorization", b"").partition(b" ")
    key = credentials.strip() if scheme.lower() == b"bearer" else b""
    return (key or exchange.head.headers.get(b"x-api-key", b"").strip()).decode("utf-8", "replace")
