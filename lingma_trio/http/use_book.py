"""Counts what was asked, in memory, and hands it every FLUSH seconds to whoever keeps it: at most that much is lost
with the process.

Nothing here ever keeps a request waiting, and a place that cannot be written costs no request: what is counted stays in
memory for the next attempt.
"""

from __future__ import annotations

import structlog
import trio

from lingma_trio.policy.recent import RequestLine
from lingma_trio.policy.use import HOUR, Cell, Tally, Use, together
from lingma_trio.state.use import UseKeeper, UseNotKept

FLUSH = 50.0  # seconds; with the write itself less than the minute that may be lost
LAST_WRITE = 3.0  # seconds that the last write may take while the gateway stops
MOST_WAITING = 10_000
"""Counts that wait in memory for a place that cannot be written; what is new beyond that is not kept."""

log = structlog.get_logger("lingma_trio.use")


class UseBook:
    """The use of one gateway, which `keeper` keeps; without one it is kept in memory alone.

    `fault` says why it cannot be kept, or is empty.
    """

    def __init__(self, keeper: UseKeeper | None = None) -> None:
        self.fault = ""
        self._keeper = keeper
        self._waiting: dict[Cell, Tally] = {}
        self._sent: Use = {}  # and perhaps written: only the same again may be written by that number
        self._number = 1
        self._line = trio.Lock()

    def __repr__(self) -> str:
        return f"<UseBook {self._keeper!r} waiting={self.waiting} fault={self.fault!r}>"

    @property
    def waiting(self) -> int:
        """How many counts have not been handed on yet."""
        return len(self._waiting)

    @property
    def shared(self) -> bool:
        """Whether the month is that of all gateways together."""
        return self._keeper is not None and self._keeper.shared

    def count(self, line: RequestLine) -> None:
        """Count a request that has ended."""
        cell = Cell(int(line.at // HOUR), line.key, line.model, line.outcome)
        tally = Tally(1, line.prompt_tokens, line.answer_tokens)
        before = self._waiting.get(cell)
        if before is not None:
            self._waiting[cell] = before + tally
        elif len(self._waiting) + len(self._sent) < MOST_WAITING:
            self._waiting[cell] = tally

    async def run(self) -> None:
        """Write what was counted, for ever, and once more when cancelled, within LAST_WRITE seconds."""
        if self._keeper is None:
            return
        try:
            while True:
                await trio.sleep(FLUSH)
                await self.write()
        finally:
            with trio.move_on_after(LAST_WRITE, shield=True):
                await self.write()

    async def write(self) -> None:
        """Write what waits; where that fails it waits on. What was sent before goes first, under its own number, since
        it may be written already.

        Cancelling leaves what was sent to be sent again.
        """
        async with self._line:
            while self._keeper is not None and (self._sent or self._waiting):
                if not self._sent:
                    self._sent, self._waiting = self._waiting, {}
                try:
                    await self._keeper.add(self._number, self._sent)
                except UseNotKept as fault:
                    self._tell(fault)
                    return
                self._sent = {}
                self._number += 1
                self.fault = ""

    async def month(self) -> dict[Cell, Tally]:
        """The use of the last month. Where it cannot be read it is what was counted since the last write."""
        if self._keeper is None:
            return dict(self._waiting)
        if self._sent:
            await self.write()  # or it might count twice
        kept: dict[Cell, Tally] = {}
        async with self._line:  # so that nothing is written meanwhile, and counts both there and here
            try:
                kept = await self._keeper.month()
            except UseNotKept as fault:
                self.fault = str(fault)
            else:
                if not (self._sent or self._waiting):
                    self.fault = ""
            return together(kept, self._sent, self._waiting)

    def _tell(self, fault: UseNotKept) -> None:
        if not self.fault:
            log.warning("use_not_kept", fault=str(fault))
        self.fault = str(fault)
