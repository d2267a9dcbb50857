"""The body of a Responses request: what is read, what is repeated, and which field a fault names."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response

from lingma_trio.api.answer_request import Origin
from lingma_trio.api.asked.fields import MAX_MESSAGES
from lingma_trio.api.asked.reading import read_as
from lingma_trio.api.responses.asked import ResponseRequest as Asked
from lingma_trio.api.responses.memory import Memory, recall
from lingma_trio.api.responses.request import ResponseRequest, read_request
from lingma_trio.errors import BodyTooLarge, InvalidRequest
from lingma_trio.policy.json_size import MAX_VALUES
from lingma_trio.policy.response_store import Encoded, StoredResponse
from lingma_trio.turns import AnswerFormat, Message, Usage

ORIGIN = Origin("7", "qwen", 1_700_000_000)


ONE, TWO = b'{"role":"user","content":"One?"}', b'{"role":"assistant","content":"Two."}'
BEFORE = StoredResponse((("in_1", ONE),), Encoded(b"[", (("msg_1", TWO),), b"]"), None)


def parse(body: bytes) -> ResponseRequest:
    """Read a body as the gateway does."""
    asked = read_as(Asked, body)
    before = BEFORE if asked.previous_response_id == "resp_1" else None
    return read_request(asked, recall(asked, before, {"msg_1": TWO}, most=100_000), identity="7")


def read(**fields: object) -> ResponseRequest:
    """Read a body that has these fields, and an input unless it says otherwise."""
    return parse(json.dumps({"input": "Hello.", **fields}).encode())


def told(request: ResponseRequest) -> Response:
    """What is told of a request at the end of an empty answer."""
    encoder = request.encoder(ORIGIN)
    encoder.finish("stop", Usage(1, 1))
    assert encoder.result is not None
    return Response.model_validate_json(encoder.result.json)


def test_a_text_is_a_user_message() -> None:
    """The shortest request there is."""
    request = read()
    assert request.prompt.messages == (Message("user", "Hello."),)
    assert (request.model, request.stream, request.max_tokens, request.stop, request.user) == ("", False, None, (), "")
    assert (request.store, request.before) == (True, None)


def test_every_field_is_read() -> None:
    """What shapes the answer is in the request, and the response repeats it."""
    request = read(
        model=" qwen ",
        instructions="Be brief.",
        stream=True,
        max_output_tokens=7,
        store=False,
        prompt_cache_key="key",
        tools=[{"type": "function", "name": "look", "parameters": {"type": "object"}}],
        tool_choice="required",
        parallel_tool_calls=False,
        text={"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}, "verbosity": "low"},
        reasoning={"effort": "high", "summary": "auto"},
        metadata={"a": "b"},
        include=["reasoning.encrypted_content"],
        truncation="auto",
        temperature=0.5,
    )
    assert request.prompt.messages == (Message("system", "Be brief."), Message("user", "Hello."))
    assert request.prompt.toolbox is not None
    assert (request.prompt.toolbox.choice, request.prompt.toolbox.parallel) == ("required", False)
    assert request.prompt.answer_format == AnswerFormat({"type": "object"}, "a")
    assert (request.model, request.stream, request.max_tokens, request.user) == ("qwen", True, 7, "key")
    response = told(request)
    assert (response.id, response.model, response.created_at) == ("resp_7", "qwen", 1_700_000_000)
    assert (response.instructions, response.metadata, response.truncation) == ("Be brief.", {"a": "b"}, "auto")
    assert (response.tool_choice, response.parallel_tool_calls, response.temperature) == ("required", False, 0.5)
    assert response.reasoning is not None
    assert (response.reasoning.effort, response.reasoning.summary) == ("high", "auto")
    assert response.text is not None
    assert response.text.verbosity == "low"


def test_what_openai_requires_is_there() -> None:
    """Each field that its schema requires of a response stands in one, null where there is nothing."""
    fields = json.loads(_body(read()))
    required = {
        "id", "object", "created_at", "error", "incomplete_details", "instructions", "metadata", "model", "output",
        "parallel_tool_calls", "temperature", "tool_choice", "tools", "top_p",
    }  # fmt: skip
    assert required <= set(fields)
    assert (fields["tool_choice"], fields["text"]["format"]) == ("auto", {"type": "text"})
    assert (fields["metadata"], fields["tools"], fields["store"]) == ({}, [], True)


def test_whole_number_is_repeated_as_one() -> None:
    """Clients in Go or Rust take no `3.0` for an integer, and break off for it."""
    assert b'"max_tool_calls":3,' in _body(read(max_tool_calls=3))
    with pytest.raises(InvalidRequest, match="max_tool_calls must be a whole number"):
        read(max_tool_calls=2.5)


def _body(request: ResponseRequest) -> bytes:
    return request.encoder(ORIGIN).finish("stop", Usage(1, 1))


def test_a_number_that_no_float_holds_is_told_as_null() -> None:
    """What a client sends as 1e999 does not make the response something else than JSON."""
    request = parse(b'{"input": "a", "metadata": {"a": 1e999}}')
    assert json.loads(_body(request))["metadata"] == {"a": None}


def test_an_earlier_response_comes_first_and_instructions_before_it() -> None:
    """The conversation is that of the response before, and then what is new."""
    request = read(previous_response_id="resp_1", instructions="Be brief.")
    assert [message.text for message in request.prompt.messages] == ["Be brief.", "One?", "Two.", "Hello."]
    assert request.before is BEFORE
    assert len(request.given) == 1


def test_a_reference_is_replaced_by_what_it_stands_for() -> None:
    """What is kept of the request has the item itself."""
    request = read(input=[{"role": "user", "content": "One?"}, {"type": "item_reference", "id": "msg_1"}])
    assert [message.text for message in request.prompt.messages] == ["One?", "Two."]
    name, kept = request.given[1]
    assert (name, json.loads(kept)["content"]) == ("msg_7_in1", [{"type": "output_text", "text": "Two."}])


def test_what_is_referred_to_is_counted_before_it_is_read() -> None:
    """A request of a few bytes may not stand for more values than one may have."""
    many = b'{"role":"user","content":"x","extra":[' + b"[]," * MAX_VALUES + b"[]]}"
    asked = Asked(input="Hello.", previous_response_id="r")
    memory = Memory(StoredResponse((("a", many),), Encoded(b"[", (), b"]"), None))
    with pytest.raises(BodyTooLarge):
        read_request(asked, memory)


def test_what_ends_an_answer_is_read_as_on_the_other_surfaces() -> None:
    """OpenAI's description has no such field here, and clients that are told of one send it."""
    assert read(stop=["END", "\n"]).stop == ("END", "\n")
    assert read(stop="END").stop == ("END",)


