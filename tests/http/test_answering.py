"""Chat completions: what is sent when, what a fault looks like at each point, and what is counted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import FrameType
from typing import Any, cast

import pytest
import trio
from pydantic_core import from_json, to_json
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.api.anthropic.request import MessagesRequest
from lingma_trio.api.openai.request import ChatRequest
from lingma_trio.protocol.jsonrpc import ServerRequest
from lingma_trio.state.link import Budget, Call, Link
from tests.http.world import DownLink, Visitor, World, asking, open_world


def chunks(visitor: Visitor) -> Iterator[dict[str, object]]:
    """The stream's events without `[DONE]`."""
    for block in visitor.body.split(b"\n\n"):
        if block.startswith(b"data: {"):
            yield from_json(block.removeprefix(b"data: "))


@pytest.mark.parametrize("watched", [True, False], ids=["own edge", "other server"])
async def test_whole_answer(*, watched: bool) -> None:
    """Without `stream` the answer comes in one body with its length, once it is complete."""
    async with open_world() as world:
        visitor = world.asker(watched=watched)
        async with asking(world, visitor) as question:
            await world.peer.text(question, "Hel")
            await world.peer.text(question, "lo.")
            await world.peer.finish(question)
    choice = visitor.json["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Hello.", "stop")
    assert visitor.headers["content-type"] == "application/json"
    assert int(visitor.headers["content-length"]) == len(visitor.body)
    assert visitor.complete


async def test_stream_passes_text_on_as_it_comes() -> None:
    """Each piece of text is on its way before the next one has come."""
    async with open_world() as world:
        visitor = world.asker(stream=True)
        async with asking(world, visitor) as question:
            await world.peer.text(question, "First")
            await visitor.until(b'"content":"First"')
            await world.peer.text(question, "Second")
            await visitor.until(b'"content":"Second"')
            assert b"[DONE]" not in visitor.body
            await world.peer.finish(question)
    assert visitor.body.endswith(b"data: [DONE]\n\n")
    assert visitor.complete


async def test_stream_is_not_to_be_buffered() -> None:
    """A stream's head tells caches and proxies to keep their hands off, and who it belongs to."""
    async with open_world() as world:
        visitor = world.asker(stream=True, headers={"x-request-id": "mine-1"})
        async with asking(world, visitor) as question:
            await world.peer.text(question, "Hello.")
            await world.peer.finish(question)
    assert visitor.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert visitor.headers["cache-control"] == "no-cache, no-transform"
    assert visitor.headers["x-accel-buffering"] == "no"
    assert visitor.headers["x-request-id"] == "mine-1"
    assert "content-length" not in visitor.headers


async def test_identity_is_one_for_the_whole_stream() -> None:
    """Every chunk has the same id, which is the request's where that is of the gateway's own making, and the model."""
    async with open_world() as world:
        visitor = world.asker(stream=True, model="QWEN")
        async with asking(world, visitor) as question:
            await world.peer.text(question, "Hello.")
            await world.peer.finish(question)
    request_id = visitor.headers["x-request-id"].removeprefix("req_")
    assert {(chunk["id"], chunk["model"]) for chunk in chunks(visitor)} == {(f"chatcmpl-{request_id}", "qwen")}


async def test_usage_when_it_is_asked_for() -> None:
    """`include_usage` adds one chunk without choices ahead of the end; every other chunk has a usage of null."""
    async with open_world() as world:
        visitor = world.asker(stream=True, stream_options={"include_usage": True})
        async with asking(world, visitor) as question:
            await world.peer.text(question, "Hello.")
            await world.peer.finish(question)
    *others, last = chunks(visitor)
    assert last["choices"] == []
    assert from_json(visitor.body.split(b"\n\n")[-3].removeprefix(b"data: "))["usage"]["total_tokens"] > 0
    assert all(chunk["usage"] is None for chunk in others)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("field", "value", "reason", "text"),
    [("stop", "END", "stop", "Begin "), ("max_tokens", 2, "length", "one two ")],
)
async def test_limit_ends_the_answer_and_stops_lingma(
    stream: bool,
    field: str,
    value: object,
    reason: str,
    text: str,
) -> None:
    """At a stop sequence or the token limit the client has its end, Lingma is told, and no session is kept."""
    pieces = {"stop": ("Begin EN", "D more"), "max_tokens": ("one two", " three four five six")}[field]
    async with open_world() as world:
        limits: dict[str, Any] = {field: value}
        visitor = world.asker(stream=stream, **limits)
        async with asking(world, visitor) as question:
            for piece in pieces:
                await world.peer.text(question, piece)
            stop = await world.peer.called("chat/stop")
            assert stop.params["requestId"] == question.params["requestId"]
        assert world.services.sessions.counters.commits["kept"] == 0
    assert visitor.complete
    if stream:
        deltas = [chunk["choices"][0] for chunk in chunks(visitor)]  # type: ignore[index]
        got = "".join(choice["delta"].get("content", "") for choice in deltas), deltas[-1]["finish_reason"]
    else:
        choice = visitor.json["choices"][0]
        got = choice["message"]["content"], choice["finish_reason"]
    assert got == (text, reason)


