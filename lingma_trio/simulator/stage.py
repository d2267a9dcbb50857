"""Plays the scripts of all running answers at their times, in one task.

One task with a timetable instead of a task per answer: measured with 400 answers at 20 ms a delta, waking a task for
each delta costs more than the delta itself. Deadlines are absolute, so that an answer does not drift however late a
step is.
Knows clients and scripts; must not know what is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Final, Protocol

import trio

from lingma_trio.simulator.script import Await, Delta, Push, Request, Script, Step, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lingma_trio.simulator.outbox import Outbox

BATCH: Final = 64
"""Steps of one answer played in a row, so that a burst leaves the others their turn."""

TICK: Final = 0.001
"""Least time in seconds between two looks at the timetable, so that hundreds of paced answers share one waking."""


class Encoder(Protocol):
    """Turns the steps of one answer into what its client reads."""

    def frame(self, step: Delta | Push) -> bytes:
        """Return one step, ready to be posted."""

    def send(self, step: Delta | Push | Request, replied: Callable[[object], None]) -> Callable[[], None]:
        """Send one step as a request and call `replied` once, with its result or None for an error.

        Return a function that gives up waiting.
        """


class Listener(Protocol):
    """The client of an answer, as far as the stage needs it. Nothing here waits."""

    pushes_with_ids: bool

    @property
    def outbox(self) -> Outbox:
        """What waits to be written to it."""

    def post(self, frames: Iterable[bytes]) -> None:
        """Send frames that belong together."""

    def post_malformed(self) -> None:
        """Send something that cannot be read."""

    def drop(self) -> None:
        """Break the connection off."""

    def deafen(self) -> None:
        """Never read from it again."""


@dataclass(slots=True, eq=False)
class Performance:
    """One answer while it is played. `ended` is called once, after the last step.

    `steps` without a `script` is a mere refusal, which nothing can stop.
    """

    client: Listener
    encoder: Encoder
    script: Script | None
    steps: Iterator[Step]
    ended: Callable[[], None]
    began: float = 0.0
    due: float | None = None
    upcoming: Step | None = None
    is_over: bool = False
    waits_until: float = 0.0
    give_up_waiting: Callable[[], None] | None = None


class Stage:
    """The running answers and their timetable. `crash` ends the process, or whatever stands for it in a test.

    `ack_wait` is how many seconds a push with an id waits for its reply before the answer goes on; 0 does not wait.
    """

    def __init__(self, *, crash: Callable[[], None], ack_wait: float = 0.0) -> None:
        self.pushes = 0
        self._crash = crash
        self._ack_wait = ack_wait
        self._timetable: list[tuple[float, int, Performance]] = []
        self._serial = count()
        self._woken = trio.Event()

    def begin(self, performance: Performance) -> None:
        """Start an answer; its script's time begins here."""
        performance.began = trio.current_time()
        self._advance(performance)

    def stop(self, performance: Performance) -> None:
        """Play what an answer's script says after a stop instead of its rest. An answer that is over stays so."""
        if performance.is_over:
            return
        self._stop_waiting(performance)
        performance.waits_until = 0.0
        if performance.script is not None:
            performance.steps = performance.script.after_stop(trio.current_time() - performance.began)
        self._advance(performance)

    def nudge(self, performance: Performance) -> None:
        """Look again whether what an answer waits for has come."""
        if performance.waits_until and not performance.is_over:
            self._schedule(performance, trio.current_time())

    def abandon(self, performance: Performance) -> None:
        """End an answer that would not end by itself, since nobody is left who could stop it."""
        if performance.script is not None and performance.script.endless:
            self._end(performance)

    async def run(self) -> None:
        """Play for ever. Cancelling leaves every answer where it is."""
        while True:
            now = trio.current_time()
            due = list(self._take_due(now))
            for performance in due:
                self._play(performance, now)
            if due:
                await trio.lowlevel.checkpoint()
                continue
            self._woken = trio.Event()
            with trio.move_on_at(max(self._timetable[0][0], now + TICK) if self._timetable else float("inf")):
                await self._woken.wait()

    def _take_due(self, now: float) -> Iterator[Performance]:
        while self._timetable and self._timetable[0][0] <= now:
            due, _, performance = heappop(self._timetable)
            if performance.due == due:  # else it has been scheduled anew since
                performance.due = None
                yield performance

    def _schedule(self, performance: Performance, due: float) -> None:
        performance.due = due
        heappush(self._timetable, (due, next(self._serial), performance))
        if self._timetable[0][2] is performance:
            self._woken.set()

    def _advance(self, performance: Performance) -> None:
        """Look at the next step and schedule it, or end the answer when there is none."""
        performance.upcoming = next(performance.steps, None)
        if performance.upcoming is None:
            self._end(performance)
        else:
            self._schedule(performance, performance.began + performance.upcoming.at)

    def _end(self, performance: Performance) -> None:
        performance.due = None
        if not performance.is_over:
            performance.is_over = True
            performance.ended()

    def _play(self, performance: Performance, now: float) -> None:
        if self._ack_wait and performance.client.pushes_with_ids:
            self._play_one(performance)
        else:
            self._play_batch(performance, now)

    def _play_batch(self, performance: Performance, now: float) -> None:
        """Play the steps that are due, as many as BATCH, with one post."""
        client = performance.client
        frames: list[bytes] = []
        for _ in range(BATCH):
            step = performance.upcoming
            if step is None or performance.began + step.at > now:
                break
            if isinstance(step, Trouble | Await | Request):
                client.post(frames)
                self._do(performance, step, now)
                return
            frames.append(performance.encoder.frame(step))
            performance.upcoming = next(performance.steps, None)
        self.pushes += len(frames)
        client.post(frames)
        self._continue(performance)

    def _continue(self, performance: Performance) -> None:
        step = performance.upcoming
        if step is None:
            self._end(performance)
        elif performance.client.outbox.congested:
            performance.client.outbox.when_drained(lambda: self._resume(performance))
        else:
            self._schedule(performance, performance.began + step.at)

    def _resume(self, performance: Performance) -> None:
        if not performance.is_over and performance.due is None:
            self._schedule(performance, trio.current_time())

    def _play_one(self, performance: Performance) -> None:
        """Play one step and wait for its reply."""
        if performance.give_up_waiting is not None:  # the wait was in vain
            self._stop_waiting(performance)
            self._advance(performance)
            return
        step = performance.upcoming
        if isinstance(step, Trouble | Await | Request):
            self._do(performance, step, trio.current_time())
            return
        if step is None:
            self._end(performance)
            return
        self.pushes += 1

        def acknowledged(_result: object) -> None:
            performance.give_up_waiting = None
            if not performance.is_over:
                self._advance(performance)

        performance.give_up_waiting = performance.encoder.send(step, acknowledged)
        self._schedule(performance, trio.current_time() + self._ack_wait)

    def _stop_waiting(self, performance: Performance) -> None:
        if performance.give_up_waiting is not None:
            performance.give_up_waiting()
            performance.give_up_waiting = None

    def _do(self, performance: Performance, step: Trouble | Await | Request, now: float) -> None:
        """Play a step that is no mere push."""
        match step:
            case Trouble():
                self._strike(performance, step)
            case Request():
                self._request(performance, step)
                self._advance(performance)
            case Await():
                performance.waits_until = performance.waits_until or now + step.patience
                if step.is_over() or now >= performance.waits_until:
                    performance.waits_until = 0.0
                    self._advance(performance)
                else:
                    self._schedule(performance, performance.waits_until)

    def _request(self, performance: Performance, step: Request) -> None:
        def replied(result: object) -> None:
            step.replied(result)
            self.nudge(performance)

        self.pushes += 1
        performance.encoder.send(step, replied)

    def _strike(self, performance: Performance, trouble: Trouble) -> None:
        client = performance.client
        match trouble.kind:
            case "crash":
                client.outbox.end_with(self._crash)
            case "drop":
                client.outbox.end_with(client.drop)
            case "malformed":
                client.post_malformed()
            case "hang":
                return
            case "deaf":
                client.deafen()
        self._advance(performance)
