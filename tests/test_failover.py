"""A turn whose instance fails: moved to another one as long as the client has seen nothing of it, and never after."""

from __future__ import annotations

import math

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.errors import (
    ChannelLost,
    ContentFiltered,
    GatewayError,
    LoginRequired,
    QuotaExceeded,
    RateLimited,
    UpstreamError,
    UpstreamRejected,
)
from lingma_trio.policy.cooldown import FIRST
from lingma_trio.policy.retry_budget import FLOOR
from lingma_trio.policy.sequel import MOST_MOVES
from lingma_trio.policy.transcript import render
from lingma_trio.protocol.jsonrpc import ServerRequest
from lingma_trio.sessions.commit import Delivered
from lingma_trio.turns import AnswerEvent, TextDelta
from tests.failover_ends import End, agent_end, lingma_end
from tests.peers import batch
from tests.town import ANSWER, CONTINUED, QUEUE_TIMEOUT, Town, Upstream, answered, rest, taking, town

each_upstream = pytest.mark.parametrize("upstream", [lingma_end, agent_end], ids=["chat", "acp"])


# --- failures for the instance's sake --------------------------------------------------------------------------------


ALIKE: dict[str, type[GatewayError]] = {
    "hit_rate_limit": RateLimited,
    "lose_login": LoginRequired,
    "vanish": ChannelLost,
}
OF_LINGMA: dict[str, type[GatewayError]] = {
    "use_up_quota": QuotaExceeded,
    "lose_login_with_the_status_of_a_quota": LoginRequired,
}
"""What an agent has no words for."""
FAILURES = {**ALIKE, **OF_LINGMA}


async def fail(end: End, how: str, question: ServerRequest) -> None:
    """Have the instance fail in this way."""
    await getattr(end, how)(question)


each_failure = pytest.mark.parametrize(
    ("upstream", "failure"),
    [
        *(pytest.param(lingma_end, failure, id=f"chat-{failure}") for failure in FAILURES),
        *(pytest.param(agent_end, failure, id=f"acp-{failure}") for failure in ALIKE),
    ],
)


@each_failure
async def test_turn_moves_unseen(upstream: Upstream, failure: str) -> None:
    """An instance that fails before its first delta costs the client nothing: another one gets the whole question."""
    async with town(2, upstream) as there:
        async with there.open(CONTINUED) as dialogue:
            async with taking(dialogue) as taken:
                await fail(there.ends[0], failure, await there.ends[0].asked())
                question = await there.ends[1].asked()
                await there.ends[1].reply(question, ANSWER)
            assert taken == [answered(there.ends[1], question)]
            assert dialogue.instance == there.ends[1].name
            await dialogue.commit(Delivered(ANSWER))
        assert there.ends[1].text_of(question) == render(CONTINUED.messages)
        assert [instance.turns for instance in there.instances] == [0, 0]


@each_failure
async def test_turn_stays_where_the_client_has_seen_text(upstream: Upstream, failure: str) -> None:
    """After the first delta the failure is told, and no other instance hears of the question."""
    async with town(2, upstream) as there:
        async with there.open() as dialogue:
            question = await there.ends[0].asked()
            await there.ends[0].say(question, ANSWER)
            assert await batch(dialogue, math.inf) == [TextDelta(ANSWER)]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fail, there.ends[0], failure, question)
                with pytest.raises(FAILURES[failure]):
                    await batch(dialogue, math.inf)
        await there.ends[1].silent()


@each_failure
async def test_without_another_instance_the_failure_stands(upstream: Upstream, failure: str) -> None:
    """Where nobody else can be asked the client is told what happened, and not that nobody can be asked."""
    async with town(2, upstream) as there:
        there.instances[1].lives.state = "needs_login"
        async with there.open() as dialogue:
            question = await there.ends[0].asked()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fail, there.ends[0], failure, question)
                with pytest.raises(FAILURES[failure]):
                    await batch(dialogue, math.inf)
        await there.ends[1].silent()


@each_upstream
async def test_second_failure_is_told_when_both_fail(upstream: Upstream) -> None:
    """Of two instances that fail one after the other the client learns of the last."""
    async with town(2, upstream) as there, there.open() as dialogue, trio.open_nursery() as nursery:

        async def play() -> None:
            await there.ends[0].vanish(await there.ends[0].asked())
            await there.ends[1].hit_rate_limit(await there.ends[1].asked())

        nursery.start_soon(play)
        with pytest.raises(QuotaExceeded):
            await batch(dialogue, math.inf)


