"""The pace: what came lands in its slot, what is old goes, and nothing grows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.policy.pace import SLOT, SLOTS, WAITS_KEPT, Pace, Wait


def test_deltas_are_counted_by_slot() -> None:
    """A slot's rate is what came in it by the second; the one under way is not told yet."""
    pace = Pace()
    pace.deltas(4, now=100 * SLOT)
    pace.deltas(2, now=100 * SLOT + SLOT / 2)
    pace.deltas(10, now=102 * SLOT)
    assert list(pace.rates(102 * SLOT))[-2:] == [6 / SLOT, 0]
    assert list(pace.rates(103 * SLOT))[-3:] == [6 / SLOT, 0, 10 / SLOT]


def test_slots_have_their_length_always() -> None:
    """Before anything happened, and a day after, there is a picture of silence."""
    pace = Pace()
    assert list(pace.rates(5.0)) == [0.0] * (SLOTS - 1)
    pace.deltas(1, now=10.0)
    assert list(pace.rates(86_400.0)) == [0.0] * (SLOTS - 1)


def test_waits_are_told_with_their_age() -> None:
    """Each answer's wait is there for as long as the slots are looked back over."""
    pace = Pace()
    pace.first_delta(0.5, now=0.0)
    pace.first_delta(1.5, now=3 * SLOT)
    assert list(pace.waits(4 * SLOT)) == [Wait(4, 0.5), Wait(1, 1.5)]
    assert list(pace.waits((SLOTS + 1) * SLOT)) == [Wait(SLOTS - 2, 1.5)]


@given(moments=st.lists(st.floats(0, 1e6), max_size=50))
def test_nothing_is_lost_before_its_time(moments: list[float]) -> None:
    """Whatever the distances between events, those of the slots looked back over are all counted, and no others."""
    pace = Pace()
    for moment in sorted(moments):
        pace.deltas(1, now=moment)
    end = max(moments, default=0.0) + SLOT
    slots = [int(end // SLOT) - int(moment // SLOT) for moment in moments]
    assert round(sum(pace.rates(end)) * SLOT) == sum(1 <= ago < SLOTS for ago in slots)


def test_memory_is_bounded() -> None:
    """A flood of answers leaves as much as is kept."""
    pace = Pace()
    for _ in range(3 * WAITS_KEPT):
        pace.first_delta(1.0, now=1.0)
    assert len(pace.waits(1.0)) == WAITS_KEPT
