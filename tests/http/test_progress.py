"""The stages of a request, with the seconds that each took."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from lingma_trio.http.progress import Progress
from lingma_trio.tracing.trace import NoTrace


class Told(NoTrace):
    """A trace that notes what it is told."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def enter(self, stage: str) -> None:
        self.stages.append(stage)


async def test_each_stage_lasts_until_the_next(autojump_clock: MockClock) -> None:
    """A stage that comes again, as when an answer is asked for anew, goes on; the last lasts until now."""
    del autojump_clock
    progress = Progress()
    progress.trace = trace = Told()
    await trio.sleep(1)
    progress.stage = "queued"
    await trio.sleep(2)
    progress.stage = "waiting"
    await trio.sleep(4)
    progress.stage = "queued"
    await trio.sleep(8)
    assert dict(progress.spans()) == {"receiving": 1, "queued": 2, "waiting": 12}
    assert trace.stages == ["queued", "waiting", "queued"]
    assert progress.stage == "queued"
