"""Routing: affinity that moves little, then the idlest; who is silent comes last."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.policy.routing import BUSIER_BY, Candidate, affinity_key, affinity_order, choose
from lingma_trio.turns import Message, Prompt

TEXT = st.text(st.sampled_from("ab?\ud800"), max_size=3)
names = st.lists(TEXT.filter(bool), min_size=1, max_size=8, unique=True)
keys = st.binary(max_size=64)
crowds = names.flatmap(
    lambda found: st.tuples(*(st.builds(Candidate, st.just(name), st.integers(0, 9)) for name in found)).map(list)
)


@given(keys, names)
def test_the_order_depends_on_key_and_names_only(key: bytes, found: list[str]) -> None:
    """Every replica, and the same gateway after a restart, finds the same order."""
    assert affinity_order(key, found) == affinity_order(key, reversed(found))
    assert sorted(affinity_order(key, found)) == sorted(found)


@given(keys, names, st.text(min_size=1, max_size=8))
def test_a_name_that_goes_moves_only_its_own_keys(key: bytes, found: list[str], gone: str) -> None:
    """Among the others nothing changes places."""
    assert [name for name in affinity_order(key, [*set(found) | {gone}]) if name != gone] == affinity_order(
        key, [name for name in found if name != gone]
    )


def key_of(*told: str, user: str = "", tenant: str = "tenant", asked: str = "hi") -> bytes | None:
    """The affinity of a question behind these system prompts."""
    messages = [*(Message("system", text) for text in told), Message("user", asked)]
    return affinity_key(Prompt(tuple(messages)), tenant=tenant, user=user)


@given(*[st.tuples(TEXT, TEXT, st.lists(TEXT, max_size=2))] * 2, TEXT)
def test_keys_are_alike_where_caches_are(
    one: tuple[str, str, list[str]], other: tuple[str, str, list[str]], asked: str
) -> None:
    """A user of a tenant has one whatever is asked; without a user system prompts have one, and others none."""

    def counts(user: str, tenant: str, told: list[str]) -> object:
        return ("user", user, tenant) if user else ("system", tenant, *told) if told else None

    keys = [key_of(*told, user=user, tenant=tenant, asked=asked) for user, tenant, told in (one, other)]
    assert (keys[0] == keys[1]) == (counts(*one) == counts(*other))
    assert (keys[0] is None) == (counts(*one) is None)
    user, tenant, told = one
    assert keys[0] == key_of(*told, user=user, tenant=tenant, asked=f"{asked}?")


def test_the_order_is_this_one() -> None:
    """A change of a hash would send every conversation elsewhere after an upgrade, so it is written down."""
    assert affinity_order(b"tenant", ["a", "b", "c"]) == ["b", "a", "c"]
    keys = [key_of("Be brief.", user=user) or b"" for user in ("", "ann")]
    assert [key[:4].hex() for key in keys] == ["7b79b24a", "ba734015"]


def test_keys_spread_evenly() -> None:
    """No instance is everybody's favourite: of 4,000 keys each of four gets a quarter, give or take a tenth."""
    found = Counter(affinity_order(b"%d" % number, "abcd")[0] for number in range(4_000))
    assert all(900 < count < 1_100 for count in found.values())


@given(crowds, crowds, keys | st.none())
def test_the_silent_come_last(crowd: list[Candidate], others: list[Candidate], key: bytes | None) -> None:
    """One that owes an answer is asked where all do, whatever else speaks for it; they are chosen among like others."""
    names = {candidate.name for candidate in crowd}
    silent = [replace(other, silent=True) for other in others if other.name not in names]
    assert choose([*silent, *crowd], affinity=key) == choose(crowd, affinity=key)
    hushed = [replace(candidate, silent=True) for candidate in crowd]
    assert choose(hushed, affinity=key) == choose(crowd, affinity=key)


@given(crowds, keys)
def test_affinity_yields_to_a_clearly_busier_instance(crowd: list[Candidate], key: bytes) -> None:
    """The favourite answers unless it has BUSIER_BY turns more than the idlest, which answers then."""
    chosen = choose(crowd, affinity=key)
    turns = {candidate.name: candidate.turns for candidate in crowd}
    favourite = affinity_order(key, turns)[0]
    if turns[favourite] - min(turns.values()) < BUSIER_BY:
        assert chosen == favourite
    else:
        assert chosen is not None
        assert turns[chosen] == min(turns.values())


@given(crowds)
def test_without_affinity_the_idlest_answers(crowd: list[Candidate]) -> None:
    """The fewest turns win, and of equals the first."""
    chosen = choose(crowd, affinity=None)
    fewest = min(candidate.turns for candidate in crowd)
    assert chosen == next(candidate.name for candidate in crowd if candidate.turns == fewest)


def test_nobody_is_nobody() -> None:
    """Without candidates there is no choice."""
    assert choose([], affinity=b"k") is None
