"""Bodies of chat requests, good, bad and arbitrary."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lingma_trio.api.asked.fields import MAX_MODEL_LENGTH, MAX_STOP_LENGTH, MAX_STOPS
from lingma_trio.api.openai.request import ChatRequest, parse
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import Message, Prompt

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = {"role": "user", "content": "hi"}
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "f", "parameters": {"b": 1, "a": 2}}}

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT
FIELDS = [
    "messages", "role", "content", "type", "text", "image_url", "url", "input_audio", "file", "tool_calls",
    "function", "function_call", "name", "arguments", "id", "model", "stream", "stream_options", "include_usage",
    "n", "stop", "max_tokens", "max_completion_tokens", "user", "metadata", "user_id", "tools", "functions",
    "tool_choice", "response_format", "input", "prompt", "assistant", "system",
]  # fmt: skip
KEYS = ANY_TEXT | st.sampled_from(FIELDS)
JSON = st.recursive(
    SCALARS | KEYS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)
MESSAGE = st.dictionaries(KEYS, JSON, max_size=4).map(lambda fields: {"role": "assistant", "content": "hi", **fields})
BODY = st.dictionaries(KEYS, JSON, max_size=5).map(lambda fields: {"messages": [USER], **fields})


def body(**fields: object) -> bytes:
    """Return a valid body with `fields` set beside its messages, or in place of them."""
    return json.dumps({"messages": [USER], **fields}).encode()


def message(**fields: object) -> bytes:
    """Return a body whose second message is a user's with `fields` set."""
    return body(messages=[USER, {"role": "user", "content": "hi", **fields}])


def assistant(**fields: object) -> bytes:
    """Return a body whose second message is an assistant's with `fields` set."""
    return message(role="assistant", **fields)


def nested(depth: int) -> bytes:
    """Return a body with an unknown field of that many arrays in one another."""
    return b'{"messages":[{"role":"user","content":"hi"}],"x":' + b"[" * depth + b"]" * depth + b"}"


