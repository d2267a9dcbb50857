"""What one agent has for its gateways: its instances, and who may begin a turn on which.

Decides, and keeps who is at which life; must not know sockets, or how a wish came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from secrets import token_hex

import trio

from lingma_trio.agent.line import Line
from lingma_trio.agent.relay import Relay
from lingma_trio.agent.reports import push_of, report_of, without_clock
from lingma_trio.lingma.instance import Instance
from lingma_trio.lingma.standing import DRAINED
from lingma_trio.protocol.fleet_messages import BUSY, DRAINING, LIFE_OVER, FleetState
from lingma_trio.protocol.request import Refusal

COALESCE = 0.05  # seconds in which changes are told together
EVERY = 1.0  # seconds after which a state is told that did not change
MODELS_EVERY = 10.0  # and those after which its models are told again, to a gateway that had no use for them before

STOPPING = "the agent is stopping"
OVER = "the life is over"


class Hosted:
    """The instances of one agent. `url` is where others reach it, as far as that is known, and `notice` what everybody
    is to be told of them.

    `tell` is a task of its own; the rest is for other tasks.
    """

    def __init__(self, name: str, instances: Sequence[Instance], *, url: str = "", notice: str = "") -> None:
        self.name = name
        self.instances = {instance.name: instance for instance in instances}
        self.url = url
        self.notice = notice
        self.boot = token_hex(8)
        """No other start has it."""
        self.stopping = False
        self.refused: Counter[str] = Counter()
        """Turns that were refused, by why."""
        self._lines: dict[Line, tuple[Instance, str]] = {}
        self._changed = trio.Event()
        self._quiet = trio.Event()
        self._listeners: dict[object, Callable[[bytes], None]] = {}
        for instance in instances:
            instance.on_change = self.changed

    def __repr__(self) -> str:
        return f"<Hosted {self.name} stopping={self.stopping} lines={len(self._lines)} turns={self.turns}>"

    @property
    def turns(self) -> int:
        """Turns under way, of all gateways."""
        return sum(instance.turns for instance in self.instances.values())

    @property
    def gateways(self) -> int:
        """Who listens how the instances stand."""
        return len(self._listeners)

    @property
    def state(self) -> FleetState:
        """How all of it stands at this moment."""
        reports = tuple(report_of(instance) for instance in self.instances.values())
        return FleetState(self.name, self.boot, self.url, self.stopping, reports, self.notice)

    def changed(self) -> None:
        """Look again what there is to tell, and whose life is over. Never waits."""
        self._changed.set()
        if self.stopping and not self.turns:
            self._quiet.set()

    def stop(self) -> None:
        """Begin no further turn on any instance."""
        self.stopping = True
        self.changed()

    async def quiet(self) -> None:
        """Return once no turn is under way, after `stop`."""
        await self._quiet.wait()

    @contextmanager
    def relay(self, name: str, life: str, line: Line) -> Iterator[Relay | None]:
        """A gateway's share of a life for the length of the block, after which its turns are stopped; None where there
        is no such life. The line is hung up on when the life is over.
        """
        instance = self.instances.get(name)
        channel = instance.lives.present.channel if instance is not None and instance.life == life else None
        if instance is None or channel is None:
            yield None
            return
        relay = Relay(
            channel,
            refusal=lambda: self._refusal(instance),
            post=line.post,
            lost=lambda error: line.hang_up(LIFE_OVER, str(error)),
        )
        self._lines[line] = instance, life
        try:
            yield relay
        finally:
            del self._lines[line]
            relay.close()

    @contextmanager
    def heard_by(self, post: Callable[[bytes], None]) -> Iterator[None]:
        """Have a gateway, which `post` sends a message, told how the instances stand: at once, and then by `tell`, for
        the length of the block.
        """
        key = object()
        post(push_of(self.state, models=True))
        self._listeners[key] = post
        try:
            yield
        finally:
            del self._listeners[key]

    async def tell(self) -> None:
        """Tell all who listen: of a change soon after it, and of how everything stands every second. Never returns.

        That a turn began or ended is a change only where it fills an instance or makes room on one.
        """
        told: object = None
        listed: object = None
        due = listed_due = trio.current_time()
        while True:
            with trio.move_on_at(due):
                await self._changed.wait()
            self._changed = trio.Event()
            self._hang_up_on_the_dead()
            state = self.state
            now, news = trio.current_time(), without_clock(state)
            if news != told or now >= due:
                told, due = news, now + EVERY
                models = [report.models for report in state.instances]
                fresh = models != listed or now >= listed_due
                if fresh:
                    listed, listed_due = models, now + MODELS_EVERY
                push = push_of(state, models=fresh)
                for post in list(self._listeners.values()):
                    post(push)
            await trio.sleep(COALESCE)

    def _hang_up_on_the_dead(self) -> None:
        for line, (instance, life) in list(self._lines.items()):
            if instance.life != life:
                line.hang_up(LIFE_OVER, OVER)

    def _refusal(self, instance: Instance) -> Refusal | None:
        """Why no turn may begin on it, for only here everybody's are known."""
        why = self._why_not(instance)
        if why is not None:
            self.refused["busy" if why.code == BUSY else "draining"] += 1
        return why

    def _why_not(self, instance: Instance) -> Refusal | None:
        if self.stopping:
            return Refusal(DRAINING, STOPPING)
        if instance.standing.drained:
            return Refusal(DRAINING, DRAINED)
        if worn := instance.lives.present.worn:
            return Refusal(DRAINING, worn)
        if 0 < instance.health.most <= instance.turns:
            return Refusal(BUSY, f"{instance.turns} turns are under way, as many as the instance may have")
        if instance.health.most > 0:
            self.changed()  # the turn that begins may be the last there is room for
        return None