def test_tools_that_an_item_brings_can_be_called() -> None:
    """Codex declares them in no other way for some models."""
    brought = {"type": "additional_tools", "tools": [{"type": "function", "name": "look"}]}
    request = read(input=[brought, {"role": "user", "content": "Look."}])
    assert request.prompt.toolbox is not None
    assert [tool.name for tool in request.prompt.toolbox.tools] == ["look"]
    assert request.prompt.messages == (Message("user", "Look."),)


def test_what_is_kept_nowhere_is_not_written_down() -> None:
    """Neither where the client says so, nor where it cannot come back to it."""
    assert read(store=False).given == ()
    asked = Asked(input="Hello.")
    assert not read_request(asked, recall(asked, None, {}, most=1)).store


def test_the_user_is_the_first_name_that_is_given() -> None:
    """A name of a person goes before the name of a conversation."""
    assert read(prompt_cache_key="c", safety_identifier="b", user="a").user == "a"
    assert read(prompt_cache_key="c", safety_identifier="b").user == "b"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": 7}, "input"),
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
        ({"input": ["a"]}, "input[0]"),
        ({"input": [{}]}, "input[0].type"),
        ({"input": [{}] * (MAX_MESSAGES + 1)}, "input"),
        ({"instructions": [{}] * (MAX_MESSAGES + 1)}, "instructions"),
        ({"input": [{"role": "nobody", "content": "a"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": 7}]}, "input[0].content"),
        ({"input": [{"type": "function_call", "call_id": "c"}]}, "input[0].name"),
        ({"input": [{"type": "item_reference", "id": "other"}]}, "input[0].id"),
        ({"input": [{"type": "item_reference"}]}, "input[0].id"),
        ({"previous_response_id": "other"}, "previous_response_id"),
        ({"previous_response_id": 7}, "previous_response_id"),
        ({"instructions": 7}, "instructions"),
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"max_output_tokens": -1}, "max_output_tokens"),
        ({"model": 7}, "model"),
        ({"stream": "yes"}, "stream"),
        ({"store": "yes"}, "store"),
        ({"user": 7}, "user"),
        ({"metadata": []}, "metadata"),
        ({"reasoning": "high"}, "reasoning"),
        ({"include": "all"}, "include"),
        ({"truncation": "some"}, "truncation"),
        ({"temperature": "hot"}, "temperature"),
        ({"text": []}, "text"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": 7}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": 7}, "tool_choice"),
    ],
)
def test_a_fault_names_its_field(fields: dict[str, Any], param: str) -> None:
    """What cannot be served is the request's fault, and the message says where."""
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.param == param
    assert caught.value.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KINDS = st.sampled_from(
    ["message", "function_call", "function_call_output", "custom_tool_call", "web_search_call", "reasoning", "new"]
)
ITEMS = st.fixed_dictionaries({}, optional={"type": KINDS, "role": JSON, "content": JSON, "output": JSON, "name": JSON})
FIELDS = st.fixed_dictionaries(
    {"input": st.lists(ITEMS | JSON, max_size=3) | JSON},
    optional=dict.fromkeys(("tools", "tool_choice", "text", "instructions", "store", "reasoning", "metadata"), JSON),
)


@given(FIELDS)
def test_any_fields_are_a_request_or_the_clients_fault(fields: dict[str, Any]) -> None:
    """Whatever JSON is sent, it is answered or refused as the request's own fault, and what is repeated is JSON."""
    with suppress(InvalidRequest):
        json.loads(_body(read(**fields)))