BAD: list[tuple[bytes, str]] = [
    (b"", "body"),
    (b" ", "body"),
    (b"\x00", "body"),
    (b"nonsense", "body"),
    (b"{", "body"),
    (b'{"messages":', "body"),
    (b'{"messages": [],}', "body"),
    (b"{'messages': []}", "body"),
    (b"{} {}", "body"),
    (b"null", "body"),
    (b"true", "body"),
    (b"1", "body"),
    (b'"text"', "body"),
    (b"[]", "body"),
    (b"[{}]", "body"),
    (b"model=a&stream=true", "body"),
    (b"\xff\xfe{\x00}\x00", "body"),
    (body().replace(b"hi", b"\xff"), "body"),
    (body().replace(b"hi", b"\xed\xa0\x80"), "body"),
    (body().replace(b"hi", b"\xc0\xaf"), "body"),
    (body().replace(b"hi", rb"\ud800"), "body"),
    (body().replace(b"hi", rb"\udc00\ud800"), "body"),
    (body().replace(b"hi", rb"\ud83d"), "body"),
    (body().replace(b"hi", rb"\x41"), "body"),
    (body().replace(b"hi", b"a\nb"), "body"),
    (body(x=float("nan")), "body"),
    (body(x=float("inf")), "body"),
    (body(x=float("-inf")), "body"),
    (body().replace(b'"hi"', b"9" * 5000), "body"),
    (nested(5_000), "body"),
    (nested(100_000), "body"),
    (b"[" * 100_000, "body"),
    (b'{"a":' * 100_000, "body"),
    (b"{}", "messages"),
    (body(messages=None), "messages"),
    (body(messages=[]), "messages"),
    (body(messages={}), "messages"),
    (body(messages=USER), "messages"),
    (body(messages="hi"), "messages"),
    (body(messages=""), "messages"),
    (body(messages=1), "messages"),
    (body(messages=False), "messages"),
    (body(messages=[{"role": "user"}]), "messages"),
    (body(messages=[{"role": "user", "content": ""}]), "messages"),
    (body(messages=[{"role": "user", "content": " \n\t"}]), "messages"),
    (body(messages=[{"role": "user", "content": []}]), "messages"),
    (body(messages=[{"role": "system", "content": None}, {"role": "assistant", "tool_calls": []}]), "messages"),
    (b'{"input": "hi"}', "messages"),
    (b'{"input": [{"role": "user", "content": "hi"}]}', "messages"),
    (body(messages=None, input="hi"), "messages"),
    (body(messages=[], input=[]), "messages"),
    (b'{"prompt": "hi"}', "prompt"),
    (body(messages=[USER, None]), "messages[1]"),
    (body(messages=[USER, "hi"]), "messages[1]"),
    (body(messages=[[USER]]), "messages[0]"),
    (body(messages=[1]), "messages[0]"),
    (body(messages=[{"content": "hi"}]), "messages[0].role"),
    (message(role=None), "messages[1].role"),
    (message(role=""), "messages[1].role"),
    (message(role="User"), "messages[1].role"),
    (message(role="model"), "messages[1].role"),
    (message(role=1), "messages[1].role"),
    (message(role=["user"]), "messages[1].role"),
    (message(content=1), "messages[1].content"),
    (message(content=False), "messages[1].content"),
    (message(content={"type": "text", "text": "hi"}), "messages[1].content"),
    (message(content=[1]), "messages[1].content[0]"),
    (message(content=["a", []]), "messages[1].content[1]"),
    (message(content=[{"type": "text"}]), "messages[1].content[0].text"),
    (message(content=[{"type": "text", "text": {"value": "hi"}}]), "messages[1].content[0].text"),
    (message(content=[{"type": "refusal"}]), "messages[1].content[0].refusal"),
    (message(name=1), "messages[1].name"),
    (message(name=["a"]), "messages[1].name"),
    (message(tool_call_id=1), "messages[1].tool_call_id"),
    (assistant(content=None, refusal=1), "messages[1].refusal"),
    (assistant(tool_calls={}), "messages[1].tool_calls"),
    (assistant(tool_calls="f"), "messages[1].tool_calls"),
    (assistant(tool_calls=[None]), "messages[1].tool_calls[0]"),
    (assistant(tool_calls=["f"]), "messages[1].tool_calls[0]"),
    (assistant(tool_calls=[{}]), "messages[1].tool_calls[0].function"),
    (assistant(tool_calls=[{"id": 1, "function": {"name": "f"}}]), "messages[1].tool_calls[0].id"),
    (assistant(tool_calls=[{"function": "f"}]), "messages[1].tool_calls[0].function"),
    (assistant(tool_calls=[{"function": {}}]), "messages[1].tool_calls[0].function.name"),
    (
        assistant(tool_calls=[{"function": {"name": "f", "arguments": 1}}]),
        "messages[1].tool_calls[0].function.arguments",
    ),
    (assistant(tool_calls=[{"type": "custom"}]), "messages[1].tool_calls[0].custom"),
    (
        assistant(tool_calls=[{"type": "custom", "custom": {"name": "f", "input": []}}]),
        "messages[1].tool_calls[0].custom.input",
    ),
    (assistant(function_call="f"), "messages[1].function_call"),
    (assistant(function_call={"arguments": "{}"}), "messages[1].function_call.name"),
    (body(model=1), "model"),
    (body(model=["org_auto"]), "model"),
    (body(model=True), "model"),
    (body(model="m" * (MAX_MODEL_LENGTH + 1)), "model"),
    (body(stream="true"), "stream"),
    (body(stream=1), "stream"),
    (body(stream={}), "stream"),
    (body(stream_options=True), "stream_options"),
    (body(stream_options=[]), "stream_options"),
    (body(stream_options={"include_usage": 1}), "stream_options.include_usage"),
    (body(stream_options={"include_usage": "yes"}), "stream_options.include_usage"),
    (body(n=5), "n"),
    (body(n=0), "n"),
    (body(n=-1), "n"),
    (body(n="1"), "n"),
    (body(n=1.5), "n"),
    (body(n=True), "n"),
    (body(max_tokens=-1), "max_tokens"),
    (body(max_tokens=False), "max_tokens"),
    (body(max_tokens=0.0), "max_tokens"),
    (body(max_tokens="10"), "max_tokens"),
    (body(max_tokens=10.5), "max_tokens"),
    (body(max_tokens=True), "max_tokens"),
    (body().replace(b'"hi"}]', b'"hi"}],"max_tokens":1e999'), "max_tokens"),
    (body(max_completion_tokens=-1, max_tokens=10), "max_completion_tokens"),
    (body(max_completion_tokens="10"), "max_completion_tokens"),
    (body(stop=""), "stop"),
    (body(stop=1), "stop"),
    (body(stop={"a": 1}), "stop"),
    (body(stop="s" * (MAX_STOP_LENGTH + 1)), "stop"),
    (body(stop=["a"] * (MAX_STOPS + 1)), "stop"),
    (body(stop=["a", ""]), "stop[1]"),
    (body(stop=["a", None]), "stop[1]"),
    (body(stop=[1]), "stop[0]"),
    (body(user=1), "user"),
    (body(user={"id": "a"}), "user"),
    (body(tools={}), "tools"),
    (body(tools="f"), "tools"),
    (body(functions={}), "functions"),
    (body(tool_choice=1), "tool_choice"),
    (body(tool_choice=["f"]), "tool_choice"),
    (body(function_call=1), "function_call"),
    (body(response_format="json"), "response_format"),
]


