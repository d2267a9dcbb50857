"""Knobs of the agent: each is documented, and turned by a test."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from lingma_trio.simulator.acp.knobs import AcpKnobs
from lingma_trio.simulator.knob import KnobFault, describe_knobs

NAMES = [knob.name for knob in fields(AcpKnobs)]
LINES = dict(zip(NAMES, describe_knobs(AcpKnobs).splitlines(), strict=True))
TESTS = "".join(path.read_text() for path in sorted(Path(__file__).parent.glob("test_*.py")))


@pytest.mark.parametrize("name", NAMES)
def test_every_knob_is_described(name: str) -> None:
    """A line names the knob, its values, its default and its meaning."""
    assert re.fullmatch(rf"{name}=\S+ \(default .*\): \w.+", LINES[name])


@pytest.mark.parametrize("name", NAMES)
def test_every_knob_is_turned_by_a_test(name: str) -> None:
    """Of this folder: what the same knob does to Lingma proves nothing here."""
    assert f'"{name}=' in TESTS or f" {name}=" in TESTS


@pytest.mark.parametrize(
    ("name", "values"), [(name, line.split("=")[1].split(" ")[0].split("|")) for name, line in LINES.items()]
)
def test_every_described_value_is_taken(name: str, values: list[str]) -> None:
    """What the description offers can be turned, and comes out as it went in."""
    examples = {"N": "3", "SECONDS": "0.5", "TEXT": "because"}
    for value in values:
        word = examples.get(value, value)
        turned = getattr(AcpKnobs().turned([f"{name}={word}"]), name)
        assert turned == {"0": False, "1": True}.get(word, type(turned)(word))


def test_what_is_of_the_process_cannot_be_turned_for_an_answer() -> None:
    """And what is Lingma's alone not at all."""
    with pytest.raises(KnobFault):
        AcpKnobs().turned_for_answer(["close=0"])
    with pytest.raises(KnobFault):
        AcpKnobs().turned(["native=invoke"])
