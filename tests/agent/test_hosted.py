"""What an agent tells its gateways of its instances."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from lingma_trio.protocol.fleet_messages import STATE, FleetState
from lingma_trio.protocol.jsonrpc import Connection, Notification
from tests.agent.support import town


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
