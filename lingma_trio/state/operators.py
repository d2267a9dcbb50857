"""Who is signed in to the status page, which links sign in, and who showed wrong tokens: of one gateway or of all.

Knows names, peers and times. Does not know cookies, pages, or what a token opens.
"""

from __future__ import annotations

from typing import Protocol

LIFETIME = 8 * 3600.0  # seconds; a working day, however much is done in it
LINK_LIFETIME = 600.0  # seconds in which a link that signs in once can be followed


class Operators(Protocol):
    """Sessions by their secret names, links by theirs, and wrong tokens by peer."""

    async def begin(self) -> str:
        """Begin a session; returns its name, which nobody can guess."""
        ...

    async def is_open(self, name: str) -> bool:
        """Whether there is a session of that name, whose time is not over and of which nobody has signed out."""
        ...

    async def end(self, name: str) -> None:
        """Sign out of the session, if there is one of that name."""
        ...

    async def offer(self) -> str:
        """The name of a link that signs in once, within LINK_LIFETIME, or empty where there can be none now.

        The one before it from here is good no longer.
        """
        ...

    async def is_offered(self, link: str) -> bool:
        """Whether the link of that name would sign in now. Looking uses nothing up."""
        ...

    async def take(self, link: str) -> bool:
        """Use up the link of that name; whether it was good."""
        ...

    async def failed(self, peer: str) -> float:
        """A token of this peer was wrong; returns the seconds after which it may try again, 0 where that is at once."""
        ...

    async def succeeded(self, peer: str) -> None:
        """A token of this peer was right: its wrong ones were typing errors."""
        ...
