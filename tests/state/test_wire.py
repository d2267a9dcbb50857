"""The connection to a real store: replies, cancelling, its end, and what a failover leaves."""

from __future__ import annotations

import ssl
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
import trio.lowlevel
import trustme

from lingma_trio.errors import StateDown
from lingma_trio.policy.state_address import StateAddress, parse_state_address
from lingma_trio.state.link import MOST_LATE, Budget, Call, NotRun, StoreLink, WireLost, kept
from lingma_trio.state.wire import open_wire
from tests.real_store import RealFamily, RealServer
from tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def beat(member: str, key: str = "lt:test") -> Call:
    return Call("beat", (key,), (member, 60000))


async def seconds_until(link: StoreLink, *, up: bool) -> float:
    began = time.monotonic()
    with trio.fail_after(20):
        while link.up is not up:  # noqa: ASYNC110 - it is the time of others that is measured
            await trio.sleep(0.005)
    return time.monotonic() - began


async def test_calls_of_one_trip_are_answered_in_order(store_link: StoreLink) -> None:
    """Several scripts go and come together."""
    assert await store_link.trip(beat("a"), beat("b"), beat("a")) == [1, 2, 2]


async def test_three_hundred_trips_of_which_a_third_is_cancelled(store_link: StoreLink) -> None:
    """Nobody gets another's reply, the connection stays, and no task is left."""
    wrong, cut = [], []

    async def one(place: int) -> None:
        with trio.move_on_after(0.002 * (place % 5) if place % 3 == 0 else 30) as scope:
            key = f"lt:test:{place}"
            calls = [beat(f"m{n}", key) for n in range(1 + place % 4)]
            replies = await store_link.trip(*calls, budget=Budget(30))
            if replies != list(range(1, 2 + place % 4)):
                wrong.append((place, replies))
        if scope.cancelled_caught:
            cut.append(place)

    tasks = trio.lowlevel.current_statistics().tasks_living
    async with trio.open_nursery() as nursery:
        for place in range(300):
            nursery.start_soon(one, place)
    assert not wrong
    assert cut
    assert trio.lowlevel.current_statistics().tasks_living == tasks
    assert await store_link.trip(beat("a")) == [1]
    assert store_link.up


async def test_scripts_that_were_flushed_run_all_the_same(store_link: StoreLink, real_store: RealServer) -> None:
    """A store that has forgotten the scripts is given their text, and each call runs once."""
    real_store.command("SCRIPT", "FLUSH")
    assert await store_link.trip(beat("a"), beat("b")) == [1, 2]


@pytest.mark.alone
async def test_frozen_store_costs_a_request_s_time_and_then_nothing(
    store_link: StoreLink, real_store: RealServer
) -> None:
    """While it neither answers nor refuses, trips end in time and soon at once; thawed, it is back."""
    real_store.freeze()
    trips = 0
    while is_up(store_link):
        trips += 1
        began = time.monotonic()
        with pytest.raises(StateDown):
            await store_link.trip(beat("a"))
        assert 0.2 < time.monotonic() - began < 1
    assert trips <= MOST_LATE  # and one, unless this machine is late itself
    began = time.monotonic()
    for _ in range(1000):
        with pytest.raises(StateDown):
            await store_link.trip(beat("a"))
    assert time.monotonic() - began < 1
    await trio.sleep(1.5)
    assert not is_up(store_link)
    real_store.thaw()
    assert await seconds_until(store_link, up=True) < 2
    assert len(await store_link.trip(beat("b"))) == 1


def is_up(link: StoreLink) -> bool:
    """Whether it is now; what it was before says nothing."""
    return link.up


@pytest.mark.alone
async def test_killed_store_is_found_again_when_it_is_back(store_link: StoreLink, real_store: RealServer) -> None:
    """The end is known at once; a store that starts again is used within RETRY_PAUSE and what a connection takes."""
    real_store.stop()
    assert await seconds_until(store_link, up=False) < 1
    with pytest.raises(StateDown):
        await store_link.trip(beat("a"))
    real_store.start()
    assert await seconds_until(store_link, up=True) < 2
    assert await store_link.trip(beat("a")) == [1]


