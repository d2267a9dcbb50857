"""Bodies of requests for messages, good, bad and arbitrary."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.api.answer_request import Origin
from lingma_trio.api.anthropic.body import MessageBody
from lingma_trio.api.anthropic.request import MessagesRequest, as_request, read_body
from lingma_trio.api.anthropic.stream import MessageStream
from lingma_trio.api.asked.fields import MAX_MODEL_LENGTH, MAX_STOPS
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import Message, Prompt, ToolCall, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = {"role": "user", "content": "hi"}
TOOL = {"name": "f", "description": "d", "input_schema": {"type": "object"}}

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT
FIELDS = [
    "messages", "role", "content", "type", "text", "source", "media_type", "data", "url", "title", "context", "system",
    "tool_use", "tool_result", "tool_use_id", "is_error", "id", "name", "input", "thinking", "redacted_thinking",
    "document", "image", "search_result", "tool_reference", "tool_name", "model", "stream", "max_tokens", "tools",
    "stop_sequences", "metadata", "user_id", "tool_choice", "input_schema", "defer_loading", "output_config", "format",
    "schema", "display", "adaptive", "base64", "user", "assistant", "json_schema", "custom", "any", "tool",
]  # fmt: skip
KEYS = ANY_TEXT | st.sampled_from(FIELDS)
JSON = st.recursive(
    SCALARS | KEYS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)
BLOCK = st.dictionaries(KEYS, JSON, max_size=4) | st.builds(
    lambda kind, fields: {**fields, "type": kind}, st.sampled_from(FIELDS), st.dictionaries(KEYS, JSON, max_size=4)
)
MESSAGE = st.builds(
    lambda role, content: {"role": role, "content": content},
    st.sampled_from(["user", "assistant", "system"]),
    st.lists(BLOCK, max_size=3) | JSON,
)
BODY = st.builds(
    lambda fields, messages: {**fields, "messages": messages},
    st.dictionaries(KEYS, JSON, max_size=5),
    st.lists(MESSAGE, max_size=3).map(lambda more: [USER, *more]),
)


def parse(data: bytes) -> MessagesRequest:
    """Read a request from its bytes."""
    return as_request(read_body(data))


def body(**fields: object) -> bytes:
    """Return a valid body with `fields` set beside its messages, or in place of them."""
    return json.dumps({"messages": [USER], **fields}).encode()


BAD: list[tuple[bytes, str]] = [
    (b"", "body"),
    (b"nonsense", "body"),
    (b"[]", "body"),
    (b"null", "body"),
    (b'{"messages": NaN}', "body"),
    (b'{"messages": ["\\ud800"]}', "body"),
    (b"{}", "messages"),
    (body(messages=None), "messages"),
    (body(system=1), "system"),
    (body(model=1), "model"),
    (body(model="m" * (MAX_MODEL_LENGTH + 1)), "model"),
    (body(stream="yes"), "stream"),
    (body(max_tokens=-1), "max_tokens"),
    (body(max_tokens=1.5), "max_tokens"),
    (body(max_tokens="5"), "max_tokens"),
    (body(max_tokens=True), "max_tokens"),
    (body(max_tokens=False), "max_tokens"),
    (body(stop_sequences=1), "stop_sequences"),
    (body(stop_sequences=["a"] * (MAX_STOPS + 1)), "stop_sequences"),
    (body(stop_sequences=["a", ""]), "stop_sequences[1]"),
    (body(thinking=True), "thinking"),
    (body(tools="all"), "tools"),
    (body(tool_choice=1), "tool_choice"),
    (body(output_config=[]), "output_config"),
    (body(thread=False), "thread"),
    (body(thread={"type": "forget"}), "thread.type"),
    (body(compaction={"type": "auto"}), "compaction"),
    (body(container="container_1"), "container"),
    (body(inference_geo="us"), "inference_geo"),
]


@pytest.mark.parametrize(("data", "param"), BAD)
def test_a_bad_body_names_the_field_at_fault(data: bytes, param: str) -> None:
    """Each fault leads to the field that has to be changed, and repeats nothing of it."""
    with pytest.raises(InvalidRequest) as caught:
        parse(data)
    assert caught.value.param == param


def test_the_least_there_can_be() -> None:
    """A conversation is all that is needed: everything else has a default."""
    assert parse(body()) == MessagesRequest(
        Prompt((Message("user", "hi"),)), "", stream=False, max_tokens=None, stop=(), user="", thinking=False
    )


def test_everything_there_is() -> None:
    """Each field goes where it belongs; unknown ones, of which there are more each month, are told of."""
    request = parse(
        body(
            model=" Claude-Opus-5-5 ",
            max_tokens=128_000,
            system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            stream=True,
            stop_sequences=["a", "b"],
            metadata={"user_id": "somebody", "other": 1},
            thinking={"type": "adaptive"},
            tools=[TOOL],
            tool_choice={"type": "any"},
            context_management={"edits": [{"type": "clear_thinking_20251015"}]},
            output_config={"effort": "medium"},
            betas=["x"],
            of_the_future=1,
        )
    )
    assert request.ignored == ("of_the_future",)
    assert (request.model, request.max_tokens, request.stream) == ("Claude-Opus-5-5", 128_000, True)
    assert (request.stop, request.user, request.thinking) == (("a", "b"), "somebody", True)
    assert [message.role for message in request.prompt.messages] == ["system", "user"]
    assert request.prompt.toolbox is not None
    assert request.prompt.toolbox.choice == "required"
    assert request.prompt.tools


@pytest.mark.parametrize(
    ("thinking", "shown"),
    [
        (None, False),
        ({"type": "disabled"}, False),
        ({"type": "enabled", "budget_tokens": 1024}, True),
        ({"type": "enabled"}, True),
        ({"type": "enabled", "budget_tokens": 5}, True),
        ({"type": "adaptive"}, True),
        ({"type": "adaptive", "display": "summarized"}, True),
        ({"type": "adaptive", "display": "omitted"}, False),
        ({"type": "of the future"}, False),
    ],
)
def test_reasoning_is_shown_to_who_asks_for_it(thinking: object, shown: bool) -> None:
    """It is turned on explicitly, in either way, and its display can be turned off all the same."""
    assert parse(body(thinking=thinking, max_tokens=5)).thinking is shown


def test_the_budget_for_reasoning_may_be_all_there_is() -> None:
    """Clients set it to `max_tokens` and above; both are served, and only `max_tokens` bounds the answer."""
    for budget in (1024, 1025):
        request = parse(body(thinking={"type": "enabled", "budget_tokens": budget}, max_tokens=1024))
        assert (request.thinking, request.max_tokens) == (True, 1024)


@pytest.mark.parametrize(("given", "bound"), [(None, None), (0, None), (1, 1), (5, 5)])
def test_the_bound_may_be_missing(given: object, bound: int | None) -> None:
    """Anthropic wants a bound; here none, null and 0 are none."""
    assert parse(body(max_tokens=given)).max_tokens == bound


@pytest.mark.parametrize("metadata", [None, 1, [], {}, {"user_id": 1}, {"user_id": None}])
def test_metadata_is_never_at_fault(metadata: object) -> None:
    """What the client keeps for itself is read where it can be and ignored where not."""
    assert parse(body(metadata=metadata)).user == ""


def test_a_stop_may_be_one_text() -> None:
    """Some clients send the text alone."""
    assert parse(body(stop_sequences="END")).stop == ("END",)


def test_a_request_for_a_count_is_read_alike() -> None:
    """The same prompt comes of the body with which its tokens are counted."""
    fields: dict[str, Any] = {"model": "a", "system": "Be brief.", "tools": [TOOL]}
    assert parse(body(**fields)).prompt == parse(body(**fields, max_tokens=5, stream=True)).prompt


@pytest.mark.parametrize(("stream", "kind"), [(True, MessageStream), (False, MessageBody)])
def test_the_answer_names_the_model_as_the_client_did(stream: bool, kind: type[object]) -> None:
    """Its clients take another name for another model's answer; without a name it is the key of who answers."""
    origin = Origin("7", "org_auto", 1)
    for asked, told in (("claude-opus-5-5", b'"model":"claude-opus-5-5"'), ("", b'"model":"org_auto"')):
        encoder = parse(body(model=asked, stream=stream)).encoder(origin)
        assert isinstance(encoder, kind)
        sent = encoder.text("a") + encoder.finish("stop", Usage(1, 1))
        assert told in sent
        assert b'"id":"msg_7"' in sent


