"""The normal form: undoes what clients do to texts, and never takes two texts that say different things for one."""

from __future__ import annotations

import unicodedata
from threading import Event, Thread
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.sessions.text_form import _SPELLED, PIECE, as_written, normal_form, without_reasoning
from tests.hostile.steps import processor_time

ALIKE = [
    ("line ends", "one\r\ntwo\rthree", "one\ntwo\nthree"),
    ("blanks at the ends of the text", "\n answer \n", "answer"),
    ("blanks at the ends of lines", "one  \ntwo\t\n", "one\ntwo"),
    ("runs of blanks", "one   two\n\n\nthree", "one two\nthree"),
    ("one spelling of a character", "cafe\u0301", "caf\u00e9"),
    ("strong words", "so **very many** words", "so very many words"),
    ("stressed words", "so *very* many", "so very many"),
    ("both", "***so*** it is", "so it is"),
    ("strong words with underscores", "__Note well:__ it is", "Note well: it is"),
    ("emphasis beside punctuation", '(**this**), "*that*".', '(this), "that".'),
    ("emphasis in a script without blanks", "这是**重点**内容", "这是重点内容"),
    ("emphasis after punctuation of such a script", "看\u3002**重点**内容", "看\u3002重点内容"),
    ("symbols within emphasis", "**C++** and *C#* \u2014 *(all)*", "C++ and C# \u2014 (all)"),
    ("a longer fence", "````py\nx\n````", "```py\nx\n```"),
    ("another fence", "~~~\nx\n~~~", "```\nx\n```"),
    ("a fence's info string", "```python title=a\nx\n```", "```\nx\n```"),
    ("blank lines round a fence", "see:\n\n```\nx\n```\n\nthat", "see:\n```\nx\n```\nthat"),
    ("a longer code span", "``x``", "`x`"),
]
DIFFERENT = [
    ("symbols", "C++", "C#"),
    ("emoji", "\U0001f44d", "\U0001f44e"),
    ("a sign", "x = -1", "x = 1"),
    ("a point within a number", "1.5", "15"),
    ("letter case", "Polish", "polish"),
    ("word order", "dog bites man", "man bites dog"),
    ("an identifier", "call __init__ now", "call init now"),
    ("a snake", "my_var_name", "myvarname"),
    ("a product", "2*3*4", "234"),
    ("a product with blanks", "a * b * c", "a b c"),
    ("numbers between stars", "5 *3* 2", "5 3 2"),
    ("powers", "2**3**4", "234"),
    ("a call with stars", "f(*args, **kwargs)", "f(args, kwargs)"),
    ("stars of a query", "SELECT *, count(*) FROM t", "SELECT , count() FROM t"),
    ("stars of a pattern", "it is .*foo.* here", "it is .foo. here"),
    ("stars of file names", "all *.py and src/*", "all .py and src/"),
    ("a comment", "/*so*/", "/so/"),
    ("escaped marks", r"\*not\* so", r"\not\ so"),
    ("blanks in code", "```\nif x:\n    y\n```", "```\nif x:\n  y\n```"),
    ("lines of code", "```\na\nb\n```", "```\na b\n```"),
    ("blanks in a span", "`a  b`", "`a b`"),
    ("stars in code", "`**a**`", "`a`"),
    ("code and prose", "`x`", "x"),
    ("a span and a block", "`x`", "```\nx\n```"),
    ("words that are joined", "every day", "everyday"),
    ("marks over paragraphs", "*one\n\ntwo*", "one two"),
    ("a mark that is alone", "**one", "one"),
]


@pytest.mark.parametrize(("one", "other"), [case[1:] for case in ALIKE], ids=[case[0] for case in ALIKE])
def test_what_clients_do_is_undone(one: str, other: str) -> None:
    """Promise: a text that a client kept in its own way is the same text."""
    assert normal_form(one) == normal_form(other)


@pytest.mark.parametrize(("one", "other"), [case[1:] for case in DIFFERENT], ids=[case[0] for case in DIFFERENT])
def test_what_says_something_else_differs(one: str, other: str) -> None:
    """Promise: no symbol, digit, case, identifier, order or code is dropped."""
    assert normal_form(one) != normal_form(other)


words = st.text(st.sampled_from("abAB1.+-#é你_"), min_size=1, max_size=4).filter(lambda word: "__" not in word)
"""Without marks, which go with one blank between what they stand round, and stay with a paragraph's end between it."""

blanks = st.text(st.sampled_from(" \n\t"), min_size=1, max_size=3)


@given(st.lists(words, min_size=1, max_size=6), st.data())
def test_blanks_between_the_same_words_do_not_count(said: list[str], data: st.DataObject) -> None:
    """Promise: prose is the sequence of its words, numbers and symbols."""
    spread = "".join(word + data.draw(blanks) for word in said)
    assert normal_form(spread) == normal_form(" ".join(said))


@given(st.lists(words, max_size=5), st.lists(words, max_size=5))
def test_different_words_have_different_forms(one: list[str], other: list[str]) -> None:
    """Promise: forms without marks agree only where all words do."""
    assert (normal_form(" ".join(one)) == normal_form(" ".join(other))) == (one == other)


