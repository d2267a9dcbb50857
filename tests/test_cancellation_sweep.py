"""The cancellation sweep: a request is ended before every single step that anything takes, and never leaves a trace.

Each scenario runs again and again through the real handler, limiter, session cache, turn and channel, against a Lingma
at the other end of memory streams. The n-th run is cancelled, or its client leaves, just before the n-th step of any
task, until a run gets through untouched.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Literal

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.api.openai.request import parse
from lingma_trio.errors import ClientGone
from lingma_trio.http.answering import Answering
from lingma_trio.http.exchange import Exchange
from lingma_trio.lingma.limiter import Limiter
from lingma_trio.sessions.book import Lease
from tests.agent_sweep import ScriptedAgent, open_agent_world
from tests.session_sweep import open_session_world
from tests.sweep import (
    CONTINUED,
    FRESH,
    GOOD,
    HELD,
    IDLE,
    Scenario,
    Tripwire,
    World,
    open_world,
    running_tasks,
)

pytestmark = pytest.mark.slow

HowItEnds = Literal["cancelled", "client leaves"]

STREAM = {"stream": True}
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
        assert "turns=0" in repr(world.channel), "nobody waits for anything once the request is over"
        if tripwire.at is not None:
            assert trio.current_time() == tripwire.at, "whatever ends a request ends it at once"
        await wait_all_tasks_blocked()
    return tripwire, client


def check_traces(world: World, client: Client) -> None:
    """Nothing of the request is left, whatever became of it."""
    services, sessions, fates = world.services, world.book, world.lingma.fates
    assert (services.limiter.counts.in_flight, services.limiter.counts.queued, world.instance.seats) == (0, 0, 0)
    assert repr(world.channel) == IDLE
    for fate in fates.values():
        assert fate in world.lingma.proper, "stopped if and only if it had not ended"
    commits = sessions.commits["kept"]
    if commits:
        assert list(fates.values())[-1] == ["ended"], "only an answer whose end was seen is committed"
    if b"[DONE]" in client.received:
        assert commits == 1, "a stream that looks complete is"
    asked = sessions.hits + sessions.misses["refused"]
    assert len(sessions) == 1 - asked + commits
    if isinstance(world.lingma, ScriptedAgent):
        assert world.lingma.held == len(sessions), "what nobody can go on with is closed"
    if not asked:
        lease = sessions.claim(HELD, now=trio.current_time(), gone=world.services.pool.gone)
        assert isinstance(lease, Lease)
        assert lease.session == world.held, "a session that was not asked is still there"


def check_untouched(world: World, scenario: Scenario, client: Client) -> None:
    """A run that nothing disturbed did what it was there to show."""
    assert client.status == scenario.status
    assert world.book.commits["kept"] == scenario.commits
    assert not world.lingma.scripts or world.lingma.scripts == [scenario.second]
    if scenario.options == STREAM and scenario.commits:
        assert client.received.rstrip().endswith(b"data: [DONE]")


@pytest.mark.parametrize("how", ["cancelled", "client leaves"])
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("world_of", [open_world, open_session_world, open_agent_world], ids=["chat", "session", "acp"])
async def test_request_ended_at_any_step_leaves_no_trace(
    world_of: Callable[[], AbstractAsyncContextManager[World]], name: str, how: HowItEnds, autojump_clock: MockClock
) -> None:
    """Wherever a request is cut off: no slot, no waiter, no call, no task, no write to the cache, and Lingma stops."""
    if world_of is open_agent_world and name == "session that is replaced":
        pytest.skip("an agent answers in the session that it was asked in")
    scenario = SCENARIOS[name]
    async with world_of() as world:
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
