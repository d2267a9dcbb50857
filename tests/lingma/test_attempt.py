"""An attempt: whether its session can be gone on with, and what the session that answered is known to hold."""

from __future__ import annotations

import pytest

from lingma_trio.lingma.attempt import Attempt
from lingma_trio.lingma.health import Asked
from lingma_trio.lingma.turn import TurnBounds, UpstreamTurn
from lingma_trio.protocol.jsonrpc import ServerRequest
from lingma_trio.protocol.messages import Question
from tests.peers import Link, LinkedInstance, linked

BOUNDS = TurnBounds(first_delta=20, idle=20, max_size=1000)


def attempt_on(link: Link, *, continued: str = "", mends: bool = False) -> Attempt:
    """A question to an instance of which nothing has come yet."""
    instance = LinkedInstance(link.channel)
    turn = UpstreamTurn(link.channel, Question("a", "Why?", "", session_id=continued, is_reply=bool(continued)), BOUNDS)
    return Attempt(instance, instance.life, instance.account.name, turn, Asked("", 0), continued, mends)


async def answered_by(link: Link, attempt: Attempt, session_id: str) -> None:
    """Ask it, and have that session answer."""
    attempt.turn.open()
    question: ServerRequest = await link.peer.called("chat/ask")
    await link.peer.text(question, "Blue.", session_id)
    await attempt.turn.batch(20)
    attempt.turn.close()


async def test_session_is_of_one_life_and_one_account() -> None:
    """Neither another life knows it, nor another account."""
    async with linked() as link:
        attempt = attempt_on(link)
        assert isinstance(attempt.instance, LinkedInstance)
        alive = [attempt.alive]
        attempt.instance.account.name = "somebody else"
        alive.append(attempt.alive)
        attempt.instance.account.name = attempt.account
        alive.append(attempt.alive)
        attempt.instance.live_on()
        assert [*alive, attempt.alive] == [True, False, True, False]


@pytest.mark.parametrize(
    ("continued", "answers", "replaced"),
    [("", "s-1", False), ("s-1", "s-1", False), ("s-1", "s-2", True), ("s-1", "", False)],
    ids=["new", "same", "another", "unnamed"],
)
async def test_session_that_answers_in_another_s_place_remembers_nothing(
    continued: str, answers: str, *, replaced: bool
) -> None:
    """Where one was to be gone on with; whichever answers a first question is the one that has it."""
    async with linked() as link:
        attempt = attempt_on(link, continued=continued)
        assert not attempt.replaced
        await answered_by(link, attempt, answers)
        assert attempt.replaced == replaced
        assert attempt.holds_all == (not replaced)


@pytest.mark.parametrize(
    ("continued", "mends", "proved", "holds_all"),
    [("", False, False, True), ("", True, False, False), ("s-1", False, True, True), ("s-1", True, False, True)],
)
async def test_what_the_session_is_known_to_hold(continued: str, *, mends: bool, proved: bool, holds_all: bool) -> None:
    """One that mends an answer elsewhere lacks what the client has of it."""
    async with linked() as link:
        attempt = attempt_on(link, continued=continued, mends=mends)
        assert (attempt.proved, attempt.holds_all) == (proved, holds_all)
