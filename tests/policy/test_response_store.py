"""What is kept of finished responses: for whom, how long, how much, and what goes first."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.policy.response_store import ITEM_OVERHEAD, OVERHEAD, Encoded, ResponseStore, StoredResponse


def response(text: bytes = b"", *, items: tuple[str, ...] = (), before: StoredResponse | None = None) -> StoredResponse:
    """Return a response whose body is `text`, with empty items of these ids."""
    return StoredResponse(tuple((name, b"") for name in items), Encoded(text, (), b""), before)


def store(*, entries: int = 10, size: int = 100 * OVERHEAD, ttl: float = 100) -> ResponseStore:
    """Return an empty store."""
    return ResponseStore(max_entries=entries, max_bytes=size, ttl=ttl)


def test_a_response_is_found_by_its_tenant_alone() -> None:
    """Another key's id is an unknown one, and so are its items."""
    kept = store()
    put = response(items=("msg",))
    kept.put("a", "r", put, now=0)
    assert kept.find("a", "r", now=0) is put
    assert kept.find_item("a", "msg", now=0) == b""
    assert kept.find("b", "r", now=0) is None
    assert kept.find_item("b", "msg", now=0) is None
    assert not kept.remove("b", "r", now=0)


def test_a_response_is_gone_after_its_time() -> None:
    """It is there until the last moment and not at it, with all that was known of it."""
    kept = store(ttl=10)
    for look in (partial(kept.find, "a", "r"), partial(kept.find_item, "a", "msg")):
        kept.put("a", "r", response(items=("msg",)), now=0)
        assert look(now=9.9) is not None
        assert look(now=10) is None
        assert (len(kept), kept.size) == (0, 0)


def test_the_oldest_goes_first() -> None:
    """One more than there is room for costs the one that was put first."""
    kept = store(entries=2)
    for name in ("one", "two", "three"):
        kept.put("a", name, response(), now=0)
    assert [name for name in ("one", "two", "three") if kept.find("a", name, now=0)] == ["two", "three"]


def test_bytes_are_bounded_too() -> None:
    """A large one makes room for itself, and one that can never fit costs nobody anything."""
    kept = store(size=3 * OVERHEAD)
    kept.put("a", "one", response(), now=0)
    kept.put("a", "two", response(bytes(OVERHEAD)), now=0)
    kept.put("a", "three", response(), now=0)
    assert [name for name in ("one", "two", "three") if kept.find("a", name, now=0)] == ["two", "three"]
    kept.put("a", "four", response(bytes(3 * OVERHEAD)), now=0)
    assert [name for name in ("two", "three", "four") if kept.find("a", name, now=0)] == ["two", "three"]


def test_what_is_followed_stays_and_counts() -> None:
    """A response that was removed is out of reach, but its conversation goes on and its bytes are counted, once."""
    kept = store()
    first = response(b"12", items=("msg",))
    kept.put("a", "first", first, now=0)
    for name in ("second", "fork"):
        kept.put("a", name, response(b"345", before=first), now=0)
    assert kept.size == 3 * OVERHEAD + ITEM_OVERHEAD + len("msg") + 8
    assert kept.remove("a", "first", now=0)
    assert kept.find("a", "first", now=0) is None
    second = kept.find("a", "second", now=0)
    assert second is not None
    assert second.lineage() == [first, second]
    assert kept.find_item("a", "msg", now=0) == b""
    assert kept.size == 3 * OVERHEAD + ITEM_OVERHEAD + len("msg") + 8
    kept.remove("a", "second", now=0)
    kept.remove("a", "fork", now=0)
    assert kept.size == 0
    assert kept.find_item("a", "msg", now=0) is None


def test_what_went_while_it_was_being_continued_comes_back_with_its_successor() -> None:
    """An answer may take longer than what it continues is kept."""
    kept = store(entries=1)
    first = response(items=("msg",))
    kept.put("a", "first", first, now=0)
    kept.put("a", "other", response(), now=0)
    kept.put("a", "second", response(before=first), now=0)
    assert kept.size == 2 * OVERHEAD + ITEM_OVERHEAD + len("msg")
    assert kept.find_item("a", "msg", now=0) == b""


def test_an_id_that_is_put_again_is_replaced() -> None:
    """The younger one stands, and nothing of the older is counted."""
    kept = store()
    kept.put("a", "r", response(b"1"), now=0)
    kept.put("a", "r", response(b"22"), now=0)
    found = kept.find("a", "r", now=0)
    assert found is not None
    assert (found.told.json, kept.size, len(kept)) == (b"22", OVERHEAD + 2, 1)


def test_a_store_without_room_keeps_nothing() -> None:
    """That is how it is switched off."""
    kept = store(entries=0)
    kept.put("a", "r", response(), now=0)
    assert kept.find("a", "r", now=0) is None
    assert "0/0" in repr(kept)


def test_a_long_conversation_is_no_deep_one() -> None:
    """Thousands of responses in a row are held and let go without a stack to match."""
    kept = store(entries=10_000, size=10**9)
    before = None
    for number in range(5000):
        before = response(before=before)
        kept.put("a", str(number), before, now=number * 0.001)
    assert before is not None
    assert len(before.lineage()) == 5000
    kept.find("a", "0", now=1000)
    assert (len(kept), kept.size) == (0, 0)


