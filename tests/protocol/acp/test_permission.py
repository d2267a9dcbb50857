"""Permission: an agent is told no by the kind of its options, or that the turn is cancelled, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.protocol.acp.permission import cancelled, rejection

GEMINI = [
    {"optionId": "proceed_always", "name": "Allow for this session", "kind": "allow_always"},
    {"optionId": "proceed_once", "name": "Allow", "kind": "allow_once"},
    {"optionId": "cancel", "name": "Reject", "kind": "reject_once"},
]


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        (GEMINI, "cancel"),
        (GEMINI[::-1], "cancel"),
        ([{"optionId": "no", "kind": "reject_always"}, {"optionId": "yes", "kind": "allow_once"}], "no"),
        ([{"optionId": "never", "kind": "reject_always"}, {"optionId": "no", "kind": "reject_once"}], "no"),
        ([{"optionId": "allow", "name": "Allow", "kind": "reject_once"}], "allow"),
        ([{"optionId": "", "kind": "reject_once"}], ""),
    ],
)
def test_what_rejects_is_chosen_by_its_kind(options: list[dict[str, str]], chosen: str) -> None:
    """Names, ids and places of options mean nothing; the mildest way to say no is taken."""
    assert rejection({"options": options}) == {"outcome": {"outcome": "selected", "optionId": chosen}}


@pytest.mark.parametrize(
    "options",
    [
        [],
        None,
        {},
        "reject_once",
        [None, 3, "reject_once"],
        GEMINI[:2],
        [{"optionId": "reject_once", "name": "reject_once"}],
        [{"kind": "reject_once"}],
        [{"kind": "reject_once", "optionId": None}],
        [{"kind": ["reject_once"], "optionId": "x"}],
    ],
)
def test_where_nothing_rejects_it_is_cancelled(options: object) -> None:
    """Who offers no way to say no is told that the turn is cancelled."""
    assert rejection({"options": options}) == {"outcome": {"outcome": "cancelled"}}


kinds = st.sampled_from(["allow_once", "allow_always", "reject_once", "reject_always", "other", "", None, 3])
options = st.fixed_dictionaries({}, optional={"optionId": st.text(max_size=3) | st.none(), "kind": kinds})


@given(st.lists(options, max_size=6))
def test_nothing_is_ever_allowed(offered: list[dict[str, Any]]) -> None:
    """Whatever is offered, what is chosen is a way to say no."""
    found = rejection({"options": offered})
    noes = [option.get("optionId") for option in offered if str(option.get("kind")).startswith("reject")]
    assert found == cancelled() or found["outcome"]["optionId"] in noes
