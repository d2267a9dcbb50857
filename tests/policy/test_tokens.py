"""What the token estimate promises, for any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.policy.tokens import TOKEN, TokenCounter, estimate, weigh

TEXT = st.text(st.characters(), max_size=40)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        pytest.param("", 0, id="nothing"),
        pytest.param("a", 1, id="one character is rounded up"),
        pytest.param("to be or not to be, that is the question", 10, id="ASCII: 4 characters a token"),
        pytest.param("съешь ещё этих мягких ", 10, id="other alphabets: about 2.2 characters a token"),
        pytest.param("春眠不觉晓处处闻啼鸟夜来风雨声", 10, id="Chinese: 1.5 characters a token"),
        pytest.param("きょうはいいてんきです。はい。", 10, id="Japanese: 1.5 characters a token"),
        pytest.param("\U0001f600" * 8, 7, id="emoji: 0.9 tokens each"),
    ],
)
def test_scripts_are_weighed_by_what_models_make_of_them(text: str, tokens: int) -> None:
    """A text of each script comes to the number of tokens that the documented ratios give."""
    assert estimate(text) == tokens


@given(st.lists(TEXT))
def test_counting_by_pieces_is_counting_the_whole(pieces: list[str]) -> None:
    """However a text is cut into deltas, its count is the estimate of the whole text."""
    counter = TokenCounter()
    for piece in pieces:
        counter.add(piece)
    assert counter.total == estimate("".join(pieces))


@given(TEXT)
def test_a_weight_is_the_sum_of_its_characters(text: str) -> None:
    """The quick way for ASCII and the other one agree, and each character weighs from 6 to 21."""
    weights = [weigh(character) for character in text]
    assert weigh(text) == sum(weights)
    assert all(6 <= weight <= 21 for weight in weights)


@given(TEXT)
def test_a_started_token_counts(text: str) -> None:
    """The estimate is the weight in tokens, rounded up, so only the empty text has none."""
    assert (estimate(text) - 1) * TOKEN < weigh(text) <= estimate(text) * TOKEN
    assert (estimate(text) == 0) == (text == "")


def test_a_lone_surrogate_is_counted() -> None:
    """Text that cannot be sent as UTF-8 can still be counted: an estimate never ends an answer."""
    assert estimate("\ud800") == 1


def test_a_counter_shows_its_total() -> None:
    """A counter in a log line says how far it is."""
    counter = TokenCounter()
    counter.add("four and more")
    assert repr(counter) == "<TokenCounter 4>"
