"""Sessions that gateways share: never continued twice, whatever becomes of the store and of those who ask it."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import pytest
import trio

from lingma_trio.policy.state_address import parse_state_address
from lingma_trio.sessions.book import Held, Session
from lingma_trio.sessions.counters import Gone
from lingma_trio.state import sessions_store
from lingma_trio.state.link import Call, StoreLink, kept
from lingma_trio.state.sessions_calls import (
    Bounds,
    Choice,
    Taken,
    claim_call,
    commit_call,
    id_of,
    read_claim,
    read_reply,
)
from lingma_trio.state.sessions_store import StoreSessions
from lingma_trio.state.trips import Trips
from lingma_trio.state.wire import open_wire
from tests.conversations import held
from tests.instant_link import InstantLink
from tests.real_store import RealServer
from tests.state.cut_link import CutLink
from tests.state.test_sessions import OTHER, SESSION, House, Patient, over, there

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

INDEX = "lt:{sessions}:all"
BOUNDS = Bounds(max_entries=10, ttl=100)


@asynccontextmanager
async def in_store(server: RealServer, *, most: int = 10, hasty: bool = False) -> AsyncIterator[House]:
    """A gateway's view of the sessions there, over a connection of its own; `hasty` waits no longer than a gateway."""
    dial = partial(open_wire, parse_state_address(server.url))
    link = StoreLink(dial, name="tests", boot="1")
    async with kept(link), over(link if hasty else Patient(link), most=most) as house:
        yield house


async def gateways(stack: AsyncExitStack, server: RealServer, count: int, *, most: int = 5000) -> list[House]:
    """Several gateways' views of the same sessions."""
    return [await stack.enter_async_context(in_store(server, most=most)) for _ in range(count)]


def conversation(number: int) -> Held:
    return held(f"question {number}", f"answer {number}")


def session(number: int) -> Session:
    return Session(f"s-{number}", "lingma-0", "life", "ann")


async def test_what_one_gateway_commits_another_continues(real_store: RealServer) -> None:
    """The entry is there for the follow-up when the commit returns, and is gone for the first one then."""
    async with AsyncExitStack() as stack:
        first, second = await gateways(stack, real_store, 2)
        await first.commit(held("q", "a"))
        assert await second.claim(held("q", "a")) == SESSION
        assert await first.claim(held("q", "a")) == "no_entry"
        await second.commit(held("q", "a", "r", "b"))
        assert await first.claim(held("q", "a", "r", "b")) == SESSION


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
async def test_each_conversation_is_continued_once_however_many_ask(real_store: RealServer, count: int) -> None:
    """Eight gateways claim all conversations at once, each in an order of its own; a third of the claims is given
    back, to be claimed again.
    """
    got: dict[str, int] = {}

    async def ask(house: House, seed: int) -> None:
        dice = Random(seed)
        for number in dice.sample(range(count), count):
            found = await house.sessions.claim(conversation(number), now=0, gone=there)
            if isinstance(found, str):
                continue
            if dice.random() < 0.3:
                found.give_back()
            else:
                found.spend()
                got[found.session.session_id] = got.get(found.session.session_id, 0) + 1

    async with AsyncExitStack() as stack:
        houses = await gateways(stack, real_store, 8)
        for number in range(count):
            await houses[0].commit(conversation(number), session(number))
        async with trio.open_nursery() as nursery:
            for seed, house in enumerate(houses):
                nursery.start_soon(ask, house, seed)
        for house in houses:
            await house.settled()
        left = [await houses[0].claim(conversation(number)) for number in range(count)]
    assert set(got.values()) == {1}
    again = [each.session_id for each in left if isinstance(each, Session)]
    unanswered = sum(house.counters.misses["state_down"] for house in houses)
    assert set(got) | set(again) <= {session(number).session_id for number in range(count)}
    assert count - unanswered <= len({*got, *again}) == len(got) + len(again), "lost only where no answer came in time"


async def test_nothing_is_continued_twice_after_a_failover(tmp_path: Path) -> None:
    """A replica that was not told of the claims any more is promoted: every conversation misses once, none doubles.

    The old primary is still there and is asked, too. What is committed to the new one is continued there.
    """
    primary = RealServer(tmp_path / "primary", "--repl-diskless-sync-delay", "0")
    replica = RealServer(tmp_path / "replica", "--replicaof", f"127.0.0.1 {primary.port}")
    try:
        primary.start()
        replica.start()
        with trio.fail_after(20):  # the first replica of a primary changes its id
            while b"master_link_status:up" not in replica.command("INFO", "replication"):  # noqa: ASYNC110 - of a server
                await trio.sleep(0.01)
        async with AsyncExitStack() as stack:
            (before,) = await gateways(stack, primary, 1)
            for number in range(100):
                await before.commit(conversation(number), session(number))
            with trio.fail_after(20):
                while replica.command("ZCARD", INDEX) != b":100":  # noqa: ASYNC110 - of a server
                    await trio.sleep(0.01)
            replica.command("REPLICAOF", "NO", "ONE")
            (after,) = await gateways(stack, replica, 1)
            assert [await before.claim(conversation(number)) for number in range(100)] == [
                session(number) for number in range(100)
            ]
            assert {await after.claim(conversation(number)) for number in range(100)} == {"failover"}
            assert after.dropped == [], "somebody may be asking in them"
            await after.commit(conversation(1), session(1))
            assert await after.claim(conversation(1)) == session(1)
    finally:
        replica.stop()
        primary.stop()


