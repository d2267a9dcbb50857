"""Forms: what is remembered of long texts changes nothing but the time it takes."""

from __future__ import annotations

from lingma_trio.sessions.forms import LONG_TEXT, MOST_FORMS, Forms
from lingma_trio.sessions.proof import Keys, Turns
from tests.conversations import SEED, keys, told, user


def test_forms_are_remembered_and_change_nothing() -> None:
    """Promise: with what is remembered of long texts the keys are the same, and the memory has a bound."""
    forms, text = Forms(), "so **it** is " * 100

    def found(said: str) -> Keys | None:
        turns = Turns(forms=forms)
        for message in (user("q"), told(said)):
            turns.add(message)
        turns.settle()
        return turns.keys(SEED)

    for said in (text, text, text[:10]):
        assert found(said) == keys(user("q"), told(said))
    for number in range(MOST_FORMS + 10):
        forms.digest(f"{number:0{LONG_TEXT}}")
    assert repr(forms) == "<Forms 11>"
    assert found(text) == keys(user("q"), told(text))
