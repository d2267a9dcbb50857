"""What a client is shown of an answer, and what is said of the rest."""

from __future__ import annotations

import pytest

from lingma_trio.protocol.answer import MAX_STRETCHES, Answer, Failed
from lingma_trio.protocol.failures import EMPTY_ANSWER, SILENCE
from lingma_trio.protocol.tools.cards import ToolCard
from lingma_trio.turns import Finished, TextDelta, TextReplaced, ThoughtDelta, ToolCall
from tests.protocol.sink import Sink

CALL = ToolCall("1", "f", "{}")


@pytest.mark.parametrize(("more", "unsaid"), [("", False), ("\n", False), ("It says: 42.", True)])
def test_words_after_a_call_are_owned_up_to(more: str, unsaid: bool) -> None:
    """Promise: what upstream makes of a call by itself is no part of the answer, and nobody takes it for one."""
    sink = Sink()
    answer = Answer(sink, on_card=lambda _: None)
    answer.text("I look.")
    answer.call(CALL)
    answer.text(more)
    answer.finish(200, "")
    assert sink.shown == "I look."
    assert sink.events[-2:] == [CALL, Finished("", unsaid=unsaid)]


def test_text_that_is_put_in_the_place_of_a_call_is_owned_up_to() -> None:
    """Promise: an overwrite after a call changes nothing for the client, and is told."""
    sink = Sink()
    answer = Answer(sink, on_card=lambda _: None)
    answer.call(CALL)
    answer.overwrite("No call.")
    answer.finish(200, "")
    assert sink.events == [CALL, Finished("", unsaid=True)]


@pytest.mark.parametrize("whole", [False, True])
def test_further_calls_are_named_after_the_first(whole: bool) -> None:
    """Promise: a card is read wherever it stands, since some runtimes name a call nowhere else."""
    cards: list[ToolCard] = []
    sink = Sink()
    answer = Answer(sink, on_card=cards.append)
    answer.call(CALL)
    for piece in ("\n```toolCall::", "f::2::INIT\n```\n"):
        answer.text(piece)
    if whole:
        answer.overwrite("\n```toolCall::f::3::INIT\n```\n")
    answer.text("\n```toolCall::f::4")
    answer.finish(200, "")
    assert cards == [ToolCard("f", call_id) for call_id in ("2", *("3" * whole), "4")]
    assert sink.events == [CALL, Finished("", unsaid=whole)]


THOUGHT = "\n````think::1\nhm\n````\n"


def answer_into(sink: Sink) -> Answer:
    """An answer in the making, of a session that is known."""
    answer = Answer(sink)
    answer.see_session("s")
    return answer


def test_deltas_with_something_in_them_are_counted() -> None:
    """Promise: text, thoughts and overwrites are each one, whether the client sees them or not, and empty ones none."""
    answer = answer_into(Sink())
    counts = []
    for give in (answer.text, answer.thought, answer.overwrite):
        for text in ("", "a"):
            give(text)
            counts.append(answer.deltas)
    answer.call(CALL)
    for give in (answer.text, answer.thought, answer.overwrite):
        give("a")
        counts.append(answer.deltas)
    assert counts == [0, 1, 1, 2, 2, 3, 4, 5, 6]


def test_a_call_comes_after_the_text_before_it_and_thoughts_after_it_are_not_shown() -> None:
    """Promise: what was held back as the possible beginning of a marker is let go of before a call."""
    sink = Sink()
    answer = answer_into(sink)
    answer.text("<thin")
    answer.call(CALL)
    answer.thought("hm")
    assert sink.shown == "<thin"
    assert sink.events[-1] == CALL


def test_only_a_text_names_a_session_and_the_newest_stands() -> None:
    """Promise: a push that names none leaves the one before."""
    answer = Answer(Sink())
    for named, known in [(None, ""), ("s-1", "s-1"), ("", "s-1"), (5, "s-1"), ("s-2", "s-2")]:
        answer.see_session(named)
        assert answer.session_id == known


