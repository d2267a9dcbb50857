"""An answer's text with reasoning in it: however it is cut, the same is shown, and nothing is lost but the marks."""

from __future__ import annotations

from fuzz.target import Target
from lingma_trio.protocol.reasoning import ReasoningSplitter
from lingma_trio.turns import TextDelta

SEPARATOR = "\x1f"
"""Where an input is cut into deltas."""


def split(deltas: list[str]) -> tuple[str, str]:
    """The text and the thoughts that come of these deltas."""
    splitter = ReasoningSplitter()
    shown = {True: "", False: ""}
    for delta in deltas:
        for event in splitter.feed(delta):
            assert event.text
            shown[isinstance(event, TextDelta)] += event.text
    for event in splitter.flush():
        shown[isinstance(event, TextDelta)] += event.text
    return shown[True], shown[False]


def is_within(part: str, whole: str) -> bool:
    """Whether these characters stand in that order in the other text."""
    rest = iter(whole)
    return all(character in rest for character in part)


def check(data: bytes) -> None:
    """Split the deltas, all of them at once, and letter by letter."""
    deltas = data.decode("utf-8", "replace").split(SEPARATOR)
    whole = "".join(deltas)
    text, thoughts = split(deltas)
    assert (text, thoughts) == split([whole])
    assert (text, thoughts) == split(list(whole))
    assert is_within(text, whole)
    assert is_within(thoughts, whole)
    if "think" not in whole:
        assert text == whole


TARGET = Target("reasoning", check, size=1024, calls=400, calls_per_byte=60)
