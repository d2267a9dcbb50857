"""What goes wrong on a simulated network: each breaks one thing of a world, of its choice, and mends it by itself."""

from __future__ import annotations

import trio

from tests.simnet.world import World


async def kill_lingma(world: World) -> None:
    """A Lingma ends by SIGKILL; whoever leads it starts another."""
    world.chance.choice(world.machines).kill()
    await trio.lowlevel.checkpoint()


async def die(world: World) -> None:
    """A gateway or an agent ends by SIGKILL, and is started again after a while."""
    process = world.chance.choice([*world.gateways, *world.agents])
    if process.there:
        world.deaths += 1
        await process.die()
        await trio.sleep(world.chance.uniform(0.1, 4))
        process.host.boot()
        await world.nursery.start(process.run)


async def cut(world: World) -> None:
    """Nothing gets through between two hosts for a while."""
    one, other = world.chance.sample(sorted(world.network.hosts), 2)
    world.network.cut(one, other)
    await trio.sleep(world.chance.choice([0.1, 1, 5]))
    world.network.repair(one, other)


async def sever(world: World) -> None:
    """Whatever connects two hosts is lost."""
    one, other = world.chance.sample(sorted(world.network.hosts), 2)
    world.network.sever(one, other)
    await trio.lowlevel.checkpoint()


async def fail_over(world: World) -> None:
    """The store's primary dies or is cut off with some gateways, and its replica takes its place."""
    store, chance, network = world.store, world.chance, world.network
    assert store is not None
    old = store.primary
    new = next(server for server in store.servers.values() if server is not old)
    if old.host.down or new.host.down or old.frozen or new.frozen or new.role == "primary" or old.role == "replica":
        return
    clients = [gateway.host.name for gateway in world.gateways]
    dies = chance.random() < 0.5
    with_it = [client for client in clients if chance.random() < 0.5]
    if dies:
        store.crash(old.host.name)
    else:
        network.partition([old.host.name, *with_it], [new.host.name])
    await trio.sleep(chance.uniform(0, 2))
    store.fail_over(new.host.name, clients=clients)
    await trio.sleep(chance.uniform(0, 5))
    if dies:
        store.start(old.host.name)
    else:
        for client in (old.host.name, *with_it):
            network.repair(client, new.host.name)


async def lose_store(world: World) -> None:
    """The primary dies, nobody takes its place, and it comes up again with nothing."""
    store = world.store
    assert store is not None
    primary = store.primary
    if any(server.lost or server.frozen or server.host.down for server in store.servers.values()):
        return
    store.crash(primary.host.name)
    await trio.sleep(world.chance.uniform(0, 4))
    store.start(primary.host.name)


async def freeze_store(world: World) -> None:
    """The primary answers nothing for a while."""
    assert world.store is not None
    primary = world.store.primary
    primary.freeze()
    await trio.sleep(world.chance.choice([0.1, 0.4, 3]))
    primary.thaw()
