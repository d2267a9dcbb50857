"""What a conversation proves: it is found again however its client keeps it, and no other is taken for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.sessions.packing import DIGEST_BYTES
from lingma_trio.sessions.proof import (
    Keys,
    Turns,
    defaults_of,
)
from lingma_trio.sessions.questions import MOST_REDUCTIONS
from lingma_trio.turns import Message, Role, Tool, Toolbox, ToolCall
from tests.conversations import SEED, keys, told, turns_of, user
from tests.hostile.steps import processor_time


def result(text: str, call_id: str) -> Message:
    return Message("tool", text, tool_call_id=call_id)


texts = st.text(st.sampled_from("ab 1+\n你\ud800"), max_size=5)
calls = st.builds(ToolCall, id=st.sampled_from("xyz"), name=texts, arguments=texts)
roles: st.SearchStrategy[Role] = st.sampled_from(("system", "user", "tool", "assistant"))
messages = st.builds(
    Message, role=roles, text=texts, name=texts, tool_call_id=st.sampled_from(("", "x", "y")),
    tool_calls=st.lists(calls, max_size=2).map(tuple), attachments=st.lists(texts, max_size=1).map(tuple),
)  # fmt: skip
conversations = st.lists(messages, max_size=4).map(tuple)


@given(conversations)
def test_the_same_conversation_has_the_same_keys(before: tuple[Message, ...]) -> None:
    """Promise: keys depend on what was said alone."""
    assert keys(*before, told("yes")) == keys(*before, told("yes"))
    assert all(len(getattr(keys(told("yes")), name)) == DIGEST_BYTES for name in ("exact", "normal", "answers", "bare"))


@given(one=conversations, other=conversations)
def test_other_words_have_other_keys(one: tuple[Message, ...], other: tuple[Message, ...]) -> None:
    """Promise: exact keys agree only where every turn does, the assistant's too; ids count by their place."""

    def said(conversation: tuple[Message, ...]) -> list[tuple[object, ...]]:
        seen: list[tuple[object, ...]] = []
        for message in conversation:
            ids = [each.id for each in message.tool_calls]
            seen.append((message.role, message.text, message.name, [(c.name, c.arguments) for c in message.tool_calls],
                         message.attachments, ids, message.tool_call_id))  # fmt: skip
        return seen

    if said(one) == said(other):
        assert keys(*one, told("yes")).exact == keys(*other, told("yes")).exact
    elif [m for m in said(one) if m[0] != "assistant"] != [m for m in said(other) if m[0] != "assistant"] and not any(
        message.tool_calls or message.tool_call_id for message in (*one, *other)
    ):
        assert keys(*one, told("yes")).exact != keys(*other, told("yes")).exact


@pytest.mark.parametrize("changed", [{"tenant": "another"}, {"model": "m2"}, {"mode": "agent"}, {"tools": "[]"}])
def test_a_conversation_belongs_to_who_holds_it_and_how(changed: dict[str, str]) -> None:
    """Promise: another key, model, mode or toolbox is another conversation."""
    other = keys(user("hi"), told("yes"), seed=replace(SEED, **changed))
    assert other.exact != keys(user("hi"), told("yes")).exact
    assert (other.bare == keys(user("hi"), told("yes")).bare) == ("tenant" not in changed)


def test_only_a_conversation_that_ends_with_an_answer_can_be_continued() -> None:
    """Promise: there is nothing to prove before the first answer."""
    assert Turns().keys(SEED) is None
    assert turns_of(user("hi")).keys(SEED) is None
    assert turns_of(told("yes"), user("hi")).keys(SEED) is None


def test_formatting_of_answers_and_questions_is_no_difference_in_the_normal_key() -> None:
    """Promise: what the client formatted anew is found by the normal key, and not by the exact one."""
    one, other = keys(user("a\r\nb"), told("**yes**\n")), keys(user("a \nb\n"), told("yes"))
    assert one.exact != other.exact
    assert one.normal == other.normal


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("why?\nif a:\n    b\n    c", "why?\nif a:\n    b\nc"),
        ("```c\nx\n```", "```py\nx\n```"),
        ("/*a*/", "/a/"),
        ("    a\n b", "a\n b"),
    ],
)
def test_a_question_is_what_was_written(one: str, other: str) -> None:
    """Promise: code that stands in a question without a fence is code, and its language is part of what is asked."""
    assert keys(user(one), told("yes")).normal != keys(user(other), told("yes")).normal


def test_another_answer_is_another_conversation() -> None:
    """Promise: "42" then "OK." never continues "7" then "OK."."""
    one = keys(user("a number?"), told("42"), user("thanks"), told("OK."))
    other = keys(user("a number?"), told("7"), user("thanks"), told("OK."))
    assert one.normal != other.normal
    assert one.question != other.question


def test_reasoning_in_front_of_an_answer_is_no_difference() -> None:
    """Promise: Open WebUI's way of keeping the thoughts is undone; in a question the same text is a question."""
    assert keys(user("q"), told("<think>hm</think>\nyes")).normal == keys(user("q"), told("yes")).normal
    assert keys(user("<think>hm</think>\nq"), told("a")).normal != keys(user("q"), told("a")).normal


@pytest.mark.parametrize(
    ("one", "other"), [("if x:\n    a\n    b", "if x:\n    a\nb"), ("1\t\t2", "1\t2"), ("/*a*/", "/a/"), ("a ", "a")]
)
def test_results_of_tools_are_kept_to_the_letter(one: str, other: str) -> None:
    """Promise: what a tool returned is data, whose blanks and stars mean something, and no client writes it anew."""

    def normal(text: str) -> bytes:
        return keys(told("", ToolCall("c", "read", "{}")), result(text, "c"), told("done")).normal

    assert normal(one) != normal(other)


