"""The bodies of chat, generate and show: what is read, and which field a fault names."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.api.answer_request import Origin
from lingma_trio.api.ollama.body import AnswerBody
from lingma_trio.api.ollama.figures import Watch
from lingma_trio.api.ollama.request import Loading, OllamaRequest, parse_chat, parse_generate, parse_show
from lingma_trio.api.ollama.stream import AnswerLines
from lingma_trio.errors import GatewayError, InvalidRequest
from lingma_trio.turns import AnswerFormat, Message, ThoughtDelta, Usage

WATCH = Watch(0.0, lambda: 0.0)
ORIGIN = Origin("7", "org_auto", 1_700_000_000)
HELLO = [{"role": "user", "content": "Hello."}]
LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def chat(**fields: object) -> OllamaRequest:
    """Read a chat that has these fields, and a message unless they say otherwise."""
    request = parse_chat(json.dumps({"messages": HELLO, **fields}).encode(), WATCH)
    assert isinstance(request, OllamaRequest)
    return request


def generate(**fields: object) -> OllamaRequest:
    """Read a request for a text with these fields."""
    request = parse_generate(json.dumps({"prompt": "Once", **fields}).encode(), WATCH)
    assert isinstance(request, OllamaRequest)
    return request


def test_answers_come_in_pieces_unless_they_are_not_to() -> None:
    """Where nothing is said they do, which is Ollama's own default and no other API's."""
    for read in (chat, generate):
        assert read().stream
        assert read(stream=None).stream
        assert isinstance(read(stream=True).encoder(ORIGIN), AnswerLines)
        assert isinstance(read(stream=False).encoder(ORIGIN), AnswerBody)


@pytest.mark.parametrize(
    ("given", "model"), [("qwen", "qwen"), ("qwen:latest", "qwen"), (" qwen3:8b ", "qwen3:8b"), (None, "")]
)
def test_a_model_goes_by_its_name_with_and_without_latest(given: str | None, model: str) -> None:
    """The answer repeats the name as it was given, and has the key of the default where none was."""
    request = chat(model=given, stream=False)
    assert request.model == model
    told = json.loads(request.encoder(ORIGIN).finish("stop", Usage(1, 1)))
    assert told["model"] == ("org_auto" if given is None else given.strip())


def test_options_that_shape_the_answer_are_read() -> None:
    """Bounds of 0 and below are none; what steers the sampling is without effect."""
    request = chat(options={"num_predict": 7, "stop": ["END"], "temperature": 0.1, "mirostat": 1})
    assert (request.max_tokens, request.stop) == (7, ("END",))
    for none in (0, -1, -2, None):
        assert chat(options={"num_predict": none}).max_tokens is None
    assert generate(options=None).stop == ()


def test_tools_and_format_tell_conversations_apart() -> None:
    """A chat with other tools, or another format, is another conversation."""
    plain, tools, wanted = chat(), chat(tools=[LOOK]), chat(format="json")
    assert len({each.prompt.tools for each in (plain, tools, wanted)}) == 3
    assert tools.prompt.toolbox is not None
    assert wanted.prompt.answer_format == AnswerFormat()
    assert not plain.prompt.once


def test_thinking_is_asked_for_and_shown_or_neither() -> None:
    """False hides what a model thinks all the same; a level says for how long, true and nothing as it does."""
    efforts = {think: chat(think=think).prompt.effort for think in (True, False, None, "low", "high")}
    assert efforts == {True: "medium", False: "none", None: "medium", "low": "low", "high": "high"}
    for think, shown in ((True, "Hm."), (None, "Hm."), ("low", "Hm."), (False, None)):
        encoder = generate(think=think, stream=False).encoder(ORIGIN)
        encoder.thought(ThoughtDelta("Hm.").text)
        assert json.loads(encoder.finish("stop", Usage(1, 1))).get("thinking") == shown


def test_a_text_is_a_question_that_nobody_goes_on_with() -> None:
    """Its session is not worth remembering."""
    request = generate(system="Be brief.", format={"type": "object"})
    assert request.prompt.messages == (Message("system", "Be brief."), Message("user", "Once"))
    assert request.prompt.once
    assert request.prompt.answer_format == AnswerFormat({"type": "object"})


@pytest.mark.parametrize(
    "body", [{}, {"messages": []}, {"messages": None, "prompt": ""}], ids=["none", "empty", "null"]
)
@pytest.mark.parametrize(
    ("keep_alive", "reason"), [(None, "load"), ("5m", "load"), (-1, "load"), (0, "unload"), ("0s", "unload")]
)
def test_nothing_to_answer_has_a_model_loaded(body: dict[str, object], keep_alive: object, reason: str) -> None:
    """Clients send this to have a model ready, or to be rid of it."""
    sent = json.dumps({"model": "qwen:latest", "keep_alive": keep_alive, **body}).encode()
    for parse, empty in (
        (parse_chat, {"message": {"role": "assistant", "content": ""}}),
        (parse_generate, {"response": ""}),
    ):
        asked = parse(sent, WATCH)
        assert isinstance(asked, Loading)
        assert asked.model == "qwen"
        assert json.loads(asked.body(model="org_auto", created=1_700_000_000)) == {
            "model": "qwen:latest",
            "created_at": "2023-11-14T22:13:20Z",
            **empty,
            "done": True,
            "done_reason": reason,
        }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [{"role": "user", "content": " "}]}, "messages"),
        ({"messages": [{"role": "nobody", "content": "Hi."}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi."}]}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "Hi.", "images": ["x"]}]}, "messages[0].images[0]"),
        (
            {"messages": [*HELLO, {"role": "assistant", "tool_calls": [{"function": {}}]}]},
            "messages[1].tool_calls[0].function.name",
        ),
        ({"messages": [*HELLO, {"role": "assistant", "tool_calls": [{"function": {"name": "look"}}]}]}, "messages"),
        ({"options": {"num_predict": "5"}}, "options.num_predict"),
        ({"options": {"stop": [""]}}, "options.stop[0]"),
        ({"format": "yaml"}, "format"),
        ({"think": "often"}, "think"),
        ({"stream": "no"}, "stream"),
        ({"logprobs": True}, "logprobs"),
    ],
)
def test_a_chat_that_cannot_be_served_is_refused_by_name(fields: dict[str, object], param: str) -> None:
    """The fault names the field, at whatever depth it is."""
    with pytest.raises(InvalidRequest) as refused:
        chat(**fields)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": "  "}, "prompt"),
        ({"raw": True}, "raw"),
        ({"template": "{{ .Prompt }}"}, "template"),
        ({"context": [1, 2]}, "context"),
        ({"images": ["x"]}, "images[0]"),
        ({"width": 512}, "width"),
    ],
)
def test_a_text_that_cannot_be_made_is_refused_by_name(fields: dict[str, object], param: str) -> None:
    """What would change the answer is never left out in silence."""
    with pytest.raises(InvalidRequest) as refused:
        generate(**fields)
    assert refused.value.param == param


def test_what_changes_nothing_may_be_there() -> None:
    """Clients fill fields in that say nothing, and those that nobody described are told of."""
    assert generate(raw=False, template="", context=[], suffix="", images=[], width=0).ignored == ()
    assert chat(keep_alive="5m", truncate=True, shift=False, novelty=1).ignored == ("novelty",)


def test_show_takes_either_name() -> None:
    """The older name of the field still means the same."""
    assert parse_show(b'{"model": "qwen:latest"}') == parse_show(b'{"name": "qwen", "model": ""}') == "qwen"
    with pytest.raises(InvalidRequest, match="/api/tags") as refused:
        parse_show(b"{}")
    assert refused.value.param == "model"


@given(
    st.binary()
    | st.recursive(
        st.none() | st.text() | st.integers(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["messages", "prompt", "images", "tools", "options", "role"]), inner)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_body_is_the_gateway_s_fault(body: bytes) -> None:
    """Whatever comes is read, or refused as the client's."""
    for parse in (parse_chat, parse_generate):
        with suppress(GatewayError):
            parse(body, WATCH)
    with suppress(GatewayError):
        parse_show(body)