async def test_a_claim_that_is_cut_short_is_lost_and_not_doubled(real_store: RealServer) -> None:
    """Claims cancelled at every moment: whoever asks next gets the session or nothing, and nobody has it twice."""
    dice = Random(1)
    async with AsyncExitStack() as stack:
        hasty, patient = await gateways(stack, real_store, 2)
        doubled, lost = [], []
        for number in range(150):
            await patient.commit(conversation(number), session(number))
            found: object = None
            with trio.move_on_after(dice.random() * 0.002):
                found = await hasty.sessions.claim(conversation(number), now=0, gone=there)
            again = await patient.claim(conversation(number))
            if found is not None and not isinstance(found, str) and isinstance(again, Session):
                doubled.append(number)
            if found is None and isinstance(again, str):
                lost.append(number)
        assert doubled == []
        await hasty.settled()
        for number in lost:
            assert [await patient.claim(conversation(number)) for _ in range(2)] == [session(number), "no_entry"]


async def test_a_claim_that_was_cut_short_is_put_back(real_store: RealServer) -> None:
    """Whatever it had taken is there again, so that no session is left open with nobody who knows it."""
    dice = Random(2)
    async with AsyncExitStack() as stack:
        hasty, patient = await gateways(stack, real_store, 2)
        for number in range(50):
            await patient.commit(conversation(number), session(number))
            found: object = None
            with trio.move_on_after(dice.random() * 0.002):
                found = await hasty.sessions.claim(conversation(number), now=0, gone=there)
            await hasty.settled()
            again = await patient.claim(conversation(number))
            assert again == (session(number) if found is None else "no_entry")


async def test_a_claim_whose_reply_was_lost_is_put_back_once_the_store_answers(model_link: StoreLink) -> None:
    """With the next thing that it is asked."""
    link = CutLink(model_link)
    async with over(link) as house:
        await house.commit(conversation(1), session(1))
        await house.commit(conversation(2), session(2))
        link.deaf = True
        assert await house.claim(conversation(1)) == "state_down"
        link.deaf = False
        assert await house.claim(conversation(2)) == session(2)
        await house.settled()
        assert await house.claim(conversation(1)) == session(1)
        assert house.dropped == []


async def test_a_claim_that_could_not_be_put_back_is_once_the_store_answers(model_link: StoreLink) -> None:
    """Its reply was lost, and with the store away nobody heard of that."""
    link = CutLink(model_link)
    async with over(link) as house:
        await house.commit(conversation(1), session(1))
        await house.commit(conversation(2), session(2))
        link.deaf = True
        assert await house.sessions.claim(conversation(1), now=0, gone=there) == "state_down"
        link.deaf, link.cut = False, True
        await house.settled()
        link.cut = False
        assert await house.claim(conversation(1)) == "no_entry"
        assert await house.claim(conversation(1)) == session(1)


