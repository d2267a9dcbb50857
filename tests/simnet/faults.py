"""What goes wrong on a simulated network: each breaks one thing of a world, of its choice, and mends it by itself."""

from __future__ import annotations

import trio

from tests.simnet.clients import Conversation, ask
from tests.simnet.gateways import Gateway
from tests.simnet.store import StoreServer
from tests.simnet.world import World

ENDLESS = (
    "/v1/chat/completions",
    {
        "model": "auto",
        "messages": [{"role": "user", "content": "go on for ever\n#simulate gap=5 deltas=100"}],
        "stream": True,
    },
)
MOST_AGAIN = 5  # conversations that go on twice while the store fails over
LED = 15.0  # seconds after which an old primary mostly knows of the new one
ASKED = 0.5  # seconds until it is answered, mostly


async def kill_lingma(world: World) -> None:
    """A Lingma ends by SIGKILL; whoever leads it starts another."""
    world.chance.choice(world.machines).kill()
    await trio.lowlevel.checkpoint()


async def die(world: World) -> None:
    """A gateway or an agent ends by SIGKILL, and is started again after a while.

    A gateway leaves an answer that would go on for as long as anybody let it.
    """
    process = world.chance.choice([*world.gateways, *world.agents])
    if process.there:
        world.deaths += 1
        if isinstance(process, Gateway):
            world.nursery.start_soon(ask, process, *ENDLESS)
            await trio.sleep(ASKED)
        await process.die()
        await trio.sleep(world.chance.uniform(0.1, 4))
        process.host.boot()
        await world.nursery.start(process.run)


async def cut(world: World) -> None:
    """Nothing gets through between two hosts for a while."""
    one, other = world.chance.sample(sorted(world.network.hosts), 2)
    if not world.network.is_cut(one, other):
        world.network.cut(one, other)
        await trio.sleep(world.chance.choice([0.1, 1, 5]))
        world.network.repair(one, other)


async def sever(world: World) -> None:
    """Whatever connects two hosts is lost."""
    one, other = world.chance.sample(sorted(world.network.hosts), 2)
    world.network.sever(one, other)
    await trio.lowlevel.checkpoint()


async def fail_over(world: World) -> None:
    """The store's primary dies or is cut off with some gateways, and its replica takes its place.

    What is asked while it is cut off is not known to the replica, and clients with the same history ask again when that
    leads: whoever believed it then would use sessions a second time.
    """
    store, chance, network = world.store, world.chance, world.network
    assert store is not None
    old = store.primary
    new = next(server for server in store.servers.values() if server is not old)
    if old.host.down or new.host.down or old.frozen or new.frozen or new.role == "primary" or old.role == "replica":
        return
    clients = [gateway.host.name for gateway in world.gateways]
    dies = chance.random() < 0.3
    with_it = [client for client in clients if chance.random() < 0.5]
    if dies:
        store.crash(old.host.name)
    else:
        network.partition([old.host.name, *with_it], [new.host.name])
        at_rest = [each for each in world.conversations if each.answers and not each.asking]
        for conversation in at_rest[-MOST_AGAIN:]:
            world.clients.start_soon(world.ask_too, conversation.branch(f"{conversation.name}*"))
            world.clients.start_soon(_ask_once_led, world, conversation.branch(f"{conversation.name}**"), old)
    await trio.sleep(chance.uniform(0, 2))
    store.fail_over(new.host.name, clients=clients)
    await trio.sleep(chance.uniform(0, 5))
    if dies:
        store.start(old.host.name)
    else:
        for client in (old.host.name, *with_it):
            network.repair(client, new.host.name)


async def _ask_once_led(world: World, conversation: Conversation, old: StoreServer) -> None:
    """Ask when everybody has the new primary, as far as that is soon."""
    with trio.move_on_after(LED):
        while old.role == "primary":  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.5)
    await world.ask_too(conversation, 1)


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
