"""What goes along with a request's trips to the store, and what who rode is told."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from lingma_trio.errors import StateDown
from lingma_trio.state.link import REPLICAS, Call, StoreLink
from lingma_trio.state.trips import Trips
from tests.state.cut_link import CutLink

BEAT = Call("beat", (REPLICAS,), ("me", 1000))
REFUSED = Call("sessions", ("lt:{sessions}",), ("no such thing", 1000, 1))


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_who_rides_with_a_call_that_is_refused_has_its_reply(model_link: StoreLink, place: int) -> None:
    """It ran: what was committed is not to be thrown away because something else found no room."""
    trips, told = Trips(model_link), list[Any]()
    calls = [BEAT, BEAT]
    calls.insert(place, REFUSED)
    for call in calls:
        trips.ride(call, told.append, lambda: told.append("lost"))
    with pytest.raises(StateDown):
        await trips.go()
    assert told == ["lost" if call is REFUSED else 2 for call in calls], "two share the store: the link, and this"


async def test_who_rides_on_a_trip_that_is_lost_is_told_so(model_link: StoreLink) -> None:
    """Nobody knows whether any of it ran; of one that was not made everybody does."""
    link = CutLink(model_link)
    for lost in (True, False):
        link.deaf, link.cut = lost, not lost
        trips, told = Trips(link), list[Any]()
        for _ in range(2):
            trips.ride(BEAT, told.append, partial(told.append, "lost"), partial(told.append, "unrun"))
        await trips.finish()
        assert told == ["lost" if lost else "unrun"] * 2


async def test_who_withdraws_does_not_go_along(model_link: StoreLink) -> None:
    """Nobody is told of it, others go, and after the trip it is too late."""
    trips, told = Trips(model_link), list[str]()
    staying = trips.ride(BEAT, lambda _: told.append("staying"))
    going = trips.ride(BEAT, lambda _: told.append("going"))
    trips.withdraw(staying)
    await trips.go()
    trips.withdraw(going)
    await trips.go()
    assert told == ["going"]
