"""Instances come as agents name them, and go when they are gone."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from lingma_trio.errors import Unavailable
from lingma_trio.lingma.remote.agents import KEPT
from lingma_trio.lingma.remote.link import SILENCE, UNTOLD
from tests.lingma.remote.played import reaching, report


async def test_instances_come_as_their_agent_names_them(autojump_clock: MockClock) -> None:
    """Nobody lists them: they are in the pool, ready, with their models, and asked for over a channel of their own."""
    async with reaching([report(), report("one.lingma-1", state="starting", reason="it starts", life="")]) as reach:
        await reach.ready()
        assert [each.name for each in reach.pool.instances] == ["one.lingma-0", "one.lingma-1"]
        assert reach.one.paths == ["/fleet", "/instance/one.lingma-0/life-1"]
        first, second = reach.pool.instances
        assert first.standing.fault() is None
        assert (first.life, first.account.name, first.standing.told()) == ("life-1", "ann", ("ready", ""))
        assert second.standing.told() == ("starting", "it starts")
        assert reach.pool.catalogue.has("qwen")
        (standing,) = reach.agents.standings
        assert (standing.agent, standing.state, standing.reason) == ("agent-1", "connected", "")


async def test_chats_wait_for_the_first_agent(autojump_clock: MockClock) -> None:
    """As they do for a Lingma that starts: an agent may be there in a moment."""
    async with reaching([report()]) as reach:
        reach.one.up = False
        await reach.until(lambda: reach.agents.standings and reach.agents.standings[0].state == "unreachable")
        assert 0 < reach.pool.expected() < math.inf
        refusal = reach.pool.refusal()
        assert isinstance(refusal, Unavailable)
        assert "agent-1:8327: Connection refused; see whether it runs" in refusal.message
        reach.one.up = True
        await reach.ready()
        assert reach.pool.expected() == 0


async def test_silent_agent_is_taken_for_gone(autojump_clock: MockClock) -> None:
    """A machine that is cut off says no goodbye; its instances back off, for the reason that is told."""
    async with reaching([report()]) as reach:
        await reach.ready()
        reach.one.beats = False
        began = trio.current_time()
        await reach.until(lambda: reach.instance().standing.told()[0] == "backing_off")
        assert trio.current_time() - began <= SILENCE + 1.1
        assert (
            f"its agent cannot be reached: it has said nothing for {SILENCE:g} s" in reach.instance().standing.told()[1]
        )
        assert reach.instance().life == ""


async def test_peer_that_never_tells_how_it_stands_is_no_agent(autojump_clock: MockClock) -> None:
    """It answers and says other things: that is told where people look, and tried again, not waited on for ever."""
    async with reaching([report()]) as reach:
        reach.one.mute = True
        await reach.until(lambda: reach.agents.standings and reach.agents.standings[0].state == "unreachable")
        assert trio.current_time() <= UNTOLD + 1
        assert "it has not said for 5 s how its instances stand" in reach.agents.standings[0].reason
        reach.one.mute = False
        await reach.ready()
        reach.one.mute, began = True, trio.current_time()
        await reach.until(lambda: reach.instance().standing.fault() is not None)
        assert trio.current_time() - began <= UNTOLD + 1


async def test_agent_that_comes_back_has_its_instances_as_before(autojump_clock: MockClock) -> None:
    """They are the same instances, with what is known of them; only the life is another one."""
    async with reaching([report()]) as reach:
        await reach.ready()
        before = reach.instance()
        await reach.one.vanish()
        await reach.until(lambda: before.standing.told()[0] == "backing_off")
        assert reach.pool.instances == (before,)
        assert before.account.catalogue.models
        reach.one.reports, reach.one.boot = [report(life="life-2", generation=1)], "boot-again"
        reach.one.up = True
        await reach.until(lambda: before.life == "life-2")
        assert before.standing.told() == ("ready", "")
        assert reach.instance() is before


async def test_agent_that_stays_away_is_forgotten(autojump_clock: MockClock) -> None:
    """Its instances say nothing to anybody after a while."""
    async with reaching([report()], [report("two.lingma-0")]) as reach:
        await reach.until(lambda: len(reach.pool.instances) == 2)
        await reach.one.vanish()
        await trio.sleep(KEPT - 10)
        assert len(reach.pool.instances) == 2
        await trio.sleep(20)
        assert [each.name for each in reach.pool.instances] == ["two.lingma-0"]


async def test_instance_that_its_agent_names_no_more_is_gone(autojump_clock: MockClock) -> None:
    """An agent knows best which it has."""
    async with reaching([report(), report("one.lingma-1")]) as reach:
        await reach.until(lambda: len(reach.pool.instances) == 2)
        await reach.one.tell(report("one.lingma-1"))
        await reach.until(lambda: [each.name for each in reach.pool.instances] == ["one.lingma-1"])


async def test_second_instance_of_a_name_is_refused_by_name(autojump_clock: MockClock) -> None:
    """Sessions are found by it, so that one of the two would answer out of the other's; the rest of both is served."""
    async with reaching([report("same")], [report("same"), report("two.lingma-0")]) as reach:
        await reach.until(lambda: len(reach.pool.instances) == 2 and len(reach.agents.standings) == 2)
        await reach.until(lambda: any(each.reason for each in reach.agents.standings))
        (refused,) = [each for each in reach.agents.standings if each.reason]
        assert "its same is refused" in refused.reason
        assert "REPLICA_NAME" in refused.reason


