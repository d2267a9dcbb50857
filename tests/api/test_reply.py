"""One answer as its client is given it, counted and committed, within the client's own limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.api.reply import Ending, Reply
from lingma_trio.policy.answer_limits import AnswerLimits
from lingma_trio.policy.tokens import estimate
from lingma_trio.turns import (
    AnswerEvent,
    Finished,
    Message,
    Prompt,
    TextDelta,
    TextReplaced,
    ThoughtDelta,
    ToolCall,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

QUESTION = Prompt((Message("user", "To be or not to be?"),))
FINISHED = Finished("session-1")

LETTERS = st.text("ab語", max_size=6)
PIECES = st.builds(TextDelta, LETTERS) | st.builds(ThoughtDelta, LETTERS) | st.builds(TextReplaced, LETTERS)
EVENTS = st.lists(PIECES, max_size=8).map(lambda events: [*events, FINISHED])
STOPS = st.lists(st.text("ab語", min_size=1, max_size=3), max_size=2).map(tuple)
BOUNDS = st.none() | st.integers(0, 12)


def reply_to(prompt: Prompt = QUESTION, *, stop: tuple[str, ...] = (), max_tokens: int | None = None) -> Reply:
    """Return a reply of which nothing has come yet."""
    return Reply(prompt, AnswerLimits(stop=stop, max_tokens=max_tokens))


def held(events: Iterable[AnswerEvent]) -> tuple[str, str]:
    """Return the text and the reasoning that a client is left with."""
    text = thought = ""
    for event in events:
        match event:
            case TextDelta(piece):
                text += piece
            case ThoughtDelta(piece):
                thought += piece
            case TextReplaced(whole):
                text = whole
            case ToolCall() | Finished():
                pass
    return text, thought


def answer(
    events: Iterable[AnswerEvent], *, stop: tuple[str, ...] = (), max_tokens: int | None = None
) -> tuple[Reply, list[AnswerEvent]]:
    """Let a reply take events one by one; return what its client is given as well."""
    reply = reply_to(stop=stop, max_tokens=max_tokens)
    given = [each for event in events for each in reply.add([event])]
    return reply, given


def test_events_keep_their_order() -> None:
    """Each event is given as it comes, those that waited together together, and the end is told by itself."""
    reply = reply_to()
    assert reply.add([ThoughtDelta("hm")]) == [ThoughtDelta("hm")]
    events: list[AnswerEvent] = [TextDelta("a"), TextReplaced("b"), TextDelta("c")]
    assert reply.add(events) == events
    assert not reply.ended
    assert reply.add([FINISHED]) == []
    assert reply.ending() == Ending("stop", reply.usage())
    assert reply.text == "bc"


def test_nothing_comes_of_nothing() -> None:
    """No events and empty texts give nothing."""
    reply = reply_to()
    assert reply.add([]) == []
    assert reply.add([TextDelta(""), ThoughtDelta("")]) == []


@given(EVENTS, STOPS, BOUNDS)
def test_the_client_holds_what_is_committed_and_counted(
    events: list[AnswerEvent], stop: tuple[str, ...], max_tokens: int | None
) -> None:
    """Text and end are the client's own, no stop sequence is in the text, and the limit holds for what is reported."""
    reply, given = answer(events, stop=stop, max_tokens=max_tokens)
    text, thought = held(given)
    assert reply.text == text
    assert not any(sequence in text for sequence in stop)
    usage = reply.ending().usage
    assert usage == reply.usage()
    assert usage.thought_tokens == estimate(thought)
    assert usage.thought_tokens <= usage.answer_tokens
    if max_tokens is not None:
        assert usage.answer_tokens <= max_tokens


@given(EVENTS, STOPS, BOUNDS)
def test_batches_make_no_difference(events: list[AnswerEvent], stop: tuple[str, ...], max_tokens: int | None) -> None:
    """All events at once give what they give one by one."""
    at_once = reply_to(stop=stop, max_tokens=max_tokens)
    one_by_one, given = answer(events, stop=stop, max_tokens=max_tokens)
    assert at_once.add(events) == given
    assert (at_once.text, at_once.cut) == (one_by_one.text, one_by_one.cut)
    assert at_once.ending() == one_by_one.ending()


@given(EVENTS)
def test_without_limits_everything_arrives(events: list[AnswerEvent]) -> None:
    """The text is upstream's last word and the reasoning all of it; the answer ends as upstream's."""
    reply, given = answer(events)
    assert (held(given), reply.ended, reply.cut) == (held(events), "stop", False)


def test_a_stop_sequence_ends_the_answer_before_it() -> None:
    """The sequence is not given though it came in pieces, and what follows it is ignored."""
    reply = reply_to(stop=("END",))
    assert reply.add([TextDelta("one E"), TextDelta("ND two"), TextDelta("three"), FINISHED]) == [TextDelta("one ")]
    assert (reply.ended, reply.cut) == ("stop", True)
    assert reply.add([TextDelta("four")]) == []
    assert reply.text == "one "


def test_the_bound_ends_the_answer_in_mid_delta() -> None:
    """The answer is as long as the client allowed, to the character, and says so."""
    reply = reply_to(max_tokens=2)
    reply.add([TextDelta("12345"), TextDelta("67890")])
    assert (reply.ended, reply.cut, reply.text) == ("length", True, "12345678")
    assert reply.usage().answer_tokens == 2


