"""How responses are kept in a real store: shared, in pieces, within bounds, and with what the store may lose."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

from lingma_trio.errors import StateDown
from lingma_trio.policy.response_store import Encoded, StoredResponse
from lingma_trio.state.link import REQUEST_BUDGET, Budget, Call, StoreLink
from lingma_trio.state.responses_store import DEEPEST, LONGEST_NAME, MOST_BODY, PIECE, StoreResponses
from lingma_trio.state.trips import Trips
from tests.state.cut_link import CutLink

if TYPE_CHECKING:
    from tests.real_store import RealServer

INDEX = "lt:{a}:responses"
ENDS = f"{INDEX}:ends"
PATIENCE = 20.0  # seconds that a loaded machine may take


def keeping(link: StoreLink, *, entries: int = 1000, size: int = 64 * 2**20) -> StoreResponses:
    """One gateway's view of the store."""
    return StoreResponses(link, max_entries=entries, max_bytes=size, ttl=3600, seconds=PATIENCE)


def response(name: str, *, before: StoredResponse | None = None, size: int = 0) -> StoredResponse:
    """Return a response with one item given, `in_NAME`, of so many bytes, and one told, `out_NAME`."""
    given = (f"in_{name}", b'"' + b"x" * size + name.encode() + b'"')
    return StoredResponse((given,), Encoded(b'{"output":[', ((f"out_{name}", b'"out"'),), b"]}"), before)


def names(found: StoredResponse | None) -> list[str]:
    """The names of the items it holds with all that it follows."""
    return [] if found is None else [name for each in found.lineage() for name, _ in each.items]


async def line(kept: StoreResponses, length: int, *, size: int = 0) -> StoredResponse | None:
    """Keep so many responses that follow one another, `r0` to the last."""
    found: StoredResponse | None = None
    for number in range(length):
        await kept.put("a", f"r{number}", response(str(number), before=found, size=size))
        found = await kept.find("a", f"r{number}")
    return found


def held(store: RealServer) -> int:
    """The bytes that the tenant is said to hold."""
    return int(store.command("HGET", INDEX, "bytes"))


def number(store: RealServer, *words: str) -> int:
    """What it says to a command, where that is a number."""
    return int(store.command(*words).removeprefix(b":"))


def bodies(store: RealServer) -> list[str]:
    """The ids whose bodies are in the store."""
    return [f"r{at}" for at in range(30) if number(store, "EXISTS", f"{INDEX}:r{at}")]


async def test_a_conversation_is_kept_once(real_store: RealServer, store_link: StoreLink) -> None:
    """What a response follows is not kept again with it, and another gateway finds all of it."""
    last = await line(keeping(store_link), 5, size=10_000)
    assert names(last) == [f"{way}_{number}" for number in range(5) for way in ("in", "out")]
    assert held(real_store) == sum(response(str(number), size=10_000).size for number in range(5))
    found = await keeping(store_link).find("a", "r4")
    assert found is not None
    assert last is not None
    assert (found.reach, found.length, found.told.json) == (last.reach, last.length, last.told.json)


async def test_a_long_line_begins_anew_with_all_of_it(real_store: RealServer, store_link: StoreLink) -> None:
    """Nobody who goes on with it sees where that was; looking for the last costs the store no more for it."""
    last = await line(keeping(store_link), DEEPEST + 2)
    assert last is not None
    assert len(last.lineage()) == 2
    assert names(last) == [f"{way}_{number}" for number in range(DEEPEST + 2) for way in ("in", "out")]


@pytest.mark.parametrize("size", [PIECE - 1000, 3 * PIECE, 10 * 2**20], ids=["one", "few", "many"])
async def test_a_large_body_goes_in_pieces(real_store: RealServer, store_link: StoreLink, size: int) -> None:
    """As many as it takes, each way; so does one item of it."""
    kept = keeping(store_link)
    put = response("1", size=size)
    await kept.put("a", "r1", put)
    found = await kept.find("a", "r1")
    assert found is not None
    assert found.given == put.given
    assert await kept.items("a", ["in_1", "out_1"], 2 * size) == dict(put.items)


