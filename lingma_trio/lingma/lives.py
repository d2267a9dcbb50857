"""The lives of one instance, one after the other: how far the present one is, how the last ended, when the next begins.

Knows processes by what a life tells of them. Must not know turns, rests or who chooses among instances.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NoReturn, TypeAlias

import structlog
import trio

from lingma_trio.errors import InstanceDown, InstanceRefused, InstanceWorn, NotSignedIn
from lingma_trio.lingma.life import Life, LifeListener
from lingma_trio.lingma.supervisor import ON_PURPOSE, Turnover, supervise
from lingma_trio.policy.backoff import Backoff

State: TypeAlias = Literal["starting", "ready", "needs_login", "backing_off", "stopped"]

LifeMaker: TypeAlias = Callable[[LifeListener], Life]
"""Makes a life that has not begun."""

START_SECONDS = 5.0  # a start takes about so long, as long as none has been seen
LOST = "the connection to {} was lost"

log = structlog.get_logger("lingma_trio.instance")


class Lives:
    """The lives of the instance `name`. `live` leads them all; the rest can be read or called from other tasks.

    `on_begin` is called as each begins, and `on_change` when the state is another, and as a life's own `on_room`.
    """

    def __init__(
        self,
        name: str,
        make: LifeMaker,
        backoff: Backoff,
        *,
        on_begin: Callable[[], None],
        on_change: Callable[[], None],
    ) -> None:
        self._name = name
        self._make = make
        self._backoff = backoff
        self._on_begin = on_begin
        self._on_change = on_change
        self._turnover = Turnover()
        self._retry_at = 0.0
        self._start_took = START_SECONDS
        self.state: State = "starting"
        self.detail = ""
        """What the program of the last life wrote last, for the operator alone."""
        self.last_end = ""
        """Why the last life ended."""
        self.refused = False
        """Whether the last life ended because it will not do what the settings want."""
        self.generation = 0
        """How many there have been, the present one included."""
        self.restarts = 0
        """How many have ended, but for those that were replaced."""
        self.replaced = 0
        """How many have ended because they had done their work, which is no fault."""
        self.rpc_errors: dict[str, int] = {}
        """Calls that failed, by their method."""
        self.present = self._new()
        self.reason = f"{self.present.what} is starting"
        """Why it is in this state, for anybody to see; empty where that needs no reason."""

    def __repr__(self) -> str:
        return f"<Lives of {self._name} {self.state} generation={self.generation} {self.present!r}>"

    @property
    def connected(self) -> bool:
        """Whether the present life can be asked."""
        channel = self.present.channel
        return self.state == "ready" and channel is not None and not channel.lost

    @property
    def lost(self) -> str:
        """What is said of a life that is not ended yet and cannot be asked any more."""
        return self.present.worn or LOST.format(self.present.what)

    @property
    def wait(self) -> str:
        """What is waited for, for clients; why the last life ended is said where it is theirs who run the gateway."""
        if self.state == "starting":
            return f"{self.present.what} is starting"
        return self.last_end if self.refused else f"{self.lost}, and it is being started again"

    @property
    def ready_in(self) -> float:
        """Seconds until a life that begins as is planned will be ready, as far as can be told."""
        return max(1.0, self._retry_at + self._start_took - trio.current_time())

    @property
    def begins_in(self) -> float:
        """Seconds until the next life begins, at least one."""
        return max(1.0, self._retry_at - trio.current_time())

    async def live(self) -> NoReturn:
        """Live, back off, live again. Never returns; cancelling ends the process and everything it started."""
        try:
            await supervise(
                self._live_once,
                self._backoff,
                on_end=self._ended,
                stood=lambda: self.present.stood,
                turnover=self._turnover,
            )
        finally:
            self.enter("stopped", "the gateway is stopping")

    def restart(self) -> None:
        """End this life, with its turns, or the pause before the next one, which then begins at once. Never waits."""
        log.info("instance_restart", instance=self._name)
        self._turnover.ask(ON_PURPOSE)

    def begin(self) -> None:
        """Have another life in the present one's place, which has not begun."""
        self.generation += 1
        self.present = self._new()
        self._retry_at = trio.current_time()

    def login_seen(self, logged_in: bool) -> None:
        """Take note of whether the account is signed in, which its first session or Lingma's own word shows."""
        if logged_in:
            self.enter("ready", "")
        else:
            self.enter("needs_login", self.present.login_remedy.format(self._name))

    def enter(self, state: State, reason: str) -> None:
        """Be in that state for that reason."""
        news = state != self.state
        if news:
            log.info("instance_state", instance=self._name, state=state, reason=reason, generation=self.generation)
        self.state = state
        self.reason = reason
        if news:
            self._on_change()

    async def _live_once(self) -> None:
        self.begin()
        self._on_begin()
        self.enter("starting", f"{self.present.what} is starting")
        await self.present.live()

    def _new(self) -> Life:
        return self._make(LifeListener(self._waits_for, self._count_error, self._on_change))

    def _ended(self, cause: Exception, pause: float) -> None:
        planned = isinstance(cause, InstanceWorn)
        self.replaced += planned
        self.restarts += not planned
        self._start_took = self.present.start_took or self._start_took
        self.last_end = str(cause)
        self.refused = isinstance(cause, InstanceRefused)
        self._retry_at = trio.current_time() + pause
        self.detail = cause.detail if isinstance(cause, InstanceDown) else ""
        self.enter("needs_login" if isinstance(cause, NotSignedIn) else "backing_off", str(cause))
        tell = log.info if planned else log.warning
        tell("instance_ended", instance=self._name, cause=str(cause), output=self.detail, next_start_in=round(pause, 2))

    def _waits_for(self, reason: str) -> None:
        self.reason = reason

    def _count_error(self, method: str) -> None:
        self.rpc_errors[method] = self.rpc_errors.get(method, 0) + 1
