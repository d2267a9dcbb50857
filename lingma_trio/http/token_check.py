"""Compares the tokens that guard the gateway itself with those that are shown, and slows down who guesses.

Knows peers and digests. Does not know what a token opens.
"""

from __future__ import annotations

from hmac import compare_digest
from ipaddress import IPv6Address, ip_address

from lingma_trio.errors import Overloaded
from lingma_trio.http.exchange import Exchange
from lingma_trio.keys.key import digest_of
from lingma_trio.state.operators import Operators
from lingma_trio.state.operators_memory import MemoryOperators


class TokenCheck:
    """Wrong tokens, wherever they are shown: one count for page, `/internal` and metrics, which `operators` keeps."""

    def __init__(self, operators: Operators | None = None) -> None:
        self._operators = operators or MemoryOperators()

    def __repr__(self) -> str:
        return f"<TokenCheck {self._operators!r}>"

    async def passes(self, exchange: Exchange, shown: str, wanted: bytes) -> bool:
        """Whether the text that was shown has the digest `wanted`, in constant time.

        Compared first, so a right one passes whatever others have tried; showing nothing is no try. Raises
        `Overloaded`, with the wait, for a wrong one after too many others.
        """
        peer = _peer(exchange)
        if compare_digest(digest_of(shown), wanted):
            await self._operators.succeeded(peer)
            return True
        if shown and (wait := await self._operators.failed(peer)):
            raise Overloaded("too many wrong tokens; wait a minute and try again", retry_after=wait)
        return False


def _peer(exchange: Exchange) -> str:
    """Who tries: an address, or of IPv6 the network that one customer has all of."""
    client = exchange.scope.get("client")
    host = str(client[0]) if client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return address.packed[:8].hex()
    return host
