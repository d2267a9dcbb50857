"""What one account's turns have shown of it: how much it takes at once, what rests, whether it answers at all.

Outlives the lives of an instance, since quotas and limits are the account's. Knows turns by what they were asked and
how they ended; must not know processes, logins or who chooses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

import structlog
import trio

from lingma_trio.errors import ChannelLost, GatewayError, LoginRequired, QuotaExceeded, RateLimited, UpstreamTimeout
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.policy.cooldown import Rests
from lingma_trio.policy.measured_bound import MeasuredBound
from lingma_trio.policy.sequel import Verdict
from lingma_trio.records import record

NEWS_SECONDS: Final = 1.5
"""Until it is known elsewhere how an instance stands, which is told each second."""

log = structlog.get_logger("lingma_trio.instance")


@record
class Asked:
    """A question to an instance: for which model, at which time, and beside how many others that were under way."""

    model: str
    at: float
    beside: int = 0


class Health:
    """One account's health. `most` bounds its turns from the start, <= 0 is no bound.

    `on_change` is called whenever more may be asked of it than a moment before; see `watch` for the rests.
    """

    def __init__(self, name: str, *, most: int, on_change: Callable[[], None]) -> None:
        self._name = name
        self.most = most
        """The bound that is configured; none where it is 0 or less."""
        self._on_change = on_change
        self._measured = MeasuredBound()
        self._rests = Rests()
        self._since = -math.inf  # when this account came
        self._changed = trio.Event()
        self.on_rest: Callable[[str, float], None] = lambda *_: None
        """Called with what was found to rest, a model or all, and for how many seconds."""
        self.silent = False
        """Whether it left a question without any answer, and has answered none since: better ask another."""

    def __repr__(self) -> str:
        return f"<Health {self._name} silent={self.silent} {self._measured!r} {self._rests!r}>"

    @property
    def bound(self) -> int | None:
        """How many turns at once its refusals have taught to be the most; None while there were none."""
        return self._measured.bound

    def rest(self, model: str = "") -> float:
        """Seconds until this model, or with an empty name any model, may be asked again; 0 for now."""
        return 0.0 if self._rests.untouched else self._rests.remaining(model, trio.current_time())

    @property
    def untouched(self) -> bool:
        """Whether neither the account nor a model of it ever had to rest."""
        return self._rests.untouched

    def resting(self) -> dict[str, float]:
        """The models that rest by themselves, each with the seconds that are left."""
        return self._rests.under_rest(trio.current_time())

    @property
    def remark(self) -> str:
        """What is out of the ordinary although it can be asked, for people; empty for nothing. Names no model."""
        resting = len(self.resting())
        remarks = (
            f"{resting} of its models rest" if resting > 1 else "one of its models rests" if resting else "",
            f"takes {self.bound} at once, as far as is known" if self.bound is not None else "",
            "left a question unanswered, so others go first" if self.silent else "",
        )
        return "; ".join(remark for remark in remarks if remark)

    def has_room(self, channel: RpcChannel, model: str = "", *, coming: int = 0, elsewhere: int = 0) -> bool:
        """Whether one more turn fits beside those on `channel` and those `coming`, that have room and are to be asked
        yet, and those that others have; after a rest that is one that probes.
        """
        turns = channel.turns + coming + elsewhere
        if channel.writer.congested or 0 < self.most <= turns:
            return False
        if self._measured.bound is not None and not self._measured.takes(turns, trio.current_time()):
            return False
        if self._rests.untouched:
            return True
        probations = self._rests.probations(model)
        return not (probations and coming) and not any(
            channel.registry.asked_since(since, scope) for scope, since in probations
        )

    def failed(self, failure: GatewayError, asked: Asked) -> Verdict:
        """Take note of a question that failed."""
        if asked.at < self._since and isinstance(failure, RateLimited | QuotaExceeded):
            return "queue_again"
        if isinstance(failure, RateLimited):
            return self._refused(failure, asked)
        if isinstance(failure, QuotaExceeded):
            self._hit(asked.model, failure, asked)
            return "move"
        if isinstance(failure, UpstreamTimeout):
            if not self.silent:
                log.warning("instance_silent", instance=self._name)
            self.silent = True
            return "move"
        return "move" if isinstance(failure, LoginRequired | ChannelLost) else "stands"

    def answered(self, asked: Asked, *, under_way: int) -> None:
        """Take note of the first words of an answer, which so many were under way with, itself included."""
        was_silent, self.silent = self.silent, False
        rested = not self._rests.untouched and self._rests.succeeded(asked.model, asked=asked.at)
        grown = self._measured.bound is not None and self._measured.answered(trio.current_time(), under_way=under_way)
        if grown:
            self._changed.set()
        if was_silent or rested or grown:
            self._on_change()

    def heard_of_rests(self, rests: Mapping[str, float], *, beyond: float = 0.0) -> None:
        """Take note of rests that others met with: for how many seconds, of a model or, under an empty key, of all.

        The later end counts; what is longer than known by `beyond` seconds at most is no news. All are told of as one,
        or whoever waits were given one of them while the next is yet to be heard of.
        """
        news = [(model, seconds) for model, seconds in rests.items() if seconds > self.rest(model) + beyond]
        if not news:
            return
        now = trio.current_time()
        for model, seconds in news:
            self._rests.hit(model, now, asked=now, retry_after=seconds)
        self._changed.set()
        self._on_change()

    def begin_account(self) -> None:
        """Another account answers from now on: what was learnt is the other one's, and so is what fails of before.

        Does not call `on_change`: whoever calls this does it, once what is known of the new one is in.
        """
        self._rests, self._measured, self._since = Rests(), MeasuredBound(), trio.current_time()
        self._changed.set()

    def begin_life(self) -> None:
        """Another process answers from now on, and that one has not been silent yet."""
        self.silent = False

    async def watch(self) -> NoReturn:
        """Tell of the end of each rest, and when one more than the bound may be asked. Cancelling loses nothing."""
        while True:
            self._changed = trio.Event()
            now = trio.current_time()
            end = min(self._rests.next_end(now), self._measured.next_try(now))
            with trio.move_on_at(end):
                await self._changed.wait()
            if trio.current_time() >= end:
                self._on_change()

    def _refused(self, failure: RateLimited, asked: Asked) -> Verdict:
        """One too many at once where others were under way, else, or where it was to probe, too many in all."""
        stage = self._rests.stage(asked=asked.at)
        if stage == "fresh" and asked.beside:
            self._measured.refused(trio.current_time(), beside=asked.beside)
            self._changed.set()
            log.warning("instance_bound", instance=self._name, turns=self._measured.bound)
        elif stage != "old":
            self._measured.forget()
            self._hit("", failure, asked)
            return "move"
        return "queue_again"

    def _hit(self, model: str, failure: GatewayError, asked: Asked) -> None:
        rest = self._rests.hit(model, trio.current_time(), asked=asked.at, retry_after=failure.retry_after)
        self._changed.set()
        log.warning("instance_rests", instance=self._name, model=model, seconds=round(rest, 1))
        self.on_rest(model, rest)
