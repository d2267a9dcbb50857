"""Works jobs off from one seat, and beside it from spare ones, while jobs are left.

Knows jobs and seats as things to call and to enter; must not know what an answer is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

import trio

from lingma_trio.errors import GatewayError

Seat = TypeVar("Seat")
Job = Callable[[Seat], Awaitable[None]]


class Crew(Generic[Seat]):
    """The tasks that do `jobs`, in their order; `spare` waits for one more seat, for as long as it takes.

    One job that fails ends all. Cancelling `run` cancels what is being done and does nothing more.
    """

    def __init__(self, jobs: Sequence[Job[Seat]], spare: Callable[[], AbstractAsyncContextManager[Seat]]) -> None:
        self._left = deque(jobs)
        self._spare = spare
        self._waiting: set[trio.CancelScope] = set()  # for a seat
        self._fault: GatewayError | None = None

    def __repr__(self) -> str:
        return f"<Crew left={len(self._left)} waiting={len(self._waiting)}>"

    async def run(self, seat: Seat) -> None:
        """Do all jobs. Raises the `GatewayError` of the first that failed, once the others are cancelled."""
        async with trio.open_nursery() as nursery:
            for _ in range(len(self._left) - 1):
                nursery.start_soon(self._work_beside, nursery.cancel_scope, name="further turn")
            await self._work(seat, nursery.cancel_scope)
        if self._fault is not None:
            raise self._fault

    async def _work(self, seat: Seat, all_work: trio.CancelScope) -> None:
        try:
            while self._left:
                job = self._left.popleft()
                if not self._left:
                    self._send_home()
                await job(seat)
        except GatewayError as fault:
            self._fault = self._fault or fault
            all_work.cancel("an answer of the same request failed")

    async def _work_beside(self, all_work: trio.CancelScope) -> None:
        with trio.CancelScope() as waiting:
            self._waiting.add(waiting)
            async with self._spare() as seat:
                self._waiting.discard(waiting)
                await self._work(seat, all_work)

    def _send_home(self) -> None:
        """Nothing is left for whoever waits for a seat."""
        for waiting in self._waiting:
            waiting.cancel("no answer is left to be made")