@pytest.mark.parametrize(("status", "told"), [(500, 500), (0, 0), (-3, 0)])
def test_a_status_of_upstreams_is_told_and_never_taken_for_one_of_ours(status: int, told: int) -> None:
    """Promise: upstream's numbers are not negative, ours are."""
    sink = Sink()
    answer = answer_into(sink)
    answer.finish(status, "why")
    assert answer.confirmed
    assert answer.ended
    assert sink.events == [Failed(told, "why")]


@pytest.mark.parametrize("status", [None, 200])
def test_the_repeated_whole_serves_only_where_no_text_came(status: int | None) -> None:
    """Promise: it is held back for markers like any other text, and all of it is given at the end."""
    given, repeated = Sink(), Sink()
    answer_into(given).finish(status, "", "<thin")
    assert (given.shown, given.events[-1]) == ("<thin", Finished("s"))
    answer = answer_into(repeated)
    answer.text("Most")
    answer.finish(status, "", "All")
    assert repeated.events == [TextDelta("Most"), Finished("s")]


def test_an_answer_of_nothing_is_a_failure_and_one_of_thoughts_is_not() -> None:
    """Promise: thoughts of either kind are an answer, where upstream says that it is one."""
    for thoughts in (0, 1, 2):
        sink = Sink()
        answer = answer_into(sink)
        if thoughts == 1:
            answer.thought("hm")
        elif thoughts:
            answer.text("<think>hm</think>")
        answer.finish(200, "why")
        assert sink.events[-1] == (Finished("s") if thoughts else Failed(EMPTY_ANSWER, "why"))


@pytest.mark.parametrize("length", [False, True])
@pytest.mark.parametrize("keep", [False, True])
def test_an_answer_ends_well_with_text_alone(length: bool, keep: bool) -> None:
    """Promise: how it ended and whether its session may be gone on with are told; thoughts alone fail as was said."""
    said, thought = Sink(), Sink()
    answer = answer_into(said)
    answer.text("<thin")
    answer.complete(length=length, keep=keep, lack=-7)
    answer.complete(length=not length, keep=not keep, lack=-7)
    assert (said.shown, said.events[-1]) == ("<thin", Finished("s", keep=keep, length=length))
    assert len([event for event in said.events if isinstance(event, Finished)]) == 1
    answer = answer_into(thought)
    answer.thought("hm")
    answer.complete(length=length, keep=keep, lack=-7)
    assert thought.events == [ThoughtDelta("hm"), Failed(-7, "")]


@pytest.mark.parametrize(
    ("text", "calls", "end"),
    [
        ("<thin", 0, Finished("s", keep=False)),
        ("", 1, Finished("s", keep=False)),
        ("", 0, Failed(SILENCE, "")),
    ],
)
def test_silence_ends_what_had_come_and_keeps_no_session(text: str, calls: int, end: Finished | Failed) -> None:
    """Promise: upstream did not confirm that end, so nobody goes on from there; nothing at all is a failure."""
    sink = Sink()
    answer = answer_into(sink)
    answer.text(text)
    for _ in range(calls):
        answer.call(CALL)
    answer.end_by_idle()
    answer.end_by_idle()
    assert answer.ended
    assert not answer.confirmed
    assert sink.events[-1] == end
    assert sum(isinstance(event, Finished | Failed) for event in sink.events) == 1


def test_nothing_follows_an_end() -> None:
    """Promise: a failure after an end, an end after a failure and a call after either are dropped."""
    ended, failed = Sink(), Sink()
    answer = answer_into(ended)
    answer.text("Because.")
    answer.finish(200, "")
    answer.fail(500, "late")
    answer.call(CALL)
    assert ended.events == [TextDelta("Because."), Finished("s")]
    answer = answer_into(failed)
    answer.text("<thin")
    answer.fail(500, "why")
    answer.fail(501, "again")
    answer.complete(length=False, keep=True, lack=-7)
    answer.end_by_idle()
    answer.call(CALL)
    assert failed.events == [TextDelta("<thin"), Failed(500, "why")]


