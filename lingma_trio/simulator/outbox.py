"""What waits to be written to one client: a single writer, and posting that never waits.

Knows a Trio stream and bytes; must not know what they say. One client that reads slowly cannot hold up another; whoever
posts much asks `congested` first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

HIGH_WATER: Final = 256 * 1024
"""Bytes posted and not yet written from which on an outbox is congested: some thousand deltas."""


class Outbox:
    """One client's. Its owner runs `write_forever`, and closes the stream."""

    def __init__(self, stream: trio.abc.SendStream) -> None:
        self.unwritten = 0
        """Bytes that wait."""
        self._stream = stream
        self._waiting: list[bytes] = []
        self._posted = trio.Event()
        self._emptied = trio.Event()
        self._drained: list[Callable[[], None]] = []
        self._last_act: Callable[[], None] | None = None
        self._lost = False

    @property
    def congested(self) -> bool:
        """Whether so much waits to be written that more had better wait for `when_drained`."""
        return self.unwritten > HIGH_WATER

    @property
    def lost(self) -> bool:
        """Whether nothing that is put here can reach the client any more."""
        return self._lost

    @property
    def closed(self) -> bool:
        """Whether what is put here now is dropped."""
        return self._lost or self._last_act is not None

    async def write_forever(self) -> None:
        """Write what is put here, in order; return when the client is gone or the last act is done.

        Everything that waits goes out in one write. Cancelling may cut a message in two, so it is only for the end.
        """
        while not self._lost:
            if not self._waiting:
                if self._last_act is not None:
                    self._last_act()
                    return
                self._posted = trio.Event()
                self._emptied.set()
                await self._posted.wait()
                continue
            data = b"".join(self._waiting)
            self._waiting.clear()
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self.lose()
                return
            self.unwritten -= len(data)
            if not self.congested:
                self._release()

    def put(self, data: bytes) -> None:
        """Queue bytes for writing, also behind what `end_with` waits for."""
        self._waiting.append(data)
        self.unwritten += len(data)
        self._posted.set()

    def when_drained(self, resume: Callable[[], None]) -> None:
        """Call `resume` once when the outbox is no longer congested, or lost."""
        self._drained.append(resume)

    def end_with(self, act: Callable[[], None]) -> None:
        """Call `act` when everything put here so far is written, at once for a client that is gone."""
        if self._lost:
            act()
            return
        self._last_act = act
        self._posted.set()

    def lose(self) -> None:
        """Take note that the client is gone: drop what waits, and let nobody wait for it to drain."""
        self._lost = True
        self._waiting.clear()
        self.unwritten = 0
        self._posted.set()
        self._emptied.set()
        self._release()

    async def flushed(self) -> None:
        """Wait until everything is written, or the client gone; the caller sets the deadline."""
        while self.unwritten and not self._lost:
            self._emptied = trio.Event()
            await self._emptied.wait()

    def _release(self) -> None:
        waiting, self._drained = self._drained, []
        for resume in waiting:
            resume()
