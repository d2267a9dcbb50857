"""The link to an agent: it is kept, it says how it stands, and an order is either done or said not to be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.errors import InvalidRequest, Unavailable
from lingma_trio.lingma.remote.dial import Dialler
from lingma_trio.lingma.remote.link import ORDER_SECONDS, RETRY, SILENCE, UNTOLD, AgentLink
from lingma_trio.policy.agent_address import AgentAddress
from lingma_trio.protocol.fleet_messages import FleetState
from lingma_trio.protocol.request import Notice, Refusal, Request
from tests.lingma.remote.played import TOKEN, PlayedAgent, report

ADDRESS = AgentAddress("wss", "agent-1", 8327)


@dataclass
class House:
    """A link, the agent at its other end, and what was told of both."""

    agent: PlayedAgent
    states: list[FleetState] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.link = AgentLink(
            ADDRESS,
            Dialler(self.agent.open_stream, TOKEN),
            on_state=lambda _, state: self.states.append(state),
            on_lost=lambda _: self.losses.append(trio.current_time()),
        )

    async def keep(self) -> None:
        """Keep the link."""
        await self.link.run()


@asynccontextmanager
async def kept(*, up: bool = True) -> AsyncIterator[House]:
    """A link that is kept to an agent for the length of the block."""
    async with trio.open_nursery() as nursery:
        house = House(PlayedAgent(ADDRESS, nursery, [report()]))
        house.agent.up = up
        nursery.start_soon(house.agent.beat)
        nursery.start_soon(house.keep)
        yield house
        nursery.cancel_scope.cancel("the test is over")


class Listener:
    """Takes answers down."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def answered(self, number: int, result: object) -> None:
        self.heard.append((number, result))

    def refused(self, number: int, refusal: Refusal) -> None:
        self.heard.append((number, refusal.message))


async def test_agent_that_tells_how_it_stands_is_connected(autojump_clock: MockClock) -> None:
    """It bears the name that it gives itself, and each word of it is passed on."""
    async with kept() as house:
        link = house.link
        assert (link.standing, link.name, link.connected) == ("connecting", str(ADDRESS), False)
        with capture_logs() as logs:
            await link.next_state()
            assert (link.standing, link.name, link.reason, link.connected) == ("connected", "one", "", True)
            assert [each.name for each in link.state.instances] == ["one.lingma-0"]
            assert house.states == [link.state]
            await link.next_state()
        assert len(house.states) == 2
        assert [line["event"] for line in logs].count("agent_connected") == 1
        assert house.agent.paths == ["/fleet"]


async def test_order_is_done_or_refused(autojump_clock: MockClock) -> None:
    """What the agent answers is returned; what is no object says nothing, and a refusal names who refused."""
    async with kept() as house:
        await house.link.next_state()
        house.agent.answers = {"login": {"url": "u"}, "list": ["a"], "drain": "not now"}
        assert await house.link.call("login", {"instance": "i"}) == {"url": "u"}
        assert house.agent.wishes[-1] == ("login", {"instance": "i"})
        assert await house.link.call("list", {}) == {}
        with pytest.raises(InvalidRequest, match=r"^the agent one refused: not now$"):
            await house.link.call("drain", {})


async def test_order_to_an_agent_that_is_not_there_changes_nothing(autojump_clock: MockClock) -> None:
    """That is said, with the reason, and when to come again."""
    async with kept(up=False) as house:
        with pytest.raises(Unavailable, match="it is being connected") as refused:
            await house.link.call("login", {})
        assert refused.value.retry_after == RETRY
        await trio.sleep(0.1)
        assert house.link.standing == "unreachable"
        with pytest.raises(Unavailable, match=r"\(.*Connection refused.*\), so nothing was changed"):
            await house.link.call("login", {})
        assert house.link.send(Request("later", {}), Listener()) == 0
        house.link.tell(Notice("rest", {}))
        assert house.agent.wishes == []


async def test_order_that_is_not_answered_is_not_called_undone(autojump_clock: MockClock) -> None:
    """Nobody knows: neither where the link breaks, nor where it takes too long."""
    async with kept() as house:
        await house.link.next_state()
        began = trio.current_time()
        house.agent.silent = True
        with pytest.raises(Unavailable, match="does not say whether it did it") as refused:
            await house.link.call("login", {})
        assert refused.value.retry_after == RETRY
        assert trio.current_time() == began + ORDER_SECONDS

        async def order() -> None:
            with pytest.raises(Unavailable, match="does not say whether it did it"):
                await house.link.call("login", {})

        async with trio.open_nursery() as nursery:
            nursery.start_soon(order)
            await wait_all_tasks_blocked()
            await house.agent.vanish()


async def test_what_wants_no_answer_is_told(autojump_clock: MockClock) -> None:
    """And what does is answered to whoever listens, under its number."""
    async with kept() as house:
        await house.link.next_state()
        house.link.tell(Notice("rest", {"model": "m"}))
        house.agent.answers = {"discard": {"kept": 1}}
        listener = Listener()
        number = house.link.send(Request("discard", {}), listener)
        assert number > 0
        await trio.sleep(0.1)
        assert house.agent.wishes == [("rest", {"model": "m"}), ("discard", {})]
        assert listener.heard == [(number, {"kept": 1})]


@pytest.mark.parametrize("mute", [False, True], ids=["silent", "untold"])
async def test_agent_that_says_nothing_is_unreachable(mute: bool, autojump_clock: MockClock) -> None:
    """Nothing at all, or not how its instances stand; it is tried again, and what it told last is kept."""
    async with kept() as house:
        await house.link.next_state()
        told = trio.current_time()
        house.agent.beats, house.agent.mute = mute, mute
        bound = UNTOLD if mute else SILENCE
        await trio.sleep(bound - 0.1)
        assert house.link.connected
        with capture_logs() as logs:
            await trio.sleep(0.2)
        words = f"it has not said for {UNTOLD:g} s" if mute else f"it has said nothing for {SILENCE:g} s"
        assert house.link.standing == "unreachable"
        assert house.link.reason.startswith(words)
        assert house.losses == [told + bound]
        assert house.link.state.instances
        assert [line["event"] for line in logs].count("agent_unreachable") == 1
        house.agent.beats, house.agent.mute = True, False
        await house.link.next_state()
        assert (house.link.standing, house.link.reason) == ("connected", "")


async def test_loss_is_logged_once(autojump_clock: MockClock) -> None:
    """However often it is tried again in vain; whoever keeps its instances is told each time."""
    async with kept() as house:
        await house.link.next_state()
        with capture_logs() as logs:
            await house.agent.vanish()
            await trio.sleep(60)
        warned = [line["reason"] for line in logs if line["event"] == "agent_unreachable"]
        assert len(warned) == len(set(warned)) == 2  # that it broke off, and that nobody is there
        assert len(house.losses) >= 60 / RETRY
        assert house.link.send(Request("later", {}), Listener()) == 0


async def test_other_that_is_no_agent_is_told_as_such(autojump_clock: MockClock) -> None:
    """It speaks WebSocket and no messages of ours."""
    async with kept() as house:
        house.agent.junk = True
        await trio.sleep(1)
        assert house.link.standing == "unreachable"
        assert house.link.reason.startswith("what answers there is no agent: ")
        assert house.link.reason.endswith("; see LINGMA_AGENTS")
