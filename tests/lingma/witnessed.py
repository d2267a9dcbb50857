"""An instance that tests can wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from lingma_trio.lingma.instance import Instance
from lingma_trio.lingma.lives import LifeMaker, Lives, State
from lingma_trio.policy.backoff import Backoff

if TYPE_CHECKING:
    from lingma_trio.lingma.options import AgentOptions, LingmaOptions

PATIENCE = 20.0  # seconds after which a test on a busy machine has failed


class WitnessedLives(Lives):
    """Lives of which every state is handed out that is entered, also one that was the state already."""

    entered: list[tuple[State, str]]
    news: trio.Event

    def enter(self, state: State, reason: str) -> None:
        """As `Lives.enter`."""
        super().enter(state, reason)
        self.entered.append((state, reason))
        self.news.set()


class Witnessed(Instance):
    """An instance that can be waited for: every state it enters is handed out in order."""

    lives: WitnessedLives

    def __init__(self, options: AgentOptions | LingmaOptions, *, cap: float = 0.01) -> None:
        super().__init__(options, Backoff(first=0.01, cap=cap))
        self.work_dir = options.work_dir

    async def reach(self, wanted: State) -> str:
        """Wait until the instance enters the state, once more if it is in it; returns the reason."""
        with trio.fail_after(PATIENCE):
            while True:
                while self.lives.entered:
                    state, reason = self.lives.entered.pop(0)
                    if state == wanted:
                        return reason
                self.lives.news = trio.Event()
                await self.lives.news.wait()

    @property
    def child(self) -> int:
        """The process id of its program, from the note it keeps."""
        return int((self.work_dir / ".gateway-child").read_text().split()[0])

    def _lead(self, make: LifeMaker, backoff: Backoff) -> WitnessedLives:
        lives = WitnessedLives(self.name, make, backoff, on_begin=self.health.begin_life, on_change=self._changed)
        lives.entered, lives.news = [], trio.Event()
        return lives