@given(st.lists(st.sampled_from(["a", "b", " ", "`a`", "``a`b``", "*", "**"]), max_size=8))
def test_no_letter_is_dropped_beside_code_or_marks(said: list[str]) -> None:
    """Promise: another letter is another text, wherever it stands."""
    text = "".join(said)
    others = [f"{text[:at]}c{text[at + 1 :]}" for at, letter in enumerate(text) if letter in "ab"]
    assert normal_form(text) not in map(normal_form, others)


@given(st.text(st.sampled_from("a *_`~\n#é\\")))
def test_any_text_has_a_form(text: str) -> None:
    """Promise: no text is a fault, and line ends never matter."""
    assert normal_form(text) == normal_form(text.replace("\n", "\r\n"))


@given(
    st.text(
        st.characters(codec="utf-8") | st.sampled_from("a\u0301\u0323\u0308각ᄀ\u1161かカ\u3099กำ\u0e49中 "),
        max_size=60,
    )
)
def test_a_character_is_spelled_alike_wherever_it_stands(text: str) -> None:
    """Promise: in a long text as in a short one, each has one spelling, as Unicode has it."""
    filler = "中文\uff0c한국어 и かな 😀 " * 9
    for spelling in ("NFC", "NFD"):
        said = unicodedata.normalize(spelling, f"{filler}{text}{filler}")
        assert as_written(said) == as_written(unicodedata.normalize("NFC", said))


def test_what_is_spelled_alike_stands_where_pieces_begin() -> None:
    """Promise: no piece of a text begins with what belongs to the one before it."""
    follow = [letter for number in range(0x20000) if _begins_a_piece(letter := chr(number))]
    assert len(follow) > 30_000
    for letter in follow:
        assert not unicodedata.combining(letter)
        for before in "aか가ᄀ中\u0301":
            assert unicodedata.normalize("NFC", before + letter) == before + unicodedata.normalize("NFC", letter)


def _begins_a_piece(letter: str) -> bool:
    found = _SPELLED.match("\u0300" * 63 + letter + "\u0300" * 2)
    assert found
    return found.end() == 63


@given(st.text(st.sampled_from("ab.# \t\u00a0\n\r_é")))
def test_text_without_marks_has_the_form_that_it_has_behind_a_block(text: str) -> None:
    """Promise: the short way for a text without any mark comes to what the long way comes to."""
    assert normal_form(text.replace("__", "_ _")) == normal_form(f"```\ncode\n```\n{text.replace('__', '_ _')}")[1:]


@pytest.mark.parametrize(
    "text", ["<think>hm</think>\n\nyes", '<details type="reasoning" done="true">\nhm\n</details>\nyes']
)
def test_reasoning_before_an_answer_is_left_out(text: str) -> None:
    """Promise: what a client shows of the reasoning in front of the answer is no part of it."""
    assert without_reasoning(text) == "yes"


@pytest.mark.parametrize("text", ["a " * 4_000_000, "<think>" + "a" * 8_000_000])
def test_a_long_text_lets_others_in_between(text: str) -> None:
    """Promise: it may be worked on in a thread, for no single call keeps the interpreter for long."""
    pauses: list[float] = []  # of who wants the interpreter each millisecond, in this process's own time
    begun, done = Event(), Event()

    def want() -> None:
        over, last = False, process_time()
        while not over:
            over = done.wait(0.001)
            last, before = process_time(), last
            pauses.append(last - before)
            begun.set()

    beside = Thread(target=want)
    beside.start()
    try:
        begun.wait()
        normal_form(without_reasoning(text))
    finally:
        done.set()
        beside.join()
    assert max(pauses) < 0.1


@pytest.mark.parametrize("blanks", [" ", "\r\n", "\t\r"])
def test_blanks_at_the_end_of_a_piece_are_as_everywhere(blanks: str) -> None:
    """Promise: how long a text is says nothing of how it is read."""
    for before in range(PIECE - 3, PIECE + 3):
        assert normal_form("a" * before + blanks + "b") == (("prose", "a" * before + " b"),)


@pytest.mark.parametrize("text", ["so <think>hm</think>", "<think>hm", "<details>hm</details> yes", "yes"])
def test_other_tags_are_text(text: str) -> None:
    """Promise: only whole reasoning in front is taken for it."""
    assert without_reasoning(text) == text


@pytest.mark.parametrize(
    "piece",
    ["*a ", "a *b* ", "` `` ", "```\n", "__", "**", "\n\n", "~~~a\n", "<think>", "(*", "\u0315\u0334", "\u0308"],
)
def test_the_form_costs_what_the_text_is_long(piece: str) -> None:
    """Promise: eight times the text is at most some ten times the work."""
    short, long = piece * 5_000, piece * 40_000
    normal_form(short)
    with processor_time() as once:
        normal_form(short)
        without_reasoning(short)
    with processor_time() as eight_times:
        normal_form(long)
        without_reasoning(long)
    assert eight_times.seconds < 24 * once.seconds + 0.05