def test_a_stream_knows_the_size_of_its_prompt_at_once() -> None:
    """The first event has the prompt's tokens, as the official helpers want it."""
    encoder = parse(body(stream=True, system="word " * 100)).encoder(Origin("7", "org_auto", 1))
    assert json.loads(encoder.start().partition(b"data: ")[2])["message"]["usage"]["input_tokens"] > 100


def strings(request: MessagesRequest) -> Iterator[str]:
    """Yield each text of a request."""
    yield from (request.model, request.user, request.prompt.tools, *request.stop)
    for message in request.prompt.messages:
        yield from (message.text, message.tool_call_id, *message.attachments, *message.images)
        for call in message.tool_calls:
            assert isinstance(call, ToolCall)
            yield from (call.id, call.name, call.arguments)


@given(BODY)
def test_any_body_is_read_or_refused(value: object) -> None:
    """Whatever JSON comes, there is a request whose texts can be encoded, or a fault that names a field."""
    param: str | None = "a field"
    try:
        for text in strings(parse(json.dumps(value).encode())):
            text.encode()
    except InvalidRequest as error:
        param = error.param
    assert param


@given(st.binary(max_size=64))
def test_any_bytes_are_refused(data: bytes) -> None:
    """No bytes raise anything but the one fault."""
    with pytest.raises(InvalidRequest):
        parse(data)


CALLED = {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "look", "input": {}}]}
RETURNED = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "seen"}]}
LOW = {"role": "system", "output_config": {"effort": "low"}}


@pytest.mark.parametrize(
    ("turns", "effort"),
    [
        ([], "high"),
        ([LOW], "low"),
        ([LOW, CALLED, RETURNED], "low"),
        ([LOW, {"role": "assistant", "content": "It"}], "low"),
        ([LOW, {"role": "assistant", "content": "It is."}, {"role": "user", "content": "b"}], "high"),
        ([LOW, {"role": "system", "content": "Be brief.", "output_config": {"effort": "max"}}], "max"),
    ],
)
def test_a_system_turn_says_how_hard_to_think_about_what_follows(turns: list[dict[str, Any]], effort: str) -> None:
    """It goes before what the request says, for the calls of that answer too, and no longer than that."""
    fields = {"messages": [{"role": "user", "content": "a"}, *turns], "output_config": {"effort": "high"}}
    assert as_request(read_body(json.dumps({"max_tokens": 9, **fields}).encode())).prompt.effort == effort


def test_an_effort_that_is_none_is_refused() -> None:
    """By the field of the turn."""
    turn = {"role": "system", "output_config": {"effort": "huge"}}
    with pytest.raises(InvalidRequest) as caught:
        read_body(json.dumps({"messages": [{"role": "user", "content": "a"}, turn]}).encode())
    assert caught.value.param == "messages[1].output_config.effort"
