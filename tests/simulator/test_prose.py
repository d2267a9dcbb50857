"""Prose: the simulator's words prove what a session holds, in the language of the question, in any number of deltas."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.simulator.prose import (
    GIST_LENGTH,
    answer_text,
    directive_words,
    exactly,
    gist,
    is_chinese,
    pieces,
    thought_text,
)

TEXT = st.text() | st.text(alphabet="ab ,.\n你好。世界")


@given(TEXT)
def test_pieces_are_the_text(text: str) -> None:
    """Cutting loses and adds nothing, and no piece is empty."""
    assert "".join(pieces(text)) == text
    assert all(pieces(text))


@given(TEXT.filter(bool), st.integers(1, 50), st.integers(0, 300))
def test_exactly_so_many_deltas(text: str, count: int, chars: int) -> None:
    """The number is met, each delta says something, and the text is still there in front."""
    cut = exactly(text, count=count, chars=chars)
    assert len(cut) == count
    assert all(cut)
    assert "".join(cut).startswith(text)


def test_padding_can_be_long() -> None:
    """`chars` is the least length of a padding delta."""
    assert {len(piece) for piece in exactly("hi", count=4, chars=1000)} == {2, 1000}


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("hello", "hello"),
        ("system: be nice\n\nuser: hello \n\n", "user: hello"),
        ("hello\n#simulate gap=0", "hello"),
        ("#simulate gap=0\nhello", "hello"),
        ("", ""),
        ("\n \n", ""),
        ("x" * 1000, "x" * GIST_LENGTH),
    ],
)
def test_the_gist_is_the_last_line_that_says_something(question: str, expected: str) -> None:
    """Directives, blanks and whatever came before are left out."""
    assert gist(question) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("hello", []),
        ("#simulate gap=0 deltas=5\nhello", ["gap=0", "deltas=5"]),
        ("hello\r\n#simulate gap=0\r\n", ["gap=0"]),
        ("#simulate gap=1\nhello\n #simulate gap=2\nagain", ["gap=2"]),
        ("say #simulate gap=0", []),
        ("#simulated gap=0", []),
        ("#simulate", []),
    ],
)
def test_the_last_directive_counts(question: str, expected: list[str]) -> None:
    """Only a line of its own is a directive, and of a transcript's the newest holds."""
    assert directive_words(question) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("你好", True), ("hello", False), ("你好吗 ok", True), ("", False), ("123", False)]
)
def test_the_language_is_that_of_most_letters(text: str, expected: bool) -> None:
    """Digits and signs decide nothing."""
    assert is_chinese(text) is expected


def test_an_answer_proves_what_the_session_holds() -> None:
    """It tells the question, its number and the first one, in the question's language."""
    english = answer_text("and then?", number=3, first="hello")
    assert "simulator" in english
    assert "“and then?”" in english
    assert "(message 3 of this session; the first was: “hello”.)" in english
    chinese = answer_text("然后呢", number=3, first="hello")
    assert "模拟器" in chinese
    assert "第 3 条消息;第一条是:“hello”" in chinese


@pytest.mark.parametrize("question", ["What did I say first?", "我第一句说了什么?"])
def test_a_session_can_be_asked_what_came_first(question: str) -> None:
    """Recall names the first question."""
    assert "“apples”" in answer_text(question, number=2, first="apples")


@pytest.mark.parametrize("question", ["hello", "你好"])
def test_a_thought_is_about_the_question(question: str) -> None:
    """So that thoughts of different answers can be told apart."""
    assert question in thought_text(question)


def test_how_to_answer_is_no_part_of_the_question() -> None:
    """A transcript may say at its end how to answer, which nobody asked."""
    closing = "=== 482915073364 how to answer ===\nCall a tool where it helps."
    assert gist(f"=== 482915073364 user ===\nWhy?\n\n{closing}") == "Why?"


def test_directives_are_quoted_as_in_a_shell() -> None:
    """Blanks and JSON need it; quotes that do not close are taken as they are."""
    assert directive_words("""#simulate say='a b' call='run:{"a": 1}'""") == ["say=a b", 'call=run:{"a": 1}']
    assert directive_words("#simulate reason=don't gap=0") == ["reason=don't", "gap=0"]


@given(st.text(alphabet=" \t'\"\\\\ab=", max_size=12))
def test_words_of_a_directive_are_as_in_a_shell(line: str) -> None:
    """The library's own reader is held against it; it takes the square of a long line's time."""
    try:
        expected = shlex.split(line)
    except ValueError:
        expected = line.split()
    assert directive_words(f"#simulate {line}") == expected


def test_a_long_directive_is_read_in_linear_time() -> None:
    """A property's name of four million characters; by the library this takes minutes."""
    name = "n" * 4_000_000
    assert directive_words(f'#simulate call=\'look:{{"{name}": 1}}\' say="{name}"') == [
        f'call=look:{{"{name}": 1}}',
        f"say={name}",
    ]
