"""Turns of a conversation, as Anthropic's clients send them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import to_json

from lingma_trio.api.anthropic import messages
from lingma_trio.api.anthropic.asked import MessagesRequest
from lingma_trio.api.asked.reading import read_as
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import Message, ToolCall


def read_messages(system: object, turns: object) -> tuple[Message, ...]:
    """Read both as a request has them."""
    asked = read_as(MessagesRequest, to_json({"system": system, "messages": turns}))
    return messages.read_messages(asked.system, asked.messages)


REMOVAL = {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "look"}}
MARK = {"cache_control": {"type": "ephemeral"}}


def text(words: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever a client adds
    """Return a block of text."""
    return {"type": "text", "text": words, **more}


def turn(role: str, *content: Any) -> dict[str, Any]:  # noqa: ANN401 - a string or blocks
    """Return a turn that holds a string or blocks."""
    return {"role": role, "content": content[0] if len(content) == 1 and isinstance(content[0], str) else [*content]}


def call(name: str, **given: object) -> dict[str, Any]:
    """Return a block that calls a tool."""
    return {"type": "tool_use", "id": f"id_{name}", "name": name, "input": given}


def result(name: str, content: object = None, **more: object) -> dict[str, Any]:
    """Return a block that answers such a call."""
    return {"type": "tool_result", "tool_use_id": f"id_{name}", "content": content, **more}


def test_a_system_prompt_comes_first() -> None:
    """A string and blocks are alike."""
    expected = (Message("system", "Be brief."), Message("user", "Hi."))
    assert read_messages("Be brief.", [turn("user", "Hi.")]) == expected
    assert read_messages([text("Be brief.", **MARK)], [turn("user", "Hi.")]) == expected


@pytest.mark.parametrize("nothing", [None, "", []])
def test_an_empty_system_prompt_is_none(nothing: object) -> None:
    """Nothing is said where there is nothing to say."""
    assert read_messages(nothing, [turn("user", "Hi.")]) == (Message("user", "Hi."),)


def test_what_is_for_the_bill_is_for_nobody_here() -> None:
    """The block with which Claude Code tells Anthropic who asks is left out, since it changes between turns."""
    billing = text("x-anthropic-billing-header: cc_version=2.1; cch=12345;")
    assert read_messages([billing, text("Be brief.")], [turn("user", "Hi.")])[0] == Message("system", "Be brief.")
    assert read_messages([billing], [turn("user", "Hi.")]) == (Message("user", "Hi."),)


def test_results_of_tools_are_messages_of_their_own() -> None:
    """Each result answers its call; what stands between them is the user's, in its place."""
    read = read_messages(
        None,
        [
            turn("user", "Look."),
            turn("assistant", text("Well."), call("look", at=1), call("hear")),
            turn("user", result("look", "seen"), result("hear", [text("a"), text("b")]), text("Go on."), text("Now.")),
        ],
    )
    assert read == (
        Message("user", "Look."),
        Message(
            "assistant",
            "Well.",
            tool_calls=(ToolCall("id_look", "look", '{"at":1}'), ToolCall("id_hear", "hear", "{}")),
        ),
        Message("tool", "seen", tool_call_id="id_look"),
        Message("tool", "a\nb", tool_call_id="id_hear"),
        Message("user", "Go on.\nNow.", breaks=(6,)),
    )


def test_a_result_says_when_the_tool_failed() -> None:
    """A failure is told in the text, where the model sees it."""
    turns = [turn("user", result("look", "no such file", is_error=True), result("hear", None, is_error=True))]
    assert [message.text for message in read_messages(None, turns)] == [
        "[the tool failed]\nno such file",
        "[the tool failed]",
    ]


def test_pictures_in_results_are_kept() -> None:
    """A tool's picture is the tool's message's."""
    picture = {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}}
    (message,) = read_messages(None, [turn("user", result("look", [picture]))])
    assert (message.role, message.text, message.images) == ("tool", "[image]", ("https://a/b.png",))


def test_reasoning_that_is_sent_back_is_left_out() -> None:
    """Clients repeat reasoning with its signature; it was no part of the answer."""
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    hidden = {"type": "redacted_thinking", "data": "x"}
    read = read_messages(None, [turn("user", "Hi."), turn("assistant", thought, hidden, text("Hello."))])
    assert read[1] == Message("assistant", "Hello.")


def test_a_system_turn_stands_before_the_users_it_follows() -> None:
    """What is to be answered comes last, and a conversation that goes on reads the same from its beginning."""
    first = [turn("user", "Hi."), turn("system", "The room."), turn("system", "The time.")]
    begun = read_messages("Be brief.", first)
    assert [message.text for message in begun] == ["Be brief.", "The room.", "The time.", "Hi."]
    later = [*first, turn("assistant", "Hello."), turn("user", result("look", "seen")), turn("system", "Late.")]
    assert [message.text for message in read_messages("Be brief.", later)] == [
        *(message.text for message in begun),
        "Hello.",
        "Late.",
        "seen",
    ]


def test_a_turn_reads_the_same_whatever_marks_it_has() -> None:
    """Marks for caching and the choice between a string and blocks change with each turn, and mean nothing."""
    marked = [turn("user", text("Hi.", **MARK)), turn("system", text("The room.", **MARK))]
    assert read_messages(None, marked) == read_messages(None, [turn("user", "Hi."), turn("system", "The room.")])