async def test_what_is_larger_than_can_be_brought_in_time_is_not_kept(
    real_store: RealServer, store_link: StoreLink
) -> None:
    """Neither by itself nor with what it follows; the store never sees it."""
    kept = keeping(store_link)
    await kept.put("a", "r1", response("1", size=MOST_BODY))
    await kept.put("a", "r2", response("2", size=MOST_BODY // 2))
    await kept.put("a", "r3", response("3", size=MOST_BODY // 2, before=await kept.find("a", "r2")))
    assert bodies(real_store) == ["r2"]


async def test_a_body_that_is_left_half_sent_goes_by_itself(real_store: RealServer, store_link: StoreLink) -> None:
    """It is not found, and has an end."""
    kept = keeping(store_link)
    put = response("1", size=3 * PIECE)
    with trio.CancelScope() as scope:
        scope.cancel()
        await kept.put("a", "r1", put)
    await store_link.trip(call_part("r1", b"half"))
    assert await kept.find("a", "r1") is None
    assert 0 < number(real_store, "TTL", f"{INDEX}:r1") <= 10


def call_part(identity: str, piece: bytes) -> Call:
    """Send the first part of a body."""
    return Call("responses", (INDEX, ENDS), ("part", identity, 10, piece))


async def test_what_followed_stays_after_its_parents_time(real_store: RealServer, store_link: StoreLink) -> None:
    """A parent whose time is over is unknown by its id, and there for its child; with that nothing is left."""
    kept = keeping(store_link)
    await line(kept, 3)
    real_store.command("ZADD", ENDS, "1", "r0", "1", "r1")
    assert await kept.find("a", "r1") is None
    assert names(await kept.find("a", "r2"))[:2] == ["in_0", "out_0"]
    assert list(await kept.items("a", ["in_0"], 100)) == ["in_0"]
    assert await kept.remove("a", "r2")
    assert (bodies(real_store), held(real_store)) == ([], 0)
    assert number(real_store, "HLEN", INDEX) == 1


async def test_a_child_keeps_its_parents_for_as_long_as_itself(real_store: RealServer, store_link: StoreLink) -> None:
    """Whatever end they had; the index outlives all bodies."""
    kept = keeping(store_link)
    first = await line(kept, 1)
    real_store.command("EXPIRE", f"{INDEX}:r0", "5")
    await kept.put("a", "r1", response("1", before=first))
    ttl = {key: number(real_store, "TTL", key) for key in (f"{INDEX}:r0", f"{INDEX}:r1", INDEX, ENDS)}
    assert ttl[f"{INDEX}:r0"] >= ttl[f"{INDEX}:r1"] > 3500
    assert min(ttl[INDEX], ttl[ENDS]) > ttl[f"{INDEX}:r1"]


async def test_what_is_removed_while_it_is_being_followed_is_kept_with_the_follower(
    real_store: RealServer, store_link: StoreLink
) -> None:
    """The request that follows it has it already, so the next one has all of it too."""
    kept = keeping(store_link)
    first = await line(kept, 2)
    assert await kept.remove("a", "r0")
    assert await kept.remove("a", "r1")
    await kept.put("a", "r2", response("2", before=first))
    assert names(await kept.find("a", "r2")) == ["in_0", "out_0", "in_1", "out_1", "in_2", "out_2"]


async def test_a_body_that_the_store_dropped_takes_what_follows_it_along(
    real_store: RealServer, store_link: StoreLink
) -> None:
    """What cannot be whole is not found, and its bytes are free again."""
    kept = keeping(store_link)
    last = await line(kept, 3)
    real_store.command("DEL", f"{INDEX}:r0")
    assert await kept.find("a", "r2") is None
    assert await kept.find("a", "r1") is None
    assert (bodies(real_store), held(real_store)) == ([], response("0").size)
    await kept.put("a", "r3", response("3", before=last))
    assert names(await kept.find("a", "r3"))[0] == "in_0"


@pytest.mark.parametrize("lost", [INDEX, ENDS], ids=["index", "ends"])
async def test_an_index_that_the_store_dropped_costs_what_it_held(
    real_store: RealServer, store_link: StoreLink, lost: str
) -> None:
    """Nothing of that is found; what comes after it is kept as ever, within its bounds."""
    kept = keeping(store_link, entries=3, size=8 * response("0").size)
    await line(kept, 3)
    real_store.command("DEL", lost)
    assert await kept.find("a", "r2") is None
    assert await kept.items("a", ["in_9"], 100) == {}
    for number in range(3, 20):
        await kept.put("a", f"r{number}", response(str(number)))
    assert names(await kept.find("a", "r19")) == ["in_19", "out_19"]
    assert held(real_store) <= 8 * response("00").size


async def test_a_tenant_that_fills_its_bytes_loses_its_own_alone(real_store: RealServer, store_link: StoreLink) -> None:
    """Its oldest, one by one, never a neighbour's; nor does it ever hold more than its bytes."""
    kept = keeping(store_link, size=5 * response("1", size=1000).size)
    await kept.put("b", "r0", response("0"))
    for number in range(20):
        await kept.put("a", f"r{number}", response(str(number % 10), size=1000))
        assert held(real_store) <= 5 * response("1", size=1000).size
    assert bodies(real_store) == ["r15", "r16", "r17", "r18", "r19"]
    assert await kept.find("b", "r0") is not None


async def test_several_gateways_may_follow_one_response_at_once(real_store: RealServer, store_link: StoreLink) -> None:
    """Each has its own line; when all are removed, in whatever order, nothing is left of any."""
    first = await line(keeping(store_link), 1)
    async with trio.open_nursery() as nursery:
        for number in range(1, 9):
            put = response(str(number), before=first)
            nursery.start_soon(keeping(store_link).put, "a", f"r{number}", put)
        nursery.start_soon(keeping(store_link).remove, "a", "r0")
    for number in range(1, 9):
        found = await keeping(store_link).find("a", f"r{number}")
        assert names(found) == ["in_0", "out_0", f"in_{number}", f"out_{number}"]
    async with trio.open_nursery() as nursery:
        for number in range(1, 9):
            nursery.start_soon(keeping(store_link).remove, "a", f"r{number}")
    assert (bodies(real_store), held(real_store)) == ([], 0)


async def test_names_are_whatever_clients_call_their_items(real_store: RealServer, store_link: StoreLink) -> None:
    """With all that could be taken for the form they are kept in."""
    kept = keeping(store_link)
    given = tuple((name, b"%d" % at) for at, name in enumerate((" 1 2;", "3:x", "\0\n", "é" * 100, "n r1", "bytes")))
    await kept.put("a", "r1", StoredResponse(given, Encoded(b"", (), b""), None))
    assert await kept.items("a", [name for name, _ in given], 100) == dict(given)
    found = await kept.find("a", "r1")
    assert found is not None
    assert found.given == given
    assert await kept.remove("a", "r1")
    assert await kept.items("a", [name for name, _ in given], 100) == {}
    for odd in ("", " ", "r1 r2", "é", "\0"):
        assert await kept.find("a", odd) is None
        assert not await kept.remove("a", odd)


async def test_while_the_store_is_down_nothing_is_kept_and_looking_says_so(
    real_store: RealServer, store_link: StoreLink
) -> None:
    """Neither waits longer than a request may."""
    first = await line(keeping(store_link), 1)
    kept = StoreResponses(store_link, max_entries=10, max_bytes=100_000, ttl=3600)
    real_store.freeze()
    began = trio.current_time()
    await kept.put("a", "r1", response("1", before=first))
    for look in (
        partial(kept.find, "a", "r0"),
        partial(kept.items, "a", ["in_0"], 10),
        partial(kept.remove, "a", "r0"),
    ):
        with pytest.raises(StateDown):
            await look()
    assert trio.current_time() - began < 1  # one wait, and then none
    real_store.thaw()


@pytest.mark.parametrize(("size", "before"), [(100, []), (PIECE, [["responses"] * 2])], ids=["small", "large"])
async def test_what_is_kept_goes_with_what_else_is_to_be_told(
    store_link: StoreLink, size: int, before: list[list[str]]
) -> None:
    """In the last trip of its request, but for the parts of a large body; looking is one trip."""
    link = CutLink(store_link)
    kept = StoreResponses(link, max_entries=10, max_bytes=2**20, ttl=3600, seconds=PATIENCE)
    trips = Trips(link)
    told: list[int] = []
    trips.ride(Call("beat", ("lt:x",), ("m", 1000)), told.append)
    await kept.put("a", "r1", response("1", size=size), trips)
    assert link.trips == [*before, ["beat", "responses"]]
    assert told == [1]
    assert names(await kept.find("a", "r1", None, Trips(link))) == ["in_1", "out_1"]
    assert link.trips[len(before) + 1 :] == [["responses"]]


@pytest.mark.parametrize("fault", ["cut", "deaf"])
async def test_a_last_trip_that_comes_to_nothing_costs_no_answer(store_link: StoreLink, fault: str) -> None:
    """Whoever keeps hears nothing of it, and what went along is told that it is lost."""
    link = CutLink(store_link)
    trips, lost = Trips(link), trio.Event()
    setattr(link, fault, True)
    trips.ride(Call("beat", ("lt:x",), ("m", 1000)), lost=lost.set)
    await StoreResponses(link, max_entries=10, max_bytes=2**20, ttl=3600).put("a", "r1", response("1"), trips)
    assert lost.is_set()
    link.cut = link.deaf = False
    assert (await keeping(store_link).find("a", "r1") is not None) is (fault == "deaf")


async def test_an_item_with_an_endless_name_is_kept_and_not_indexed(
    real_store: RealServer, store_link: StoreLink
) -> None:
    """A client that calls its items by whole texts fills no index with them."""
    kept = keeping(store_link)
    given = (("x" * (LONGEST_NAME + 1), b'"long"'), ("y" * LONGEST_NAME, b'"short"'))
    await kept.put("a", "r1", StoredResponse(given, Encoded(b"", (), b""), None))
    assert await kept.items("a", [name for name, _ in given], 100) == dict(given[1:])
    found = await kept.find("a", "r1")
    assert found is not None
    assert found.given == given


class CancellingLink:
    """A way to the store on which a scope is cancelled before or after a trip, whichever is the `at`th moment."""

    replicas = 1
    up = True

    def __init__(self, link: StoreLink, at: int) -> None:
        self._link = link
        self._left = at
        self.scope = trio.CancelScope()

    async def trip(self, *calls: Call, budget: Budget | None = None) -> list[Any]:
        self._pass()
        await trio.lowlevel.checkpoint_if_cancelled()
        replies = await self._link.trip(*calls, budget=budget)
        self._pass()
        await trio.lowlevel.checkpoint_if_cancelled()
        return replies

    def _pass(self) -> None:
        if self._left == 0:
            self.scope.cancel("here")
        self._left -= 1


async def test_a_request_that_is_cut_off_leaves_all_or_nothing(real_store: RealServer, store_link: StoreLink) -> None:
    """Wherever it was; what is found is whole, what is not found has an end, and what is removed leaves nothing."""
    kept = keeping(store_link)
    first = await line(kept, 1)
    put = response("1", before=first, size=5 * PIECE)
    outcomes: list[bool] = []
    for at in range(8):
        link = CancellingLink(store_link, at)
        with link.scope:
            await StoreResponses(link, max_entries=9, max_bytes=2**24, ttl=3600, seconds=PATIENCE).put("a", "r1", put)
        found = await kept.find("a", "r1")
        outcomes.append(found is not None)
        if found is None:
            assert number(real_store, "TTL", f"{INDEX}:r1") in {-2, *range(1, 11)}
            real_store.command("DEL", f"{INDEX}:r1")
        else:
            assert found.given == put.given
            assert await kept.remove("a", "r1")
        assert (bodies(real_store), held(real_store)) == (["r0"], response("0").size)
    assert outcomes == [False] * 3 + [True] * 5


class CrowdedLink:
    """A way to the store on which the pieces that are on their way at once are counted, of each tenant."""

    replicas = 1
    up = True

    def __init__(self, link: StoreLink) -> None:
        self._link = link
        self._under_way: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    async def trip(self, *calls: Call, budget: Budget | None = None) -> list[Any]:
        whose = calls[0].keys[0] if calls[0].args[0] == "piece" else ""
        self._under_way[whose] += 1
        self.most[whose] = max(self.most[whose], self._under_way[whose])
        try:
            return await self._link.trip(*calls, budget=budget)
        finally:
            self._under_way[whose] -= 1


async def test_one_tenant_has_one_large_response_brought_at_once(store_link: StoreLink) -> None:
    """However often it asks: others have the store too, and nobody's asking fails for it."""
    link = CrowdedLink(store_link)
    kept = StoreResponses(link, max_entries=10, max_bytes=2**25, ttl=3600, seconds=PATIENCE)
    for tenant in "ab":
        await kept.put(tenant, "r1", response("1", size=8 * PIECE))
    found: list[StoredResponse | None] = []

    async def look(tenant: str) -> None:
        found.append(await kept.find(tenant, "r1"))

    async with trio.open_nursery() as nursery:
        for tenant in "ab" * 8:
            nursery.start_soon(look, tenant)
    assert [names(each) for each in found] == [["in_1", "out_1"]] * 16
    assert (link.most[INDEX], link.most[INDEX.replace("a", "b")]) == (1, 1)
    assert link.most[""] > 1


class SlowLink:
    """A way to the store on which each trip takes `seconds` more, of the request's budget where it is not cut short."""

    replicas = 1
    up = True

    def __init__(self, link: StoreLink, seconds: float) -> None:
        self._link = link
        self.seconds = seconds
        self.waited = 0.0

    async def trip(self, *calls: Call, budget: Budget | None = None) -> list[Any]:
        budget = budget or Budget()
        takes = min(self.seconds, budget.left)
        self.waited += takes
        cut = takes < self.seconds
        budget.spend(takes)
        if cut:
            raise StateDown("too slow")
        return await self._link.trip(*calls)


async def test_a_slow_store_is_waited_for_no_longer_in_all(model_link: StoreLink) -> None:
    """However large a response is: what is brought and kept in pieces is of the request's one budget."""
    fast, size = keeping(model_link), 12 * PIECE
    await fast.put("a", "r1", response("1", size=size))
    for seconds in (0.03, 0.06, 0.12):
        link = SlowLink(model_link, seconds)
        kept, trips = StoreResponses(link, max_entries=10, max_bytes=2**25, ttl=3600), Trips(link)
        with suppress(StateDown):
            await trips.go()
            await kept.find("a", "r1", None, trips)
            await kept.items("a", ["in_1"], 2 * size, trips)
        await kept.put("a", "r2", response("2", size=size), trips)
        await trips.finish()
        assert link.waited <= REQUEST_BUDGET + 1e-9


class HeldLink:
    """A way to the store on which pieces wait until the test lets them go."""

    replicas = 1
    up = True

    def __init__(self, link: StoreLink) -> None:
        self._link = link
        self.held = trio.Event()
        self.freed = trio.Event()

    async def trip(self, *calls: Call, budget: Budget | None = None) -> list[Any]:
        del budget
        if calls[0].args[0] == "piece":
            self.held.set()
            await self.freed.wait()
        return await self._link.trip(*calls, budget=Budget(PATIENCE))


async def test_the_wait_for_what_else_a_tenant_has_brought_is_one_for_the_store(model_link: StoreLink) -> None:
    """Who asks for many at once is told to ask again, instead of being held for as long as all of them take."""
    await keeping(model_link).put("a", "r1", response("1", size=12 * PIECE))
    link = HeldLink(model_link)
    kept = StoreResponses(link, max_entries=10, max_bytes=2**25, ttl=3600)
    found: list[StoredResponse | None] = []

    async def look() -> None:
        found.append(await kept.find("a", "r1", None, Trips(link)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look)
        with trio.fail_after(PATIENCE):
            await link.held.wait()
            with pytest.raises(StateDown, match="brings other long conversations of this key"):
                await kept.find("a", "r1", None, Trips(link))
        link.freed.set()
    assert [names(each) for each in found] == [["in_1", "out_1"]]
    assert await kept.find("a", "r1", None, Trips(link)) is not None


async def test_what_is_too_slow_to_be_kept_leaves_the_last_trip_its_time(model_link: StoreLink) -> None:
    """Commit and dues go with it."""
    link = SlowLink(model_link, 0.045)
    kept, trips = StoreResponses(link, max_entries=10, max_bytes=2**25, ttl=3600), Trips(link)
    await kept.put("a", "r2", response("2", size=40 * PIECE), trips)
    told: list[Any] = []
    trips.ride(Call("look", ("lt:replicas",)), told.append)
    await trips.finish()
    assert len(told) == 1
    assert link.waited <= REQUEST_BUDGET + 1e-9
