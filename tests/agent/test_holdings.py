"""What a gateway has at a life is kept as long as upstream may speak of it, and no more of it than is bounded."""

from __future__ import annotations

from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.agent.holdings import MOST_FRESH, MOST_LOOSE
from lingma_trio.protocol.jsonrpc import Notification
from lingma_trio.protocol.messages import REQUEST_ID
from tests.agent.direct import DirectGateway
from tests.lingma.acp.peer import agent_linked
from tests.peers import Link, linked


async def heard(link: Link, gateway: DirectGateway, key: str) -> bool:
    """Whether what upstream says of this key still is the gateway's."""
    await link.peer.push("image/uploadResult", requestId=key)
    await wait_all_tasks_blocked()
    return any(isinstance(event, Notification) for event in gateway.take())


async def test_the_oldest_names_of_what_is_answered_go_first(autojump_clock: MockClock) -> None:
    """Of an upload there is no end to be heard, so that a gateway would collect them for as long as it is there."""
    async with linked() as link:
        one = DirectGateway(link.channel)
        for number in range(MOST_LOOSE + 1):
            one.ask("image/upload", requestId=f"picture {number}")
            await link.peer.answer(await link.peer.called("image/upload"), {})
        assert not await heard(link, one, "picture 0")
        assert await heard(link, one, "picture 1")
        one.relay.close()
        assert not await heard(link, one, f"picture {MOST_LOOSE}")


async def test_what_trails_a_turn_is_still_its_gateways(autojump_clock: MockClock) -> None:
    """Lingma may answer a prompt before the update that ends it, and the turn has its room back by then."""
    async with linked() as link:
        one = DirectGateway(link.channel)
        one.ask("session/prompt", sessionId="S", prompt=[], _meta={REQUEST_ID: "a"})
        await link.peer.answer(await link.peer.called("session/prompt"), {"stopReason": "end_turn"})
        await wait_all_tasks_blocked()
        one.take()
        assert one.relay.turns == link.channel.turns == 0
        end = {"sessionUpdate": "notification", "type": "chat_finish"}
        for told in (1, 0):
            await link.peer.push("session/update", sessionId="S", update=end)
            await wait_all_tasks_blocked()
            assert len(one.take()) == told


async def test_no_more_sessions_are_remembered_as_unused_than_are_bounded(autojump_clock: MockClock) -> None:
    """The oldest of them nobody closes when the gateway leaves; its agent closes what is too many itself."""
    async with agent_linked(most_open=2 * MOST_FRESH) as link:
        one = DirectGateway(link.channel)
        for number in range(MOST_FRESH + 1):
            one.ask("session/new")
            await link.peer.answer(await link.peer.called("session/new"), {"sessionId": f"S{number}"})
            await wait_all_tasks_blocked()
        one.relay.close()
        assert (await link.peer.called("session/close")).params == {"sessionId": "S1"}