@each_failure
async def test_two_that_fail_together_do_not_fail_the_turn(upstream: Upstream, failure: str) -> None:
    """A third instance answers what the first two could not, and nobody is asked twice."""
    async with town(3, upstream) as there, there.open() as dialogue:
        async with taking(dialogue) as taken:
            for end in there.ends[:2]:
                await fail(end, failure, await end.asked())
            question = await there.ends[2].asked()
            await there.ends[2].reply(question, ANSWER)
        assert taken == [answered(there.ends[2], question)]


@each_upstream
async def test_question_that_kills_does_not_kill_everybody(upstream: Upstream) -> None:
    """A question that brings down whoever answers it is given up before it has gone through the whole pool."""
    async with town(MOST_MOVES + 2, upstream) as there:
        async with there.open() as dialogue, trio.open_nursery() as nursery:

            async def play() -> None:
                for end in there.ends[: MOST_MOVES + 1]:
                    await end.vanish(await end.asked())

            nursery.start_soon(play)
            with pytest.raises(ChannelLost):
                await batch(dialogue, math.inf)
        await there.ends[MOST_MOVES + 1].silent()


@pytest.mark.parametrize(
    ("upstream", "how", "kind"),
    [
        pytest.param(lingma_end, "reject", UpstreamRejected, id="chat-reject"),
        pytest.param(lingma_end, "break_down", UpstreamError, id="chat-break_down"),
        pytest.param(agent_end, "break_down", UpstreamError, id="acp-break_down"),
        pytest.param(lingma_end, "refuse", ContentFiltered, id="chat-refuse"),
        pytest.param(agent_end, "refuse", ContentFiltered, id="acp-refuse"),
    ],
)
async def test_question_s_own_fault_is_not_carried_on(upstream: Upstream, how: str, kind: type[GatewayError]) -> None:
    """What lies in the question would fail anywhere, so nobody else is asked."""
    async with town(2, upstream) as there:
        async with there.open() as dialogue:
            await fail(there.ends[0], how, await there.ends[0].asked())
            with pytest.raises(kind):
                await batch(dialogue, math.inf)
        await there.ends[1].silent()


@each_upstream
async def test_client_that_leaves_stops_the_instance_it_was_moved_to(upstream: Upstream) -> None:
    """A moved turn that is given up is stopped where it is, and not where it was."""
    async with town(2, upstream) as there:
        async with there.open() as dialogue, trio.open_nursery() as nursery:
            nursery.start_soon(batch, dialogue, math.inf)
            await there.ends[0].hit_rate_limit(await there.ends[0].asked())
            question = await there.ends[1].asked()
            nursery.cancel_scope.cancel("the client left")
        await there.ends[1].stopped(question)
        await there.ends[0].silent()
        assert not there.sessions.commits


# --- rests -----------------------------------------------------------------------------------------------------------


async def fail_at_first(there: Town) -> None:
    """Ask; the first instance hits its limit, and the second answers."""
    async with there.open() as dialogue, taking(dialogue):
        await there.ends[0].hit_rate_limit(await there.ends[0].asked())
        await there.ends[1].reply(await there.ends[1].asked(), ANSWER)


@each_upstream
async def test_limit_is_met_once_and_kept_away_from(autojump_clock: MockClock, upstream: Upstream) -> None:
    """An instance that hit its limit is asked nothing until it has rested, for longer each time, until it succeeds."""
    async with town(2, upstream) as there:
        for length in (FIRST, 2 * FIRST):
            await fail_at_first(there)
            assert there.instances[0].health.rest() == length
            await trio.sleep(length - 1)
            await there.converse(1)
            await trio.sleep(1)
        await there.converse(0)
        await fail_at_first(there)
        assert there.instances[0].health.rest() == FIRST


async def test_answer_under_way_does_not_end_the_rest(autojump_clock: MockClock) -> None:
    """An answer that began before the limit was hit goes on to its end, and the instance rests all the same."""
    async with town(2, lingma_end) as there:
        async with there.open() as under_way:
            question = await there.ends[0].asked()
            there.instances[1].lives.state = "needs_login"
            async with there.open() as refused, trio.open_nursery() as nursery:
                nursery.start_soon(fail, there.ends[0], "use_up_quota", await there.ends[0].asked())
                with pytest.raises(QuotaExceeded):
                    await batch(refused, math.inf)
            await trio.sleep(1)
            await there.ends[0].reply(question, ANSWER)
            await rest(under_way)
        assert there.instances[0].health.rest("org_auto") == FIRST - 1