async def test_session_is_kept_once_the_answer_is_complete() -> None:
    """A complete answer is remembered, and its continuation goes to the same session with the newest message only."""
    async with open_world() as world:
        visitor = world.asker("One?")
        async with asking(world, visitor) as question:
            await world.peer.text(question, "Two.", "s-9")
            assert world.services.sessions.counters.commits["kept"] == 0
            await world.peer.finish(question, "s-9")
        assert world.services.sessions.counters.commits["kept"] == 1
        messages = [
            {"role": "user", "content": "One?"},
            {"role": "assistant", "content": "Two."},
            {"role": "user", "content": "Three?"},
        ]
        async with asking(world, world.asker(messages=messages)) as question:
            assert (question.params["sessionId"], question.params["questionText"]) == ("s-9", "Three?")
            await world.peer.text(question, "Four.", "s-9")
            await world.peer.finish(question, "s-9")
        assert world.services.sessions.counters.hits == 1


async def test_silence_gets_keepalives_also_before_the_first_text(autojump_clock: MockClock) -> None:
    """While Lingma thinks a stream gets a comment every SSE_KEEPALIVE_SEC, and its head with the first one."""
    async with open_world(keepalive=15) as world:
        visitor = world.asker(stream=True)
        async with asking(world, visitor) as question:
            await trio.sleep(40)
            assert (visitor.status, visitor.body) == (200, b": keep-alive\n\n" * 2)
            await world.peer.text(question, "Hello.")
            await world.peer.finish(question)
    assert visitor.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("fields", [{"stream": False}, {"stream": True}], ids=["whole", "stream"])
async def test_no_keepalive_where_there_is_none(fields: dict[str, Any], autojump_clock: MockClock) -> None:
    """A whole answer never gets a comment, and a stream gets none when they are switched off."""
    async with open_world(keepalive=0 if fields["stream"] else 15) as world:
        visitor = world.asker(**fields)
        async with asking(world, visitor) as question:
            await trio.sleep(100)
            assert (visitor.status, visitor.body) == (0, b"")
            await world.peer.text(question, "Hello.")
            await world.peer.finish(question)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_fault_before_the_first_byte_is_a_status(stream: bool) -> None:
    """What goes wrong while nothing is sent becomes a proper status, for a stream as well."""
    async with open_world() as world:
        visitor = world.asker(stream=stream)
        async with asking(world, visitor) as question:
            await world.peer.finish(question, status=601)
    assert (visitor.status, visitor.code, visitor.complete) == (400, "content_filter", True)
    assert visitor.headers["content-type"] == "application/json"


async def test_fault_in_mid_stream_is_told_in_band() -> None:
    """A stream that fails gets an error event, no finish reason, no `[DONE]` and no end."""
    async with open_world() as world:
        visitor = world.asker(stream=True)
        async with asking(world, visitor) as question:
            await world.peer.text(question, "Half of")
            await visitor.until(b"Half of")
            await world.peer.finish(question, status=601)
        assert world.sample("requests_total", route="chat", outcome="content_filter") == 1
    *_, last = chunks(visitor)
    assert last["error"]["code"] == "content_filter"  # type: ignore[index]
    assert b"[DONE]" not in visitor.body
    assert not visitor.complete


async def test_fault_behind_a_keepalive_is_told_in_band(autojump_clock: MockClock) -> None:
    """A stream of which only comments were sent has its status already, so its fault goes in-band, too."""
    async with open_world(keepalive=15) as world:
        visitor = world.asker(stream=True)
        async with asking(world, visitor) as question:
            await trio.sleep(20)
            assert visitor.status == 200
            await world.peer.finish(question, status=601)
        assert world.sample("requests_total", route="chat", outcome="content_filter") == 1
    assert b'"code":"content_filter"' in visitor.body
    assert not visitor.complete


