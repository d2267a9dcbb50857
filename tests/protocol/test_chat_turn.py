"""A turn: whatever Lingma pushes, in whatever order, becomes the events of one answer with exactly one end."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.protocol.answer import Failed
from lingma_trio.protocol.chat_turn import FILTERED, ChatTurn
from lingma_trio.protocol.failures import EMPTY_ANSWER, FILTER_TIMEOUT, NO_PICTURE, REPORTED_ERROR, SILENCE
from lingma_trio.protocol.messages import Question
from lingma_trio.protocol.request import Request
from lingma_trio.protocol.turn_machine import Terms
from lingma_trio.turns import Finished, TextDelta, TextReplaced, ThoughtDelta
from tests.protocol.sink import Event, Sink

Push: TypeAlias = tuple[str, dict[str, Any]]


def turn_into(sink: Sink, question: Question | None = None, terms: Terms | None = None) -> ChatTurn:
    """A turn whose question is out."""
    turn = ChatTurn(question or Question("r", "Why?", "auto"), sink, terms or Terms())
    turn.begin()
    return turn


def answer(text: object, **members: object) -> Push:
    """A `chat/answer` with this delta."""
    return "chat/answer", {"requestId": "r", "sessionId": "s-1", "text": text, "overwrite": False, **members}


def finish(**members: object) -> Push:
    """A successful `chat/finish`, unless told otherwise."""
    return "chat/finish", {"requestId": "r", "sessionId": "s-2", "reason": "", "statusCode": 200, **members}


def run(*pushes: Push) -> list[Event]:
    """Return the events of a turn that is pushed these."""
    sink = Sink()
    turn = turn_into(sink)
    for method, params in pushes:
        turn.push(method, params)
    return sink.events


def test_deltas_pass_and_the_finish_names_the_session() -> None:
    """The plain course: text as it comes, then the end with the session that `chat/finish` reports."""
    assert run(answer("你"), answer(""), answer("好"), finish(fullAnswer="你好")) == [
        TextDelta("你"),
        TextDelta("好"),
        Finished("s-2"),
    ]


def test_the_session_of_earlier_pushes_stands_in_for_a_finish_without_one() -> None:
    """A finish that names no session leaves the one seen before."""
    assert run(answer("x"), finish(sessionId="")) == [TextDelta("x"), Finished("s-1")]


def test_any_push_may_bring_the_session() -> None:
    """So that a turn that is cancelled before its first delta can name it to `chat/stop`."""
    turn = turn_into(Sink())
    turn.push("chat/process_step_callback", {"sessionId": "s-0", "step": "step_start"})
    assert turn.answer.session_id == "s-0"


def test_content_stands_in_for_missing_text() -> None:
    """Some versions name the delta otherwise; an empty text is present and not missing."""
    assert run(
        ("chat/answer", {"content": "a"}), answer(None, content="b"), answer("", content="c"), finish(sessionId="")
    ) == [TextDelta("a"), TextDelta("b"), Finished("s-1")]


def test_thoughts_of_their_own_push_are_thoughts() -> None:
    """`chat/think` is reasoning, and a turn of nothing but reasoning is an answer."""
    think = ("chat/think", {"requestId": "r", "text": "let me see", "step": "start"})
    assert run(think, finish()) == [ThoughtDelta("let me see"), Finished("s-2")]


def test_thoughts_within_the_text_are_thoughts() -> None:
    """An embedded fence, split anywhere, is taken out."""
    assert run(answer("\n````think::{THINK_TIME}\nlet me"), answer(" see\n````\nAnswer"), finish()) == [
        ThoughtDelta("let me"),
        ThoughtDelta(" see"),
        TextDelta("Answer"),
        Finished("s-2"),
    ]


def test_what_was_held_back_comes_before_the_end() -> None:
    """The end releases text that might have become a marker."""
    assert run(answer("<thin"), finish()) == [TextDelta("<thin"), Finished("s-2")]
    assert run(answer("<thin"), finish(statusCode=500)) == [TextDelta("<thin"), Failed(500, "")]


@pytest.mark.parametrize(
    ("old", "new", "events"),
    [
        ("Hel", "Hello", [TextDelta("Hel"), TextDelta("lo")]),
        ("Hello", "Hello", [TextDelta("Hello")]),
        ("Hello", "Hi", [TextDelta("Hello"), TextReplaced("Hi")]),
        ("Hello", "Hell", [TextDelta("Hello"), TextReplaced("Hell")]),
        ("Hello", "", [TextDelta("Hello"), TextReplaced("")]),
        ("", "Hello", [TextDelta("Hello")]),
        ("", "", []),
        (
            "````think::{THINK_TIME}\nhm\n````\nAns",
            "````think::12\nhm\n````\nAnswer",
            [ThoughtDelta("hm"), TextDelta("Ans"), TextDelta("wer")],
        ),
        ("````think::1\nhm", "````think::1\nhm, so", [ThoughtDelta("hm"), ThoughtDelta(", so")]),
        ("<think>one", "<think>two</think>A", [ThoughtDelta("one"), TextDelta("A")]),
        ("Old", "<think>hm</think>New", [TextDelta("Old"), ThoughtDelta("hm"), TextReplaced("New")]),
    ],
)
def test_an_overwrite_says_only_what_it_changes(old: str, new: str, events: list[Event]) -> None:
    """A text that continues the old one is a delta, the same text is nothing, another text voids the old one."""
    assert run(answer(old), answer(new, overwrite=True)) == events


def test_deltas_after_an_overwrite_continue_it() -> None:
    """The new text's state is kept: a fence that it opens is closed by a later delta."""
    overwrite = answer("New\n````think::5\nhm", overwrite=True)
    assert run(answer("Old"), overwrite, answer("m\n````\nEnd"), answer("New\nEnd!", overwrite=True), finish()) == [
        TextDelta("Old"),
        ThoughtDelta("hm"),
        TextReplaced("New\n"),
        ThoughtDelta("m"),
        TextDelta("End"),
        TextDelta("!"),
        Finished("s-2"),
    ]


