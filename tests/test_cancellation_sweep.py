"""The cancellation sweep: a request is ended before every single step that anything takes, and never leaves a trace.

Each scenario runs again and again through the real handler, limiter, session cache, turn and channel, against a Lingma
at the other end of memory streams. The n-th run is cancelled, or its client leaves, just before the n-th step of any
task, until a run gets through untouched.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import pytest
import trio
from pydantic_core import to_json
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.api.openai.request import parse
from lingma_trio.errors import ClientGone
from lingma_trio.http.answering import Answering
from lingma_trio.http.auth import Gatekeeper
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.picture_fetching import PictureBounds
from lingma_trio.http.pictures import Pictures
from lingma_trio.http.services import Bounds, Ceiling, Services
from lingma_trio.http.tenants import ANONYMOUS, Tenants
from lingma_trio.lingma.asker import DialogueOptions
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.dialogues import Dialogues
from lingma_trio.lingma.health import Health
from lingma_trio.lingma.limiter import Limiter
from lingma_trio.lingma.pool import Pool
from lingma_trio.lingma.turn import TurnBounds
from lingma_trio.metrics import Metrics
from lingma_trio.policy.byte_budget import ByteBudget
from lingma_trio.policy.response_store import ResponseStore
from lingma_trio.protocol.jsonrpc import Response, ServerRequest
from lingma_trio.sessions.book import Lease, Session, SessionBook
from tests.conversations import held
from tests.peers import LingmaPeer, LinkedInstance, linked

pytestmark = pytest.mark.slow

IDLE = "<RpcChannel open calls=0 asks=0 turns=0 unsent=0>"
ANSWER = "Green."
BEGINNING = [{"role": "user", "content": "Which colour?"}]
FRESH = [{"role": "user", "content": "Which shape?"}]
CONTINUED = [*BEGINNING, {"role": "assistant", "content": ANSWER}, {"role": "user", "content": "Why?"}]
HELD = held("Which colour?", ANSWER, tenant=ANONYMOUS, model="org_auto")

HowItEnds = Literal["cancelled", "client leaves"]
Step = tuple[str, Any]


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


STREAM = {"stream": True}
GOOD: list[Step] = [("step", "thinking"), ("text", "Gre"), ("text", ""), ("text", "en."), ("finish", 200)]
SCENARIOS = {
    "fresh answer": Scenario(FRESH, GOOD),
    "fresh stream": Scenario(FRESH, GOOD, options=STREAM),
    "continued session": Scenario(CONTINUED, GOOD, options=STREAM),
    "session that is refused": Scenario(CONTINUED, [("finish", 31404)], GOOD, options=STREAM),
    "session that is replaced": Scenario(CONTINUED, [("session", "s-other"), ("text", "What?")], GOOD, options=STREAM),
    "queued request": Scenario(CONTINUED, GOOD, options=STREAM, queued=True),
    "stream with keep-alives": Scenario(FRESH, [("pause", 40), *GOOD[:2], ("pause", 20), *GOOD[3:]], options=STREAM),
    "answer cut at its limit": Scenario(
        FRESH, [("text", "word " * 50), ("pause", 50)], options={"max_tokens": 5}, commits=0
    ),
    "error before text": Scenario(FRESH, [("finish", 601)], options=STREAM, commits=0, status=400),
    "error after text": Scenario(FRESH, [("text", "Gre"), ("finish", 601)], options=STREAM, commits=0),
    "error push": Scenario(FRESH, [("error", "broken")], commits=0, status=502),
    "quota or login": Scenario(FRESH, [("finish", 403)], commits=0, status=429),
}


class ScriptedLingma:
    """Plays a scenario's steps to every question. Its pushes carry ids, so it knows which of them were taken in.

    `fates` holds what became of each question in the order in which it was learned: "ended" when the gateway
    acknowledged the finish, "stopped" when it sent a stop.
    """

    def __init__(self, peer: LingmaPeer) -> None:
        self.peer = peer
        self.scripts: list[list[Step]] = []
        self.fates: dict[str, list[str]] = {}
        self._finishes: dict[int, str] = {}
        self._playing: dict[str, trio.CancelScope] = {}

    def prepare(self, scenario: Scenario) -> None:
        """Forget the run before."""
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
                self.fates[key] = []
                self._playing[key] = trio.CancelScope()
                session_id = call.params["sessionId"] or "s-new"
                nursery.start_soon(self._play, key, session_id, self.scripts.pop(0))
            case "chat/stop":
                self.fates[key].append("stopped")
                self._playing[key].cancel("stopped")
                await self.peer.answer(call, {})
                await self.peer.push_with_id("chat/answer", requestId=key, text="late")
                await self.peer.push_with_id("chat/finish", requestId=key, statusCode=200)
            case "auth/status":
                await self.peer.answer(call, {"status": 2})
            case method:
                raise AssertionError(method)

    async def _play(self, key: str, session_id: str, script: list[Step]) -> None:
        with self._playing[key]:
            for kind, value in script:
                about = {"requestId": key, "sessionId": session_id}
                match kind:
                    case "pause":
                        await trio.sleep(value)
                    case "session":
                        session_id = value
                    case "text":
                        await self.peer.push_with_id("chat/answer", **about, text=value)
                    case "step":
                        await self.peer.push_with_id("chat/process_step_callback", **about, step=value)
                    case "error":
                        await self.peer.push_with_id("error", message=value)
                    case "finish":
                        finish = self.peer.rpc.request("chat/finish", {**about, "statusCode": value})
                        self._finishes[finish[0]] = key
                        await self.peer.send(finish[1])


class Client:
    """The ASGI server's side of one request."""

    def __init__(self, body: bytes) -> None:
        self.scope = {"type": "http", "method": "POST", "headers": [(b"content-length", b"%d" % len(body))]}
        self.status = 0
        self.received = b""
        self.complete = False
        self._body: bytes | None = body
        self._left = trio.Event()

    def leave(self) -> None:
        """Go away, without waiting for the answer."""
        self._left.set()

    async def receive(self) -> dict[str, Any]:
        if self._body is None:
            await self._left.wait()
            return {"type": "http.disconnect"}
        await trio.lowlevel.checkpoint()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        await trio.lowlevel.checkpoint()
        self.status = message.get("status", self.status)
        self.received += message.get("body", b"")
        self.complete = message["type"] == "http.response.body" and not message["more_body"]


