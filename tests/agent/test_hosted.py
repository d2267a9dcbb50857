"""What an agent tells its gateways of its instances."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from lingma_trio.agent.hosted import MODELS_EVERY
from lingma_trio.protocol.fleet_messages import STATE, FleetState
from lingma_trio.protocol.jsonrpc import Connection, Notification
from tests.agent.support import town


def models_in(push: bytes) -> int:
    """How many models of the only instance it tells."""
    (event,) = Connection().receive(push)
    assert isinstance(event, Notification)
    return len(FleetState.read(event.params).instances[0].models)


async def test_a_state_is_made_into_a_message_once_for_all_gateways(autojump_clock: MockClock) -> None:
    """A hundred gateways hear of each change, so that what it costs must not grow with them."""
    one: list[bytes] = []
    two: list[bytes] = []
    async with town() as place:
        with place.hosted.heard_by(one.append), place.hosted.heard_by(two.append):
            await trio.sleep(3)
    assert len(one) == len(two) > 2
    assert all(here is there for here, there in zip(one[1:], two[1:], strict=True))
    (event,) = Connection().receive(one[-1])
    assert isinstance(event, Notification)
    assert event.method == STATE
    assert [each.name for each in FleetState.read(event.params).instances] == [place.instance.name]


async def test_models_are_told_when_they_change_and_from_time_to_time(autojump_clock: MockClock) -> None:
    """To whoever comes at once; in between they would be most of what is told each second."""
    came: list[bytes] = []
    async with town() as place:
        known = len(place.instance.account.catalogue.models)
        await trio.sleep(0.5)
        with place.hosted.heard_by(came.append):
            await trio.sleep(2)
            assert [models_in(push) for push in came] == [known, 0, 0]
            place.instance.tell_models("one", "another", "a third")
            await trio.sleep(1)
            assert [models_in(push) for push in came[3:]] == [3]
            await trio.sleep(MODELS_EVERY)
            assert [models_in(push) for push in came[4:]] == [*([0] * round(MODELS_EVERY - 1)), 3]
            place.instance.tell_models()
            await trio.sleep(1)
            assert models_in(came[-1]) == 0
