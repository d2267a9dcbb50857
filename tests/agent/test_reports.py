"""What is news of an instance: all but what time alone changes."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from lingma_trio.agent.reports import without_clock
from lingma_trio.protocol.allowance import Allowance
from lingma_trio.protocol.catalogue import Model
from lingma_trio.protocol.fleet_messages import FleetState, InstanceReport, LoginReport
from lingma_trio.protocol.turn_machine import Terms

BEFORE = InstanceReport("one.lingma-0", most=3, turns=1, rests={"a": 2.0}, login=LoginReport("waiting", "why", "", 9.0))
OTHERWISE: dict[str, object] = {
    "about": ("a plan",),
    "terms": Terms("acp"),
    "models": (Model("key", "name"),),
    "allowance": Allowance(kind="free"),
    "bound": 2,
    "turns": 3,
    "rests": {"a": 2.0, "b": 1.0},
    "login": LoginReport("needs_human", "why", "", 9.0),
    "drained": True,
}
CLOCK: dict[str, object] = {
    "turns": 2,
    "ready_in": 5.0,
    "begins_in": 5.0,
    "rests": {"a": 1.0},
    "login": LoginReport("waiting", "why", "", 8.0),
}


def is_news(field: str, value: object) -> bool:
    """Whether it is told at once that this field has that value now."""
    after = replace(BEFORE, **{field: value})  # type: ignore[arg-type]
    assert after != BEFORE
    return without_clock(FleetState(instances=(after,))) != without_clock(FleetState(instances=(BEFORE,)))


@pytest.mark.parametrize(
    "field", [each.name for each in fields(InstanceReport) if each.name not in {"ready_in", "begins_in"}]
)
def test_whatever_is_another_is_news(field: str) -> None:
    """Of each field, those that a later version adds among them."""
    old = getattr(BEFORE, field)
    other = f"{old} otherwise" if isinstance(old, str) else old + 4 if type(old) is int else None
    assert is_news(field, OTHERWISE.get(field, other))


@pytest.mark.parametrize("field", sorted(CLOCK))
def test_what_passes_with_time_is_no_news(field: str) -> None:
    """Nor is a turn that leaves room for another."""
    assert not is_news(field, CLOCK[field])