@pytest.mark.parametrize(("data", "param"), BAD, ids=[f"{index}-{param}" for index, (_, param) in enumerate(BAD)])
def test_a_bad_body_is_a_400_that_names_the_field(data: bytes, param: str) -> None:
    """Each way to get a request wrong is refused with the path of the field and a sentence."""
    with pytest.raises(InvalidRequest) as caught:
        parse(data)
    assert caught.value.status == 400
    assert caught.value.param == param
    assert caught.value.message.endswith((".", "}."))


def test_the_smallest_request_takes_every_default() -> None:
    """One message is enough, and absent fields and null ones mean the same."""
    expected = ChatRequest(
        Prompt((Message("user", "hi"),)), "", stream=False, include_usage=False, max_tokens=None, stop=(), user=""
    )
    assert parse(body()) == expected
    nulls = set(FIELDS) - {"messages"}
    assert parse(body(**dict.fromkeys(nulls))) == expected


def test_every_field_is_read() -> None:
    """A request that uses everything comes through whole."""
    request = parse(
        body(
            model=" Org_Auto ",
            stream=True,
            stream_options={"include_usage": True, "include_obfuscation": False},
            n=1,
            stop=["a", "b"],
            max_tokens=9,
            max_completion_tokens=5,
            user="u",
            temperature="unknown fields are not looked at",
        )
    )
    assert request == ChatRequest(
        Prompt((Message("user", "hi"),)),
        "Org_Auto",
        stream=True,
        include_usage=True,
        max_tokens=5,
        stop=("a", "b"),
        user="u",
    )


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({"max_tokens": 9}, 9),
        ({"max_completion_tokens": 5}, 5),
        ({"max_tokens": 3, "max_completion_tokens": 5}, 5),
        ({"max_tokens": 9, "max_completion_tokens": None}, 9),
        ({"max_tokens": 9, "max_completion_tokens": 0}, 9),
        ({"max_tokens": 0, "max_completion_tokens": 0}, None),
        ({"max_tokens": 0}, None),
    ],
)
def test_the_newer_name_of_the_limit_wins(fields: dict[str, object], limit: int | None) -> None:
    """`max_completion_tokens` is taken before `max_tokens`, unless it is null or 0, which is no bound in either."""
    assert parse(body(**fields)).max_tokens == limit


@pytest.mark.parametrize(
    ("stop", "expected"),
    [("a", ("a",)), (["a"], ("a",)), ([], ()), (["s"] * MAX_STOPS, ("s",) * MAX_STOPS), ("s" * MAX_STOP_LENGTH,) * 2],
)
def test_stop_is_a_string_or_an_array(stop: object, expected: object) -> None:
    """Both forms are read, up to the number and the length that are allowed."""
    assert parse(body(stop=stop)).stop == ((expected,) if isinstance(expected, str) else expected)


@pytest.mark.parametrize(
    ("fields", "user"),
    [
        ({"user": "a", "metadata": {"user_id": "b"}}, "a"),
        ({"metadata": {"user_id": "b"}}, "b"),
        ({"user": "", "metadata": {"user_id": "b"}}, "b"),
        ({"metadata": {"user_id": 1}}, ""),
        ({"metadata": "b"}, ""),
    ],
)
def test_the_user_is_named_by_either_field(fields: dict[str, object], user: str) -> None:
    """`user` comes first, then `metadata.user_id`; other metadata is the client's own."""
    assert parse(body(**fields)).user == user


def test_input_beside_messages_is_an_unknown_field() -> None:
    """Only a body without messages is taken for another API's."""
    assert parse(body(input="x", prompt="y")).prompt.messages == (Message("user", "hi"),)


