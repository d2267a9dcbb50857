"""One answer on its way out: what the client gets, counts and commits, within the client's own limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.api.encoder import EncoderError
from lingma_trio.api.reply import Reply
from lingma_trio.policy.answer_limits import AnswerLimits
from lingma_trio.policy.tokens import estimate
from lingma_trio.turns import (
    AnswerEvent,
    Finished,
    FinishReason,
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

    from lingma_trio.errors import GatewayError

QUESTION = Prompt((Message("user", "To be or not to be?"),))
FINISHED = Finished("session-1")

LETTERS = st.text("ab語", max_size=6)
PIECES = st.builds(TextDelta, LETTERS) | st.builds(ThoughtDelta, LETTERS) | st.builds(TextReplaced, LETTERS)
EVENTS = st.lists(PIECES, max_size=8).map(lambda events: [*events, FINISHED])
STOPS = st.lists(st.text("ab語", min_size=1, max_size=3), max_size=2).map(tuple)
BOUNDS = st.none() | st.integers(0, 12)


class Transcriber:
    """An `Encoder` whose bytes are a readable line for each call, and which keeps what a client would hold."""

    keepalive: ClassVar[bytes] = b"alive"
    fails_whole: ClassVar[bool] = False

    def __init__(self) -> None:
        self.answer = ""
        self.stop_sequence = ""
        self.calls: list[ToolCall] = []
        self.reasoning = ""
        self.end: tuple[FinishReason, Usage] | None = None

    @property
    def started(self) -> bool:
        """Whether anything was taken."""
        return bool(self.answer or self.reasoning or self.end)

    def text(self, text: str) -> bytes:
        """Append to the answer."""
        self._require_open()
        self.answer += text
        return f"text {text}\n".encode()

    def thought(self, text: str) -> bytes:
        """Append to the reasoning."""
        self._require_open()
        self.reasoning += text
        return f"thought {text}\n".encode()

    def replaced(self, text: str) -> bytes:
        """Start the answer afresh."""
        self._require_open()
        self.answer = text
        return f"replaced {text}\n".encode()

    def start(self) -> bytes:
        """Begin."""
        return b"start\n"

    def call(self, call: ToolCall) -> bytes:
        """Take a call."""
        self._require_open()
        self.calls.append(call)
        return f"call {call.name}\n".encode()

    def finish(self, reason: FinishReason, usage: Usage, *, stop_sequence: str = "") -> bytes:
        """End the answer."""
        self._require_open()
        self.end = (reason, usage)
        self.stop_sequence = stop_sequence
        return f"finish {reason}\n".encode()

    def fail(self, error: GatewayError) -> bytes:
        """Tell of a fault."""
        return f"fail {error.code}\n".encode()

    def _require_open(self) -> None:
        if self.end is not None:
            raise EncoderError("an event after the end")


def reply_to(
    prompt: Prompt = QUESTION, *, stop: tuple[str, ...] = (), max_tokens: int | None = None
) -> tuple[Reply, Transcriber]:
    """Return a reply and the encoder it drives."""
    encoder = Transcriber()
    return Reply(prompt, encoder, AnswerLimits(stop=stop, max_tokens=max_tokens)), encoder


def answer(
    events: Iterable[AnswerEvent], *, stop: tuple[str, ...] = (), max_tokens: int | None = None
) -> tuple[Reply, Transcriber]:
    """Let a reply take events one by one, and finish it."""
    reply, encoder = reply_to(stop=stop, max_tokens=max_tokens)
    for event in events:
        reply.add([event])
    reply.finish()
    return reply, encoder


def test_events_become_bytes_in_their_order() -> None:
    """Each event is sent on as it comes, and those that waited together leave together."""
    reply, _ = reply_to()
    assert reply.add([ThoughtDelta("hm")]) == b"thought hm\n"
    assert reply.add([TextDelta("a"), TextReplaced("b"), TextDelta("c")]) == b"text a\nreplaced b\ntext c\n"
    assert not reply.ended
    assert reply.add([FINISHED]) == b""
    assert reply.finish() == b"finish stop\n"
    assert reply.text == "bc"


def test_nothing_comes_of_nothing() -> None:
    """No events and empty texts send nothing."""
    reply, encoder = reply_to()
    assert reply.add([]) == b""
    assert reply.add([TextDelta(""), ThoughtDelta("")]) == b""
    assert not encoder.started


@given(EVENTS, STOPS, BOUNDS)
def test_the_client_holds_what_is_committed_and_counted(
    events: list[AnswerEvent], stop: tuple[str, ...], max_tokens: int | None
) -> None:
    """Text and end are the encoder's own, no stop sequence is in the text, and the limit holds for what is reported."""
    reply, encoder = answer(events, stop=stop, max_tokens=max_tokens)
    assert reply.text == encoder.answer
    assert encoder.end == (reply.ended, reply.usage())
    assert not any(sequence in reply.text for sequence in stop)
    usage = reply.usage()
    assert usage.thought_tokens == estimate(encoder.reasoning)
    assert usage.thought_tokens <= usage.answer_tokens
    if max_tokens is not None:
        assert usage.answer_tokens <= max_tokens


@given(EVENTS, STOPS, BOUNDS)
def test_batches_make_no_difference(events: list[AnswerEvent], stop: tuple[str, ...], max_tokens: int | None) -> None:
    """All events at once give the bytes, the text and the counts that they give one by one."""
    at_once, _ = reply_to(stop=stop, max_tokens=max_tokens)
    one_by_one, _ = reply_to(stop=stop, max_tokens=max_tokens)
    assert at_once.add(events) == b"".join(one_by_one.add([event]) for event in events)
    assert (at_once.text, at_once.ended, at_once.cut) == (one_by_one.text, one_by_one.ended, one_by_one.cut)
    assert at_once.usage() == one_by_one.usage()


