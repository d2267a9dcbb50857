"""Reasoning in an answer's text: both forms come out, everything else passes, and chunking never matters."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lingma_trio.protocol.reasoning import MAX_BLANKS, ReasoningSplitter
from lingma_trio.turns import TextDelta, ThoughtDelta

LONGEST_MARKER = len("\n````think::" + 20 * "9")

pieces = st.sampled_from(
    [
        *("````", "think::", "{THINK_TIME}", "{THINK", "12", "\n", "<think>", "</think>", "<", "`", " ", "a", "```py"),
        *("\n````think::7\n", "\n````\n", "````think::{THINK_TIME}\nlet me", "\n````", "9" * 21, "é", "²", "\t" * 20),
    ]
)
answers = st.lists(pieces | st.text(max_size=4), max_size=12).map("".join)
cuttings = st.lists(st.integers(0, 80), max_size=10)


def split(deltas: list[str]) -> tuple[str, str]:
    """Return the answer and the reasoning that come out, each in one piece."""
    splitter = ReasoningSplitter()
    events = [event for delta in deltas for event in splitter.feed(delta)] + splitter.flush()
    assert all(event.text for event in events)
    return (
        "".join(event.text for event in events if isinstance(event, TextDelta)),
        "".join(event.text for event in events if isinstance(event, ThoughtDelta)),
    )


@pytest.mark.parametrize(
    ("answer", "text", "thought"),
    [
        ("\n````think::{THINK_TIME}\nlet me see\n````\nAnswer", "Answer", "let me see"),
        ("````think::1234\nlet me see\n````\nAnswer", "Answer", "let me see"),
        ("````think::5\none\n\ntwo\n\n````\n\nAnswer", "\nAnswer", "one\n\ntwo\n"),
        ("````think::5\nuse ```py\nx\n```\nso\n````\nA", "A", "use ```py\nx\n```\nso"),
        ("````think::5\n````\nA", "A", ""),
        ("````think::5\n\n````\nA", "A", ""),
        ("````think::5\nall there is\n````", "", "all there is"),
        ("````think::5\n````", "", ""),
        ("````think::5\nnever closed\n", "", "never closed\n"),
        ("````think::5\na````\nb", "", "a````\nb"),
        ("First.\n````think::5\nhm\n````\nThen.\n````think::6\nah\n````\nEnd", "First.\nThen.\nEnd", "hmah"),
        ("<think>let me see</think>\n\nAnswer", "\n\nAnswer", "let me see"),
        (" \n<think>a < b </thin </think>A", "A", "a < b </thin "),
        ("<think></think>A", "A", ""),
        ("<think>never closed</th", "", "never closed</th"),
        ("<think>a</think><think>b</think>", "<think>b</think>", "a"),
        ("<think>a</think>````think::1\nb", "````think::1\nb", "a"),
        ("<think>a</think>\n````think::1\nb\n````\nc", "\nc", "ab"),
    ],
)
def test_reasoning_is_taken_out(answer: str, text: str, thought: str) -> None:
    """Both forms give answer and reasoning without the markers, delta by delta as well as in one piece."""
    assert split([answer]) == (text, thought)
    assert split(list(answer)) == (text, thought)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "   \n",
        "\n\nplain",
        "Write <think> to think.</think>",
        "\\<think>",
        "<thinker>",
        "<thin",
        "```python\nprint('<think>')\n```\n",
        "````markdown\n```py\n```\n````\n",
        "Say ````think::5\n in a line",
        " ````think::5\nindented",
        "````think::\nno duration",
        "````think::soon\n",
        "````think::5",
        "````think::{THINK_TIME",
        "````think::" + "9" * 21 + "\n",
        "````think::²\n",
        "`````think::5\n",
        " " * (MAX_BLANKS + 1) + "<think>far away</think>",
    ],
)
def test_what_only_resembles_reasoning_passes_unaltered(answer: str) -> None:
    """Ordinary fences, text about the tag, and markers that never become whole stay text."""
    assert split([answer]) == (answer, "")
    assert split(list(answer)) == (answer, "")


def test_blanks_up_to_the_limit_may_come_before_the_tag() -> None:
    """They belong to the form and are not shown."""
    assert split([" " * MAX_BLANKS + "<think>a</think>b"]) == ("b", "a")


def test_ordinary_text_passes_at_once() -> None:
    """A delta that cannot begin a marker is out before the next one comes."""
    splitter = ReasoningSplitter()
    for delta in ["Hello", ",\n", "wor", "ld <think>", "\n```py\n", "x = `y`", "\n\n", " ", "```"]:
        assert splitter.feed(delta) == [TextDelta(delta)]
    assert splitter.feed("") == []
    assert splitter.flush() == []


def test_text_that_passes_counts_as_fed() -> None:
    """The short way and the long one share their state, and a refusal changes nothing."""
    splitter = ReasoningSplitter()
    assert not splitter.passes("may be blanks before a tag")
    assert splitter.feed("A") == [TextDelta("A")]
    assert splitter.passes("b\n")
    assert not splitter.passes("````think::5\nc")
    assert splitter.feed("````think::5\nc") == [ThoughtDelta("c")]
    assert not splitter.passes("d")
    assert splitter.feed("\n``") == []
    assert not splitter.passes("e")
    assert splitter.feed("``\nf") == [TextDelta("f")]
    assert splitter.passes("g")


def test_reasoning_is_shown_as_it_comes() -> None:
    """A thought does not wait for its end, except for what may be the end's beginning."""
    splitter = ReasoningSplitter()
    assert splitter.feed("````think::5\n") == []
    assert splitter.feed("one ") == [ThoughtDelta("one ")]
    assert splitter.feed("two\n") == [ThoughtDelta("two")]
    assert splitter.feed("three\n````") == [ThoughtDelta("\nthree")]
    assert splitter.feed("\nAnswer") == [TextDelta("Answer")]