def test_the_full_answer_serves_only_where_no_text_came() -> None:
    """It repeats the deltas, so it must not be added to them, nor the thoughts in it to those that were shown."""
    assert run(answer("delta"), finish(fullAnswer="full")) == [TextDelta("delta"), Finished("s-2")]
    assert run(finish(fullAnswer="full <")) == [TextDelta("full <"), Finished("s-2")]
    fence = "````think::5\nhm\n````\n"
    assert run(answer(fence), finish(fullAnswer=fence + "full")) == [
        ThoughtDelta("hm"),
        TextDelta("full"),
        Finished("s-2"),
    ]


@pytest.mark.parametrize("whole", ["full", "\n\nfull", "<think>hm</think>\n\nfull"])
def test_blanks_behind_reasoning_are_no_answer_to_keep_the_full_one_from_its_client(whole: str) -> None:
    """They are shown as they come, and the answer goes on from them."""
    assert run(answer("<think>hm</think>\n\n"), finish(fullAnswer=whole)) == [
        ThoughtDelta("hm"),
        TextDelta("\n\n"),
        TextDelta("full"),
        Finished("s-2"),
    ]
    for shown, again in (("\n\n", "\n\n"), ("\n\n", ""), ("word " * 9, ""), ("word " * 9, whole)):
        assert run(answer(shown), finish(fullAnswer=again)) == [TextDelta(shown), Finished("s-2")]


@pytest.mark.parametrize("whole", ["<think>hm</think>", "<think>hm</think>\n", "```toolCall::w::c\n```"])
def test_blanks_are_not_taken_back_for_an_answer_that_is_none(whole: str) -> None:
    """Be it reasoning alone or a card, which is none behind a blank either."""
    assert run(answer("<think>hm</think> "), finish(fullAnswer=whole)) == [
        ThoughtDelta("hm"),
        TextDelta(" "),
        Finished("s-2"),
    ]