@pytest.mark.alone
async def test_replica_is_no_store(store_link: StoreLink, real_store: RealServer) -> None:
    """A primary that has become a replica is left, and taken again when it is one no longer."""
    real_store.command("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(StateDown):
        await store_link.trip(beat("a"))
    await trio.sleep(1)
    assert not store_link.up
    real_store.command("REPLICAOF", "NO", "ONE")
    assert await seconds_until(store_link, up=True) < 2


async def test_connection_to_what_has_become_a_replica_is_lost(real_store: RealServer) -> None:
    """Though the store answers: what is asked there is refused now and taken elsewhere."""
    async with open_wire(parse_state_address(real_store.url)) as wire:
        assert await wire.send([beat("a")], 5) == [1]
        real_store.command("REPLICAOF", "127.0.0.1", "1")
        try:
            with pytest.raises(WireLost):
                await wire.send([beat("b"), beat("c")], 5)
        finally:
            real_store.command("REPLICAOF", "NO", "ONE")


async def test_connection_that_ends_ends_the_block(real_store: RealServer) -> None:
    """Also while nothing is asked."""
    with trio.fail_after(20), pytest.RaisesGroup(WireLost, allow_unwrapped=True, flatten_subgroups=True):
        async with open_wire(parse_state_address(real_store.url)):
            real_store.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await trio.sleep_forever()


async def test_error_of_a_script_is_one_trip_s(store_link: StoreLink, real_store: RealServer) -> None:
    """A call that cannot run fails, and the connection goes on with the next."""
    real_store.command("SET", "lt:text", "x")
    with pytest.raises(StateDown):
        await store_link.trip(beat("a", key="lt:text"))
    assert store_link.up
    assert await store_link.trip(beat("a")) == [1]


async def test_calls_beside_one_that_is_refused_ran(store_link: StoreLink, real_store: RealServer) -> None:
    """And their replies are not lost with it."""
    real_store.command("SET", "lt:text", "x")
    with pytest.raises(NotRun) as refused:
        await store_link.trip(beat("a"), beat("a", key="lt:text"), beat("b"))
    assert refused.value.answered == {0: 1, 2: 2}


async def test_gateways_that_share_a_store_count_each_other(store_link: StoreLink, real_store: RealServer) -> None:
    """Each counts while it is there, two of one name too, and at its end no longer."""
    dial = partial(open_wire, parse_state_address(real_store.url))
    other = StoreLink(dial, name="tests", boot="2")
    async with kept(other):
        assert other.replicas == 2
    assert real_store.command("ZCARD", "lt:replicas") == b":1"


async def test_password_and_database_are_used(real_store: RealServer) -> None:
    """User, password and database of the address are what the store is told; a wrong password is said, not shown."""
    real_store.command("ACL", "SETUSER", "me", "on", ">p@ss/word", "~*", "&*", "+@all")
    try:
        right = f"valkey://me:p%40ss%2Fword@127.0.0.1:{real_store.port}/3"
        async with open_wire(parse_state_address(right)) as wire:
            assert await wire.send([beat("a")], 5) == [1]
        assert b"db3:keys=1" in real_store.command("INFO", "keyspace")
        wrong = partial(open_wire, parse_state_address(right.replace("word", "Word")))
        link = StoreLink(wrong, name="a", boot="1")
        async with kept(link):
            assert "invalid username-password" in link.reason
            assert "Word" not in link.reason
    finally:
        real_store.command("ACL", "DELUSER", "me")


async def test_sentinels_may_say_what_can_be_no_name() -> None:
    """It is a store that cannot be reached, and no end of who shares it."""
    with pytest.RaisesGroup(pytest.RaisesExc(WireLost, match="store..nowhere:1"), allow_unwrapped=True):
        async with open_wire(StateAddress((("store..nowhere", 1),))):
            pass


async def test_two_hundred_connections_leave_nothing(real_store: RealServer) -> None:
    """A connection that is closed leaves neither a task nor a descriptor here, nor a client at the store."""
    tasks = trio.lowlevel.current_statistics().tasks_living
    for _ in range(200):
        async with open_wire(parse_state_address(real_store.url)) as wire:
            await wire.send([beat("a")], 5)
    assert trio.lowlevel.current_statistics().tasks_living == tasks
    with trio.fail_after(5):
        while b"connected_clients:1\r" not in real_store.command("INFO", "clients"):  # noqa: ASYNC110 - the store's count
            await trio.sleep(0.01)


@pytest.mark.alone
async def test_gateway_that_is_late_itself_holds_nothing_against_the_store(store_link: StoreLink) -> None:
    """What came while the loop was held up is read, and what was not sent yet is, though the time for it was up."""
    for number in range(6):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hold_up)
            assert await store_link.trip(beat(f"m{number}")) == [number + 1]
    assert store_link.up


async def hold_up() -> None:
    """Keep the loop from everybody for longer than a request waits."""
    time.sleep(0.3)  # noqa: ASYNC251 - that is what it is for
    await trio.lowlevel.checkpoint()


@pytest.fixture
def authority() -> trustme.CA:
    """Who signs the store's certificate."""
    return trustme.CA()