def test_a_held_back_beginning_is_released_as_soon_as_it_cannot_be_a_marker() -> None:
    """What waits for a marker waits for no more than the character that rules it out."""
    splitter = ReasoningSplitter()
    assert splitter.feed("See:\n``") == [TextDelta("See:\n")]
    assert splitter.feed("``thin") == []
    assert splitter.feed("gs") == [TextDelta("````things")]
    for ruled_out in ["\n````think::" + "9" * 21, "\n````think::²", "\n````think::{THUNK"]:
        assert splitter.feed(ruled_out) == [TextDelta(ruled_out)]


def cut(answer: str, cuts: list[int]) -> list[str]:
    """Cut `answer` at the given places; those outside it cut nothing."""
    places = [0, *sorted(min(place, len(answer)) for place in cuts), len(answer)]
    return [answer[start:end] for start, end in itertools.pairwise(places)]


@given(answer=answers, cuts=cuttings)
@example(answer="\n````think::5\na\n````\nb", cuts=[1, 14, 16])
def test_any_chunking_gives_the_same(answer: str, cuts: list[int]) -> None:
    """Where upstream happens to cut the answer makes no difference to what the client gets in all."""
    assert split(cut(answer, cuts)) == split([answer])
    assert split(list(answer)) == split([answer])


@given(answer=answers, cuts=cuttings)
def test_never_more_is_held_back_than_a_marker_and_its_blanks(answer: str, cuts: list[int]) -> None:
    """Flushing after any delta yields at most what a marker can measure."""
    deltas = cut(answer, cuts)
    for seen in range(1, len(deltas) + 1):
        splitter = ReasoningSplitter()
        for delta in deltas[:seen]:
            splitter.feed(delta)
        assert sum(len(event.text) for event in splitter.flush()) <= MAX_BLANKS + LONGEST_MARKER


@given(st.text().filter(lambda text: "````think::" not in text and "<think>" not in text), cuttings)
def test_text_without_markers_comes_out_as_it_went_in(answer: str, cuts: list[int]) -> None:
    """Nothing is lost, added or moved."""
    assert split(cut(answer, cuts)) == (answer, "")