@pytest.mark.parametrize("status", [None, 200, "200", " 200 ", 200.0, "soon", [], True])
def test_success_is_200_or_no_status(status: object) -> None:
    """A status that is missing or makes no sense does not spoil an answer that came."""
    assert run(answer("x"), finish(statusCode=status)) == [TextDelta("x"), Finished("s-2")]
    method, params = finish()
    del params["statusCode"]
    assert run(answer("x"), (method, params)) == [TextDelta("x"), Finished("s-2")]


@pytest.mark.parametrize(
    ("status", "seen"),
    [(403, 403), ("429", 429), (500.0, 500), (0, 0), (80408, 80408), (-1, 0), ("-3", 0)],
)
def test_any_other_status_is_a_failure_also_with_text(status: object, seen: int) -> None:
    """The status decides, never the text or the reason; a negative one is not taken for one of ours."""
    assert run(answer("x"), finish(statusCode=status, reason="quota exceeded")) == [
        TextDelta("x"),
        Failed(seen, "quota exceeded"),
    ]


@pytest.mark.parametrize("status", ["--5", "²", "9" * 5000, float("inf"), float("nan"), "", {"a": 1}])
def test_a_status_that_makes_no_sense_raises_nothing(status: object) -> None:
    """What is no number is read as no status."""
    assert run(answer("x"), finish(statusCode=status)) == [TextDelta("x"), Finished("s-2")]


def test_success_without_text_is_an_empty_answer() -> None:
    """Empty deltas are no text."""
    assert run(finish(reason="success")) == [Failed(EMPTY_ANSWER, "success")]
    assert run(answer(""), finish(fullAnswer="")) == [Failed(EMPTY_ANSWER, "")]


def test_a_filtered_answer_fails() -> None:
    """The filter's mark ends the turn, and the text beside it is not shown."""
    assert run(answer("x"), answer("forbidden", isFiltered=True), finish()) == [TextDelta("x"), Failed(FILTERED, "")]


def test_a_filter_that_times_out_fails_the_turn() -> None:
    """There will be no answer."""
    assert run(("chat/filterTimeout", {"requestId": "r"}), answer("x")) == [Failed(FILTER_TIMEOUT, "")]


@pytest.mark.parametrize("method", ["error", "fatal_error", "error/notificationError"])
@pytest.mark.parametrize(
    ("params", "reason"),
    [({"message": "m", "error": "e"}, "m"), ({"error": "e"}, "e"), ({}, ""), ({"message": 5, "error": []}, "")],
)
def test_an_error_push_fails_the_turn(method: str, params: dict[str, Any], reason: str) -> None:
    """Its message is the reason, or else its error."""
    assert run((method, params)) == [Failed(REPORTED_ERROR, reason)]


def test_nothing_follows_the_end() -> None:
    """A second finish and late deltas are dropped, whatever the end was."""
    late = [answer("late"), finish(), ("error", {"message": "late"}), answer("late", overwrite=True)]
    assert run(answer("x"), finish(), *late) == [TextDelta("x"), Finished("s-2")]
    assert run(finish(statusCode=500), *late) == [Failed(500, "")]


def test_an_idle_turn_with_text_is_an_answer_whose_session_is_not_kept() -> None:
    """The text is delivered, the held-back end of it too, but upstream never confirmed it."""
    sink = Sink()
    turn = turn_into(sink)
    turn.push(*answer("<thin"))
    turn.end_by_idle()
    turn.end_by_idle()
    turn.push(*finish())
    assert sink.events == [TextDelta("<thin"), Finished("s-1", keep=False)]
    assert turn.answer.ended
    assert not turn.answer.confirmed


def test_an_idle_turn_without_text_is_a_failure() -> None:
    """Reasoning alone is no answer when the end never came."""
    sink = Sink()
    turn = turn_into(sink)
    turn.push("chat/think", {"text": "hm"})
    turn.end_by_idle()
    assert sink.events == [ThoughtDelta("hm"), Failed(SILENCE, "")]


@pytest.mark.parametrize(
    ("push", "confirmed"),
    [
        (finish(), True),
        (finish(statusCode=500), True),
        (answer("x", isFiltered=True), False),
        (("chat/filterTimeout", {}), False),
        (("error", {}), False),
    ],
)
def test_only_a_finish_confirms_the_end(push: Push, confirmed: bool) -> None:
    """After any other end Lingma may still be at work, and has to be told to stop."""
    turn = turn_into(Sink())
    turn.push(*push)
    assert turn.answer.ended
    assert turn.answer.confirmed is confirmed