@pytest.fixture
def tls_url(tmp_path: Path, authority: trustme.CA) -> Iterator[str]:
    """A store that also listens with TLS, as STATE_URL has that; its certificate is for this machine."""
    port = free_port()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert")
    files = ("--tls-cert-file", str(tmp_path / "cert"), "--tls-key-file", str(tmp_path / "key"))
    trusts = ("--tls-auth-clients", "no", "--tls-ca-cert-file", str(tmp_path / "cert"))
    server = RealServer(tmp_path / "store", "--tls-port", str(port), *files, *trusts)
    server.start()
    yield f"valkeys://127.0.0.1:{port}"
    server.stop()


async def test_store_with_tls_is_reached(tls_url: str, authority: trustme.CA) -> None:
    """By who trusts its authority, and by nobody else."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with open_wire(parse_state_address(tls_url), context) as wire:
        assert await wire.send([beat("a")], 5) == [1]
    for url, reason in ((tls_url, "certificate verify failed"), (tls_url.replace("keys", "key"), "onnection")):
        link = StoreLink(partial(open_wire, parse_state_address(url)), name="a", boot="1")
        async with kept(link):
            assert not link.up
            assert reason in link.reason


async def test_certificate_of_another_name_is_refused(tls_url: str, authority: trustme.CA) -> None:
    """Also where its authority is trusted."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    address = parse_state_address(tls_url.replace("127.0.0.1", "localhost"))
    link = StoreLink(partial(open_wire, address, context), name="a", boot="1")
    async with kept(link):
        assert "certificate verify failed" in link.reason


async def first_write(link: StoreLink, server: RealServer) -> float:
    """When a write of the link's is there, by this machine's clock."""
    with trio.fail_after(30):
        while True:
            with suppress(StateDown, ConnectionError):
                await link.trip(beat("later"))
                if await trio.to_thread.run_sync(server.command, "ZSCORE", "lt:test", "later") != b"$-1":
                    return time.monotonic()
            await trio.sleep(0.01)


async def first_promotion(server: RealServer) -> float:
    """When the server takes writes itself, by this machine's clock."""
    with trio.fail_after(30):
        while True:
            with suppress(ConnectionError):  # which the Sentinels cut off with all others when they promote it
                if await trio.to_thread.run_sync(server.command, "SET", "lt:probe", "x") == b"+OK":
                    return time.monotonic()
            await trio.sleep(0.01)


@pytest.mark.alone
async def test_failover_is_over_two_seconds_after_the_new_primary_takes_writes(tmp_path: Path) -> None:
    """The primary is killed: the one that the Sentinels name next is found by itself."""
    with RealFamily(tmp_path) as family:
        link = StoreLink(partial(open_wire, parse_state_address(family.url)), name="a", boot="1")
        async with kept(link):
            await seconds_until(link, up=True)
            assert await link.trip(beat("a")) == [1]
            await trio.to_thread.run_sync(family.primary.stop)
            promoted = await first_promotion(family.replica)
            assert await first_write(link, family.replica) - promoted < 2
            assert link.up


@pytest.mark.alone
async def test_primary_that_comes_back_when_it_is_none_is_left(tmp_path: Path) -> None:
    """One that hung, was replaced and goes on as a primary of its own is found out, and written to no longer."""
    with RealFamily(tmp_path) as family:
        link = StoreLink(partial(open_wire, parse_state_address(family.url)), name="a", boot="1")
        async with kept(link):
            await seconds_until(link, up=True)
            await link.trip(beat("a"))
            family.primary.freeze()
            promoted = await first_promotion(family.replica)
            family.primary.thaw()
            assert await first_write(link, family.replica) - promoted < 2
            before = int(family.replica.command("ZCARD", "lt:test")[1:])
            for number in range(100):
                await link.trip(beat(f"m{number}"))
                await trio.sleep(0.02)
            assert int(family.replica.command("ZCARD", "lt:test")[1:]) == before + 100


@pytest.mark.alone
async def test_sentinel_that_hangs_costs_little(tmp_path: Path) -> None:
    """One of three that neither answers nor refuses keeps nobody from the store, and none of them does not either."""
    with RealFamily(tmp_path) as family:
        family.sentinels[0].freeze()
        link = StoreLink(partial(open_wire, parse_state_address(family.url)), name="a", boot="1")
        async with kept(link):
            assert await seconds_until(link, up=True) < 2
            for sentinel in family.sentinels[1:]:
                sentinel.stop()
            await trio.sleep(3)
            assert link.up
            assert await link.trip(beat("a")) == [1]