def test_results_that_name_no_call_go_by_their_tool() -> None:
    """Promise: where nothing but a name tells whose result it is, it counts."""

    def normal(*names: str) -> bytes:
        return keys(*(Message("tool", "1", name=name) for name in names), told("done")).normal

    assert normal("a", "b") != normal("b", "a")


def test_ids_of_calls_may_change_in_every_request() -> None:
    """Promise: calls and their results are known by their places."""
    one = (told("", ToolCall("c1", "f", "{}"), ToolCall("c2", "f", "{}")), result("1", "c1"), result("2", "c2"))
    other = (told("", ToolCall("x", "f", "{}"), ToolCall("y", "f", "{}")), result("1", "x"), result("2", "y"))
    crossed = (told("", ToolCall("x", "f", "{}"), ToolCall("y", "f", "{}")), result("1", "y"), result("2", "x"))
    assert keys(*one, told("done")).exact == keys(*other, told("done")).exact
    assert keys(*one, told("done")).normal != keys(*crossed, told("done")).normal


def test_an_id_that_is_used_again_means_its_youngest_call() -> None:
    """Promise: clients that number calls anew in every turn are understood."""

    def loop(first: str, second: str) -> Keys:
        return keys(
            told("", ToolCall(first, "f", "{}")), result("1", first),
            told("", ToolCall(second, "f", "{}")), result("2", second), told("done"),
        )  # fmt: skip

    assert loop("call_0", "call_0").exact == loop("a", "b").exact


def test_arguments_are_values_in_the_normal_key() -> None:
    """Promise: LangChain writes arguments anew, and 1 stays another value than 1.5 or "1"."""
    one = told("", ToolCall("c", "f", '{"b":1,"a":[1, 2]}'))
    assert keys(user("q"), one).normal == keys(user("q"), told("", ToolCall("c", "f", '{"a": [1,2], "b": 1}'))).normal
    for other in ('{"b":"1","a":[1,2]}', '{"b":1.5,"a":[1,2]}', '{"b":1,"a":[2,1]}', "no json"):
        assert keys(user("q"), one).normal != keys(user("q"), told("", ToolCall("c", "f", other))).normal


def test_an_argument_that_is_as_if_left_out_is_no_difference() -> None:
    """Promise: Claude Code puts in what the tool's schema gives by default; another value is another call."""
    schema = {"properties": {"all": {"default": False}, "path": {}}}
    defaults = defaults_of(Toolbox((Tool("edit", "", schema), Tool("odd", "", {"properties": 5}))))

    def normal(arguments: str) -> bytes:
        turns = Turns(defaults)
        for message in (user("q"), told("", ToolCall("c", "edit", arguments))):
            turns.add(message)
        turns.settle()
        found = turns.keys(SEED)
        assert found is not None
        return found.normal

    assert normal('{"path": "a"}') == normal('{"all": false, "path": "a"}')
    assert len({normal('{"path": "a"}'), normal('{"path": "a", "all": true}'), normal('{"path": "a", "all": 0}')}) == 3


def test_what_the_assistant_says_in_a_row_is_one_turn() -> None:
    """Promise: an answer that came back as text and call apart is the answer it was."""
    call = ToolCall("c", "f", "{}")
    assert keys(user("q"), told("text", call)) == keys(user("q"), told("text"), told("", call))


def test_developer_and_system_are_one_role() -> None:
    """Promise: SDKs send one for the other by model."""
    assert keys(Message("developer", "be"), told("a")).exact == keys(Message("system", "be"), told("a")).exact


def test_a_shorter_question_needs_its_answers_to_the_letter() -> None:
    """Promise: what is found with a shorter question is looked for by all answers exactly."""
    assert keys(user("fix it\n\nRules."), told("**a**")).answers != keys(user("fix it"), told("a")).answers


def test_a_copy_goes_on_by_itself() -> None:
    """Promise: what is added to a copy leaves the first one alone."""
    kept = turns_of(user("q"), told("a"))
    before, twin = kept.keys(SEED), kept.copy()
    twin.add(user("more"))
    twin.add(told("b"))
    twin.settle()
    assert kept.keys(SEED) == before
    assert twin.keys(SEED) == keys(user("q"), told("a"), user("more"), told("b"))


@pytest.mark.parametrize(
    "many",
    [
        lambda count: [user("a\n\n" * count)],
        lambda count: [user(" " * 20 * count), user("\n" + " \t" * 10 * count)],
        lambda count: [told("x", ToolCall(f"c{place}", "f", "{}")) for place in range(count)],
        lambda count: [user("x") for _ in range(count)],
        lambda count: [user("\n".join("x" * count), breaks=tuple(range(1, 2 * count - 1, 2)))],
    ],
)
def test_the_digests_cost_what_the_conversation_is_long(many: object) -> None:
    """Promise: eight times the conversation is at most some ten times the work, and what is kept of it has a bound."""
    assert callable(many)
    turns_of(*many(500))
    with processor_time() as once:
        turns_of(*many(1_000))
    with processor_time() as eight_times:
        kept = turns_of(*many(8_000))
    assert eight_times.seconds < 24 * once.seconds + 0.05
    assert all(len(each.parts) <= MOST_REDUCTIONS >= len(each.beginnings) for each in kept.asked.values())