def test_a_call_that_was_made_stands_whatever_becomes_of_the_turn() -> None:
    """Promise: the client gets a good end, and the session is not gone on with."""
    sink = Sink()
    answer = answer_into(sink)
    answer.call(CALL)
    answer.finish(500, "why")
    assert sink.events == [CALL, Finished("s", keep=False)]


@pytest.mark.parametrize(
    ("before", "after", "events"),
    [
        ("Hello", "Hello", []),
        ("Hello", "Hello you", [TextDelta(" you")]),
        ("Hello", "Hi", [TextReplaced("Hi")]),
        ("Hello", "Hallo you", [TextReplaced("Hallo you")]),
        ("<think>a</think>", "<think>ab</think>", [ThoughtDelta("b")]),
        ("<think>a</think>", "<think>a</think>", []),
        ("<think>a</think>", "<think>xy</think>", []),
        ("<think>ab</think>", "<think>a</think>", []),
    ],
)
def test_an_overwrite_tells_what_it_changes(
    before: str, after: str, events: list[TextDelta | TextReplaced | ThoughtDelta]
) -> None:
    """Promise: what goes on is a delta, what differs replaces the text, and thoughts are never taken back."""
    sink = Sink()
    answer = answer_into(sink)
    answer.text(before)
    told = len(sink.events)
    answer.overwrite(after)
    assert sink.events[told:] == events


def test_reasoning_in_too_many_stretches_is_left_out() -> None:
    """Promise: a stretch ends where text is shown, also by an overwrite, and the text is shown all the same."""
    sink = Sink()
    answer = answer_into(sink)
    for number in range(MAX_STRETCHES - 1):
        answer.thought("a")
        answer.thought("b")
        answer.text(f"{number} ")
    answer.thought("c")
    answer.overwrite("anew")
    answer.thought("d")
    answer.text(".")
    assert sink.thoughts == "ab" * (MAX_STRETCHES - 1) + "c"
    assert sink.shown == "anew."


def test_cards_are_no_text_wherever_they_stand() -> None:
    """Promise: they are read before a call, in an overwrite and at the end, and what is round them is shown."""
    cards: list[ToolCard] = []
    sink = Sink()
    answer = Answer(sink, on_card=cards.append)
    answer.text("a\n```toolCall::f::1::INIT\n```\nb")
    answer.overwrite("a\n```toolCall::f::2::INIT\n```\nb" + THOUGHT + "c" + THOUGHT + "d")
    assert cards == [ToolCard("f", call_id) for call_id in "12"]
    assert sink.thoughts == "hmhm"
    assert sink.shown.replace("\n", "") == "abcd"
    answer.text("\n```toolCall::f::3")
    answer.finish(200, "")
    assert cards[-1] == ToolCard("f", "3")
    assert sink.shown.replace("\n", "") == "abcd"


def test_a_card_is_begun_anew_by_an_overwrite_after_a_call() -> None:
    """Promise: half a card of a text that is void says nothing of the text in its place."""
    cards: list[ToolCard] = []
    answer = Answer(Sink(), on_card=cards.append)
    answer.call(CALL)
    answer.text("\n```toolCall::f::2::INI")
    answer.overwrite("\n```toolCall::f::3::INIT\n```\n")
    answer.finish(200, "")
    assert cards == [ToolCard("f", "3")]


def test_calls_and_signs_are_counted_from_nothing() -> None:
    """Promise: each call is one."""
    answer = answer_into(Sink())
    assert (answer.calls, answer.signs) == (0, 0)
    for number in (1, 2):
        answer.call(CALL)
        assert answer.calls == number


def test_an_overwrite_goes_on_from_the_one_before() -> None:
    """Promise: what stands in the place of a text is what the next one is compared with."""
    sink = Sink()
    answer = answer_into(sink)
    for text in ("Hello", "Hi", "Hi you", "Hi"):
        answer.overwrite(text)
    assert sink.events == [TextDelta("Hello"), TextReplaced("Hi"), TextDelta(" you"), TextReplaced("Hi")]
