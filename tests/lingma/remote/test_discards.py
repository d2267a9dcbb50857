"""What nobody goes on with is closed where it is, whenever the agent can be told."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from lingma_trio.lingma.listeners import AnswerListener
from lingma_trio.lingma.remote.discards import MOST, Discards
from lingma_trio.protocol.acp.messages import AcpTerms, Agent
from lingma_trio.protocol.fleet_messages import DISCARD
from lingma_trio.protocol.request import Refusal, Request
from lingma_trio.protocol.turn_machine import Terms
from lingma_trio.sessions.book import Session
from tests.lingma.remote.played import reaching, report

ACP = Terms("acp", directory="/work", acp=AcpTerms(Agent(name="agent", closes=True)))
NAME = "one.lingma-0"


class Told:
    """What an agent is asked, as long as it can be reached."""

    def __init__(self) -> None:
        self.up = True
        self.asked: list[str] = []
        self.discards = Discards(NAME, self.ask)

    def ask(self, request: Request, listener: AnswerListener) -> int:
        """As `AgentLink.send`."""
        assert listener is self.discards
        assert (request.method, request.params["name"]) == (DISCARD, NAME)
        if not self.up:
            return 0
        self.asked.append(f"{request.params['life']} {request.params['session']}")
        return len(self.asked)


def test_told_at_once_and_once() -> None:
    """What the agent has heard of is nobody's business any more, also where it will not do it."""
    told = Told()
    told.discards.add("life", "s-1")
    told.discards.add("life", "s-1")
    told.discards.add("life", "s-2")
    told.discards.answered(1, {})
    told.discards.refused(2, Refusal(-32000, "no"))
    told.discards.told("life")
    assert told.asked == ["life s-1", "life s-2"]
    assert not len(told.discards)


def test_told_again_where_the_link_broke_before_the_answer() -> None:
    """Nobody knows whether it arrived, and hearing of it twice does no harm."""
    told = Told()
    told.discards.add("life", "s-1")
    told.up = False
    told.discards.lost()
    told.discards.add("life", "s-2")
    told.up = True
    told.discards.told("life")
    told.discards.answered(1, {})  # a late one, of the link that broke
    assert told.asked == ["life s-1", "life s-1", "life s-2"]
    assert len(told.discards) == 2


def test_sessions_end_with_their_life() -> None:
    """Those of a life that is over are told of to nobody."""
    told = Told()
    told.up = False
    told.discards.add("life", "s-1")
    told.discards.add("next", "s-2")
    told.up = True
    told.discards.told("next")
    assert told.asked == ["next s-2"]
    assert len(told.discards) == 1


def test_an_agent_that_stays_away_costs_no_more_than_so_much() -> None:
    """The oldest are let go of."""
    told = Told()
    told.up = False
    for number in range(MOST + 3):
        told.discards.add("life", f"s-{number}")
    told.up = True
    told.discards.told("life")
    assert (len(told.asked), told.asked[0]) == (MOST, "life s-3")


@pytest.mark.parametrize("same", [True, False], ids=["same life", "another life"])
async def test_session_that_is_dropped_while_the_agent_is_away_is_closed_afterwards(
    autojump_clock: MockClock, same: bool
) -> None:
    """The life there goes on without a link, and keeps what nobody closes to its end."""
    async with reaching([report(terms=ACP)]) as reach:
        await reach.ready()
        instance = reach.instance()
        session = Session("s-1", NAME, instance.life, instance.account.name)
        await reach.one.vanish()
        await reach.until(lambda: instance.standing.fault() is not None)
        reach.pool.discard(session)
        reach.one.reports = [report(terms=ACP, life="life-1" if same else "life-2")]
        reach.one.up = True
        await reach.until(lambda: instance.standing.fault() is None)
        wanted = [(DISCARD, {"name": NAME, "life": "life-1", "session": "s-1"})]
        assert reach.one.wishes == (wanted if same else [])
