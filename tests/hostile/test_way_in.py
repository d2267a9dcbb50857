"""The way in: admission, then bytes, then work, so that no request costs the others before it is known to be good."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import trio
import trio.testing
from pydantic_core import to_json

from lingma_trio.http.body import DISCARD_SECONDS
from lingma_trio.http.picture_fetching import look_up
from lingma_trio.keys.key import ApiKey, digest_of
from lingma_trio.threads import DISK, NAMES
from tests.hostile.steps import watched_steps
from tests.http.world import Visitor, World, open_world

POSTS = ("/chat/completions", "/completions", "/messages", "/messages/count_tokens", "/responses")
ANN = {"authorization": "Bearer sk-ann"}
BOB = {"authorization": "Bearer sk-bob"}
A_STEP = 0.03  # seconds of processor time of one task step; a few milliseconds are taken on an idle machine
A_LARGE_STEP = 0.08  # the same for the largest request; half of it is taken on an idle machine


def key(name: str, **limits: Any) -> ApiKey:  # noqa: ANN401 - its limits
    return ApiKey(name, digest_of(f"sk-{name}"), **limits)


class Upload(Visitor):
    """A visitor whose body comes in pieces, when the test says so, and is never finished."""

    def __init__(self, like: Visitor) -> None:
        super().__init__(like.scope, b"")
        self._bring, self._pieces = trio.open_memory_channel[bytes](100)

    def bring(self, piece: bytes) -> None:
        """Send a piece more."""
        self._bring.send_nowait(piece)

    def leave(self) -> None:
        """Go away."""
        self._bring.close()

    async def receive(self) -> dict[str, Any]:
        """ASGI's."""
        async for piece in self._pieces:
            return {"type": "http.request", "body": piece, "more_body": True}
        return {"type": "http.disconnect"}


def upload(world: World, headers: dict[str, str]) -> Upload:
    return Upload(world.visitor("POST", "/v1/chat/completions", headers={**headers, "transfer-encoding": "chunked"}))


@pytest.mark.parametrize("prefix", ["/v1", ""])
@pytest.mark.parametrize("path", POSTS)
async def test_every_post_counts_before_its_body_is_read(
    prefix: str, path: str, autojump_clock: trio.testing.MockClock
) -> None:
    """A bad request costs its key a request, and the next one is refused although its body never comes."""
    async with open_world(keys=(key("ann", requests_per_minute=1),)) as world:
        bad = await world.call("POST", prefix + path, b"no JSON", headers=ANN)
        began = trio.current_time()
        refused = await world.call("POST", prefix + path, headers=ANN, withheld=True)
        assert trio.current_time() - began == pytest.approx(DISCARD_SECONDS)
    assert (bad.status, refused.status) == (400, 429)
    assert "1 requests a minute" in refused.json["error"]["message"]
    assert refused.headers["retry-after"] == "60"


async def test_too_large_body_counts(autojump_clock: trio.testing.MockClock) -> None:
    """A body that is refused for its size costs its key a request."""
    async with open_world(keys=(key("ann", requests_per_minute=1),), max_request=10) as world:
        large = await world.call("POST", "/v1/messages/count_tokens", b"x" * 11, headers=ANN)
        refused = await world.call("POST", "/v1/messages/count_tokens", b"x" * 11, headers=ANN)
    assert (large.status, refused.status) == (413, 429)


async def test_unfinished_bodies_have_a_budget(autojump_clock: trio.testing.MockClock) -> None:
    """Of forty unfinished bodies of one key a share is held, the rest is refused, and another key is served."""
    budget, size = 8000, 1000
    async with open_world(keys=(key("ann"), key("bob")), max_request=2 * size, max_bytes=budget) as world:
        visitors = [upload(world, ANN) for _ in range(40)]
        async with trio.open_nursery() as nursery:
            for visitor in visitors:
                nursery.start_soon(visitor.visit)
                visitor.bring(b"x" * (size - 1))
                visitor.bring(b"x")
            await trio.testing.wait_all_tasks_blocked()
            assert world.services.byte_budget.held == budget // 2
            refused = [visitor for visitor in visitors if visitor.status]
            assert len(refused) == 36
            assert {(visitor.status, visitor.headers["retry-after"]) for visitor in refused} == {(503, "2")}
            body = to_json({"messages": [{"role": "user", "content": "x" * (size + 900)}]})
            counted = await world.call("POST", "/v1/messages/count_tokens", body, headers=BOB)
            assert counted.status == 200
            for visitor in visitors:
                visitor.leave()
        assert world.services.byte_budget.held == 0
    assert refused[0].code == "bytes_in_flight_exceeded"


