"""Sessions in this process's own memory: the book behind the port."""

from __future__ import annotations

from collections.abc import Callable

from lingma_trio.sessions.book import Held, Lease, Session, SessionBook
from lingma_trio.sessions.commit import Commit
from lingma_trio.sessions.counters import Counters, Gone, Reason
from lingma_trio.state.trips import Trips


class MemorySessions:
    """As `Sessions` has it. Nothing here waits or reaches a checkpoint, so between deciding and doing no other task
    runs.
    """

    def __init__(self, book: SessionBook) -> None:
        self._book = book
        self.counters: Counters = book

    def __repr__(self) -> str:
        return f"<MemorySessions {self._book!r}>"

    def __len__(self) -> int:
        """Sessions held, those included whose age no claim or commit has noticed yet."""
        return len(self._book)

    def tell(self, on_drop: Callable[[Session], None]) -> None:
        """As the book does, at once."""
        self._book.on_drop = on_drop

    async def claim(
        self, asked: Held, *, now: float, gone: Callable[[Session], Gone | None], trips: Trips | None = None
    ) -> Lease | Reason:
        """As the book does. Sessions of what is gone are dropped: nobody else could continue them."""
        del trips
        return self._book.claim(asked, now=now, gone=gone)

    async def commit(
        self, held: Held, session: Session, how: Commit, *, now: float, untold: str = "", trips: Trips | None = None
    ) -> Commit:
        """As the book does, which never fails."""
        del trips
        self._book.commit(held, session, now=now, untold=untold)
        self._book.count(how)
        return how

    def mark_altered(self, question: bytes, *, now: float) -> None:
        """As the book does."""
        self._book.mark_altered(question, now=now)

    async def clear(self) -> int:
        """As the book does."""
        cleared = len(self._book)
        self._book.clear()
        return cleared
