"""Knobs: each is documented, read strictly, and reaches as far as it says."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.simulator.knob import KnobFault, describe_knobs, environment_words
from lingma_trio.simulator.knobs import Knobs

NAMES = [knob.name for knob in fields(Knobs)]
LINES = dict(zip(NAMES, describe_knobs(Knobs).splitlines(), strict=True))
TESTS = "".join(path.read_text() for path in sorted(Path(__file__).parent.glob("test_*.py")))


@pytest.mark.parametrize("name", NAMES)
def test_every_knob_is_described(name: str) -> None:
    """A line names the knob, its values, its default and its meaning."""
    assert re.fullmatch(rf"{name}=\S+ \(default .*\): \w.+", LINES[name])


@pytest.mark.parametrize("name", NAMES)
def test_every_knob_is_turned_by_a_test(name: str) -> None:
    """No knob is there that no test turns: a knob that does nothing would look like a behaviour that was tested."""
    assert f'"{name}=' in TESTS or f" {name}=" in TESTS


@pytest.mark.parametrize(
    ("name", "values"), [(name, line.split("=")[1].split(" ")[0].split("|")) for name, line in LINES.items()]
)
def test_every_described_value_is_taken(name: str, values: list[str]) -> None:
    """What the description offers can be turned, and comes out as it went in."""
    examples = {"N": "3", "SECONDS": "0.5", "TEXT": "because"}
    for value in values:
        word = examples.get(value, value)
        turned = getattr(Knobs().turned([f"{name}={word}"]), name)
        assert turned == {"0": False, "1": True}.get(word, type(turned)(word))


@pytest.mark.parametrize(
    "word",
    [
        "first",
        "first=soon",
        "first=-1",
        "first=inf",
        "first=nan",
        "deltas=1.5",
        "ids=yes",
        "info=xml",
        "nonsense=1",
        "=1",
    ],
)
def test_what_turns_no_knob_is_refused(word: str) -> None:
    """A mistake is an error that names the word, never a silent default."""
    with pytest.raises(KnobFault, match=re.escape(word)):
        Knobs().turned([word])


def test_the_last_word_wins() -> None:
    """So that the command line can follow the environment."""
    assert Knobs().turned(["gap=1", "gap=2"]).gap == 2


def test_an_answer_cannot_turn_the_process() -> None:
    """A directive reaches no further than its answer."""
    assert Knobs().turned_for_answer(["deltas=7"]).deltas == 7
    with pytest.raises(KnobFault, match="limit"):
        Knobs().turned_for_answer(["limit=7"])


def test_the_environment_is_cut_at_commas() -> None:
    """Blanks and empty words are nothing."""
    assert environment_words(" gap=0, ,first=0,") == ["gap=0", "first=0"]


@given(st.lists(st.text() | st.sampled_from([f"{name}=0" for name in NAMES])))
def test_no_words_do_more_than_turn_or_fail(words: list[str]) -> None:
    """Whatever the words are, the outcome is knobs or a KnobFault."""
    try:
        knobs = Knobs().turned(words)
    except KnobFault:
        return
    assert isinstance(knobs, Knobs)
