"""An agent that is started anew goes on as it was left; what changes while the store is away is said later."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.errors import StateDown
from lingma_trio.lingma.registrar import SAY_EVERY, Registrar
from lingma_trio.state.instances import Held, InstanceRegistry, Said
from tests.peers import IdleInstance


class Shelf(InstanceRegistry):
    """What the store has, in memory: as `instances.lua`, but for the time."""

    def __init__(self) -> None:
        self.up = True
        self.drained: dict[str, bool] = {}
        self.rests: dict[tuple[str, str], dict[str, float]] = {}
        self.there: dict[str, str] = {}
        self.gate = trio.Event()
        self.gate.set()

    async def say(self, agent: str, address: str, instances: Mapping[str, Said]) -> dict[str, Held]:
        await trio.lowlevel.checkpoint()
        if not self.up:
            raise StateDown("the store is away")
        self.there[agent] = address
        for name, said in instances.items():
            if said.drained is not None:
                self.drained[name] = said.drained
            for model, seconds in said.rests.items():
                rests = self.rests.setdefault((name, said.account), {})
                rests[model] = max(seconds, rests.get(model, 0.0))
        held = {
            name: Held(self.drained.get(name, False), self.rests.get((name, said.account), {}))
            for name, said in instances.items()
        }
        await self.gate.wait()
        return held

    async def leave(self, agent: str) -> None:
        await trio.lowlevel.checkpoint()
        del self.there[agent]


def registrar_of(shelf: Shelf, *instances: IdleInstance) -> Registrar:
    return Registrar(shelf, "agent-1", "wss://agent-1:8327", {each.name: each for each in instances})


async def test_instance_that_was_drained_is_so_after_the_next_start() -> None:
    """And takes turns again when it is resumed, before the start after that."""
    shelf, instance = Shelf(), IdleInstance("a")
    instance.standing.drain()
    await registrar_of(shelf, instance).say()
    again = IdleInstance("a")
    registrar = registrar_of(shelf, again)
    await registrar.say()
    assert again.standing.drained
    again.standing.resume()
    await registrar.say()
    third = IdleInstance("a")
    await registrar_of(shelf, third).say()
    assert not third.standing.drained


async def test_order_while_the_store_is_away_is_said_when_it_is_back() -> None:
    """The store's word is older than the operator's."""
    shelf, instance = Shelf(), IdleInstance("a")
    registrar = registrar_of(shelf, instance)
    instance.standing.drain()
    await registrar.say()
    shelf.up = False
    instance.standing.resume()
    with pytest.raises(StateDown):
        await registrar.say()
    shelf.up = True
    await registrar.say()
    assert not instance.standing.drained
    assert shelf.drained == {"a": False}


@pytest.mark.parametrize("drained", [True, False], ids=["drained", "resumed"])
async def test_store_that_has_lost_an_order_is_told_again(drained: bool) -> None:
    """As after a failover, or a start without what it had: what the operator drained takes no turns for that."""
    shelf, instance = Shelf(), IdleInstance("a")
    registrar = registrar_of(shelf, instance)
    instance.standing.drain()
    await registrar.say()
    if not drained:
        instance.standing.resume()
        await registrar.say()
    shelf.drained = {} if drained else {"a": True}
    await registrar.say()
    assert instance.standing.drained == drained
    await registrar.say()
    assert shelf.drained == {"a": drained}


async def test_order_during_the_way_is_not_undone() -> None:
    """What the reply says is older."""
    shelf, instance = Shelf(), IdleInstance("a")
    registrar = registrar_of(shelf, instance)
    await registrar.say()
    shelf.gate = trio.Event()
    instance.standing.drain()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(registrar.say)
        await wait_all_tasks_blocked()
        instance.standing.resume()
        shelf.gate.set()
    assert not instance.standing.drained
    await registrar.say()
    assert not instance.standing.drained
    assert shelf.drained == {"a": False}


async def test_rest_goes_on_after_the_next_start(autojump_clock: MockClock) -> None:
    """An account that ran into its limit must not be asked because its agent crashed, once it is known to be that."""
    shelf, instance = Shelf(), IdleInstance("a")
    instance.account.name = "one"
    instance.rest(200.0)
    instance.rest(100.0, model="qwen")
    await registrar_of(shelf, instance).say()
    again = IdleInstance("a")
    registrar = registrar_of(shelf, again)
    await registrar.begin()
    assert again.health.untouched
    again.account.name = "one"
    await registrar.say()
    assert again.health.rest() == pytest.approx(200, abs=1)
    assert again.health.rest("qwen") == pytest.approx(200, abs=1)
    assert again.health.resting() == {"qwen": pytest.approx(100, abs=1)}


async def test_rest_is_the_accounts(autojump_clock: MockClock) -> None:
    """Whoever signs in next at the same instance starts without it, and who comes back goes on with it."""
    shelf, instance = Shelf(), IdleInstance("a")
    registrar = registrar_of(shelf, instance)
    instance.account.name = "one"
    instance.rest(200.0)
    await registrar.say()
    instance.account.name = "another"
    instance.health.begin_account()
    await registrar.say()
    assert instance.health.untouched
    instance.account.name = "one"
    await registrar.say()
    assert instance.health.rest() == pytest.approx(200, abs=1)


async def test_account_that_comes_during_the_way_does_not_rest_for_the_one_before() -> None:
    """What the reply says is of whom it was asked for."""
    shelf, instance = Shelf(), IdleInstance("a")
    registrar = registrar_of(shelf, instance)
    instance.account.name = "one"
    instance.rest(200.0)
    await registrar.say()
    shelf.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(registrar.say)
        await wait_all_tasks_blocked()
        instance.account.name = "another"
        instance.health.begin_account()
        shelf.gate.set()
    assert instance.health.untouched


async def test_it_is_said_every_second_until_the_end(autojump_clock: MockClock) -> None:
    """Whatever the store does; and who leaves is found no longer at once."""
    shelf, instance = Shelf(), IdleInstance("a")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(registrar_of(shelf, instance).keep)
        await trio.sleep(SAY_EVERY + 0.1)
        assert shelf.there == {"agent-1": "wss://agent-1:8327"}
        shelf.up = False
        instance.standing.drain()
        await trio.sleep(3 * SAY_EVERY)
        shelf.up = True
        await trio.sleep(SAY_EVERY)
        assert shelf.drained == {"a": True}
        nursery.cancel_scope.cancel("enough")
    assert shelf.there == {}