async def test_lost_lingma(autojump_clock: MockClock) -> None:
    """A channel that breaks ends every turn on it: with a 502 where nothing is sent yet, else in-band."""
    async with open_world() as world, trio.open_nursery() as nursery:
        whole, stream = world.asker("One."), world.asker("Two.", stream=True)
        nursery.start_soon(whole.visit)
        await world.peer.called("chat/ask")
        nursery.start_soon(stream.visit)
        await world.peer.text(await world.peer.called("chat/ask"), "Half of")
        await stream.until(b"Half of")
        await world.link.vanish()
        await whole.done.wait()
        await stream.done.wait()
        assert world.services.limiter.counts.in_flight == 0
    assert (whole.status, whole.code) == (502, "upstream_lost")
    assert b'"code":"upstream_lost"' in stream.body
    assert not stream.complete


@pytest.mark.parametrize("started", [False, True], ids=["before text", "after text"])
async def test_ceiling_ends_the_request(started: bool, autojump_clock: MockClock) -> None:
    """At GATEWAY_REQUEST_TIMEOUT the request gets a 504, or the same in-band, and Lingma is told to stop."""
    async with open_world(request_timeout=50, keepalive=0) as world:
        visitor = world.asker(stream=True)
        began = trio.current_time()
        async with asking(world, visitor) as question:
            if started:
                await world.peer.text(question, "Half of")
            await visitor.done.wait()
            await world.peer.called("chat/stop")
        assert trio.current_time() - began == pytest.approx(50, abs=1)
    if started:
        assert b'"code":"request_timeout"' in visitor.body
        assert not visitor.complete
    else:
        assert (visitor.status, visitor.code) == (504, "request_timeout")


@pytest.mark.parametrize("started", [False, True], ids=["before text", "after text"])
async def test_drain_ends_the_request(started: bool, autojump_clock: MockClock) -> None:
    """When the grace of a shutdown is over, requests are told that the gateway stops, each in the way it still can."""
    async with open_world(keepalive=0) as world:
        visitor = world.asker(stream=True)
        async with asking(world, visitor) as question:
            if started:
                await world.peer.text(question, "Half of")
                await visitor.until(b"Half of")
            world.services.ceiling.drain(5)
            await visitor.done.wait()
            await world.peer.called("chat/stop")
    if started:
        assert b'"code":"shutting_down"' in visitor.body
        assert not visitor.complete
    else:
        assert (visitor.status, visitor.code, visitor.headers["retry-after"]) == (503, "shutting_down", "5")