@pytest.mark.parametrize(("length", "reason"), [(True, "length"), (False, "stop")])
def test_an_end_for_want_of_length_is_told_as_such(length: bool, reason: str) -> None:
    """Where upstream itself says no more at once its client is told so; no limit of the client cut anything."""
    reply = reply_to()
    reply.add([TextDelta("To be"), Finished("session-1", length=length)])
    assert reply.ended == reason
    assert not reply.cut


def test_an_answer_that_fits_exactly_is_not_cut() -> None:
    """Upstream's end was the end, so the session may be kept."""
    reply, _ = answer([TextDelta("12345678"), FINISHED], max_tokens=2)
    assert (reply.ended, reply.cut) == ("stop", False)


def test_text_held_back_is_given_at_the_end() -> None:
    """What could have become a stop sequence and did not is part of the answer."""
    reply = reply_to(stop=("END",))
    assert reply.add([TextDelta("the E")]) == [TextDelta("the ")]
    assert reply.add([FINISHED]) == [TextDelta("E")]
    assert (reply.text, reply.cut) == ("the E", False)


def test_text_held_back_is_given_when_reasoning_ends_the_answer() -> None:
    """The bound may be hit in the reasoning; text that came before it is not lost."""
    reply = reply_to(stop=("END",), max_tokens=1)
    given = reply.add([TextDelta("aE"), ThoughtDelta("hmm"), TextDelta("x")])
    assert given == [TextDelta("a"), ThoughtDelta("hm"), TextDelta("E")]
    assert (reply.ended, reply.text, reply.usage()) == ("length", "aE", Usage(5, 1, 1))


def test_replaced_text_leaves_nothing_behind() -> None:
    """What was held back of the old text is void with it: it is not given, nor does it complete a stop sequence."""
    reply = reply_to(stop=("END",))
    assert reply.add([TextDelta("old E"), TextReplaced("ND new")]) == [TextDelta("old "), TextReplaced("ND new")]
    assert reply.ended is None
    assert reply.text == "ND new"


def test_text_replaced_in_place_still_counts() -> None:
    """The client was given both, so both are counted and the bound holds for both."""
    reply = reply_to(max_tokens=2)
    reply.add([TextDelta("12345"), TextReplaced("abcdef")])
    assert (reply.ended, reply.text, reply.usage().answer_tokens) == ("length", "abc", 2)


def test_reasoning_and_text_share_their_last_token() -> None:
    """They are rounded up together, so that the count never exceeds the bound they were held to."""
    reply = reply_to(max_tokens=1)
    reply.add([ThoughtDelta("a"), TextDelta("b"), FINISHED])
    assert reply.usage() == Usage(prompt_tokens=5, answer_tokens=1, thought_tokens=1)


@pytest.mark.parametrize(
    ("prompt", "tokens"),
    [
        (QUESTION, 5),
        (Prompt((Message("system", "Be brief."), *QUESTION.messages)), 8),
        (Prompt(QUESTION.messages, tools='[{"name": "clock"}]'), 10),
        (Prompt((*QUESTION.messages, Message("assistant", "", tool_calls=(ToolCall("1", "time", "{}"),)))), 7),
    ],
    ids=["a question", "several messages", "tools", "a tool call"],
)
def test_everything_asked_is_counted(prompt: Prompt, tokens: int) -> None:
    """Texts, tool calls and tools are what the prompt is made of."""
    reply = reply_to(prompt)
    assert reply.usage() == Usage(prompt_tokens=tokens, answer_tokens=0)


CALL = ToolCall("call_1", "look", '{"at": 1}')


def test_a_call_is_handed_on_and_ends_the_answer_as_one() -> None:
    """An answer that calls a tool ends with `tool_calls`, and the call counts as tokens."""
    reply, given = answer([TextDelta("Let me see."), CALL, FINISHED])
    assert (reply.calls, given[1:], reply.ended) == ((CALL,), [CALL], "tool_calls")
    assert reply.usage().answer_tokens > answer([TextDelta("Let me see."), FINISHED])[0].usage().answer_tokens


def test_text_that_a_limit_holds_back_comes_before_the_call() -> None:
    """What may have become a stop sequence is let go by a call, which can be no part of one."""
    reply = reply_to(stop=("END",))
    assert reply.add([TextDelta("so E")]) == [TextDelta("so ")]
    assert reply.add([CALL]) == [TextDelta("E"), CALL]


def test_nothing_is_called_after_the_end() -> None:
    """A call that comes after a stop sequence is no part of the answer."""
    reply, given = answer([TextDelta("so END"), CALL, FINISHED], stop=("END",))
    assert (given, reply.ended, reply.calls) == ([TextDelta("so ")], "stop", ())


@pytest.mark.parametrize(("text", "found"), [("a STOP b END", "STOP"), ("a END b", "END"), ("a", "")])
def test_the_stop_sequence_that_was_found_is_named(text: str, found: str) -> None:
    """Some surfaces tell which of several sequences ended the answer; without one it is empty."""
    reply, _ = answer([TextDelta(text), FINISHED], stop=("END", "STOP"))
    assert reply.ending().stop_sequence == found


@pytest.mark.parametrize("max_tokens", [None, 100])
def test_text_in_the_place_of_another_costs_as_much_as_its_own_length(max_tokens: int | None) -> None:
    """What a client was given before counts as well: it was made, and sent."""
    before, after = "to be or not to be " * 3, "that is the question " * 2
    reply, _ = answer([TextDelta(before), TextReplaced(after), FINISHED], max_tokens=max_tokens)
    assert reply.usage().answer_tokens == estimate(before + after) > estimate(before)
