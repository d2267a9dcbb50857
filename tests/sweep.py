"""A gateway without processes whose steps are counted, so that something can happen before each of them.

What sweeps share: the parts of a gateway over memory streams, a Lingma at their other end that plays what it is told
to, and a tripwire.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import trio
from pydantic_core import to_json
from trio.testing import wait_all_tasks_blocked

from lingma_trio.http.auth import Gatekeeper
from lingma_trio.http.ceiling import Ceiling
from lingma_trio.http.picture_bounds import PictureBounds
from lingma_trio.http.pictures import Pictures
from lingma_trio.http.services import Bounds, Services
from lingma_trio.http.tenants import ANONYMOUS, Tenants
from lingma_trio.lingma.asker import DialogueOptions
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.dialogues import Dialogues
from lingma_trio.lingma.health import Health
from lingma_trio.lingma.instance import Instance
from lingma_trio.lingma.limiter import Limiter
from lingma_trio.lingma.pool import Pool
from lingma_trio.lingma.turn import TurnBounds
from lingma_trio.metrics import Metrics
from lingma_trio.policy.byte_budget import ByteBudget
from lingma_trio.protocol.jsonrpc import Response, ServerRequest
from lingma_trio.sessions.book import Session, SessionBook
from lingma_trio.state.responses_memory import MemoryResponses
from lingma_trio.state.sessions import Sessions
from lingma_trio.state.sessions_memory import MemorySessions
from tests.conversations import held
from tests.peers import LingmaPeer, LinkedInstance, linked

IDLE = "<RpcChannel open calls=0 asks=0 turns=0 unsent=0>"
ANSWER = "Green."
BEGINNING = [{"role": "user", "content": "Which colour?"}]
FRESH = [{"role": "user", "content": "Which shape?"}]
CONTINUED = [*BEGINNING, {"role": "assistant", "content": ANSWER}, {"role": "user", "content": "Why?"}]
HELD = held("Which colour?", ANSWER, tenant=ANONYMOUS, model="org_auto")

Step: TypeAlias = tuple[str, Any]
GOOD: list[Step] = [("step", "thinking"), ("text", "Gre"), ("text", ""), ("text", "en."), ("finish", 200)]


@dataclass(frozen=True)
class Scenario:
    """A request, and what Lingma does about its first question and about its second.

    `commits` and `status` are what an untouched run leaves.
    """

    messages: list[dict[str, str]]
    first: list[Step]
    second: list[Step] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    queued: bool = False
    commits: int = 1
    status: int = 200

    @property
    def body(self) -> bytes:
        return to_json({"model": "auto", "messages": self.messages, **self.options})


class ScriptedLingma:
    """Plays a scenario's steps to every question. Its pushes carry ids, so it knows which of them were taken in.

    `fates` holds what became of each question in the order in which it was learned: "ended" when the gateway
    acknowledged the finish, "stopped" when it sent a stop.
    """

    proper: tuple[list[str], ...] = (["ended"], ["stopped"], ["stopped", "ended"])

    def __init__(self, peer: LingmaPeer) -> None:
        self.peer = peer
        self.scripts: list[list[Step]] = []
        self.fates: dict[str, list[str]] = {}
        self._finishes: dict[int, str] = {}
        self._playing: dict[str, trio.CancelScope] = {}

    def prepare(self, scenario: Scenario, held: str) -> None:
        """Forget the run before; a session that is asked in is `held`."""
        del held
        self.scripts = [scenario.first, scenario.second]
        self.fates = {}

    async def answer_all(self) -> None:
        """Answer whatever comes, for ever."""
        async with trio.open_nursery() as nursery:
            while True:
                event = await self.peer.event(math.inf)
                if isinstance(event, Response) and event.id in self._finishes:
                    self.fates[self._finishes.pop(event.id)].append("ended")
                elif isinstance(event, ServerRequest):
                    await self._take(event, nursery)

    async def _take(self, call: ServerRequest, nursery: trio.Nursery) -> None:
        key = str(call.params.get("requestId"))
        match call.method:
            case "chat/ask":
                self._begin(key, call.params["sessionId"] or "s-new", nursery)
            case "chat/stop":
                await self._stop(key, call)
                await self.peer.push_with_id("chat/answer", requestId=key, text="late")
                await self.peer.push_with_id("chat/finish", requestId=key, statusCode=200)
            case "auth/status":
                await self.peer.answer(call, {"status": 2})
            case method:
                raise AssertionError(method)

    def _begin(self, key: str, session_id: str, nursery: trio.Nursery) -> None:
        self.fates[key] = []
        self._playing[key] = trio.CancelScope()
        nursery.start_soon(self._play, key, session_id, self.scripts.pop(0))

    async def _stop(self, key: str, call: ServerRequest) -> None:
        self.fates[key].append("stopped")
        self._playing[key].cancel("stopped")
        await self.peer.answer(call, {})

    async def _play(self, key: str, session_id: str, script: list[Step]) -> None:
        with self._playing[key]:
            for kind, value in script:
                match kind:
                    case "pause":
                        await trio.sleep(value)
                    case "session":
                        session_id = value
                    case "error":
                        await self.peer.push_with_id("error", message=value)
                    case _:
                        await self._say((kind, value), key, session_id)

    async def _say(self, step: Step, key: str, session_id: str) -> None:
        """Push a step of a turn, as the dialect has it."""
        about = {"requestId": key, "sessionId": session_id}
        match step:
            case "text", value:
                await self.peer.push_with_id("chat/answer", **about, text=value)
            case "step", value:
                await self.peer.push_with_id("chat/process_step_callback", **about, step=value)
            case "finish", value:
                finish = self.peer.rpc.request("chat/finish", {**about, "statusCode": value})
                self._finishes[finish[0]] = key
                await self.peer.send(finish[1])


class Tripwire(trio.abc.Instrument):
    """Does something once, just before the n-th step that any task takes, or any of those whose steps count.

    `at` is when it did, `taken` how many steps there were.
    """

    def __init__(
        self, steps: int, act: Callable[[], None], counts: Callable[[trio.lowlevel.Task], bool] | None = None
    ) -> None:
        self._steps = steps
        self._act = act
        self._counts = counts
        self.at: float | None = None
        self.taken = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count, and act when it is time."""
        if self._counts is not None and not self._counts(task):
            return
        self.taken += 1
        if self.taken == self._steps:
            self.at = trio.current_time()
            self._act()