async def test_what_finds_no_room_on_its_way_back_is_dropped(
    model_link: StoreLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its session told of: nobody can go on with it."""
    monkeypatch.setattr(sessions_store, "MOST_OUTGOING", 1)
    house = House(StoreSessions(CutLink(model_link), max_entries=10, ttl=100))  # and nobody sends what comes
    leases = []
    for number in range(2):
        await house.commit(conversation(number), session(number))
        leases.append(await house.lease(conversation(number)))
    for lease in leases:
        lease.give_back()
    assert house.dropped == ["s-1"]


async def test_lives_that_were_there_longest_ago_are_forgotten(
    model_link: StoreLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked of late is known, however long it has been there; of the others nobody says that they ended."""
    monkeypatch.setattr(sessions_store, "MOST_LIVES", 2)
    async with over(CutLink(model_link)) as house:
        for number, life in enumerate(("one", "two", "one", "three")):
            await house.commit(conversation(number), Session(f"s-{number}", "lingma-0", life, "ann"))
        for number in range(4):
            assert await house.claim(conversation(number), lambda _: "life_ended") == "life_ended"
        assert house.dropped == ["s-0", "s-2", "s-3"]
        assert await house.claim(conversation(1)) == Session("s-1", "lingma-0", "two", "ann")


async def test_a_store_that_is_away_is_counted_and_not_tried(model_link: StoreLink) -> None:
    """A miss for whoever asks, and nothing is written; a hit is no miss."""
    link = CutLink(model_link)
    async with over(link) as house:
        await house.commit(conversation(1), session(1))
        assert await house.claim(conversation(1)) == session(1)
        assert not house.counters.misses
        link.cut = True
        link.trips.clear()
        assert await house.claim(conversation(1)) == "state_down"
        assert await house.sessions.commit(conversation(2), session(2), "kept", now=0) == "state_down"
        assert (house.counters.misses, house.counters.commits["state_down"]) == ({"state_down": 1}, 1)
        link.cut = False
        assert await house.claim(conversation(2)) == "no_entry"
        assert house.counters.misses == {"state_down": 1, "no_entry": 1}


@pytest.mark.parametrize("why", ["instance_gone", "life_ended"])
async def test_what_a_gateway_does_not_know_yet_is_left_to_others(real_store: RealServer, why: Gone) -> None:
    """Its own instances may be others of the same name, or news of a restart may not have come: no reason to drop."""
    async with AsyncExitStack() as stack:
        knows, does_not = await gateways(stack, real_store, 2)
        await knows.commit(held("q", "a"))
        assert await does_not.claim(held("q", "a"), lambda _: why) == why
        assert (len(does_not), does_not.dropped) == (1, [])
        assert await knows.claim(held("q", "a")) == SESSION


async def test_a_session_that_went_on_meanwhile_is_not_taken_by_its_name(store_link: StoreLink) -> None:
    """Between looking at questions and taking the session somebody went on with it: it holds more by then."""
    short, longer = held("fix it\n\nRules.", "done"), held("fix it\n\nRules.", "done", "more", "done")

    async def run(call: Call) -> Taken | Choice | str:
        (reply,) = await store_link.trip(call)
        return read_claim(read_reply(reply))

    await store_link.trip(commit_call(BOUNDS, short, SESSION, ""))
    choice = await run(claim_call(BOUNDS, held("fix it", "done"), "token 1"))
    assert isinstance(choice, Choice)
    (candidate,) = choice.candidates
    assert isinstance(await run(claim_call(BOUNDS, short, "token 2")), Taken)
    assert await run(claim_call(BOUNDS, held("fix it", "done"), "token 1", candidate)) == "no_entry"
    await store_link.trip(commit_call(BOUNDS, longer, SESSION, ""))
    assert await run(claim_call(BOUNDS, held("fix it", "done"), "token 1", candidate)) == "no_entry"
    assert isinstance(await run(claim_call(BOUNDS, longer, "token 3")), Taken)


@pytest.mark.parametrize("lost", [":all", ":owners", ":shares", ":tenant:t", ":entry:ID"])
async def test_a_server_short_of_memory_costs_no_more_than_misses(real_store: RealServer, lost: str) -> None:
    """Whatever list of ours it dropped, a session is continued once, and there is room for new ones."""
    async with in_store(real_store, most=3) as house:
        await house.hold(*(conversation(number) for number in range(1, 4)))
        name = "lt:{sessions}" + lost.replace("ID", id_of(session(1)))
        assert real_store.command("DEL", name) == b":1"
        found = [await house.claim(conversation(number)) for number in (1, 2)]
        assert [await house.claim(conversation(number)) for number in (1, 2)].count("no_entry") == 2
        assert found[1] == session(2)
        assert found[0] == ("no_entry" if "entry" in lost else session(1))
        for number in range(4, 10):
            await house.commit(conversation(number), session(number))
        assert await house.claim(conversation(9)) == session(9)
        assert int(real_store.command("ZCARD", INDEX)[1:]) <= 3


async def test_what_is_given_back_beside_what_is_refused_is_there_again(real_store: RealServer) -> None:
    """Of leases that go to the store together only the one that it refuses is lost."""
    async with in_store(real_store) as house:
        await house.hold(conversation(1), conversation(2))
        leases = [await house.lease(conversation(number)) for number in (1, 2)]
        entry = "lt:{sessions}:entry:" + id_of(session(1))
        assert real_store.command("DEL", entry) == b":1"
        real_store.command("SET", entry, "no entry")
        for lease in leases:
            lease.give_back()
        await house.settled()
        assert house.dropped == ["s-1"]
        assert await house.claim(conversation(2)) == session(2)


@pytest.mark.alone
async def test_a_store_that_is_down_makes_misses_and_nobody_waits(real_store: RealServer) -> None:
    """The first to notice waits a quarter of a second; then nobody does, until it is back with all it had."""
    async with in_store(real_store, hasty=True) as house:
        await house.commit(held("q", "a"))
        lease = await house.lease(held("q", "a"))
        real_store.freeze()
        began = trio.current_time()
        assert await house.sessions.claim(held("r", "a"), now=0, gone=there) == "state_down"
        assert trio.current_time() - began < 2
        began = trio.current_time()
        for _ in range(100):
            assert await house.sessions.claim(held("r", "a"), now=0, gone=there) == "state_down"
            assert await house.sessions.commit(held("r", "a"), OTHER, "kept", now=0) == "state_down"
        lease.give_back()
        await house.settled()
        assert trio.current_time() - began < 5, "of the 50 s that all of them would have waited"
        assert "s-1" in house.dropped, "which is on no way back"
        assert (house.counters.misses["state_down"], house.counters.commits["state_down"]) == (101, 100)
        real_store.thaw()
        with trio.fail_after(10):
            while await house.sessions.commit(held("r", "a"), OTHER, "kept", now=0) != "kept":  # noqa: ASYNC110 - of a server
                await trio.sleep(0.05)
        assert await house.claim(held("r", "a")) == OTHER


async def test_a_commit_that_is_not_answered_is_in_order_if_it_was_written(real_store: RealServer) -> None:
    """Written too late to be known: the session can be continued once, in just that state."""
    async with in_store(real_store, hasty=True) as house:
        real_store.freeze()
        await house.sessions.commit(held("q", "a"), SESSION, "kept", now=0)
        assert (house.counters.commits, house.dropped) == ({"state_down": 1}, ["s-1"])
        real_store.thaw()
        with trio.fail_after(10):
            while (found := await house.claim(held("q", "a"))) == "state_down":  # noqa: ASYNC110 - of a server
                await trio.sleep(0.05)
        again = await house.claim(held("q", "a"))
        assert found in {SESSION, "no_entry"}
        assert again == "no_entry"


async def test_a_commit_goes_along_with_the_last_trip_of_its_request(store_link: StoreLink) -> None:
    """And is counted then: a request makes as few trips as it can."""
    async with over(Patient(store_link)) as house:
        trips, made = Trips(Patient(store_link)), store_link.trips
        assert await house.sessions.commit(held("q", "a"), SESSION, "told", now=0, trips=trips) == "told"
        assert (store_link.trips - made, house.counters.commits) == (0, {})
        await trips.finish()
        assert (store_link.trips - made, house.counters.commits) == (1, {"told": 1})
        found = await house.sessions.claim(held("q", "a"), now=0, gone=there, trips=trips)
        assert not isinstance(found, str)
        assert store_link.trips - made == 2


async def test_what_rides_with_a_claim_is_told_where_that_is_lost(real_store: RealServer) -> None:
    """Whoever counts on the store hears that it was not reached, and the claim is a miss."""
    lost: list[str] = []
    link = StoreLink(partial(open_wire, parse_state_address(real_store.url)), name="tests", boot="1")
    async with kept(link), over(link) as house:
        trips = Trips(link)
        trips.ride(Call("sessions", (), ()), lost=lambda: lost.append("rider"))
        real_store.freeze()
        assert await house.sessions.claim(held("q", "a"), now=0, gone=there, trips=trips) == "state_down"
        assert lost == ["rider"]


async def test_cancelling_does_not_cut_a_commit_short(real_store: RealServer) -> None:
    """An answer that is complete is remembered, whoever is not there any more."""
    async with in_store(real_store) as house:
        with trio.CancelScope() as scope:
            scope.cancel()
            await house.sessions.commit(held("q", "a"), SESSION, "kept", now=0)
        assert await house.claim(held("q", "a")) == SESSION


async def test_clearing_is_for_all_gateways(real_store: RealServer) -> None:
    """More of them than one part, of both; nobody continues what was there before."""
    async with AsyncExitStack() as stack:
        first, second = await gateways(stack, real_store, 2)
        for number in range(450):
            await (first, second)[number % 2].commit(conversation(number), session(number))
        assert await second.sessions.clear() == 450
        assert len(second.dropped) == 450
        assert {await first.claim(conversation(number)) for number in range(0, 450, 50)} == {"no_entry"}
        assert real_store.command("DBSIZE") == b":2", "that all was cleared, and who is there"


async def test_what_was_cleared_is_of_its_own_clock() -> None:
    """A primary whose clock is behind the one before keeps what it is told after a failover."""
    now = 1000.0
    link = InstantLink(lambda: now)
    async with over(link) as house:
        await house.commit(held("q", "a"))
        now = 1001.0
        assert await house.sessions.clear() == 1
        now = 900.0
        link.server.lead()
        await house.commit(held("r", "a"))
        assert await house.claim(held("r", "a")) == SESSION