@each_upstream
async def test_all_resting_is_told_before_anything_is_asked(upstream: Upstream) -> None:
    """Once every instance rests a new question is refused at once, with the time to wait."""
    async with town(1, upstream) as there:
        async with there.open() as dialogue:
            await there.ends[0].hit_rate_limit(await there.ends[0].asked())
            with pytest.raises(QuotaExceeded):
                await batch(dialogue, math.inf)
        with pytest.raises(QuotaExceeded) as refused:
            async with there.open():
                raise AssertionError
        assert refused.value.retry_after is not None
        assert FIRST - 5 < refused.value.retry_after <= FIRST
        await there.ends[0].silent()


# --- waiting for another instance -----------------------------------------------------------------------------------


@each_upstream
async def test_turn_waits_for_an_instance_on_its_way_back(autojump_clock: MockClock, upstream: Upstream) -> None:
    """A turn that failed while the others are starting waits for them in the queue, in the client's patience."""
    async with town(2, upstream) as there:
        there.instances[1].lives.state = "starting"
        async with there.open() as dialogue:
            question = await there.ends[0].asked()
            await there.ends[0].vanish(question)
            assert await batch(dialogue, 5) == []
            assert await batch(dialogue, 5) == []
            there.instances[1].enter("ready")
            async with taking(dialogue) as taken:
                question = await there.ends[1].asked()
                await there.ends[1].reply(question, ANSWER)
            assert taken == [answered(there.ends[1], question)]


@each_upstream
async def test_who_waits_is_told_at_once_that_waiting_is_in_vain(autojump_clock: MockClock, upstream: Upstream) -> None:
    """An instance that is not signed in once it has started answers nobody, so nobody waits for it any longer."""
    async with town(1, upstream) as there, trio.open_nursery() as nursery:
        there.instances[0].enter("starting")
        told: list[GatewayError] = []

        async def ask() -> None:
            try:
                async with there.open():
                    pass
            except GatewayError as error:
                told.append(error)

        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        began = trio.current_time()
        there.instances[0].enter("needs_login", "sign in, please")
        await wait_all_tasks_blocked()
        assert [type(error) for error in told] == [LoginRequired]
        assert trio.current_time() == began


@each_upstream
async def test_first_failure_stands_when_nobody_comes_back_in_time(
    autojump_clock: MockClock, upstream: Upstream
) -> None:
    """The wait for another instance ends with the queue timeout, and the client learns what happened to its turn."""
    async with town(2, upstream) as there:
        there.instances[1].lives.state = "starting"
        async with there.open() as dialogue:
            await there.ends[0].vanish(await there.ends[0].asked())
            with pytest.raises(ChannelLost):
                await batch(dialogue, math.inf)
            assert trio.current_time() == pytest.approx(QUEUE_TIMEOUT)


@each_upstream
async def test_turn_that_waits_holds_no_slot(autojump_clock: MockClock, upstream: Upstream) -> None:
    """While a turn waits for another instance its place is somebody else's."""
    async with town(2, upstream, slots=1) as there:
        there.instances[1].lives.state = "starting"
        async with there.open() as dialogue, trio.open_nursery() as nursery:
            nursery.start_soon(batch, dialogue, math.inf)
            await there.ends[0].vanish(await there.ends[0].asked())
            await wait_all_tasks_blocked()
            assert (there.limiter.counts.in_flight, there.limiter.counts.queued) == (0, 1)
            assert [instance.seats for instance in there.instances] == [0, 0]
            nursery.cancel_scope.cancel("the client left")
        assert (there.limiter.counts.in_flight, there.limiter.counts.queued) == (0, 0)


