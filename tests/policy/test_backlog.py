"""What waits of an answer: in order, in few pieces, and in little more memory than its text takes."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.policy.backlog import PARTS, PIECE, Backlog, size_of
from lingma_trio.turns import AnswerEvent, Finished, TextDelta, TextReplaced, ThoughtDelta, ToolCall

CALL = ToolCall("1", "look", "{}")
END = Finished("s-1")


def taken(backlog: Backlog) -> list[AnswerEvent]:
    """Everything that waits."""
    events: list[AnswerEvent] = []
    while backlog:
        events += backlog.take()
    return events


def filled(*events: AnswerEvent) -> Backlog:
    """A backlog of these."""
    backlog = Backlog()
    for event in events:
        backlog.put(event)
    return backlog


def test_deltas_of_a_kind_are_joined_in_their_order() -> None:
    """Side by side they are one event, and never across one of another kind."""
    backlog = filled(ThoughtDelta("h"), ThoughtDelta("m"), TextDelta("a"), TextDelta("b"), CALL, TextDelta("c"), END)
    assert len(backlog) == 5
    assert taken(backlog) == [ThoughtDelta("hm"), TextDelta("ab"), CALL, TextDelta("c"), END]
    assert not backlog


def test_empty_deltas_are_nothing() -> None:
    """They do not wake whoever waits for something to take."""
    assert not filled(TextDelta(""), ThoughtDelta(""))


def test_what_is_void_is_dropped() -> None:
    """A replacement takes the text before it along; reasoning and calls stand."""
    backlog = filled(
        TextDelta("old"), ThoughtDelta("hm"), CALL, TextReplaced("older"), TextDelta("!"), TextReplaced("n")
    )
    assert taken(backlog) == [ThoughtDelta("hm"), CALL, TextReplaced("n")]


def test_long_text_comes_in_pieces() -> None:
    """One event is no longer than a piece, and as much is taken at once, whatever it came in."""
    text = "abc" * PIECE
    for event in (TextDelta(text), ThoughtDelta(text), TextReplaced(text)):
        backlog = filled(event)
        first = backlog.take()
        assert first == [type(event)(text[:PIECE])]
        rest = taken(backlog)
        assert "".join(piece.text for piece in rest if isinstance(piece, TextDelta | ThoughtDelta)) == text[PIECE:]
        assert len(rest) == 2


def test_deltas_are_joined_up_to_a_piece() -> None:
    """Those that fill one are one event, and the next begins another."""
    half = "a" * (PIECE // 2)
    assert taken(filled(*[TextDelta(half)] * 5)) == [TextDelta(2 * half), TextDelta(2 * half), TextDelta(half)]


def test_what_is_cleared_is_gone() -> None:
    """Nothing is left, and it can be filled again."""
    backlog = filled(CALL, TextReplaced("a"), TextDelta("b"))
    backlog.clear()
    assert not backlog
    backlog.put(TextDelta("c"))
    backlog.put(CALL)
    assert backlog.take() == [TextDelta("c"), CALL]


def test_small_deltas_take_the_memory_of_their_text() -> None:
    """A million of them cost about what one text of their length costs, and not fifty bytes each."""
    tracemalloc.start()
    try:
        backlog = Backlog()
        for number in range(200_000):
            backlog.put(TextDelta(f"{number:4}"[-4:]))
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 200_000 * 4 + PARTS * 100 + 100_000


def test_size_is_in_bytes() -> None:
    """What a setting in bytes bounds is counted in bytes, also of texts that no UTF-8 holds."""
    assert size_of(TextDelta("abc")) == 3
    assert size_of(ThoughtDelta("语言")) == 6
    assert size_of(TextReplaced("\ud800")) == 3
    assert (size_of(CALL), size_of(END)) == (6, 0)


EVENTS = st.lists(
    st.builds(TextDelta, st.text(max_size=3)) | st.builds(ThoughtDelta, st.text(max_size=3)) | st.just(CALL)
)


@given(EVENTS)
def test_nothing_is_lost_or_moved(events: list[AnswerEvent]) -> None:
    """What is taken says what was put."""

    def said(events: list[AnswerEvent]) -> list[str]:
        return [f"{type(event).__name__}{letter}" for event in events for letter in getattr(event, "text", "-")]

    assert said(taken(filled(*events))) == said(events)