@given(EVENTS)
def test_without_limits_everything_arrives(events: list[AnswerEvent]) -> None:
    """The text is upstream's last word and the reasoning all of it; the answer ends as upstream's."""
    text = thought = ""
    for event in events:
        match event:
            case TextDelta(delta):
                text += delta
            case TextReplaced(whole):
                text = whole
            case ThoughtDelta(delta):
                thought += delta
            case Finished():
                pass
    reply, encoder = answer(events)
    assert (encoder.answer, encoder.reasoning, reply.ended, reply.cut) == (text, thought, "stop", False)


def test_a_stop_sequence_ends_the_answer_before_it() -> None:
    """The sequence is not sent though it came in pieces, and what follows it is ignored."""
    reply, encoder = reply_to(stop=("END",))
    assert reply.add([TextDelta("one E"), TextDelta("ND two"), TextDelta("three"), FINISHED]) == b"text one \n"
    assert (reply.ended, reply.cut) == ("stop", True)
    assert reply.add([TextDelta("four")]) == b""
    assert reply.finish() == b"finish stop\n"
    assert encoder.answer == "one "


def test_the_bound_ends_the_answer_in_mid_delta() -> None:
    """The answer is as long as the client allowed, to the character, and says so."""
    reply, encoder = reply_to(max_tokens=2)
    reply.add([TextDelta("12345"), TextDelta("67890")])
    assert (reply.ended, reply.cut, encoder.answer) == ("length", True, "12345678")
    assert reply.usage().answer_tokens == 2


def test_an_answer_that_fits_exactly_is_not_cut() -> None:
    """Upstream's end was the end, so the session may be kept."""
    reply, _ = answer([TextDelta("12345678"), FINISHED], max_tokens=2)
    assert (reply.ended, reply.cut) == ("stop", False)


def test_text_held_back_is_sent_at_the_end() -> None:
    """What could have become a stop sequence and did not is part of the answer."""
    reply, encoder = reply_to(stop=("END",))
    assert reply.add([TextDelta("the E")]) == b"text the \n"
    assert reply.add([FINISHED]) == b"text E\n"
    assert (reply.text, encoder.answer, reply.cut) == ("the E", "the E", False)


def test_text_held_back_is_sent_when_reasoning_ends_the_answer() -> None:
    """The bound may be hit in the reasoning; text that came before it is not lost."""
    reply, encoder = reply_to(stop=("END",), max_tokens=1)
    assert reply.add([TextDelta("aE"), ThoughtDelta("hmm"), TextDelta("x")]) == b"text a\nthought hm\ntext E\n"
    assert (reply.ended, encoder.answer, reply.usage()) == ("length", "aE", Usage(5, 1, 1))


def test_replaced_text_leaves_nothing_behind() -> None:
    """What was held back of the old text is void with it: it is not sent, nor does it complete a stop sequence."""
    reply, encoder = reply_to(stop=("END",))
    assert reply.add([TextDelta("old E"), TextReplaced("ND new")]) == b"text old \nreplaced ND new\n"
    assert reply.ended is None
    assert (reply.text, encoder.answer) == ("ND new", "ND new")


def test_text_replaced_in_place_still_counts() -> None:
    """The client was sent both, so both are counted and the bound holds for both."""
    reply, encoder = reply_to(max_tokens=2)
    reply.add([TextDelta("12345"), TextReplaced("abcdef")])
    assert (reply.ended, encoder.answer, reply.usage().answer_tokens) == ("length", "abc", 2)


def test_reasoning_and_text_share_their_last_token() -> None:
    """They are rounded up together, so that the count never exceeds the bound they were held to."""
    reply, _ = reply_to(max_tokens=1)
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
    reply, _ = reply_to(prompt)
    assert reply.usage() == Usage(prompt_tokens=tokens, answer_tokens=0)


CALL = ToolCall("call_1", "look", '{"at": 1}')


def test_a_call_is_handed_on_and_ends_the_answer_as_one() -> None:
    """An answer that calls a tool ends with `tool_calls`, and the call counts as tokens."""
    reply, encoder = answer([TextDelta("Let me see."), CALL, FINISHED])
    assert (reply.calls, encoder.calls, reply.ended) == ((CALL,), [CALL], "tool_calls")
    assert reply.usage().answer_tokens > answer([TextDelta("Let me see."), FINISHED])[0].usage().answer_tokens


def test_text_that_a_limit_holds_back_comes_before_the_call() -> None:
    """What may have become a stop sequence is let go by a call, which can be no part of one."""
    reply, encoder = reply_to(stop=("END",))
    assert reply.add([TextDelta("so E")]) == b"text so \n"
    assert reply.add([CALL]) == b"text E\ncall look\n"
    assert encoder.answer == "so E"


def test_nothing_is_called_after_the_end() -> None:
    """A call that comes after a stop sequence is no part of the answer."""
    reply, encoder = answer([TextDelta("so END"), CALL, FINISHED], stop=("END",))
    assert (encoder.calls, reply.ended, reply.calls) == ([], "stop", ())


@pytest.mark.parametrize(("text", "found"), [("a STOP b END", "STOP"), ("a END b", "END"), ("a", "")])
def test_the_stop_sequence_that_was_found_is_named(text: str, found: str) -> None:
    """Some surfaces tell which of several sequences ended the answer; without one it is empty."""
    _, encoder = answer([TextDelta(text), FINISHED], stop=("END", "STOP"))
    assert encoder.stop_sequence == found
