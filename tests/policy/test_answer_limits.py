"""What the limits of an answer promise, whatever the chunking: the outcome of cutting the whole text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lingma_trio.policy.answer_limits import AnswerLimits
from lingma_trio.policy.tokens import TOKEN, weigh

if TYPE_CHECKING:
    from collections.abc import Sequence

# Few letters, so that stop sequences are found, are nearly found, and overlap.
LETTERS = st.text("ab語", max_size=6)
STOPS = st.lists(st.text("ab語", min_size=1, max_size=4), max_size=3).map(tuple)
BOUNDS = st.none() | st.integers(0, 12)


class Piece(NamedTuple):
    """Some text or some reasoning, as upstream sends it."""

    text: str
    is_thought: bool = False


PIECES = st.lists(st.builds(Piece, LETTERS, st.booleans()), max_size=10)


class Outcome(NamedTuple):
    """What a client was given, and why it ended."""

    text: str
    thought: str
    reason: Literal["stop", "length"] | None


def run(pieces: Sequence[Piece], *, stop: tuple[str, ...], max_tokens: int | None) -> Outcome:
    """Apply the limits piece by piece."""
    limits = AnswerLimits(stop=stop, max_tokens=max_tokens)
    text = thought = ""
    for piece in pieces:
        if piece.is_thought:
            thought += limits.thought(piece.text)
        else:
            text += limits.feed(piece.text)
    return Outcome(text + limits.flush(), thought, limits.reason)


def cut(pieces: Sequence[Piece], *, stop: tuple[str, ...], max_tokens: int | None) -> Outcome:
    """The naive way: character by character, searching the whole text after each.

    Of the sequences in the text the one that begins first counts, so a search settles nothing while a sequence that
    began earlier may still come; the reasoning that arrived before the text was settled has been sent by then.
    """
    text = thought = ""
    spent = 0
    for piece in pieces:
        for character in piece.text:
            spent += weigh(character)
            if max_tokens is not None and spent > max_tokens * TOKEN:
                return ended(text, thought, stop, "length")
            if piece.is_thought:
                thought += character
                continue
            text += character
            if any(sequence in text for sequence in stop) and not may_begin_earlier(text, stop):
                return ended(text, thought, stop, None)
    return ended(text, thought, stop, None)


def may_begin_earlier(text: str, stop: tuple[str, ...]) -> bool:
    """Whether more text could complete a sequence that begins before all those that are complete."""
    first = min(text.index(sequence) for sequence in stop if sequence in text)
    return any(sequence.startswith(text[at:]) for at in range(first) for sequence in stop)


def ended(text: str, thought: str, stop: tuple[str, ...], reason: Literal["length"] | None) -> Outcome:
    """The outcome when nothing more comes."""
    places = [text.index(sequence) for sequence in stop if sequence in text]
    return Outcome(text[: min(places)], thought, "stop") if places else Outcome(text, thought, reason)


@given(PIECES, STOPS, BOUNDS)
@example([Piece("abc"), Piece("x")], ("abcd", "bc"), None)
@example([Piece("a"), Piece("aaaaa", is_thought=True)], ("ab",), 1)
@example([Piece("aaaab")], ("ab",), 1)
@example([Piece("aaaa"), Piece("a")], (), 1)
@example([Piece("aab"), Piece("ba")], ("abba",), None)
@example([Piece("aab"), Piece("aaaaa", is_thought=True)], ("abb", "b"), 1)
def test_any_chunking_is_the_naive_cut(pieces: list[Piece], stop: tuple[str, ...], max_tokens: int | None) -> None:
    """Text, reasoning and reason are what cutting character by character gives."""
    assert run(pieces, stop=stop, max_tokens=max_tokens) == cut(pieces, stop=stop, max_tokens=max_tokens)


@given(st.lists(LETTERS), STOPS)
def test_the_answer_ends_where_the_first_stop_sequence_begins(pieces: list[str], stop: tuple[str, ...]) -> None:
    """Without a bound the outcome is one search of the whole text."""
    whole = "".join(pieces)
    places = [whole.index(sequence) for sequence in stop if sequence in whole]
    expected = (whole[: min(places)], "stop") if places else (whole, None)
    outcome = run([Piece(piece) for piece in pieces], stop=stop, max_tokens=None)
    assert (outcome.text, outcome.reason) == expected


@given(st.lists(st.text(max_size=8)), st.integers(0, 12))
def test_the_answer_is_the_longest_beginning_within_the_bound(pieces: list[str], max_tokens: int) -> None:
    """For any characters, one more would be over the bound; a whole answer that fits has hit no limit."""
    whole = "".join(pieces)
    outcome = run([Piece(piece) for piece in pieces], stop=(), max_tokens=max_tokens)
    size = len(outcome.text)
    assert outcome.text == whole[:size]
    assert weigh(whole[:size]) <= max_tokens * TOKEN
    if outcome.reason is None:
        assert outcome.text == whole
    else:
        assert outcome.reason == "length"
        assert weigh(whole[: size + 1]) > max_tokens * TOKEN


@given(st.lists(LETTERS), STOPS)
def test_only_a_possible_beginning_is_held_back(pieces: list[str], stop: tuple[str, ...]) -> None:
    """At every moment what is held back begins some stop sequence, and so is shorter than the longest."""
    limits = AnswerLimits(stop=stop, max_tokens=None)
    fed = sent = ""
    for piece in pieces:
        fed += piece
        sent += limits.feed(piece)
        if limits.reason is None:
            held = fed.removeprefix(sent)
            assert fed == sent + held
            assert not held or any(sequence.startswith(held) and sequence != held for sequence in stop)


@given(PIECES, STOPS.filter(bool), BOUNDS)
def test_nothing_passes_once_a_limit_was_hit(
    pieces: list[Piece], stop: tuple[str, ...], max_tokens: int | None
) -> None:
    """What comes after the end is dropped, reasoning too, and does not change the reason."""
    limits = AnswerLimits(stop=stop, max_tokens=max_tokens)
    for piece in [*pieces, Piece(stop[0]), Piece(stop[0] * 4)]:
        before = limits.reason
        passed = limits.thought(piece.text) if piece.is_thought else limits.feed(piece.text)
        if before is not None:
            assert (passed, limits.reason) == ("", before)
    assert limits.reason is not None


def test_reasoning_is_not_searched() -> None:
    """A stop sequence in the reasoning, or half in it, ends nothing."""
    limits = AnswerLimits(stop=("END",), max_tokens=None)
    assert limits.thought("the END") == "the END"
    assert limits.feed("E") == ""
    assert limits.thought("ND") == "ND"
    assert limits.flush() == "E"
    assert limits.reason is None


def test_text_held_back_survives_reasoning_that_hits_the_bound() -> None:
    """What was let in before the bound belongs to the answer, though a stop sequence can no longer come of it."""
    limits = AnswerLimits(stop=("END",), max_tokens=1)
    assert limits.feed("aE") == "a"
    assert limits.thought("hmm") == "hm"
    assert limits.reason == "length"
    assert limits.flush() == "E"
    assert limits.flush() == ""


def test_a_stop_sequence_that_is_complete_beats_the_bound_in_the_same_piece() -> None:
    """The model wrote the sequence before it ran out of tokens."""
    limits = AnswerLimits(stop=("b",), max_tokens=1)
    assert limits.feed("aaabaaa") == "aaa"
    assert limits.reason == "stop"


@given(PIECES, STOPS, BOUNDS)
def test_what_ended_the_answer_is_named(pieces: list[Piece], stop: tuple[str, ...], max_tokens: int | None) -> None:
    """It is the stop sequence that follows on the answer in what came, and none where nothing stopped it."""
    limits = AnswerLimits(stop=stop, max_tokens=max_tokens)
    texts = [piece.text for piece in pieces if not piece.is_thought]
    answer = "".join(limits.feed(text) for text in texts) + limits.flush()
    assert (limits.found in stop) == (limits.reason == "stop")
    assert limits.reason == "length" or "".join(texts).startswith(answer + limits.found)


def test_a_stop_sequence_that_the_bound_cuts_is_text() -> None:
    """The model had no room to write all of it, so what it wrote of it stands."""
    limits = AnswerLimits(stop=("bbb",), max_tokens=1)
    assert limits.feed("aabbb") == "aabb"
    assert limits.reason == "length"


def test_discarded_text_neither_comes_out_nor_completes_a_stop_sequence() -> None:
    """Text that became void leaves nothing behind but its tokens."""
    limits = AnswerLimits(stop=("END",), max_tokens=2)
    assert limits.feed("abcE") == "abc"
    limits.discard()
    assert limits.feed("ND") == "ND"
    assert limits.feed("xyz") == "xy"
    assert limits.reason == "length"


@pytest.mark.parametrize(
    ("stop", "max_tokens", "active"), [((), None, False), (("a",), None, True), ((), 1, True), ((), 0, True)]
)
def test_limits_say_whether_there_are_any(*, stop: tuple[str, ...], max_tokens: int | None, active: bool) -> None:
    """A caller that finds them inactive may go without."""
    assert AnswerLimits(stop=stop, max_tokens=max_tokens).active is active


def test_an_empty_stop_sequence_is_refused() -> None:
    """It would be found before the first character of every answer."""
    with pytest.raises(ValueError, match="empty"):
        AnswerLimits(stop=("a", ""), max_tokens=None)


def test_limits_show_their_state_and_no_text() -> None:
    """Limits in a log line say what they hold back by length only."""
    limits = AnswerLimits(stop=("secret",), max_tokens=None)
    limits.feed("sec")
    assert repr(limits) == "<AnswerLimits reason=None held=3>"


def test_what_is_whole_is_never_cut() -> None:
    """It fits, or nothing of it comes."""
    fits = AnswerLimits(stop=(), max_tokens=10, whole=True)
    assert fits.feed("{}") == "{}"
    assert fits.reason is None
    short = AnswerLimits(stop=(), max_tokens=2, whole=True)
    assert short.feed('{"a": "much more than that"}') == ""
    assert short.reason == "length"


@given(st.lists(st.text(min_size=1, max_size=8)), st.integers(0, 12))
def test_reasoning_before_what_is_whole_is_cut_the_same_however_it_comes(pieces: list[str], max_tokens: int) -> None:
    """Of reasoning a client is shown as much as there is room for, and not as much as came in the same piece."""
    apart = AnswerLimits(stop=(), max_tokens=max_tokens, whole=True)
    together = AnswerLimits(stop=(), max_tokens=max_tokens, whole=True)
    assert "".join(map(apart.thought, pieces)) == together.thought("".join(pieces))
    assert apart.reason == together.reason