def test_tools_are_the_same_in_any_order_of_their_keys() -> None:
    """The canonical text depends on what is configured and not on how it is written."""
    reordered = {"function": {"parameters": {"a": 2, "b": 1}, "name": "f"}, "type": "function"}
    assert parse(body(tools=[TOOL])).prompt == parse(body(tools=[reordered])).prompt


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"tools": [TOOL]},
        {"tools": [TOOL], "tool_choice": "none"},
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}},
        {"functions": [TOOL["function"]]},
        {"response_format": {"type": "json_object"}},
    ],
)
def test_each_part_of_the_tool_configuration_tells_conversations_apart(fields: dict[str, object]) -> None:
    """A conversation with other tools, another use of them or another format is another."""
    others: list[dict[str, object]] = [
        {"tools": [TOOL], "tool_choice": "required"},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}},
    ]
    told = parse(body(**fields)).prompt.tools
    assert told not in [parse(body(**other)).prompt.tools for other in others]
    assert bool(told) is bool(fields)


def test_empty_tools_are_no_tools() -> None:
    """Empty lists and objects configure nothing."""
    assert parse(body(tools=[], functions=[], response_format={}, tool_choice="")).prompt.tools == ""


def test_the_deepest_json_that_is_read_is_also_canonicalised() -> None:
    """Tools as deep as the reader lets through come out as text, and one level more is refused as a body."""
    deepest = max(depth for depth in range(1, 400) if _parses(_deep_tools(depth)))
    assert deepest > 100
    with pytest.raises(InvalidRequest) as caught:
        parse(_deep_tools(deepest + 1))
    assert caught.value.param == "body"


def test_of_a_name_that_occurs_twice_the_last_value_counts() -> None:
    """A duplicate is read as most readers of JSON read it."""
    assert parse(body().replace(b"{", b'{"stream":true,"stream":false,', 1)).stream is False


def test_a_pair_of_surrogates_is_one_character() -> None:
    """Escaped characters beyond the basic plane arrive whole."""
    assert parse(body().replace(b"hi", rb"\ud83d\ude00")).prompt.messages[0].text == "\U0001f600"


def test_no_message_of_a_fault_repeats_what_the_client_sent() -> None:
    """Prompt text stays out of errors, wherever in the request it stands."""
    marker = "planted-marker"
    bodies = [
        message(role=marker),
        message(content={"text": marker}),
        message(content=[[marker]]),
        body(model=[marker]),
        body(stop=[marker, ""]),
        body(user=[marker]),
        json.dumps({"input": marker}).encode(),
        f'{{"messages": "{marker}'.encode(),
        f"{marker}".encode(),
    ]
    for data in bodies:
        with pytest.raises(InvalidRequest) as caught:
            parse(data)
        assert marker not in caught.value.message


@given(st.binary())
@example(b'{"messages":[{"role":"user","content":"hi"}]}')
def test_arbitrary_bytes_raise_nothing_but_invalid_request(data: bytes) -> None:
    """Whatever arrives, it is a request or a fault that names a field."""
    _parse_or_refuse(data)


@given(JSON | BODY | MESSAGE.map(lambda fields: {"messages": [fields]}))
def test_arbitrary_json_raises_nothing_but_invalid_request(value: object) -> None:
    """Any JSON in the shape of a request or not, non-finite numbers and lone surrogates included, is handled."""
    _parse_or_refuse(json.dumps(value).encode())


def _parse_or_refuse(data: bytes) -> None:
    try:
        request = parse(data)
    except InvalidRequest as error:
        assert error.param  # noqa: PT017 - either outcome is right, and each has its own promise
        return
    for text in _texts(request):
        text.encode("utf-8")


def _texts(request: ChatRequest) -> Iterator[str]:
    """Yield every text of a request, wherever it stands."""
    yield from (request.model, request.user, request.prompt.tools, *request.stop)
    for part in request.prompt.messages:
        yield from (part.text, part.name, part.tool_call_id, *part.attachments)
        for call in part.tool_calls:
            yield from (call.id, call.name, call.arguments)


def _deep_tools(depth: int) -> bytes:
    deep = {"type": "function", "function": {"name": "f", "parameters": {"x": 0}}}
    return body(tools=[deep]).replace(b'"x": 0', b'"x": ' + b"[" * depth + b"0" + b"]" * depth)


def _parses(data: bytes) -> bool:
    try:
        return parse(data).prompt.tools != ""
    except InvalidRequest:
        return False