def test_signs_of_life_and_deltas_are_counted_apart() -> None:
    """Empty deltas show that the model is at work but are no text; steps and titles are neither."""
    turn = turn_into(Sink())
    for push in [
        answer("a"),
        answer(""),
        answer("ab", overwrite=True),
        ("chat/think", {"text": "hm"}),
        ("chat/think", {"text": ""}),
        ("chat/process_step_callback", {"step": "step_end"}),
        ("session/title/update", {"sessionTitle": "x"}),
    ]:
        turn.push(*push)
    assert (turn.answer.signs, turn.answer.deltas) == (5, 3)


junk: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just([]) | st.just({"a": 1})
)
texts = st.sampled_from(["a", "<think>", "</think>", "\n````think::5\n", "\n````\n", "````", "\n", "", "你"])
methods = st.sampled_from(
    ["chat/answer", "chat/think", "chat/finish", "chat/filterTimeout", "error", "session/title/update", "other"]
)
members = st.fixed_dictionaries(
    {},
    optional={
        "text": texts | junk,
        "content": texts | junk,
        "overwrite": st.booleans() | junk,
        "isFiltered": st.just(False) | junk,
        "statusCode": st.sampled_from([200, 403, "200", "500"]) | junk,
        "fullAnswer": texts | junk,
        "reason": junk,
        "message": junk,
        "error": junk,
        "sessionId": junk,
    },
)


@given(pushes=st.lists(st.tuples(methods, members), max_size=12))
def test_no_push_raises_and_no_turn_has_two_ends(pushes: list[Push]) -> None:
    """Whatever comes, the turn ends exactly once, with its end as its last event."""
    sink = Sink()
    turn = turn_into(sink)
    for method, params in pushes:
        turn.push(method, params)
    turn.end_by_idle()
    ends = [event for event in sink.events if isinstance(event, Finished | Failed)]
    assert ends == sink.events[-1:]


@given(deltas=st.lists(st.tuples(texts, st.booleans()), max_size=12))
def test_a_client_sees_the_text_that_upstream_means(deltas: list[tuple[str, bool]]) -> None:
    """However deltas and overwrites alternate, the screen ends as if the last state had come in one piece."""
    sink, meant = Sink(), ""
    turn = turn_into(sink)
    for text, overwrite in deltas:
        meant = text if overwrite else meant + text
        turn.push(*answer(text, overwrite=overwrite))
    whole = Sink()
    turn_into(whole).push(*answer(meant))
    assert sink.shown == whole.shown


def with_a_picture(sink: Sink) -> tuple[ChatTurn, Request]:
    """A turn whose question waits for a picture, and the upload of that."""
    turn = ChatTurn(Question("r", "Why?", "auto", images=("data:image/png;base64,AA",)), sink, Terms())
    (upload,) = turn.begin()
    return turn, upload


def test_an_uploaded_picture_lets_the_question_be_asked() -> None:
    """The push that says so is known by the upload, and the question is what comes of it."""
    turn, upload = with_a_picture(Sink())
    assert upload.about in turn.aliases
    report = {"requestId": upload.about, "imageUrl": "https://img.example/1.png"}
    turn.push("image/uploadResultNotification", {"result": report})
    (asked,) = turn.take_outgoing()
    assert asked.method == "chat/ask"
    assert turn.asked


@pytest.mark.parametrize("silent", [False, True])
def test_a_picture_that_does_not_arrive_fails_the_turn(silent: bool) -> None:
    """Whether Lingma says why, or says nothing for too long."""
    sink = Sink()
    turn, upload = with_a_picture(sink)
    if silent:
        turn.end_by_idle()
    else:
        report = {"requestId": upload.about, "imageUrl": ""}
        turn.push("image/uploadResultNotification", {"errorCode": "5", "errorMessage": "full", "result": report})
    assert sink.events == [Failed(NO_PICTURE, "" if silent else "full")]
    assert not turn.asked
