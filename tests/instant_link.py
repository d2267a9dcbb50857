"""A link to the model of a store next door: our scripts run there, and a trip takes steps but no time."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import trio

from lingma_trio.state.link import Budget, Call
from tests.simnet.clock import Agenda
from tests.simnet.network import Network
from tests.simnet.scripts import Scripts
from tests.simnet.store import StoreServer


class InstantLink:
    """As `Link` has it; `cut` counts the trips that were left while it answered. The store goes by `clock`."""

    replicas = 2
    up = True

    def __init__(self, clock: Callable[[], float] = trio.current_time) -> None:
        chance = random.Random(0)
        self.server = StoreServer(Network(chance, agenda=Agenda()).host("store"), chance)
        self.server.lead()
        self.cut = 0
        self._clock = clock
        self._scripts = Scripts(self.server.execute)

    def restart(self) -> None:
        """Forget everything."""
        self.server.restart()
        self.cut = 0

    async def trip(self, *calls: Call, budget: Budget | None = None) -> list[Any]:
        """Run the calls between two steps."""
        del budget
        arrived = False
        try:
            await trio.lowlevel.checkpoint()
            self.server.skew = self._clock() - trio.current_time()
            replies = [self.server.run(self._scripts, call) for call in calls]
            await trio.lowlevel.checkpoint()
            arrived = True
        finally:
            self.cut += not arrived
        return replies
