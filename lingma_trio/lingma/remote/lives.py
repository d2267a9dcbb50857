"""The lives of an instance elsewhere: how far it is there, and how far the way to it is here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog
import trio

from lingma_trio.lingma.lives import LifeMaker, Lives, State
from lingma_trio.lingma.remote.watch import RemoteWatch
from lingma_trio.policy.backoff import Backoff

CONNECTING = "the gateway connects to it"
AWAY = "its agent cannot be reached: {}"
STOPPING = "its agent is stopping: it takes no new turns"
SHORTEST, LONGEST = 0.1, 2.0  # seconds between two attempts to reach a life that its agent says can be asked

STATES: Final[dict[str, State]] = {
    "starting": "starting",
    "ready": "ready",
    "needs_login": "needs_login",
    "backing_off": "backing_off",
}
"""What an agent may say of an instance; one that stops there is another matter than a gateway that does."""

log = structlog.get_logger("lingma_trio.instance")


class RemoteLives(Lives):
    """As `Lives`: what they are is what `watch` was told, and what is led here is the way to the present one.

    `look` has to be called when something may have changed.
    """

    def __init__(
        self,
        name: str,
        make: LifeMaker,
        watch: RemoteWatch,
        *,
        on_begin: Callable[[], None],
        on_change: Callable[[], None],
    ) -> None:
        self._watch = watch
        self._fault = ""  # that the way to it came to last
        self._ours = CONNECTING  # the reason, where it is not the agent's
        backoff = Backoff(first=SHORTEST, cap=LONGEST, stable_after=LONGEST)
        super().__init__(name, make, backoff, on_begin=on_begin, on_change=on_change)
        self.reason = CONNECTING

    @property
    def wait(self) -> str:
        """What is waited for, for clients."""
        return self._ours or self._watch.report.wait

    @property
    def ready_in(self) -> float:
        """Seconds until it can be asked, as far as can be told; its agent knows that of its start."""
        return max(super().ready_in, 0.0 if self._ours else self._watch.report.ready_in)

    @property
    def begins_in(self) -> float:
        """Seconds until the next life, or the next attempt to reach it, begins."""
        return max(super().begins_in, 0.0 if self._ours else self._watch.report.begins_in)

    def begin(self) -> None:
        """Have another way to it, which is not gone yet."""
        self.present = self._new()
        self._retry_at = trio.current_time()

    def look(self) -> None:
        """Be in the state that it has there, or that the way to it has."""
        report = self._watch.report
        self.generation, self.restarts, self.replaced = report.generation, report.restarts, report.replaced
        self.last_end, self.detail = report.last_end, report.detail
        state, self._ours = self._find_state()
        self.enter(state, self._ours or report.reason)

    def opened(self) -> None:
        """Take note that the present life can be asked."""
        self._fault = ""
        self.look()

    def _find_state(self) -> tuple[State, str]:
        """The state, and its reason where that is not the agent's own."""
        report, watch, channel = self._watch.report, self._watch, self.present.channel
        if watch.away:
            return "backing_off", AWAY.format(watch.away)
        if watch.stopping or report.state == "stopped":
            return "backing_off", STOPPING
        state = STATES.get(report.state, "backing_off")
        if state != "ready" or (channel is not None and not channel.lost and report.life == self.present.id):
            return state, ""
        return ("backing_off", self._fault) if self._fault else ("starting", CONNECTING)

    async def _live_once(self) -> None:
        self.begin()
        self._on_begin()
        await self.present.live()

    def _ended(self, cause: Exception, pause: float) -> None:
        self._fault = str(cause)
        self._retry_at = trio.current_time() + pause
        log.info("instance_channel_ended", instance=self._name, cause=self._fault, next_attempt_in=round(pause, 2))
        self.look()