async def test_answer_that_is_complete_within_the_drain() -> None:
    """A request that finishes within the grace ends like any other."""
    async with open_world() as world:
        visitor = world.asker(stream=True)
        async with asking(world, visitor) as question:
            world.services.ceiling.drain(5)
            await world.peer.text(question, "Hello.")
            await world.peer.finish(question)
    assert visitor.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("watched", [True, False], ids=["own edge", "other server"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("stage", ["waiting", "streaming"])
async def test_departure_is_counted_by_stage(stage: str, *, stream: bool, watched: bool) -> None:
    """A client that leaves stops Lingma, frees the slot, and is counted under how far its request had come."""
    async with open_world() as world:
        visitor = world.asker(stream=stream, watched=watched)
        async with asking(world, visitor) as question:
            if stage == "streaming":
                await world.peer.text(question, "Half of")
                await wait_all_tasks_blocked()
            visitor.leave()
            await world.peer.called("chat/stop")
        assert world.sample("cancellations_total", stage=stage) == 1
        assert world.sample("requests_total", route="chat", outcome="cancelled") == 1
        assert world.services.limiter.counts.in_flight == 0
        assert world.services.sessions.counters.commits["kept"] == 0
    assert not visitor.complete


async def test_departure_from_the_queue_asks_nothing() -> None:
    """Who leaves while queued is never asked about, and is counted as having left the queue."""
    async with open_world(slots=1) as world, trio.open_nursery() as nursery:
        first, second = world.asker("One."), world.asker("Two.")
        nursery.start_soon(first.visit)
        question = await world.peer.called("chat/ask")
        nursery.start_soon(second.visit)
        await wait_all_tasks_blocked()
        assert world.services.limiter.counts.queued == 1
        second.leave()
        await second.done.wait()
        assert world.services.limiter.counts.queued == 0
        assert world.sample("cancellations_total", stage="queued") == 1
        await world.peer.text(question, "Hello.")
        await world.peer.finish(question)
        await first.done.wait()
    assert second.status == 0


@pytest.mark.parametrize("watched", [True, False], ids=["own edge", "other server"])
async def test_departure_during_the_body(*, watched: bool) -> None:
    """A client that leaves before its request is complete gets nothing and is counted as having left."""
    async with open_world() as world, trio.open_nursery() as nursery:
        visitor = world.visitor("POST", "/v1/chat/completions", withheld=True, watched=watched)
        nursery.start_soon(visitor.visit)
        await wait_all_tasks_blocked()
        visitor.leave()
        await visitor.done.wait()
        assert world.sample("cancellations_total", stage="receiving") == 1
    assert visitor.status == 0


async def test_queue_that_is_too_long_or_too_slow(autojump_clock: MockClock) -> None:
    """A full queue refuses at once, a slow one after its timeout; both with a 429 that says when to come again."""
    async with open_world(slots=1, max_queue=1) as world, trio.open_nursery() as nursery:
        nursery.start_soon(world.asker("One.").visit)
        await world.peer.called("chat/ask")
        late, full = world.asker("Two."), world.asker("Three.")
        nursery.start_soon(late.visit)
        await wait_all_tasks_blocked()
        await full.visit()
        assert (full.status, full.code) == (429, "queue_full")
        await late.done.wait()
        assert (late.status, late.code) == (429, "queue_timeout")
        nursery.cancel_scope.cancel("the first one never ends")
    for visitor in (late, full):
        assert (visitor.headers["retry-after"], visitor.headers["retry-after-ms"]) == ("5", "5000")


async def test_no_instance_is_told_before_the_queue() -> None:
    """Without an instance that could be asked a request is refused at once, although there is no slot free either."""
    async with open_world(slots=1) as world, trio.open_nursery() as nursery:
        nursery.start_soon(world.asker("One.").visit)
        await world.peer.called("chat/ask")
        world.instance.lives.state = "needs_login"
        world.instance.lives.reason = "sign in"
        visitor = world.asker("Two.")
        await visitor.visit()
        nursery.cancel_scope.cancel("the first one never ends")
    assert (visitor.status, visitor.code) == (503, "login_required")
    assert visitor.headers["x-should-retry"] == "false"


async def test_what_is_measured() -> None:
    """A request leaves its outcome, its tokens and its times behind."""
    async with open_world() as world:
        async with asking(world, world.asker(stream=True)) as question:
            assert world.sample("in_flight_requests") == 1
            await world.peer.text(question, "Hello.")
            await world.peer.finish(question)
        assert world.sample("requests_total", route="chat", outcome="ok") == 1
        assert world.sample("time_to_first_delta_seconds_count") == 1
        assert world.sample("request_duration_seconds_count", route="chat") == 1
        assert world.sample("queue_wait_seconds_count") == 1
        assert world.sample("deltas_total") == 1
        assert world.sample("prompt_tokens_estimated_total") > 0
        assert world.sample("answer_tokens_estimated_total") > 0
        assert world.sample("in_flight_requests") == 0


def message(world: World, *turns: dict[str, Any], **fields: Any) -> Visitor:  # noqa: ANN401 - whatever JSON holds
    """Somebody with a question in Anthropic's form."""
    body = {"model": "claude-opus-5-5", "max_tokens": 1000, "messages": [*turns], **fields}
    return world.visitor("POST", "/v1/messages", to_json(body), {"anthropic-version": "2023-06-01"})


async def test_message_that_fails_in_mid_stream_has_a_proper_end(autojump_clock: MockClock) -> None:
    """Anthropic's error event ends a failed stream for good, behind pings alone as behind text."""
    async with open_world(keepalive=15) as world:
        visitor = message(world, {"role": "user", "content": "Hello."}, stream=True)
        async with asking(world, visitor) as question:
            await trio.sleep(20)
            assert (visitor.status, visitor.body) == (200, b'event: ping\ndata: {"type":"ping"}\n\n')
            await world.peer.finish(question, status=601)
        assert world.sample("requests_total", route="messages", outcome="content_filter") == 1
    names = [line.removeprefix(b"event: ") for line in visitor.body.splitlines() if line.startswith(b"event: ")]
    assert names == [b"ping", b"message_start", b"error"]
    assert visitor.complete


async def test_conversation_of_claude_code_goes_on_in_one_session() -> None:
    """Marks for caching, the bill's line and the form of old turns change with each turn, and are no other turn."""
    mark = {"cache_control": {"type": "ephemeral"}}
    tool = {"name": "Write", "description": "Writes.", "input_schema": {"type": "object"}}

    def system(bill: str) -> list[dict[str, Any]]:
        words = [f"x-anthropic-billing-header: cc_version=2.1; cch={bill};", "You are an agent."]
        return [{"type": "text", "text": text, **mark} for text in words]

    first = [
        {"role": "user", "content": [{"type": "text", "text": "<reminder>"}, {"type": "text", "text": "Write."}]},
        {"role": "system", "content": [{"type": "text", "text": "# Environment", **mark}]},
    ]
    later = [
        first[0],
        {"role": "system", "content": "# Environment"},
        {"role": "assistant", "content": [{"type": "text", "text": "I shall."}]},
        {"role": "user", "content": [{"type": "text", "text": "Well?", **mark}]},
    ]
    asked = ""
    async with open_world() as world:
        for bill, turns, tools in (("1", first, [{**tool, **mark}]), ("2", later, [tool])):
            visitor = message(world, *turns, system=system(bill), tools=tools, stream=True)
            async with asking(world, visitor) as question:
                await world.peer.text(question, "I shall.")
                await world.peer.finish(question)
                asked = question.params["questionText"]
            assert b"message_stop" in visitor.body
        assert world.services.sessions.counters.hits == 1
    assert " user ===\nWell?\n" in asked
    assert "Environment" not in asked
    assert "Writes." not in asked


# --- tools and formats ------------------------------------------------------------------------------------------------

LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "required": ["at"]}}}