class Tripwire(trio.abc.Instrument):
    """Does something once, just before the n-th step that any task takes. `at` is when it did."""

    def __init__(self, steps: int, act: Callable[[], None]) -> None:
        self._left = steps
        self._act = act
        self.at: float | None = None

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count, and act when it is time."""
        self._left -= 1
        if self._left == 0:
            self.at = trio.current_time()
            self._act()


@dataclass
class World:
    """A gateway without sockets and processes."""

    services: Services
    channel: RpcChannel
    instance: LinkedInstance
    lingma: ScriptedLingma

    @property
    def held(self) -> Session:
        """The session that is there from the start."""
        return Session("s-1", self.instance.name, self.instance.life)

    def prepare(self, scenario: Scenario) -> None:
        """Make everything as before the first run: one session is held."""
        sessions = self.services.sessions
        sessions.clear()
        sessions.commit(HELD, self.held, now=trio.current_time())
        sessions.hits = 0
        sessions.commits.clear()
        self.instance.health = Health(self.instance.name, most=0, on_change=lambda: None)
        self.lingma.prepare(scenario)


@asynccontextmanager
async def open_world() -> AsyncIterator[World]:
    """Put the parts together as the gateway does."""
    async with linked() as link, trio.open_nursery() as nursery:
        instance, lingma = LinkedInstance(link.channel), ScriptedLingma(link.peer)
        sessions, pool = SessionBook(max_entries=10, ttl=math.inf), Pool([instance])
        bounds = TurnBounds(first_delta=120, idle=60, max_size=100_000)
        limiter = Limiter(limit=1, queue_timeout=30, max_queue=10)
        services = Services(
            gatekeeper=Gatekeeper(Tenants(), anonymous=True, admin_token="", metrics_token=""),
            limiter=limiter,
            sessions=sessions,
            responses=ResponseStore(max_entries=10, max_bytes=100_000, ttl=3600),
            pool=pool,
            dialogues=Dialogues(
                limiter, pool, sessions, DialogueOptions(bounds, "org_auto", "chat", reuse_sessions=True)
            ),
            metrics=Metrics(),
            bounds=Bounds(max_request=100_000, request_timeout=900, keepalive=15),
            byte_budget=ByteBudget(400_000),
            pictures=Pictures(PictureBounds(max_size=1024, seconds=5), enabled=False, fallback="error"),
            ceiling=Ceiling(900, delivery=20),
            notice="",
            created=0,
        )
        nursery.start_soon(lingma.answer_all)
        await wait_all_tasks_blocked()
        yield World(services, link.channel, instance, lingma)
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


async def hold_slot(limiter: Limiter) -> None:
    """Be the request that the queue waits for."""
    async with limiter.slot():
        await trio.sleep(5)


async def run_once(world: World, scenario: Scenario, steps: int, how: HowItEnds) -> tuple[Tripwire, Client]:
    """Serve the scenario's request and end it before the given step."""
    client = Client(scenario.body)
    scope = trio.CancelScope()
    act = partial(scope.cancel, "the sweep") if how == "cancelled" else client.leave
    async with trio.open_nursery() as nursery:
        if scenario.queued:
            nursery.start_soon(hold_slot, world.services.limiter)
            await wait_all_tasks_blocked()
        tripwire = Tripwire(steps, act)
        trio.lowlevel.add_instrument(tripwire)
        try:
            with scope:
                exchange = Exchange("chat", client.scope, client.receive, client.send)
                await Answering(parse)(exchange, world.services)
        except ClientGone:
            assert how == "client leaves"
        finally:
            trio.lowlevel.remove_instrument(tripwire)
        assert "calls=0 asks=0 turns=0" in repr(world.channel), "nobody waits for anything once the request is over"
        if tripwire.at is not None:
            assert trio.current_time() == tripwire.at, "whatever ends a request ends it at once"
        await wait_all_tasks_blocked()
    return tripwire, client


