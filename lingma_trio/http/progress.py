"""How far a request has come, and when: for metrics, log, trace, page and tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import trio

from lingma_trio.tracing.trace import NoTrace, Trace

Stage: TypeAlias = Literal["receiving", "queued", "waiting", "streaming", "delivering", "sent"]


class Progress:
    """The stages of one request, from the moment that this is made.

    `entered` has when it came to each stage at first, in Trio's seconds, `deltas` how many have come, and `trace` is
    told of each stage. `now` is `trio.current_time` in half the calls, since it is this run's.
    """

    __slots__ = ("_stage", "began", "deltas", "entered", "now", "trace")

    def __init__(self) -> None:
        self._stage: Stage = "receiving"
        self.now: Callable[[], float] = trio.lowlevel.current_clock().current_time
        self.began = self.now()
        self.entered: dict[Stage, float] = {}
        self.deltas = 0
        self.trace: Trace = NoTrace()

    def __repr__(self) -> str:
        return f"<Progress {self._stage} deltas={self.deltas}>"

    @property
    def stage(self) -> Stage:
        """How far the request has come."""
        return self._stage

    @stage.setter
    def stage(self, stage: Stage) -> None:
        """Say so, to the trace as well."""
        self._stage = stage
        if stage not in self.entered:
            self.entered[stage] = self.now()
        self.trace.enter(stage)

    def spans(self) -> tuple[tuple[Stage, float], ...]:
        """The stages that the request passed, with the seconds that each took; the last goes on until now."""
        passed: list[tuple[Stage, float]] = []
        stage: Stage = "receiving"
        began = self.began
        for following, entered in self.entered.items():
            passed += ((stage, entered - began),)
            stage, began = following, entered
        return *passed, (stage, self.now() - began)