async def test_name_that_is_free_again_comes_with_its_models(autojump_clock: MockClock) -> None:
    """Its agent told them while another one had the name, and tells them seldom."""
    async with reaching([report("same")], [report("same"), report("two.lingma-0")]) as reach:
        await reach.until(lambda: any(each.reason for each in reach.agents.standings))
        refused, named = (
            next(each for each in reach.played if (each.address == reach.instance("same").link.address) == has)
            for has in (False, True)
        )
        await refused.tell(*(replace(each, models=()) for each in refused.reports))
        await named.tell(report("another"))
        await reach.until(lambda: reach.pool.named("same") is not None and reach.pool.named("another") is not None)
        await reach.until(lambda: reach.instance("same").link.address == refused.address)
        assert reach.instance("same").account.catalogue.has("qwen")


async def test_name_moves_to_the_agent_that_took_the_place(autojump_clock: MockClock) -> None:
    """A pod that was started anew has another address and the same instances."""
    async with reaching([report("same")], []) as reach:
        await reach.until(lambda: reach.pool.named("same") is not None)
        before = reach.instance("same")
        await reach.one.vanish()
        await reach.played[1].tell(report("same", life="life-2"))
        await reach.until(lambda: before.life == "life-2")
        assert before.link.name == "agent-2"


async def test_agents_that_play_say_so(autojump_clock: MockClock) -> None:
    """Nobody is to take a simulator's answers for Lingma's because it runs elsewhere."""
    async with reaching([report()], [report("two.lingma-0")]) as reach:
        reach.one.notice = "the bundled simulator answers"
        await reach.until(lambda: reach.agents.notice)
        assert reach.agents.notice == "agent-1: the bundled simulator answers"
        await reach.one.vanish()
        await reach.until(lambda: not reach.agents.notice)


async def test_one_agent_under_two_addresses_counts_once(autojump_clock: MockClock) -> None:
    """A name may lead to an address of each family; the second is told of and steps in when the first is lost."""
    async with reaching([report()], [report()]) as reach:
        reach.played[1].boot = reach.played[0].boot
        await reach.until(lambda: any("the same agent as" in each.reason for each in reach.agents.standings))
        assert len(reach.pool.instances) == 1
        other = next(agent for agent in reach.played if str(agent.address) != str(reach.instance().link.address))
        await next(agent for agent in reach.played if agent is not other).vanish()
        await reach.until(lambda: reach.instance().link.address == other.address)


async def test_agent_that_stops_takes_no_new_turn(autojump_clock: MockClock) -> None:
    """What is under way on it goes on, so its channel stays."""
    async with reaching([report()]) as reach:
        await reach.ready()
        reach.one.stopping = True
        await reach.one.tell()
        await reach.until(lambda: reach.instance().standing.fault() is not None)
        assert reach.instance().standing.told() == ("backing_off", "its agent is stopping: it takes no new turns")
        assert reach.instance().life == "life-1"


@pytest.mark.parametrize(
    ("status", "words"), [(401, "AGENT_TOKEN"), (503, "no agent: it says 503")], ids=["token", "other"]
)
async def test_refusal_stands_where_people_look(autojump_clock: MockClock, status: int, words: str) -> None:
    """In words that say what to do, and at once."""
    async with reaching([report()]) as reach:
        reach.one.status = status
        began = trio.current_time()
        await reach.until(lambda: reach.agents.standings and reach.agents.standings[0].reason)
        assert trio.current_time() - began < 5
        assert words in reach.agents.standings[0].reason


async def test_agents_are_found_where_they_register(autojump_clock: MockClock) -> None:
    """As they come; one that is registered no more is kept as long as it can be reached, also without the store."""
    registered = ["wss://agent-1:8327", "ws://elsewhere:1"]
    async with reaching([report()], [report("two.lingma-0")], registered=registered) as reach:
        await reach.ready()
        assert [each.name for each in reach.pool.instances] == ["one.lingma-0"]
        (fault,) = [each for each in reach.agents.standings if each.state != "connected"]
        assert (fault.address, fault.reason[:17]) == ("ws://elsewhere:1", "its AGENT_URL is ")
        registered[:] = ["wss://agent-1:8327", "wss://agent-2:8327"]
        await reach.until(lambda: len(reach.pool.instances) == 2)
        assert not [each for each in reach.agents.standings if each.reason]
        registered[:] = ["wss://agent-2:8327"]
        await trio.sleep(10)
        assert len(reach.agents.standings) == 2
        await reach.one.vanish()
        await reach.until(lambda: len(reach.agents.standings) == 1)
        registered.clear()
        await trio.sleep(10)
        assert [each.agent for each in reach.agents.standings] == ["agent-2"]


async def test_nobody_registered_is_waited_for(autojump_clock: MockClock) -> None:
    """The store may be away, or the agents still on their way."""
    async with reaching(registered=[]) as reach:
        assert reach.pool.expected() < math.inf
        assert "no agent is registered" in reach.pool.refusal().message


async def test_twin_stays_one(autojump_clock: MockClock) -> None:
    """However often both tell how they stand: exactly one of them is told to be left out."""
    async with reaching([report()], [report()]) as reach:
        reach.played[1].boot = reach.played[0].boot
        await reach.until(lambda: len([each for each in reach.agents.standings if each.reason]) == 1)
        before = reach.agents.standings
        for _ in range(5):
            await trio.sleep(0.7)
            assert reach.agents.standings == before


async def test_agent_that_is_registered_no_more_is_forgotten(autojump_clock: MockClock) -> None:
    """Its instances say nothing to anybody after a while, also where no other agent is there."""
    registered = ["wss://agent-1:8327"]
    async with reaching([report()], registered=registered) as reach:
        await reach.ready()
        registered[:] = ["ws://elsewhere:1"]
        await reach.one.vanish()
        await trio.sleep(KEPT - 10)
        assert len(reach.pool.instances) == 1
        await trio.sleep(20)
        assert list(reach.pool.instances) == []
