"""The port of sessions: which upstream session holds which conversation, and who may continue it, once.

Behind it stands a book in this process's memory, or a store that several gateways share. What proves a conversation is
the same for both, see `sessions.proof`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from lingma_trio.sessions.book import Held, Session
from lingma_trio.sessions.commit import Commit
from lingma_trio.sessions.counters import Counters, Gone, Reason
from lingma_trio.state.trips import Trips


class Lease(Protocol):
    """The right to continue one session, which `spend` consumes and `give_back` returns. Both are idempotent, and
    neither waits.
    """

    @property
    def session(self) -> Session:
        """The session that may be continued."""

    @property
    def untold(self) -> str:
        """What the session has to be told before it goes on, or empty."""

    def spend(self) -> None:
        """The question goes out: from here on the session is in another state than the one that was proved."""

    def unspend(self, *, now: float) -> None:
        """The question was refused before it reached the session: it may be asked again there, or given back."""

    def give_back(self) -> None:
        """Nobody holds the lease any longer."""


class Sessions(Protocol):
    """Sessions that can be continued. `now` is the caller's clock, in seconds; a store goes by its own.

    `counters` are those of this gateway.
    """

    counters: Counters

    def __len__(self) -> int:
        """Sessions held, as far as is known here."""

    def tell(self, on_drop: Callable[[Session], None]) -> None:
        """Have `on_drop` told of each session that nobody can go on with any longer, once nobody holds a lease on it
        either, where it is here that this came to be known.

        A session that was asked is not among them: whoever asked it commits it again or lets go of it.
        """

    async def claim(
        self, asked: Held, *, now: float, gone: Callable[[Session], Gone | None], trips: Trips | None = None
    ) -> Lease | Reason:
        """A lease on the session that holds this very conversation, or why there is none, which is counted.

        `gone` says why a session cannot be continued whose instance, life or account is not there. Whoever has the
        lease has to spend it or give it back. A store is asked on the request's `trips`, with what rides there, or on
        one for this alone. Cancelling while it is asked is a miss for whoever asks again at once; what was leased is
        given back.
        """

    async def commit(
        self, held: Held, session: Session, how: Commit, *, now: float, untold: str = "", trips: Trips | None = None
    ) -> Commit:
        """Remember that `session` holds this conversation; what was remembered of an earlier state of it is dropped.

        `untold` is what it has to be told before it goes on. Returns what became of the session, which is counted:
        `how`, or why it cannot be remembered. A store is told with the next of the request's `trips`, and what becomes
        of that is counted then; without those it is told at once, which cancelling does not cut short.
        """

    def mark_altered(self, question: bytes, *, now: float) -> None:
        """Remember that an answer to the conversation of this `question` key is not what its session holds.

        Whoever goes on from it is held to the letter from now on, since what the client kept of the altered answer may
        agree with another in the normal form. Never waits.
        """

    async def clear(self) -> int:
        """Drop everything but the counters; returns how many sessions there were."""
