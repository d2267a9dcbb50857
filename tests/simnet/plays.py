"""What a client may want of a gateway with two upstreams, and what may happen to it meanwhile, one thing at a time.

Each play has one request that counts. It may be ended before any step that anything takes, and what answers it may do
any wrong; whatever becomes of it, it is answered right or visibly failed, and leaves nothing.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import trio
from pydantic_core import to_json

from lingma_trio.errors import RpcError
from lingma_trio.lingma.instance import Instance
from tests.proof import PROOF
from tests.simnet.acp import AgentMachine
from tests.simnet.clients import Client, Conversation, Outcome, outcome_of
from tests.simnet.gateways import SLOTS, LonelyGateway
from tests.simnet.lingmas import Machine
from tests.simnet.world import World
from tests.sweep import Tripwire

Dialect = Literal["chat", "session", "acp"]
How = Literal["cancelled", "client leaves"]
DIALECTS: tuple[Dialect, ...] = ("chat", "session", "acp")
SPEAKING: dict[Dialect, tuple[type[Machine], tuple[str, ...]]] = {
    "chat": (Machine, ()),
    "session": (Machine, ("protocol=session",)),
    "acp": (AgentMachine, ()),
}
DOT = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


class Talk(Conversation):
    """A conversation whose questions turn the knobs of what answers them, one question at a time."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.words: Sequence[str] = ()
        """Those of the next question."""
        self.picture = False
        self.tools = False
        self._said: dict[str, str] = {}

    def request(self, question: str, *, stream: bool) -> dict[str, Any]:
        """The body that asks it. A line for the simulator ends whatever one before it asked for."""
        self._said[question] = f"{question}\n#simulate {' '.join(self.words)}"
        messages: list[dict[str, Any]] = []
        for asked, answered in zip(self.questions, self.answers, strict=True):
            messages += [self._asked(asked), {"role": "assistant", "content": answered}]
        messages.append(self._asked(question))
        tools = {"tools": [TOOL]} if self.tools else {}
        return {"model": "auto", "messages": messages, "stream": stream, **tools}

    def _request(self, question: str, *, stream: bool) -> tuple[str, dict[str, Any]]:
        return "/v1/chat/completions", self.request(question, stream=stream)

    def _check(self, question: str, text: str) -> None:
        proof = PROOF.search(text)
        more = bool(self.words or self.picture)  # beside the proof
        super()._check(question, proof[0] if proof is not None and more else text)

    def _asked(self, question: str) -> dict[str, Any]:
        text = self._said[question]
        if not self.picture:
            return {"role": "user", "content": text}
        picture = {"type": "image_url", "image_url": {"url": DOT}}
        return {"role": "user", "content": [picture, {"type": "text", "text": text}]}


@dataclass
class Stage:
    """Where a play is played."""

    world: World
    gateway: LonelyGateway
    talk: Talk = field(default_factory=lambda: Talk("c0"))

    @property
    def chance(self) -> random.Random:
        return self.world.chance

    @property
    def instances(self) -> Sequence[Instance]:
        return self.gateway.services.pool.instances

    async def answered_once(self) -> None:
        """Have the conversation one question long, in a session."""
        outcome = await self.talk.go_on(self.gateway, stream=False)
        assert outcome.kind == "answered", outcome

    async def forget_sessions(self) -> None:
        """Have upstream lose every session behind the gateway's back."""
        for machine, instance in zip(self.world.machines, self.instances, strict=True):
            channel = instance.lives.present.channel
            assert channel is not None
            for session in machine.open_sessions:
                with suppress(RpcError):  # where it closes none
                    await channel.call("session/close", {"sessionId": session})
            if not isinstance(machine, AgentMachine):
                sessions = await channel.call("chat/listAllSessions", {})
                assert isinstance(sessions, list)
                for each in sessions:
                    await channel.call("chat/deleteSessionById", {"sessionId": each["sessionId"]})


async def nothing(_stage: Stage) -> None:
    """Nothing beside it."""
    await trio.lowlevel.checkpoint()


async def once(stage: Stage) -> None:
    """There is a conversation."""
    await stage.answered_once()


async def once_with_tools(stage: Stage) -> None:
    """There is a conversation in which tools are offered."""
    stage.talk.tools = True
    await stage.answered_once()


async def with_picture(stage: Stage) -> None:
    """Every question shows a picture."""
    await trio.lowlevel.checkpoint()
    stage.talk.picture = True


async def refused(stage: Stage) -> None:
    """The session of the conversation is no longer there."""
    await stage.answered_once()
    await stage.forget_sessions()


async def forgotten(stage: Stage) -> None:
    """Those that were made for nobody yet are no longer there."""
    await stage.forget_sessions()


async def forgotten_ahead(stage: Stage) -> None:
    """Nor are those that were made ahead when somebody else's conversation began."""
    outcome = await Talk("another").go_on(stage.gateway, stream=False)
    assert outcome.kind == "answered", outcome
    await stage.forget_sessions()


async def another_life(stage: Stage) -> None:
    """The life that had the session is over."""
    await stage.answered_once()
    for machine in stage.world.machines:
        machine.kill()
    await trio.sleep(10)


