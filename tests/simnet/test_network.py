"""The simulated network: streams between hosts, and what happens to them when it is cut, repaired and severed."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio

from tests.simnet.network import CONNECT_PATIENCE, WINDOW, End, Network
from tests.simnet.seeds import chosen_seeds, run_seeded, try_seeds

PORT = 80
SENT = [b"one", b"two", b"three" * 1000]
MANY = 30


@asynccontextmanager
async def running(chance: random.Random) -> AsyncIterator[Network]:
    async with trio.open_nursery() as nursery:
        network = Network(chance)
        yield network
        nursery.cancel_scope.cancel("the test is over")


@asynccontextmanager
async def connected(chance: random.Random) -> AsyncIterator[tuple[Network, End, End]]:
    """Two ends of one connection from host a to host b."""
    async with running(chance) as network:
        came: list[trio.abc.HalfCloseableStream] = []
        network.host("b").listen(PORT, came.append)
        ours = await network.host("a").connect("b", PORT)
        (theirs,) = came
        assert isinstance(theirs, End)
        yield network, ours, theirs


async def all_of(stream: trio.abc.ReceiveStream) -> bytes:
    received = b""
    while data := await stream.receive_some():
        received += data
    return received


def under_seeds(scene: Callable[[random.Random], Awaitable[object]]) -> None:
    try_seeds(range(MANY), scene, "tests/simnet/test_network.py")


def test_what_is_sent_arrives_in_its_order_and_later() -> None:
    """However packets are delayed and sent again, nothing overtakes and nothing is missing."""

    async def scene(chance: random.Random) -> None:
        async with connected(chance) as (_, ours, theirs):
            before = trio.current_time()
            for data in SENT:
                await ours.send_all(data)
            assert trio.current_time() == before
            await ours.send_eof()
            assert await all_of(theirs) == b"".join(SENT)
            assert trio.current_time() > before
            await theirs.send_all(b"and back")
            await theirs.aclose()
            assert await all_of(ours) == b"and back"

    under_seeds(scene)


def test_a_cut_link_holds_everything_until_it_is_repaired() -> None:
    """What is sent meanwhile waits on the way, as TCP sends it again and again, and comes in its order."""

    async def scene(chance: random.Random) -> None:
        async with connected(chance) as (network, ours, theirs):
            await ours.send_all(SENT[0])
            network.partition(["a"], ["b", "c"])
            assert network.is_cut("b", "a")
            for data in SENT[1:]:
                await ours.send_all(data)
            await ours.aclose()
            with trio.move_on_after(1000) as patience:
                await theirs.receive_some()
            assert patience.cancelled_caught
            network.heal()
            assert await all_of(theirs) == b"".join(SENT)
            assert not network.is_cut("a", "c")

    under_seeds(scene)


def test_a_severed_connection_is_lost_on_both_sides() -> None:
    """Neither reads nor writes any more, and nothing of what was under way arrives."""

    async def scene(chance: random.Random) -> None:
        async with connected(chance) as (network, ours, theirs):
            await ours.send_all(b"on its way")
            network.sever("a", "b")
            for end in (ours, theirs):
                with pytest.raises(trio.BrokenResourceError):
                    await end.receive_some()
                with pytest.raises(trio.BrokenResourceError):
                    await end.send_all(b"more")
            assert not network.host("a").ends

    under_seeds(scene)


def test_a_crashed_host_leaves_its_peers_with_a_lost_connection() -> None:
    """What it sent before arrives, then the loss; nothing leaves it until it is booted."""

    async def scene(chance: random.Random) -> None:
        async with connected(chance) as (network, ours, theirs):
            await ours.send_all(b"last words")
            network.host("a").crash()
            assert await theirs.receive_some() == b"last words"
            with pytest.raises(trio.BrokenResourceError):
                await theirs.receive_some()
            with pytest.raises(trio.ClosedResourceError):
                await ours.send_all(b"from the grave")
            with trio.move_on_after(1000) as patience:
                await network.host("a").connect("b", PORT)
            assert patience.cancelled_caught
            network.host("a").boot()
            await network.host("a").connect("b", PORT)

    under_seeds(scene)


def test_nobody_is_connected_to_a_port_that_nobody_listens_on() -> None:
    """A port without a listener refuses, a host behind a cut link does not answer, and neither leaves anything."""

    async def scene(chance: random.Random) -> None:
        async with running(chance) as network:
            network.host("b").listen(PORT, lambda _: None)
            network.host("b").close(PORT)
            with pytest.raises(ConnectionRefusedError, match="b:80"):
                await network.host("a").connect("b", PORT)
            network.cut("a", "b")
            before = trio.current_time()
            with pytest.raises(TimeoutError):
                await network.host("a").connect("b", PORT)
            assert trio.current_time() - before == CONNECT_PATIENCE
            assert not network.host("a").ends

    under_seeds(scene)


def test_whoever_sends_too_much_waits() -> None:
    """A peer that does not take it in holds its sender up, who goes on when it does, or fails where it is gone."""

    async def scene(chance: random.Random) -> None:
        async with connected(chance) as (network, ours, theirs):
            network.cut("a", "b")
            await ours.send_all(bytes(WINDOW))
            with trio.move_on_after(10) as patience:
                await ours.send_all(b"more")
            assert patience.cancelled_caught
            network.repair("a", "b")
            await ours.send_all(b"more")
            await ours.wait_send_all_might_not_block()
            await trio.sleep(10)
            await theirs.aclose()
            assert await all_of(ours) == b""
            await ours.send_all(b"to nobody")
            await trio.sleep(10)
            with pytest.raises(trio.BrokenResourceError):
                await ours.send_all(b"to nobody")

    under_seeds(scene)


async def busy(chance: random.Random) -> list[tuple[float, bytes]]:
    """Much at once: who was heard, and when."""
    heard: list[tuple[float, bytes]] = []

    async def listen(stream: trio.abc.ReceiveStream) -> None:
        while data := await stream.receive_some(1):
            heard.append((trio.current_time(), bytes(data)))

    async def talk(network: Network, name: str) -> None:
        stream = await network.host(name).connect("server", PORT)
        for _ in range(10):
            await stream.send_all(name.encode())
            await trio.sleep(chance.choice([0, 0.01]))
        await stream.aclose()

    async with running(chance) as network, trio.open_nursery() as nursery:
        network.host("server").listen(PORT, lambda stream: nursery.start_soon(listen, stream))
        for name in "abcdef":
            nursery.start_soon(talk, network, name)
    return heard


def test_a_seed_is_a_run() -> None:
    """The same seed gives the same steps at the same times, and others give others."""
    runs = [run_seeded(seed, busy) for seed in range(MANY)]
    assert runs == [run_seeded(seed, busy) for seed in range(MANY)]
    assert len({tuple(run) for run in runs}) == MANY


def test_the_seed_of_a_failure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a scene raises says which seed it was and how to have it again; which are tried can be said."""

    async def scene(chance: random.Random) -> None:
        await trio.lowlevel.checkpoint()
        assert chance.random() < 0.9

    for name in ("SIMNET_SEEDS", "LONG_TESTS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(AssertionError) as caught:
        try_seeds(chosen_seeds(1000), scene, "this")
    note = caught.value.__notes__[-1]
    seed = int(note.split(";")[0].removeprefix("seed "))
    assert f"SIMNET_SEEDS={seed}, " in note
    monkeypatch.setenv("SIMNET_SEEDS", f"{seed},")
    assert chosen_seeds(1000) == [seed]
    with pytest.raises(AssertionError):
        try_seeds(chosen_seeds(1000), scene, "this")
    monkeypatch.setenv("SIMNET_SEEDS", "3")
    assert chosen_seeds(1000) == [0, 1, 2]
    monkeypatch.setenv("SIMNET_SEEDS", "5-7")
    assert chosen_seeds(1000) == [5, 6, 7]
