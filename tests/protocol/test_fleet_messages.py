"""What gateways and agents tell each other is read as it was written, and nothing that may come raises."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

from lingma_trio.protocol.acp.messages import AcpTerms, Agent
from lingma_trio.protocol.allowance import Allowance
from lingma_trio.protocol.catalogue import Model
from lingma_trio.protocol.fleet_messages import (
    MOST_INSTANCES,
    FleetState,
    InstanceReport,
    LoginReport,
    instance_path,
)
from lingma_trio.protocol.turn_machine import Terms

FULL = InstanceReport(
    name="one-lingma-0",
    life="0123456789abcdef",
    state="ready",
    reason="because",
    about=("personal", "quota 3"),
    terms=Terms("acp", frozenset({"search_web"}), "/work", 1, AcpTerms(Agent("n", "1", images=True), "plan")),
    models=(Model("k", "Name", is_default=True, max_input_tokens=1000),),
    allowance=Allowance("personal", 3, {"total": 12, "paid": True, "until": "May"}),
    turns=2,
    most=4,
    bound=3,
    rests={"": 1.5, "k": 20.0},
    login=LoginReport("needs_human", "no password", "https://example.com/login", 12.0),
)

junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from([*InstanceReport.__slots__]), inner),
    max_leaves=30,
)


def test_a_fleet_is_read_as_it_was_written() -> None:
    """Every field of every instance comes back over the wire, sets and all."""
    fleet = FleetState("one", "boot", "wss://one:8327", stopping=True, instances=(FULL, InstanceReport("two")))

    assert FleetState.read(from_json(to_json(fleet.body()))) == fleet
    assert fleet.instances[0].catalogue.find("name") == FULL.models[0]


def test_an_instance_that_makes_no_sense_is_not_there() -> None:
    """Nor is one whose name has no place in a path; of two of a name the later counts, and news are passed over."""
    told = [
        {"name": "ok", "turns": "many"},
        {"name": "a/b"},
        {"name": ""},
        {"name": "ok", "state": "ready", "of_a_later_version": {"x": 1}},
        {"name": "ok", "turns": 1},
        "nothing",
    ]

    assert FleetState.read({"instances": told}) == FleetState(instances=(InstanceReport("ok", turns=1),))


def test_no_more_instances_are_read_than_an_agent_may_have() -> None:
    """However long the list is."""
    told = [{"name": f"i{number}"} for number in range(MOST_INSTANCES + 5)]

    assert len(FleetState.read({"instances": told}).instances) == MOST_INSTANCES


@given(st.dictionaries(st.sampled_from(["agent", "boot", "url", "stopping", "instances"]), junk | st.lists(junk)))
def test_nothing_that_may_come_raises(params: dict[str, object]) -> None:
    """Whatever the fields hold."""
    FleetState.read(params)


def test_models_told_before_are_known_by_the_instances_name() -> None:
    """Those that are told count, and one of whom none were ever told has none."""
    old, new = (Model("old", "Old"),), (Model("new", "New"),)
    before = FleetState(instances=(InstanceReport("a", models=old), InstanceReport("b", models=old)))
    told = FleetState(instances=(InstanceReport("b"), InstanceReport("a", models=new), InstanceReport("c")))
    assert [each.models for each in told.after(before).instances] == [old, new, ()]


def test_a_name_in_a_path_stands_for_itself() -> None:
    """What a path has a meaning for is written so that it has none."""
    assert instance_path("host 1?-lingma-0", "ab") == "/instance/host%201%3F-lingma-0/ab"