@each_upstream
async def test_one_too_many_at_once_is_asked_again_when_there_is_room(upstream: Upstream) -> None:
    """A refusal that only means too many at once costs the client nothing but the wait for another one's end."""
    async with town(1, upstream) as there, there.open() as first, there.open() as second:
        one, two = [await there.ends[0].asked() for _ in range(2)]
        async with trio.open_nursery() as nursery:
            answers: list[AnswerEvent] = []

            async def take() -> None:
                answers.extend(await rest(second))

            nursery.start_soon(take)
            await there.ends[0].hit_rate_limit(two)
            await wait_all_tasks_blocked()
            await there.ends[0].silent()
            assert there.limiter.counts.queued == 1
            await there.ends[0].reply(one, ANSWER)
            await rest(first)
            first.close()
            there.instances[0].seats -= 1
            there.limiter.stir()
            again = await there.ends[0].asked()
            await there.ends[0].reply(again, ANSWER)
        assert answers == answered(there.ends[0], again)


@each_upstream
async def test_turns_are_moved_within_a_budget(upstream: Upstream) -> None:
    """While everything fails each question is asked once and a few twice, and the load does not triple."""
    async with town(2, upstream) as there:
        asked = refused = 0
        while refused < FLOOR + 5:
            async with there.open() as dialogue, trio.open_nursery() as nursery:

                async def fail(at: int) -> None:
                    nonlocal asked
                    while True:
                        question = await there.ends[at].asked()
                        asked += 1
                        await there.ends[at].lose_login(question)

                nursery.start_soon(fail, 0)
                nursery.start_soon(fail, 1)
                with pytest.raises(LoginRequired):
                    await batch(dialogue, math.inf)
                refused += 1
                nursery.cancel_scope.cancel("told")
        assert asked == refused + FLOOR


@each_upstream
async def test_turn_is_moved_to_nobody_who_lacks_its_model(upstream: Upstream) -> None:
    """An idle instance that does not have the model does not answer with another one."""
    async with town(2, upstream) as there:
        there.instances[1].tell_models("other")
        async with there.open() as dialogue:
            await there.ends[0].vanish(await there.ends[0].asked())
            with pytest.raises(ChannelLost):
                await batch(dialogue, math.inf)
        await there.ends[1].silent()


# --- sessions --------------------------------------------------------------------------------------------------------


@each_upstream
async def test_session_on_a_resting_instance_is_a_miss(upstream: Upstream) -> None:
    """A conversation is not kept waiting for its session: another instance gets all of it instead."""
    async with town(2, upstream) as there:
        await there.converse(0)
        there.instances[0].failed(RateLimited("too many"), there.instances[0].asking("org_auto"))
        question = await there.converse(1, CONTINUED)
        assert there.ends[1].begins(question)
        assert there.ends[1].text_of(question) == render(CONTINUED.messages)


@each_upstream
async def test_failed_session_moves_with_the_whole_conversation(upstream: Upstream) -> None:
    """A turn that continued a session is asked elsewhere from its beginning, since nobody else knows that session."""
    async with town(2, upstream) as there:
        await there.converse(0)
        async with there.open(CONTINUED) as dialogue:
            before = dialogue.hit
            async with taking(dialogue):
                lost = await there.ends[0].asked()
                await there.ends[0].vanish(lost)
                question = await there.ends[1].asked()
                await there.ends[1].reply(question, ANSWER)
            assert (before, dialogue.hit) == (True, False)
        assert not there.ends[0].begins(lost)
        assert there.ends[1].begins(question)
        assert there.ends[1].text_of(question) == render(CONTINUED.messages)


@each_upstream
async def test_moved_conversation_goes_on_where_it_was_answered(upstream: Upstream) -> None:
    """What is committed after a move names the instance that answered, so the next turn continues there."""
    async with town(2, upstream) as there:
        async with there.open() as dialogue:
            async with taking(dialogue):
                await there.ends[0].vanish(await there.ends[0].asked())
                moved = await there.ends[1].asked()
                await there.ends[1].reply(moved, ANSWER)
            await dialogue.commit(Delivered(ANSWER))
        question = await there.converse(1, CONTINUED)
        assert not there.ends[1].begins(question)
        assert there.ends[1].session(question) == there.ends[1].session(moved)


@each_upstream
async def test_lost_instance_is_not_asked_before_its_next_life(upstream: Upstream) -> None:
    """From the moment a channel is lost its instance is passed over, whatever its state still says."""
    async with town(2, upstream) as there:
        await there.ends[0].vanish()
        await wait_all_tasks_blocked()
        assert there.instances[0].lives.state == "ready"
        await there.converse(1)