async def hold_slot(stage: Stage, *, seconds: float) -> None:
    """Somebody else has the only slot for so long."""
    async with stage.gateway.services.limiter.slot():
        await trio.sleep(seconds)


async def kill_one(stage: Stage) -> None:
    """One of those that answer dies."""
    await trio.sleep(stage.chance.uniform(0, 2))
    stage.chance.choice(stage.world.machines).kill()


async def kill_both(stage: Stage) -> None:
    """Both die, not always at once."""
    for machine in stage.world.machines:
        await trio.sleep(stage.chance.choice([0, stage.chance.uniform(0, 1)]))
        machine.kill()


async def drain(stage: Stage) -> None:
    """The gateway is told to stop, and lets requests end for a while."""
    await trio.sleep(stage.chance.uniform(0, 1))
    stage.gateway.services.ceiling.drain(stage.chance.choice([0.2, 1, 30]))


async def drain_instances(stage: Stage) -> None:
    """An operator has an instance take no more, and later more."""
    await trio.sleep(stage.chance.uniform(0, 1))
    instance = stage.chance.choice(stage.instances)
    await instance.take_order("drain")
    await trio.sleep(3)
    await instance.take_order("resume")


REFUSES = ("stale=error",)
"""Where an unknown session is refused, as agents do anyway, and not silently begun."""
LOST = frozenset({"upstream_lost", "upstream_unavailable"})


@dataclass(frozen=True)
class Play:
    """What is there before the request, what happens beside it, and how it may fail although nothing is wrong."""

    before: Callable[[Stage], Awaitable[None]] = nothing
    beside: Callable[[Stage], Awaitable[None]] = nothing
    words: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    """Knobs of the two upstreams."""
    asks: tuple[str, ...] = ()
    """Knobs of the answer."""
    fails: frozenset[str] = frozenset()
    wronged: frozenset[str] = frozenset()
    """How it may fail, too, where something is wrong."""
    hits: bool | None = None
    """Whether the answer is given in the session of the conversation; None where that depends."""
    slots: int = SLOTS
    over: bool = False
    """Whether the gateway answers nobody any more."""
    called: bool = False
    """Whether the answer is the call of a tool."""


PLAYS = {
    "miss": Play(hits=False),
    "hit": Play(once, hits=True),
    "refused session": Play(refused, words=(REFUSES, REFUSES), hits=False),
    "sessions that are forgotten": Play(forgotten, hits=False),
    "sessions ahead that are forgotten": Play(forgotten_ahead, words=(REFUSES, REFUSES), hits=False),
    "session of another life": Play(another_life, hits=False),
    "call": Play(once_with_tools, asks=("call=look",), called=True),
    "picture": Play(with_picture, hits=False, wronged=frozenset({"invalid_request"})),
    "one that is at its limit": Play(words=(("status=429",), ()), hits=False),
    "one that crashes at once": Play(words=(("fault=crash_ask",), ()), hits=False),
    "queue": Play(once, beside=partial(hold_slot, seconds=5), slots=1, hits=True),
    "queue that is too long": Play(
        once, beside=partial(hold_slot, seconds=100), slots=1, fails=frozenset({"queue_timeout"})
    ),
    "login that ends": Play(
        once, words=(("login_lasts=1",), ()), fails=frozenset({"login_required", "upstream_quota_exceeded"})
    ),
    "one dies": Play(once, beside=kill_one, fails=LOST),
    "both die": Play(once, beside=kill_both, fails=LOST),
    "gateway that drains": Play(once, beside=drain, fails=frozenset({"shutting_down"}), over=True),
    "instance that drains": Play(once, beside=drain_instances),
}


@dataclass(frozen=True)
class Cut:
    """A request is ended before the step of that number that anything takes, or the gateway; how."""

    steps: int
    how: How
    of: Literal["anything", "gateway"] = "anything"


UNTOUCHED = Cut(0, "cancelled")


OTHERS = ("lingma_trio.simulator.", "simulated ", "tests.simnet.plays.")
"""How the names of tasks begin that are not the gateway's."""


def _by_gateway(task: trio.lowlevel.Task) -> bool:
    return not task.name.startswith(OTHERS)


async def attack(stage: Stage, question: str, cut: Cut) -> tuple[Outcome, int]:
    """Ask, and be cut; returns what came of it, or `cut`, and the number of steps that were taken."""
    stream = stage.chance.random() < 0.5
    body = stage.talk.request(question, stream=stream)
    client, scope = Client("/v1/chat/completions", to_json(body)), trio.CancelScope()
    act = partial(scope.cancel, "the sweep") if cut.how == "cancelled" else client.left.set
    tripwire = Tripwire(cut.steps, act, counts=_by_gateway if cut.of == "gateway" else None)
    trio.lowlevel.add_instrument(tripwire)
    try:
        with scope:
            await client.serve(stage.gateway)
    finally:
        trio.lowlevel.remove_instrument(tripwire)
    if tripwire.at is not None:
        assert trio.current_time() == tripwire.at, "whatever ends a request ends it at once"
        return Outcome("broken", code="cut"), tripwire.taken
    return outcome_of(client, stream=stream), tripwire.taken
