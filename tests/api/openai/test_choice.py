"""How tools may be used: every form in which OpenAI's clients say so."""

from __future__ import annotations

from typing import Any

import pytest

from lingma_trio.api.openai.choice import Choosing, read_choice
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import Tool

F, G = Tool("f", "", {}), Tool("g", "", {})


@pytest.mark.parametrize(
    ("value", "chosen"),
    [
        (None, Choosing("use")),
        ({}, Choosing("use")),
        ("any", Choosing("use", "required")),
        ({"type": "none"}, Choosing("use", "none")),
        ({"name": "f"}, Choosing("use", "required", "f")),
        ({"type": "custom", "custom": {"name": "f"}}, Choosing("use", "required", "f")),
        ({"type": "function", "name": "f", "namespace": "n"}, Choosing("use", "required", "n__f")),
        ({"type": "shell"}, Choosing("use", "required", "shell")),
        (
            {"type": "allowed_tools", "tools": [{"name": "f"}, {"type": "web_search"}, {"type": "shell"}]},
            Choosing("use", among=frozenset({"f", "shell"})),
        ),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"name": "f"}]}},
            Choosing("use", "required", among=frozenset({"f"})),
        ),
    ],
)
def test_every_form_of_a_choice_is_read(value: str | dict[str, Any] | None, chosen: Choosing) -> None:
    """A word, an object that is one, one that names a tool, and one that names several; a hosted one among those is
    left out.
    """
    assert read_choice(value, param="use", kinds=("shell",)) == chosen


@pytest.mark.parametrize(
    ("value", "param"),
    [
        ("some", "use"),
        ({"type": 5}, "use.type"),
        ({"type": "function"}, "use.name"),
        ({"type": "function", "name": ""}, "use.name"),
        ({"type": "function", "function": {}}, "use.function.name"),
        ({"type": "web_search"}, "use"),
        ({"type": "allowed_tools"}, "use.tools"),
        ({"type": "allowed_tools", "allowed_tools": []}, "use.allowed_tools"),
        ({"type": "allowed_tools", "mode": "none", "tools": [{"name": "f"}]}, "use.mode"),
        ({"type": "allowed_tools", "allowed_tools": {"tools": [{"name": 1}]}}, "use.allowed_tools.tools[0].name"),
        ({"type": "allowed_tools", "tools": [{"type": "web_search"}]}, "use"),
    ],
)
def test_what_is_no_choice_is_refused_by_its_field(value: str | dict[str, Any], param: str) -> None:
    """As is one that only a vendor's tool could meet."""
    with pytest.raises(InvalidRequest) as caught:
        read_choice(value, param="use")
    assert caught.value.param == param


def test_only_those_that_are_chosen_among_are_allowed() -> None:
    """All of them where nothing is said; a name that nobody declared is a fault."""
    assert Choosing("use").allowed([F, G]) == [F, G]
    assert Choosing("use", among=frozenset({"g"})).allowed([F, G]) == [G]
    with pytest.raises(InvalidRequest, match="not declared"):
        Choosing("use", among=frozenset({"g", "h"})).allowed([F, G])
