"""What is shared of instances, in a real store: where agents are, what is drained, what rests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lingma_trio.errors import StateDown
from lingma_trio.state.instances import ADDRESSES, AGENTS, InstanceRegistry, Said

if TYPE_CHECKING:
    from lingma_trio.state.link import StoreLink
    from tests.real_store import RealServer

ONE, TWO = "agent-1.lingma-0", "agent-1.lingma-1"


async def test_agents_are_found_by_what_they_say(store_link: StoreLink) -> None:
    """Each by its address, once, until it leaves; one without an address is listed elsewhere."""
    registry = InstanceRegistry(store_link)
    assert await registry.agents() == []
    await registry.say("agent-2", "wss://agent-2:8327", {})
    await registry.say("agent-1", "wss://agent-1:8327", {ONE: Said()})
    await registry.say("agent-3", "", {})
    assert await registry.agents() == ["wss://agent-1:8327", "wss://agent-2:8327"]
    await registry.leave("agent-2")
    assert await registry.agents() == ["wss://agent-1:8327"]


async def test_agent_that_says_nothing_is_not_there(store_link: StoreLink, real_store: RealServer) -> None:
    """Its lease is of the server's time, and nothing of it is left."""
    registry = InstanceRegistry(store_link)
    await registry.say("agent-1", "wss://agent-1:8327", {})
    real_store.command("ZADD", AGENTS, "1", "agent-1")
    assert await registry.agents() == []
    assert real_store.command("EXISTS", AGENTS, ADDRESSES) == b":0"


async def test_drain_outlives_the_agent(store_link: StoreLink) -> None:
    """It is what the operator said last, whoever starts anew."""
    registry = InstanceRegistry(store_link)
    held = await registry.say("agent-1", "", {ONE: Said(drained=True), TWO: Said()})
    assert {name: each.drained for name, each in held.items()} == {ONE: True, TWO: False}
    again = InstanceRegistry(store_link)
    assert (await again.say("agent-1", "", {ONE: Said()}))[ONE].drained
    assert not (await again.say("agent-1", "", {ONE: Said(drained=False)}))[ONE].drained
    assert not (await registry.say("agent-1", "", {ONE: Said()}))[ONE].drained


async def test_rest_ends_at_the_latest_of_all_ends(store_link: StoreLink, real_store: RealServer) -> None:
    """Of each model for itself; and a rest that is over leaves nothing."""
    registry = InstanceRegistry(store_link)
    await registry.say("agent-1", "", {ONE: Said(rests={"": 100.0, "qwen": 20.0})})
    held = await registry.say("agent-1", "", {ONE: Said(rests={"": 10.0, "auto": 30.0}), TWO: Said()})
    assert held[ONE].rests == pytest.approx({"": 100, "qwen": 20, "auto": 30}, abs=5)
    assert held[TWO].rests == {}
    left = int(real_store.command("PTTL", f"lt:{{fleet}}:rests:{ONE}").removeprefix(b":"))
    assert left == pytest.approx(100_000, abs=5000)
    real_store.command("HSET", f"lt:{{fleet}}:rests:{ONE}", "qwen", "1", "", "1", "auto", "1")
    assert (await registry.say("agent-1", "", {ONE: Said()}))[ONE].rests == {}
    assert real_store.command("EXISTS", f"lt:{{fleet}}:rests:{ONE}") == b":0"


async def test_rests_are_kept_for_each_account(store_link: StoreLink) -> None:
    """Whoever signs in next has none of them, and who comes back has."""
    registry = InstanceRegistry(store_link)
    await registry.say("agent-1", "", {ONE: Said(rests={"": 100.0}, account="one")})
    assert (await registry.say("agent-1", "", {ONE: Said(account="another")}))[ONE].rests == {}
    assert (await registry.say("agent-1", "", {ONE: Said()}))[ONE].rests == {}
    held = await registry.say("agent-1", "", {ONE: Said(account="one")})
    assert held[ONE].rests == pytest.approx({"": 100}, abs=5)


async def test_store_that_is_away_is_told(store_link: StoreLink, real_store: RealServer) -> None:
    """Nobody waits for it longer than a request would."""
    real_store.freeze()
    with pytest.raises(StateDown):
        await InstanceRegistry(store_link).say("agent-1", "", {ONE: Said()})