async def test_bytes_count_as_they_come_and_not_as_announced(autojump_clock: trio.testing.MockClock) -> None:
    """Whoever announces much and sends nothing holds nothing."""
    async with open_world(max_request=2000, max_bytes=4000) as world, trio.open_nursery() as nursery:
        for _ in range(40):
            visitor = upload(world, {"content-length": "2000"})
            nursery.start_soon(visitor.visit)
        await trio.testing.wait_all_tasks_blocked()
        assert world.services.byte_budget.held == 0
        nursery.cancel_scope.cancel("seen")


async def test_bytes_are_held_while_lingma_is_asked_and_no_longer() -> None:
    """A conversation's bytes count from its first one until its turn is over."""
    async with open_world() as world:
        asker = world.asker("x" * 500)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asker.visit)
            question = await world.peer.called("chat/ask")
            assert world.services.byte_budget.held > 500
            await world.peer.text(question, "Hello.")
            await world.peer.finish(question)
        assert world.services.byte_budget.held == 0


@pytest.mark.parametrize("unit", [b"[],", b'{"role":"user","content":"x"},', b'{"type":"item_reference","id":"a"},'])
@pytest.mark.parametrize("path", POSTS)
async def test_body_full_of_tiny_values_is_refused_unread(unit: bytes, path: str) -> None:
    """What would grow to many times its size is refused with what to do instead, and never holds the loop."""
    ignored = b'{"ignored":[' + unit * (8_000_000 // len(unit)) + b"0]}"
    async with open_world(max_request=10_000_000) as world:
        with watched_steps() as steps:
            refused = await world.call("POST", path, ignored)
    assert refused.status == 413
    assert "JSON values" in refused.json["error"]["message"]
    assert steps.longest < A_STEP, steps


async def test_large_request_is_read_beside_the_loop() -> None:
    """A conversation of many messages is read, checked and counted in a thread."""
    parts = [{"type": "text", "text": "Part."}] * 5
    messages = [{"role": ("user", "assistant")[at % 2], "content": parts} for at in range(9_001)]
    async with open_world(max_request=10_000_000) as world:
        with watched_steps() as steps:
            counted = await world.call("POST", "/v1/messages/count_tokens", to_json({"messages": messages}))
    assert counted.json["input_tokens"] > 9_000
    assert steps.longest < A_STEP, steps


async def test_honest_large_message_holds_nobody_up() -> None:
    """A message of many megabytes is read, told apart and sent on with no step of the gateway's that takes long."""
    async with open_world(max_request=21_000_000) as world:
        asker = world.asker("def double(x):\n    return 2 * x\n" * 580_000)
        with watched_steps() as steps:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(asker.visit, name="request")
                question = await world.peer.called("chat/ask")
                await world.peer.text(question, "Hello.")
                await world.peer.finish(question)
    assert asker.status == 200
    ours = {name: steps.longest_of.get(name, 0.0) for name in ("request", "turn", "RPC writer", "RPC pump")}
    assert max(ours.values()) < A_LARGE_STEP, ours


async def test_slow_name_service_keeps_no_file_waiting() -> None:
    """However many look-ups of names are under way, a file is read at once; only another look-up waits."""
    released = threading.Event()

    async def look_up_slowly() -> None:
        await NAMES.run(released.wait, leave=True)

    async with trio.open_nursery() as nursery:
        for _ in range(45):
            nursery.start_soon(look_up_slowly)
        await trio.testing.wait_all_tasks_blocked()
        waiting = NAMES.limiter.statistics().tasks_waiting
        nursery.start_soon(look_up, "localhost", 80)
        await trio.testing.wait_all_tasks_blocked()
        try:
            assert NAMES.limiter.statistics().tasks_waiting == waiting + 1
            assert await DISK.run(str, "read") == "read"
        finally:
            released.set()


async def test_long_path_is_not_looked_into() -> None:
    """A path of 15 KB of slashes costs no more than any that is not there."""
    async with open_world() as world:
        with watched_steps() as steps:
            refused = await world.call("GET", "/v1/models/" + "/" * 15_000)
    assert (refused.status, refused.code) == (404, "not_found")
    assert steps.longest < A_STEP, steps
