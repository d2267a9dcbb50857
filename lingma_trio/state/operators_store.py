"""The operators of all gateways that share a store and an ADMIN_TOKEN.

A session's name says when it ends and proves by a code that it was given here: every gateway knows it without asking.
A link's proves that too, so that nobody can have the store asked by guessing names. The store has what cannot be in a
name: who has signed out, which links are good, and wrong tokens. While it is down each gateway goes by what it saw
itself of these, and no link is good. What it forgets of sign-outs it is told again by the gateways that saw them.
"""

from __future__ import annotations

import time
from hashlib import blake2b
from hmac import compare_digest
from secrets import token_urlsafe
from typing import Any, Final

import trio

from lingma_trio.errors import StateDown
from lingma_trio.policy.attempts import LIMIT, LIMIT_OF_ALL, WINDOW
from lingma_trio.state.link import Call, Link
from lingma_trio.state.operators import LIFETIME, LINK_LIFETIME
from lingma_trio.state.operators_memory import MemoryOperators, digest

LEEWAY: Final = 60.0
"""Seconds by which the clocks of two gateways may differ: so much longer a sign-out is known."""

MOST_OUT: Final = 1000
"""Sign-outs that this gateway remembers by itself."""

TELL: Final = 5.0
"""Seconds from one time that the store is told of all these to the next."""

_PREFIX: Final = "lt:{operators}"
_SESSION: Final = b"session"
_LINK: Final = b"link"


class StoreOperators:
    """`Operators` over `link`. No session ends with the gateway; all do with another ADMIN_TOKEN."""

    def __init__(self, link: Link, admin_token: str) -> None:
        self._link = link
        self._key = blake2b(admin_token.encode(), digest_size=32, person=b"lingma-sessions").digest()
        self._own = MemoryOperators()
        self._out: dict[bytes, float] = {}  # those who signed out here, until when
        self._untold: set[bytes] = set()  # of whom the store does not know yet
        self._offered = ""  # the name of the last link

    def __repr__(self) -> str:
        return f"<StoreOperators out={len(self._out)} untold={len(self._untold)}>"

    async def keep(self) -> None:
        """Tell the store, for as long as this runs, who has signed out here: it may have been away, or have forgotten
        it by a failover or a start without its files. Raises nothing but bugs.
        """
        while True:
            await trio.sleep(TELL)
            self._forget_the_over()
            self._untold = set(self._out)
            await self._ask(otherwise=None)

    async def begin(self) -> str:
        """Begin a session, which needs no store."""
        return self._signed(f"{token_urlsafe(24)}.{time.time() + LIFETIME:.0f}", _SESSION)

    async def is_open(self, name: str) -> bool:
        """Whether the name proves a session whose time is not over, and nobody has signed out of it.

        While the store is down only who signed out here is known to have done so.
        """
        ends_at = self._ends_at(name)
        if time.time() >= ends_at or digest(name) in self._out:
            return False
        return not await self._ask(_call(_out(digest(name)), "marked"), otherwise=0)

    async def end(self, name: str) -> None:
        """Sign out of the session, here at once, elsewhere as soon as the store is told."""
        ends_at = self._ends_at(name) + LEEWAY
        if time.time() >= ends_at:
            return
        self._forget_the_over()
        if len(self._out) >= MOST_OUT:
            del self._out[next(iter(self._out))]
        self._out[digest(name)] = ends_at
        self._untold = (self._untold | {digest(name)}) & self._out.keys()
        await self._ask(otherwise=None)

    async def offer(self) -> str:
        """The name of a link that signs in once, at whichever gateway; empty while the store is down. It is good with
        the primary that was told of it: another may not have heard that it is used up.
        """
        before, self._offered = self._offered, self._signed(token_urlsafe(24), _LINK)
        calls = [_call(_link(self._offered), "offer", int(LINK_LIFETIME * 1000))]
        if before:
            calls.append(_call(_link(before), "unmark"))
        return self._offered if await self._ask(*calls, otherwise=0) else ""

    async def is_offered(self, link: str) -> bool:
        """Whether the link of that name would sign in now, which none does while the store is down."""
        return self._said(link, _LINK) != "" and bool(await self._ask(_call(_link(link), "offered"), otherwise=0))

    async def take(self, link: str) -> bool:
        """Use up the link of that name; whether it was good. Of all who follow it at once one is told so."""
        return self._said(link, _LINK) != "" and bool(await self._ask(_call(_link(link), "take"), otherwise=0))

    async def failed(self, peer: str) -> float:
        """A token of this peer was wrong; returns the seconds after which it may try again, by what all have seen."""
        if own := await self._own.failed(peer):
            return (
                own  # whoever goes on here costs the store nothing, and it has seen enough to have them wait elsewhere
            )
        call = Call(
            "operators", (_wrong(peer), f"{_PREFIX}:wrong"), ("failed", LIMIT, LIMIT_OF_ALL, int(WINDOW * 1000))
        )
        return float(await self._ask(call, otherwise=0)) / 1000

    async def succeeded(self, peer: str) -> None:
        """A token of this peer was right. The store is asked only where a wrong one was shown here."""
        if self._own.knows(peer):
            await self._own.succeeded(peer)
            await self._ask(_call(_wrong(peer), "unmark"), otherwise=None)

    def _forget_the_over(self) -> None:
        now = time.time()
        self._out = {out: until for out, until in self._out.items() if until > now}
        self._untold &= self._out.keys()

    async def _ask(self, *calls: Call, otherwise: object) -> Any:  # noqa: ANN401 - whatever a script returns
        """The first call's reply, and `otherwise` while the store is down; it is told of sign-outs by the way."""
        told = list(self._untold)
        now = time.time()
        news = [_call(_out(out), "mark", max(1, int((self._out[out] - now) * 1000))) for out in told]
        if not (calls or news):
            return otherwise
        try:
            replies = await self._link.trip(*calls, *news)
        except StateDown:
            return otherwise
        self._untold.difference_update(told)
        return replies[0]

    def _ends_at(self, name: str) -> float:
        """When the session of that name ends, in seconds since 1970; 0 for a name that was not given here."""
        return float(self._said(name, _SESSION).rpartition(".")[2] or 0)

    def _said(self, name: str, kind: bytes) -> str:
        """What a name of that kind says; empty for one that was not given here."""
        said, _, code = name.rpartition(".")
        return said if compare_digest(code.encode("utf-8", "replace"), self._code(said, kind).encode()) else ""

    def _signed(self, said: str, kind: bytes) -> str:
        return f"{said}.{self._code(said, kind)}"

    def _code(self, said: str, kind: bytes) -> str:
        return blake2b(said.encode("utf-8", "replace"), digest_size=20, key=self._key, person=kind).hexdigest()


def _out(name: bytes) -> str:
    return f"{_PREFIX}:out:{name.hex()}"


def _link(name: str) -> str:
    return f"{_PREFIX}:link:{digest(name).hex()}"


def _wrong(peer: str) -> str:
    return f"{_PREFIX}:wrong:{peer}"


def _call(key: str, act: str, *args: int) -> Call:
    return Call("operators", (key,), (act, *args))