def call_for(question: ServerRequest) -> str:
    """The call that a model makes which does as it is asked."""
    form = re.findall(r"^```json action [0-9a-f]{10}$", question.params["questionText"], re.MULTILINE)[-1]
    return f'{form}\n{{"tool": "look", "arguments": {{"at": 1}}}}\n```\n'


async def test_text_before_a_call_streams_on(autojump_clock: MockClock) -> None:
    """Only the call is held back, until its JSON is complete; the session knows it by the id the client got."""
    async with open_world() as world:
        visitor = world.asker(stream=True, tools=[LOOK])
        async with asking(world, visitor) as question:
            await world.peer.text(question, "I will")
            await visitor.until(b'"content":"I will"')
            call = call_for(question)
            await world.peer.text(question, " look.\n" + call[:30])
            await visitor.until(b'"content":" look.')
            assert b"tool_calls" not in visitor.body
            assert b"```" not in visitor.body
            await world.peer.text(question, call[30:] + "It is 5.")
            await visitor.until(b'"tool_calls":[{"index":0,"id":"call_')
            await world.peer.finish(question)
        assert world.services.sessions.counters.commits == {"told": 1}
    assert b'"finish_reason":"tool_calls"' in visitor.body
    assert b"It is 5" not in visitor.body


async def test_what_is_held_back_gets_keepalives(autojump_clock: MockClock) -> None:
    """JSON comes once it is valid; until then text that arrives is a sign of life for the client, too."""
    async with open_world(keepalive=15) as world:
        visitor = world.asker(stream=True, response_format={"type": "json_object"})
        async with asking(world, visitor) as question:
            for piece in ('{"a"', ": ", "1"):
                await trio.sleep(16)
                await world.peer.text(question, piece)
            await wait_all_tasks_blocked()
            assert visitor.status == 200
            assert set(visitor.body.split(b"\n\n")) == {b": keep-alive", b""}
            await world.peer.text(question, "}")
            await world.peer.finish(question)
    texts = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks(visitor)]  # type: ignore[index]
    assert "".join(texts) == '{"a": 1}'


