"""Who is signed in to the status page, and how a browser proves it.

A browser holds a secret name in a cookie that no script can read. Every action carries a second token, which follows
from the name, so that another site's form, which cannot know it, does nothing. Knows no pages, nor where it stands who
is signed in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie

from lingma_trio.errors import Overloaded, Unauthorized
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.token_check import TokenCheck
from lingma_trio.keys.key import digest_of
from lingma_trio.state.operators import LIFETIME, Operators
from lingma_trio.state.operators_memory import MemoryOperators

COOKIE = "lingma_operator"
MOST_WATCHERS = 8  # pages kept up to date at once
CSRF_HEADER = b"x-csrf-token"
CSRF_FIELD = "csrf"
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class OperatorSession:
    """One signed-in browser. `csrf` is what each of its actions has to carry."""

    name: str = field(repr=False)
    csrf: str = field(repr=False)


class OperatorSessions:
    """The sessions that `operators` has. Without an admin token nobody can sign in; `tokens` counts the wrong ones."""

    def __init__(
        self, admin_token: str = "", tokens: TokenCheck | None = None, operators: Operators | None = None
    ) -> None:
        self._admin = digest_of(admin_token) if admin_token else None
        self.operators = operators or MemoryOperators()
        self._tokens = tokens or TokenCheck(self.operators)
        self._watchers = 0

    def __repr__(self) -> str:
        return f"<OperatorSessions {self.operators!r} enabled={self.enabled}>"

    @property
    def enabled(self) -> bool:
        """Whether there is a token to sign in with."""
        return self._admin is not None

    async def sign_in(self, exchange: Exchange, token: str) -> bytes:
        """Begin a session; returns the value of `Set-Cookie`.

        Raises `Unauthorized` for a wrong token, and `Overloaded`, with the wait, for one after too many of them.
        """
        if self._admin is None or not await self._tokens.passes(exchange, token, self._admin):
            raise Unauthorized("that is not the ADMIN_TOKEN of this gateway")
        return await self._begin(exchange)

    async def offer_link(self) -> str:
        """The name of a link that signs in once; the one before it is good no longer. Empty where nobody can."""
        return await self.operators.offer() if self.enabled else ""

    async def is_offered(self, link: str) -> bool:
        """Whether the link of that name would sign in now. Looking uses nothing up."""
        return 0 < len(link) <= _LONGEST_NAME and await self.operators.is_offered(link)

    async def follow_link(self, exchange: Exchange, link: str) -> bytes:
        """Begin a session by the link of that name, which is used up; returns the value of `Set-Cookie`.

        Raises `Unauthorized` for a link that is not offered, or not any more.
        """
        if not 0 < len(link) <= _LONGEST_NAME or not await self.operators.take(link):
            raise Unauthorized("that link is used up, too old, or none of this gateway's")
        return await self._begin(exchange)

    async def sign_out(self, exchange: Exchange) -> bytes:
        """End the session that the request belongs to, if any; returns the value of `Set-Cookie`."""
        if name := _presented(exchange):
            await self.operators.end(name)
        return _cookie(exchange, "", seconds=0)

    async def find(self, exchange: Exchange) -> OperatorSession | None:
        """The session that the request belongs to, if it is still open."""
        name = _presented(exchange)
        if not name or not await self.operators.is_open(name):
            return None
        return OperatorSession(name, _csrf(name))

    async def is_open(self, session: OperatorSession) -> bool:
        """Whether nobody has signed out of the session, and its time is not over."""
        return await self.operators.is_open(session.name)

    async def admit(self, exchange: Exchange, fields: Mapping[str, object]) -> OperatorSession:
        """The session that an action belongs to, which carries its token in a header or in the field `csrf`.

        Raises `Unauthorized`.
        """
        session = await self.find(exchange)
        if session is None:
            raise Unauthorized("nobody is signed in, or not any more; sign in again")
        shown = exchange.head.text(CSRF_HEADER) or fields.get(CSRF_FIELD)
        if not isinstance(shown, str) or not compare_digest(shown.encode(), session.csrf.encode()):
            raise Unauthorized("this action did not come from the page, or from one of an earlier session; reload it")
        return session

    @contextmanager
    def seat(self) -> Iterator[None]:
        """Watch the live figures for the length of the block. Raises `Overloaded` where MOST_WATCHERS do already."""
        if self._watchers >= MOST_WATCHERS:
            raise Overloaded("too many pages are open; close one and reload", retry_after=60)
        self._watchers += 1
        try:
            yield
        finally:
            self._watchers -= 1

    async def _begin(self, exchange: Exchange) -> bytes:
        return _cookie(exchange, await self.operators.begin(), seconds=LIFETIME)


def _presented(exchange: Exchange) -> str:
    """The name in the request's cookie, or empty."""
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(exchange.head.text(b"cookie"))
    except CookieError:
        return ""
    found = cookies.get(COOKIE)
    return found.value if found is not None and len(found.value) <= _LONGEST_NAME else ""


def _cookie(exchange: Exchange, name: str, *, seconds: float) -> bytes:
    secure = "; Secure" if is_encrypted(exchange) else ""
    return f"{COOKIE}={name}; Path=/; Max-Age={seconds:.0f}; HttpOnly; SameSite=Strict{secure}".encode()


def is_encrypted(exchange: Exchange) -> bool:
    """Whether the browser came by https, as far as we or the proxy in front know; a lie costs the liar's own cookie."""
    told = exchange.head.headers.get(b"x-forwarded-proto", b"").split(b",")[0].strip().lower()
    return exchange.scope.get("scheme") == "https" or told == b"https" or _forwarded_by_https(exchange)


def _forwarded_by_https(exchange: Exchange) -> bool:
    first = exchange.head.headers.get(b"forwarded", b"").split(b",")[0].lower()
    return any(part.strip() in {b"proto=https", b'proto="https"'} for part in first.split(b";"))


def _csrf(name: str) -> str:
    return blake2b(name.encode("utf-8", "replace"), digest_size=32, person=b"lingma-csrf").hexdigest()