def test_a_summary_stands_for_all_that_was_before_it() -> None:
    """Turns that a block of compaction sums up are left out, and so is what stands before it in its own turn."""
    summed = {"type": "compaction", "content": "They met.", "encrypted_content": "x"}
    turns = [turn("user", "Hi."), turn("assistant", text("Old."), summed, text("New.")), turn("user", "And now?")]
    assert [message.text for message in read_messages("Be brief.", turns)] == [
        "Be brief.",
        "[summary of the conversation so far]\nThey met.\nNew.",
        "And now?",
    ]
    failed = [turn("user", "Hi."), turn("assistant", {"type": "compaction", "content": None}, text("Hello."))]
    assert [message.text for message in read_messages(None, failed)] == ["Hi.", "Hello."]


def test_a_system_turn_may_hold_for_one_turn_only() -> None:
    """Its text is shown until a later turn of the user's, where it says so."""
    late = {"role": "system", "content": "It is late.", "clear_at": "next_user_message"}
    asked = [turn("user", "Hi."), late]
    assert [message.text for message in read_messages(None, asked)] == ["It is late.", "Hi."]
    later = [*asked, turn("assistant", "Hello."), turn("user", "Bye.")]
    assert [message.text for message in read_messages(None, later)] == ["Hi.", "Hello.", "Bye."]
    for_good = [turn("user", "Hi."), {**late, "clear_at": "never"}, *later[2:]]
    assert read_messages(None, for_good)[0].text == "It is late."


def test_a_system_turn_that_only_changes_tools_says_nothing() -> None:
    """What it does is done to the tools."""
    change = {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "look"}}
    assert read_messages(None, [turn("user", "Hi."), turn("system", change)]) == (Message("user", "Hi."),)


@pytest.mark.parametrize(
    ("turns", "param"),
    [
        (None, "messages"),
        ({}, "messages"),
        ("Hi.", "messages"),
        ([], "messages"),
        ([None], "messages[0]"),
        ([{}], "messages[0].role"),
        ([turn("tool", "Hi.")], "messages[0].role"),
        ([{"role": ["user"], "content": "Hi."}], "messages[0].role"),
        ([{"role": "user"}], "messages"),
        ([turn("user", " ")], "messages"),
        ([turn("user", "Hi."), {"role": "assistant", "content": 1}], "messages[1].content"),
        ([turn("user", text("Hi."), {"type": "text"})], "messages[0].content[1].text"),
        ([turn("user", text("a"), result("look", 1))], "messages[0].content[1].content"),
        ([turn("user", call("look"))], "messages[0].content[0]"),
        ([turn("user", "Hi."), turn("assistant", text("a"), result("look"))], "messages[1].content[1]"),
        (
            [turn("user", {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "a"}})],
            "messages[0].content[0]",
        ),
        ([turn("user", {"type": "of the future"})], "messages[0].content[0]"),
        ([{"role": "system", "content": "a", "clear_at": "noon"}, turn("user", "Hi.")], "messages[0].clear_at"),
        ([turn("user", result("look", "", is_error="no"))], "messages[0].content[0].is_error"),
        ([turn("user", result("look", [text("a"), 1]))], "messages[0].content[0].content[1]"),
        ([turn("user", {**result("look", "a"), "tool_use_id": 1})], "messages[0].content[0].tool_use_id"),
        ([turn("assistant", {"type": "tool_use", "id": "a"})], "messages[0].content[0].name"),
        ([turn("assistant", {**call("look"), "input": "{}"})], "messages[0].content[0].input"),
        ([turn("assistant", {**call("look"), "id": 7})], "messages[0].content[0].id"),
    ],
)
def test_a_fault_names_its_place(turns: object, param: str) -> None:
    """The path of the field at fault is the client's own."""
    with pytest.raises(InvalidRequest) as caught:
        read_messages(None, turns)
    assert caught.value.param == param


@pytest.mark.parametrize(("system", "param"), [(1, "system"), ({}, "system"), ([{"type": "text"}], "system[0].text")])
def test_a_fault_of_the_system_prompt_names_its_place(system: object, param: str) -> None:
    """The same for what stands before the conversation."""
    with pytest.raises(InvalidRequest) as caught:
        read_messages(system, [turn("user", "Hi.")])
    assert caught.value.param == param


def test_a_picture_has_its_field() -> None:
    """Whoever cannot show it can name where it stands, in results of tools and documents too."""
    inline = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    elsewhere = {"type": "image", "source": {"type": "file", "file_id": "file-1"}}
    within = {"type": "document", "source": {"type": "content", "content": ["a", inline]}}
    messages = read_messages(
        None,
        [
            turn("user", inline, within),
            turn("assistant", call("look")),
            turn("user", result("look", ["a", elsewhere]), inline),
        ],
    )
    assert [message.image_fields for message in messages] == [
        ("messages[0].content[0].source.data", "messages[0].content[1].source.content[1].source.data"),
        (),
        ("messages[2].content[0].content[1].source.file_id",),
        ("messages[2].content[1].source.data",),
    ]
    assert messages[2].images == ("",)