async def test_answer_is_mended_in_its_session() -> None:
    """The complaint goes to the session that answered wrongly, and the mended answer is what is remembered."""
    async with open_world() as world:
        visitor = world.asker(tools=[LOOK], tool_choice="required")
        async with asking(world, visitor) as question:
            await world.peer.text(question, "I cannot look.", "s-9")
            await world.peer.finish(question, "s-9")
            again = await world.peer.called("chat/ask")
            assert again.params["sessionId"] == "s-9"
            assert "It calls no tool." in again.params["questionText"]
            assert not world.services.sessions.counters.commits
            await world.peer.text(again, call_for(again), "s-9")
            await world.peer.finish(again, "s-9")
        assert world.services.sessions.counters.commits == {"told": 1}
    message = visitor.json["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"at":1}'}


async def test_answer_that_stays_wrong_is_not_remembered() -> None:
    """The session is given up with the request."""
    async with open_world() as world:
        visitor = world.asker(response_format={"type": "json_object"})
        async with asking(world, visitor) as question:
            for asked in (question, None):
                put = asked or await world.peer.called("chat/ask")
                await world.peer.text(put, "No.", "s-9")
                await world.peer.finish(put, "s-9")
        assert world.services.sessions.counters.commits["kept"] == 0
    assert (visitor.status, visitor.code) == (502, "upstream_answer_malformed")


async def test_client_that_leaves_while_its_answer_is_mended_stops_it() -> None:
    """The second question is Lingma's last."""
    async with open_world() as world:
        visitor = world.asker(tools=[LOOK], tool_choice="required")
        async with asking(world, visitor) as question:
            await world.peer.text(question, "I cannot look.")
            await world.peer.finish(question)
            again = await world.peer.called("chat/ask")
            visitor.leave()
            stop = await world.peer.called("chat/stop")
        assert stop.params["requestId"] == again.params["requestId"]
        assert world.services.limiter.counts.in_flight == 0


async def test_fields_that_nobody_described_are_told_of() -> None:
    """The answer is served, and a header of it names them; where there are none, there is no header."""
    async with open_world() as world:
        for more, header in (({"best_of": 1, "newest": 5}, "newest"), ({}, None)):
            visitor = world.visitor("POST", "/v1/completions", to_json({"prompt": "Hello.", **more}))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(visitor.visit)
                question = await world.peer.called("chat/ask")
                await world.peer.text(question, "Hi.")
                await world.peer.finish(question)
            assert visitor.headers.get("x-ignored-fields") == header


def frames() -> Iterator[FrameType]:
    """The frames of all tasks, each from its outermost."""
    tasks = [trio.lowlevel.current_root_task()]
    while tasks:
        task = tasks.pop()
        assert task is not None
        tasks += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
        coroutine: Any = task.coro
        while (frame := getattr(coroutine, "cr_frame", None)) is not None:
            yield frame
            coroutine = coroutine.cr_await


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_no_handler_holds_the_conversation_while_it_is_answered(path: str) -> None:
    """Only what makes the answer has it: the delivery may go on for long after that."""
    async with open_world() as world:
        body = {"messages": [{"role": "user", "content": "Hello."}], "max_tokens": 100}
        visitor = world.visitor("POST", path, to_json(body))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visitor.visit)
            question = await world.peer.called("chat/ask")
            handlers = [frame for frame in frames() if frame.f_code.co_name in ("create_chat", "create_message")]
            held = [value for frame in handlers for value in frame.f_locals.values()]
            assert handlers
            assert not [value for value in held if isinstance(value, ChatRequest | MessagesRequest)]
            await world.peer.text(question, "Hi.")
            await world.peer.finish(question)


class SlowLink(DownLink):
    """The way to a store that is slow to say that it is none."""

    up = True
    seconds = 0.3

    async def trip(self, *calls: Call, budget: Budget | None = None) -> list[Any]:
        await trio.sleep(self.seconds)
        return await super().trip(*calls, budget=budget)


async def test_answer_that_is_there_when_its_time_ends_is_delivered(autojump_clock: MockClock) -> None:
    """What the store is told of it is not cut short, so that it may be there a little after its time."""
    async with open_world(request_timeout=10, store=cast("Link", SlowLink())) as world:
        visitor = world.asker()
        async with asking(world, visitor) as question:
            await world.peer.text(question, "Hello.")
            await trio.sleep_until(10 - SlowLink.seconds / 2)
            await world.peer.finish(question)
    assert trio.current_time() > 10
    assert (visitor.status, visitor.complete) == (200, True)


async def test_answer_that_is_cancelled_while_the_store_is_told_is_not_delivered(autojump_clock: MockClock) -> None:
    """The operator's word counts as long as nothing was sent, and the client is told of it."""
    async with open_world(store=cast("Link", SlowLink())) as world:
        visitor = world.asker()
        async with asking(world, visitor) as question:
            await world.peer.text(question, "Hello.")
            await world.peer.finish(question)
            await trio.sleep(SlowLink.seconds / 2)
            (entry,) = world.services.underway
            entry.cancel()
    assert (visitor.code, visitor.complete) == ("cancelled_by_operator", True)
