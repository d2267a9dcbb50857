"""The operators of one gateway, whose sessions end with it. Nothing here waits, and no secret is kept."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from hmac import compare_digest
from secrets import token_urlsafe

import trio

from lingma_trio.policy.attempts import Attempts
from lingma_trio.state.operators import LIFETIME, LINK_LIFETIME

MOST = 16  # sessions at once; one more signs the oldest out


class MemoryOperators:
    """`Operators` of this process alone. No call is a checkpoint."""

    def __init__(self) -> None:
        self._expiry: OrderedDict[bytes, float] = OrderedDict()
        self._link: tuple[bytes, float] | None = None
        self._attempts = Attempts()

    def __repr__(self) -> str:
        return f"<MemoryOperators sessions={len(self._expiry)} {self._attempts!r}>"

    async def begin(self) -> str:
        """Begin a session; one beyond MOST signs the oldest out."""
        now = trio.current_time()
        name = token_urlsafe(32)
        self._expiry[digest(name)] = now + LIFETIME
        while len(self._expiry) > MOST or next(iter(self._expiry.values())) <= now:
            self._expiry.popitem(last=False)  # all live equally long, so the oldest comes first
        return name

    async def is_open(self, name: str) -> bool:
        """Whether there is a session of that name."""
        return trio.current_time() < self._expiry.get(digest(name), 0.0)

    async def end(self, name: str) -> None:
        """Sign out of the session, if there is one of that name."""
        self._expiry.pop(digest(name), None)

    async def offer(self) -> str:
        """The name of a link that signs in once."""
        name = token_urlsafe(32)
        self._link = digest(name), trio.current_time() + LINK_LIFETIME
        return name

    async def is_offered(self, link: str) -> bool:
        """Whether the link of that name would sign in now."""
        if self._link is None:
            return False
        offered, expires_at = self._link
        return compare_digest(offered, digest(link)) and trio.current_time() < expires_at

    async def take(self, link: str) -> bool:
        """Use up the link of that name; whether it was good."""
        good = await self.is_offered(link)
        if good:
            self._link = None
        return good

    async def failed(self, peer: str) -> float:
        """A token of this peer was wrong; returns the seconds after which it may try again."""
        return self._attempts.failed(peer, now=trio.current_time())

    async def succeeded(self, peer: str) -> None:
        """A token of this peer was right."""
        self._attempts.succeeded(peer)

    def knows(self, peer: str) -> bool:
        """Whether a token of this peer was wrong lately."""
        return self._attempts.knows(peer)


def digest(name: str) -> bytes:
    """What is kept of a secret name."""
    return blake2b(name.encode("utf-8", "replace"), digest_size=32, person=b"lingma-operator").digest()