def check_traces(world: World, client: Client) -> None:
    """Nothing of the request is left, whatever became of it."""
    services, fates = world.services, world.lingma.fates
    sessions = services.sessions
    assert (services.limiter.counts.in_flight, services.limiter.counts.queued, world.instance.seats) == (0, 0, 0)
    assert repr(world.channel) == IDLE
    for fate in fates.values():
        assert fate in (["ended"], ["stopped"], ["stopped", "ended"]), "stopped if and only if it had not ended"
    commits = sessions.commits["kept"]
    if commits:
        assert list(fates.values())[-1] == ["ended"], "only an answer whose end was seen is committed"
    if b"[DONE]" in client.received:
        assert commits == 1, "a stream that looks complete is"
    assert len(sessions) == 1 - sessions.hits + commits
    if not sessions.hits:
        lease = sessions.claim(HELD, now=trio.current_time(), gone=world.services.pool.gone)
        assert isinstance(lease, Lease)
        assert lease.session == world.held, "a session that was not asked is still there"


def check_untouched(world: World, scenario: Scenario, client: Client) -> None:
    """A run that nothing disturbed did what it was there to show."""
    assert client.status == scenario.status
    assert world.services.sessions.commits["kept"] == scenario.commits
    assert not world.lingma.scripts or world.lingma.scripts == [scenario.second]
    if scenario.options == STREAM and scenario.commits:
        assert client.received.rstrip().endswith(b"data: [DONE]")


@pytest.mark.parametrize("how", ["cancelled", "client leaves"])
@pytest.mark.parametrize("name", SCENARIOS)
async def test_request_ended_at_any_step_leaves_no_trace(name: str, how: HowItEnds, autojump_clock: MockClock) -> None:
    """Wherever a request is cut off: no slot, no waiter, no call, no task, no write to the cache, and Lingma stops."""
    scenario = SCENARIOS[name]
    async with open_world() as world:
        stops = steps = 0
        before = running_tasks()
        while True:
            steps += 1
            world.prepare(scenario)
            tripwire, client = await run_once(world, scenario, steps, how)
            if tripwire.at is None:
                check_untouched(world, scenario, client)
            check_traces(world, client)
            assert running_tasks() == before
            stops += sum("stopped" in fate for fate in world.lingma.fates.values())
            if tripwire.at is None:
                break
        assert steps > 20
        assert stops > 0
