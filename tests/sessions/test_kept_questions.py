"""Questions as bytes: what is read is what was kept, and nothing else is."""

from __future__ import annotations

import pytest

from lingma_trio.sessions.kept_questions import MOST_KEPT_BYTES, keep_questions, read_questions
from lingma_trio.sessions.questions import Questions
from tests.conversations import told, turns_of, user


def questions() -> Questions:
    """Those of a conversation in which one question has parts and another has rules behind a blank line."""
    parts = user("first part\nsecond part", breaks=(10,))
    found = turns_of(parts, told("yes"), user("do it\n\nRules.\n\nMore."), told("done")).questions()
    assert found is not None
    return found


def test_what_is_read_is_what_was_kept() -> None:
    """Turns, places of answers, and each question in all its forms."""
    assert read_questions(keep_questions(questions())) == questions()


def test_nothing_is_kept_of_no_questions() -> None:
    """And nothing is read of it."""
    assert keep_questions(None) == b""
    assert read_questions(b"") is None


def test_what_is_too_much_is_not_kept() -> None:
    """One conversation has an end to what it takes."""
    many = turns_of(*(user(f"{place}\n\nrules") if place % 2 else told("a") for place in range(900)))
    assert len(keep_questions(turns_of(user("a\n\nb"), told("c")).questions())) < MOST_KEPT_BYTES
    assert keep_questions(many.questions()) == b""


@pytest.mark.parametrize("change", ["cut", "longer", "another version", "a huge count"])
def test_what_another_version_wrote_is_as_nothing(change: str) -> None:
    """It costs a miss and never an error."""
    kept = keep_questions(questions())
    spoiled = {
        "cut": [kept[:end] for end in range(1, len(kept))],
        "longer": [kept + b"x"],
        "another version": [b"\x02" + kept[1:]],
        "a huge count": [kept[:1] + b"\xff\xff\xff\xff" + kept[5:]],
    }
    assert [read_questions(each) for each in spoiled[change]] == [None] * len(spoiled[change])