class Scripted(Protocol):
    """What stands at the other end of a world's channel."""

    scripts: list[list[Step]]
    fates: dict[str, list[str]]
    proper: tuple[list[str], ...]
    """The fates that a question may have."""

    def prepare(self, scenario: Scenario, held: str) -> None:
        """Make everything as before the first run."""


@dataclass
class World:
    """A gateway without sockets and processes."""

    services: Services
    book: SessionBook
    channel: RpcChannel
    instance: LinkedInstance
    lingma: Scripted
    runs: int = 0

    @property
    def held(self) -> Session:
        """The session that is there from the start of a run."""
        return Session(f"s-{self.runs}", self.instance.name, self.instance.life)

    def prepare(self, scenario: Scenario) -> None:
        """Make everything as before the first run: one session is held."""
        self.runs += 1
        self.book.clear()
        self.book.commit(HELD, self.held, now=trio.current_time())
        self.book.hits = 0
        self.book.misses.clear()
        self.book.commits.clear()
        self.instance.health = Health(self.instance.name, most=0, on_change=lambda: None)
        self.lingma.prepare(scenario, self.held.session_id)


USUAL = TurnBounds(first_delta=120, idle=60, max_size=1_000_000)


def services_for(
    instances: Sequence[Instance],
    sessions: Sessions,
    *,
    slots: int = 1,
    bounds: TurnBounds = USUAL,
    request_timeout: float = 900,
) -> Services:
    """The parts of a gateway over these instances."""
    pool = Pool(instances)
    limiter = Limiter(limit=slots, queue_timeout=30, max_queue=10)
    return Services(
        gatekeeper=Gatekeeper(Tenants(), anonymous=True, admin_token="", metrics_token=""),
        limiter=limiter,
        sessions=sessions,
        responses=MemoryResponses(max_entries=10, max_bytes=100_000, ttl=3600),
        pool=pool,
        dialogues=Dialogues(limiter, pool, sessions, DialogueOptions(bounds, "org_auto", "chat", reuse_sessions=True)),
        metrics=Metrics(),
        bounds=Bounds(max_request=100_000, request_timeout=request_timeout, keepalive=15),
        byte_budget=ByteBudget(4_000_000),
        pictures=Pictures(PictureBounds(max_size=1024, seconds=5), enabled=False, fallback="error"),
        ceiling=Ceiling(request_timeout, delivery=20),
        notice="",
        created=0,
    )


@asynccontextmanager
async def open_world() -> AsyncIterator[World]:
    """Put the parts together as the gateway does."""
    async with linked() as link, trio.open_nursery() as nursery:
        instance, lingma = LinkedInstance(link.channel), ScriptedLingma(link.peer)
        nursery.start_soon(lingma.answer_all)
        await wait_all_tasks_blocked()
        book = SessionBook(max_entries=10, ttl=math.inf)
        yield World(services_for([instance], MemorySessions(book)), book, link.channel, instance, lingma)
        nursery.cancel_scope.cancel("the sweep is over")


def running_tasks() -> set[trio.lowlevel.Task]:
    """Every task there is."""

    def beneath(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
        yield task
        for nursery in task.child_nurseries:
            for child in nursery.child_tasks:
                yield from beneath(child)

    root = trio.lowlevel.current_root_task()
    assert root is not None
    return set(beneath(root))