def names(kept: ResponseStore, tenant: str, *candidates: str) -> list[str]:
    """Which of these a tenant still finds."""
    return [name for name in candidates if kept.find(tenant, name, now=0) is not None]


def test_whoever_holds_most_makes_room() -> None:
    """A tenant that keeps a great deal loses its own oldest and nobody else's, by number and by bytes."""
    by_number, by_size = store(entries=4), store(size=4 * OVERHEAD)
    for kept in (by_number, by_size):
        kept.put("modest", "mine", response(), now=0)
        for name in ("1", "2", "3", "4", "5"):
            kept.put("greedy", name, response(), now=0)
        assert names(kept, "modest", "mine") == ["mine"]
        assert names(kept, "greedy", "1", "2", "3", "4", "5") == ["3", "4", "5"]


def test_large_responses_do_not_put_out_small_ones() -> None:
    """Bytes are shared as bytes: one that takes half of all there are counts for what it takes."""
    kept = store(size=8 * OVERHEAD)
    for name in ("1", "2", "3"):
        kept.put("modest", name, response(), now=0)
    for name in ("a", "b"):
        kept.put("greedy", name, response(bytes(3 * OVERHEAD)), now=0)
    assert names(kept, "modest", "1", "2", "3") == ["1", "2", "3"]
    assert names(kept, "greedy", "a", "b") == ["b"]


def test_items_are_found_one_by_one_and_the_youngest_of_an_id() -> None:
    """Each is there as it was kept, beside the response whose client got it whole."""
    kept = store()
    first = StoredResponse((("a", b"1"),), Encoded(b"[", (("b", b"2"), ("c", b"3")), b"]"), None)
    second = StoredResponse((("a", b"4"),), Encoded(b"[", (), b"]"), first)
    kept.put("t", "second", second, now=0)
    assert [kept.find_item("t", name, now=0) for name in "abcd"] == [b"4", b"2", b"3", None]
    assert first.told.json == b"[2,3]"


def test_a_response_counts_for_itself_and_reaches_back() -> None:
    """Its size is that of all its own texts; its items reach as far as those of all that it follows."""
    told = Encoded(b"[", (("b", b"22"), ("", b"333")), b"]}")
    first = StoredResponse((("a", b"1"),), told, None)
    second = StoredResponse((("a", b"4444"),), Encoded(b"", (), b""), first)
    assert first.size == OVERHEAD + 3 * ITEM_OVERHEAD + len("ab") + sum(map(len, first.told.pieces)) - len(",") + 1
    assert [(each.reach, each.length) for each in second.lineage()] == [(6, 3), (10, 4)]


def test_what_a_tenant_has_no_longer_does_not_count() -> None:
    """Who held most once keeps what it has now, where another holds more."""
    kept = store(size=8 * OVERHEAD)
    kept.put("modest", "small", response(), now=0)
    kept.put("modest", "large", response(bytes(6 * OVERHEAD)), now=0)
    kept.remove("modest", "large", now=0)
    for name in ("1", "2"):
        kept.put("greedy", name, response(bytes(3 * OVERHEAD)), now=0)
    assert names(kept, "modest", "large", "small") == ["small"]
    assert names(kept, "greedy", "1", "2") == ["2"]


@dataclass
class Model:
    """What ought to be in a store, kept without any care for cost."""

    entries: dict[tuple[str, str], StoredResponse] = field(default_factory=dict)

    def held(self, tenants: str = "ab") -> set[StoredResponse]:
        return {each for (owner, _), entry in self.entries.items() if owner in tenants for each in entry.lineage()}


ITEMS = [f"item-{number}" for number in range(6)]
STEPS = st.tuples(
    st.sampled_from(["put", "continue", "remove", "wait"]),
    st.sampled_from("ab"),
    st.integers(0, 5),
    st.integers(0, 5),
    st.integers(0, 2 * OVERHEAD),
)


@given(st.lists(STEPS, max_size=40))
def test_bounds_hold_and_nothing_is_lost_or_counted_twice(steps: list[tuple[str, str, int, int, int]]) -> None:
    """Whatever is put, continued, removed or left lying: size is that of what is held, and within every bound."""
    kept = store(entries=4, size=12 * OVERHEAD, ttl=10)
    known: dict[tuple[str, str], StoredResponse] = {}
    now = 0.0
    for what, tenant, number, other, size in steps:
        name = str(number)
        if what == "wait":
            now += number
        elif what == "remove":
            kept.remove(tenant, name, now=now)
        else:
            before = known.get((tenant, str(other))) if what == "continue" else None
            put = known[tenant, name] = response(bytes(size), items=(ITEMS[number],), before=before)
            kept.put(tenant, name, put, now=now)
        model = Model({key: found for key in known if (found := kept.find(*key, now=now)) is not None})
        assert set(kept.held()) == model.held()
        assert kept.size == sum(each.size for each in model.held()) <= 12 * OVERHEAD
        assert len(kept) == len(model.entries) <= 4
        for (owner, identity), found in model.entries.items():
            assert found is known[owner, identity]
            assert kept.find_item(owner, found.items[0][0], now=now) is not None
        for owner in "ab":
            there = {name for each in model.held(owner) for name, _ in each.items}
            assert {name for name in ITEMS if kept.find_item(owner, name, now=now) is not None} <= there
