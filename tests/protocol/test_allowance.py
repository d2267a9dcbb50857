"""Quota and plan: what is there is read under its own name, and nothing that may come raises."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.protocol.allowance import MOST_CHARACTERS, MOST_FACTS, Allowance, read_kind, read_plan

junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["a", "b", "total"]), inner),
    max_leaves=30,
)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"userType": "personal_standard", "quota": 0}, ("personal_standard", 0)),
        ({"userType": " a\nb\x1b[1m ", "quota": 1.5}, ("a b [1m", 1.5)),
        ({"userType": None, "quota": "12"}, ("", None)),
        ({"quota": True}, ("", None)),
        ({"quota": math.nan}, ("", None)),
        ([], ("", None)),
    ],
)
def test_kind_and_quota_are_read(status: object, expected: object) -> None:
    """As Lingma says them; what is no number is no quota."""
    assert read_kind(status) == expected


def test_a_plan_is_its_single_values() -> None:
    """Objects within it give their values with both names; what is private, empty or about the call is left out."""
    plan = {
        "success": True,
        "errorCode": "",
        "planName": "Pro",
        "isTrial": False,
        "refreshToken": "rt-1",
        "email": "a@b.example",
        "userId": 12,
        "note": " ",
        "usage": {"used": 3, "total": 500.5, "deep": {"er": {"est": 1}, "left": 2}},
        "features": ["chat"],
    }
    told = {"planName": "Pro", "isTrial": False, "usage.used": 3, "usage.total": 500.5, "usage.deep.left": 2}
    assert read_plan(plan) == read_plan({"data": plan, "success": True}) == told


def test_what_is_told_is_told_to_people_and_to_programs() -> None:
    """Numbers by their names, and all of it in words."""
    allowance = Allowance("personal_standard", 0, {"planName": "Pro", "isTrial": True, "used": 2.5})
    assert allowance.numbers == {"quota": 0.0, "used": 2.5}
    assert allowance.words == ("personal_standard", "quota 0", "planName Pro", "isTrial yes", "used 2.5")
    assert (Allowance().numbers, Allowance().words) == ({}, ())


@given(junk)
def test_no_plan_raises(result: object) -> None:
    """Whatever comes, what is read is little, and single values."""
    plan = read_plan(result)
    assert len(plan) <= MOST_FACTS
    assert all(len(str(value)) <= MOST_CHARACTERS for value in plan.values())
    assert read_kind(result)
    assert len(Allowance(plan=plan).words) == len(plan)


def test_a_large_plan_is_cut() -> None:
    """Each value is a line of the metrics."""
    assert len(read_plan({f"value{number}": number for number in range(1000)})) == MOST_FACTS
