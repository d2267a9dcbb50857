"""Items as messages: who said what, what was called and what it returned."""

from __future__ import annotations

from typing import Any

import pytest

from lingma_trio.api.responses.items import added_tools, read_items
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import Message, ToolCall


def test_messages_have_their_roles_and_texts() -> None:
    """With the kind or without it, as text or as parts."""
    items: list[dict[str, Any]] = [
        {"role": "developer", "content": "a"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "b"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "c"}]},
    ]
    assert [(message.role, message.text) for message in read_items(items)] == [
        ("developer", "a"),
        ("user", "b"),
        ("assistant", "c"),
    ]


def test_what_an_assistant_did_in_a_row_is_one_message() -> None:
    """That is what the answer was, so that its session is found again; reasoning in between says nothing."""
    items: list[dict[str, Any]] = [
        {"role": "user", "content": "Go."},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "message", "role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "x"},
        {"type": "function_call_output", "call_id": "c1", "output": "seen"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "done"}]},
    ]
    assert read_items(items)[1:] == (
        Message(
            "assistant",
            "I look.",
            tool_calls=(ToolCall("c1", "look", "{}"), ToolCall("c2", "patch", '{"input":"x"}')),
        ),
        Message("tool", "seen", tool_call_id="c1"),
        Message("tool", "done", tool_call_id="c2"),
    )


def test_a_call_of_a_namespace_has_the_name_that_the_model_knows() -> None:
    """It comes back as it was sent, in two fields."""
    call = {"type": "function_call", "call_id": "c", "namespace": "team", "name": "ask", "arguments": {"a": 1}}
    (message,) = read_items([call])
    assert message.tool_calls == (ToolCall("c", "team__ask", '{"a":1}'),)


@pytest.mark.parametrize(
    ("item", "call"),
    [
        (
            {"type": "local_shell_call", "call_id": "c", "action": {"command": ["ls"]}, "status": "completed"},
            ToolCall("c", "local_shell", '{"command":["ls"]}'),
        ),
        (
            {"type": "apply_patch_call", "call_id": "c", "operation": {"path": "a"}},
            ToolCall("c", "apply_patch", '{"path":"a"}'),
        ),
        ({"type": "web_search_call", "id": "w", "query": "q"}, ToolCall("w", "web_search", '{"query":"q"}')),
        ({"type": "not_invented_yet_call", "id": 7}, ToolCall("", "not_invented_yet", "{}")),
        (
            {"type": "image_generation_call", "id": "i", "status": "completed", "result": "iVBORw0KGgo="},
            ToolCall("i", "image_generation", '{"result":"[image]"}'),
        ),
        (
            {
                "type": "code_interpreter_call",
                "id": "c",
                "code": "plot()",
                "outputs": [{"type": "logs", "logs": "7"}, {"type": "image", "url": "data:image/png;base64,iVBO"}],
            },
            ToolCall(
                "c",
                "code_interpreter",
                '{"code":"plot()","outputs":[{"logs":"7","type":"logs"},{"type":"image","url":"[image]"}]}',
            ),
        ),
        (
            {"type": "not_invented_yet_call", "id": "n", "result": "seen"},
            ToolCall("n", "not_invented_yet", '{"result":"seen"}'),
        ),
        (
            {"type": "shell_call", "call_id": "s", "action": {"commands": ["data:image/x"]}},
            ToolCall("s", "shell", '{"commands":["data:image/x"]}'),
        ),
    ],
)
def test_a_call_of_another_kind_is_a_call_all_the_same(item: dict[str, Any], call: ToolCall) -> None:
    """It is told by its kind's name, with what was to be done and what a hosted tool returned, but for pictures."""
    (message,) = read_items([item])
    assert message.tool_calls == (call,)


@pytest.mark.parametrize(
    ("output", "text"),
    [("seen", "seen"), ({"b": 1, "a": 2}, '{"a":2,"b":1}'), ([{"stdout": "x"}], '[{"stdout":"x"}]'), (None, "")],
)
def test_an_output_of_any_form_is_a_text(output: object, text: str) -> None:
    """What is no text and no content parts stays JSON."""
    assert read_items([{"type": "shell_call_output", "call_id": "c", "output": output}]) == (
        Message("tool", text, tool_call_id="c"),
    )


def test_a_picture_that_a_tool_returns_is_an_attachment() -> None:
    """It has its placeholder, and two different pictures are two different outputs."""
    one, other = (
        read_items([{"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", **image}]}])
        for image in ({"image_url": "data:a"}, {"image_url": "data:b"})
    )
    assert one[0].text == other[0].text == "[image]"
    assert one[0].attachments != other[0].attachments
    assert (one[0].images, other[0].images) == (("data:a",), ("data:b",))


def test_a_picture_of_the_screen_is_an_attachment() -> None:
    """It is not told as the text of its address."""
    screen = {"type": "computer_screenshot", "image_url": "data:image/png;base64,iVBO"}
    (message,) = read_items([{"type": "computer_call_output", "call_id": "c", "output": screen}])
    assert (message.text, message.images) == ("[image]", ("data:image/png;base64,iVBO",))


def test_what_a_program_returned_is_its_output() -> None:
    """It has a field of its own."""
    (message,) = read_items([{"type": "program_output", "call_id": "c", "result": "seven"}])
    assert message == Message("tool", "seven", tool_call_id="c")


@pytest.mark.parametrize(
    ("kind", "advice"), [("compaction_trigger", "POST /v1/responses/compact"), ("configuration_update", "reasoning")]
)
def test_an_item_that_asks_for_what_is_asked_elsewhere_is_refused_by_its_kind(kind: str, advice: str) -> None:
    """The fault says where."""
    with pytest.raises(InvalidRequest, match=f"{kind}.*{advice}") as caught:
        read_items([{"role": "user", "content": "a"}, {"type": kind}])
    assert caught.value.param == "input[1].type"


def test_an_item_of_an_unknown_kind_is_refused_by_its_name() -> None:
    """What would be dropped in silence is a fault that names the item and its kind."""
    with pytest.raises(InvalidRequest, match="not new") as caught:
        read_items([{"role": "user", "content": "a"}, {"type": "new", "data": "b"}])
    assert caught.value.param == "input[1].type"


def test_a_search_among_tools_is_a_call_and_what_it_found_a_result() -> None:
    """The model is told the names; the declarations are among its tools by then."""
    items: list[dict[str, Any]] = [
        {"type": "tool_search_call", "call_id": "c", "execution": "client", "arguments": {"query": "look"}},
        {
            "type": "tool_search_output",
            "call_id": "c",
            "execution": "client",
            "tools": [
                {"type": "function", "name": "look"},
                {"type": "namespace", "name": "team", "tools": [{"type": "function", "name": "ask"}]},
            ],
        },
        {"type": "tool_search_output", "call_id": "d", "tools": []},
    ]
    called, found, nothing = read_items(items)
    assert called.tool_calls == (ToolCall("c", "tool_search", '{"query":"look"}'),)
    assert found == Message("tool", "These tools can be called now: look, team__ask.", tool_call_id="c")
    assert nothing.text == "No tool was found."
    places = [place for place, _ in added_tools(items[:1], items)]
    assert places == ["input[1].tools", "input[2].tools"]


def test_earlier_items_go_first() -> None:
    """An assistant's message at the seam is one with what was kept."""
    earlier = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    messages = read_items([{"role": "assistant", "content": "c"}, {"role": "user", "content": "d"}], earlier=earlier)
    assert [message.text for message in messages] == ["a", "b\nc", "d"]
