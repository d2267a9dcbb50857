"""Wakes one task that waits for something to change."""

from __future__ import annotations

import trio


class Alarm:
    """For one task that waits, and whoever rings; a ring for which nobody waits is forgotten.

    So whoever waits has looked before, without a checkpoint in between, and looks again afterwards. An `Event` for each
    wait would do the same, and takes 400 bytes for as long as the wait.
    """

    __slots__ = ("_sleeper",)

    def __init__(self) -> None:
        self._sleeper: trio.lowlevel.Task | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} waited_for={self.waited_for}>"

    @property
    def waited_for(self) -> bool:
        """Whether somebody waits for the next ring."""
        return self._sleeper is not None

    def ring(self) -> None:
        """Something changed."""
        sleeper, self._sleeper = self._sleeper, None
        if sleeper is not None:
            trio.lowlevel.reschedule(sleeper)

    async def wait(self) -> None:
        """Wait for the next ring. Cancelling ends the wait, unless it has rung by then."""
        assert self._sleeper is None, "an alarm is for one task"
        self._sleeper = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._let_lie)

    def _let_lie(self, _: object) -> trio.lowlevel.Abort:
        self._sleeper = None
        return trio.lowlevel.Abort.SUCCEEDED
