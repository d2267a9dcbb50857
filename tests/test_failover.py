"""A turn whose instance fails: moved to another one as long as the client has seen nothing of it, and never after."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

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
from lingma_trio.lingma.asker import Asker, DialogueOptions
from lingma_trio.lingma.dialogue import Dialogue
from lingma_trio.lingma.dialogues import Dialogues
from lingma_trio.lingma.limiter import Limiter
from lingma_trio.lingma.pool import Pool
from lingma_trio.lingma.turn import TurnBounds
from lingma_trio.policy.cooldown import FIRST
from lingma_trio.policy.retry_budget import FLOOR
from lingma_trio.policy.sequel import MOST_MOVES
from lingma_trio.policy.transcript import render
from lingma_trio.protocol.jsonrpc import ServerRequest
from lingma_trio.protocol.request import Request
from lingma_trio.sessions.book import SessionBook
from lingma_trio.sessions.commit import Delivered
from lingma_trio.turns import AnswerEvent, Finished, Message, Prompt, TextDelta
from tests.peers import LingmaPeer, Link, LinkedInstance, batch, linked

QUEUE_TIMEOUT = 20.0
ANSWER = "Green."
OPENING = Prompt((Message("user", "Which colour?"),))
CONTINUED = Prompt((*OPENING.messages, Message("assistant", ANSWER), Message("user", "Why green?")))


@dataclass
class Town:
    """Several instances and the dialogues over all of them. Without affinity, of equals the first is asked."""

    links: list[Link]
    instances: list[LinkedInstance]
    sessions: SessionBook
    dialogues: Dialogues
    limiter: Limiter

    @property
    def peers(self) -> list[LingmaPeer]:
        return [link.peer for link in self.links]

    @asynccontextmanager
    async def open(self, prompt: Prompt = OPENING) -> AsyncIterator[Dialogue]:
        asker = Asker("somebody", "org_auto")
        async with self.dialogues.seat(prompt, asker) as seat, self.dialogues.open(prompt, asker, seat) as dialogue:
            yield dialogue

    async def converse(self, at: int, prompt: Prompt = OPENING) -> ServerRequest:
        """Ask and be answered by the instance in place `at`; returns the question as that one saw it."""
        async with self.open(prompt) as dialogue:
            question = await self.peers[at].called("chat/ask")
            await reply(self.peers[at], question, f"s-{at}")
            assert await rest(dialogue) == [TextDelta(ANSWER), Finished(f"s-{at}")]
            await dialogue.commit(Delivered(ANSWER))
        return question

    async def expect_silence(self, at: int) -> None:
        """See that the instance in place `at` was told nothing more than has been read."""
        self.links[at].channel.tell(Request("marker", {}))
        await self.peers[at].called("marker")


@asynccontextmanager
async def town(size: int, *, slots: int = 10) -> AsyncIterator[Town]:
    """`size` instances, each on a channel that runs."""
    async with AsyncExitStack() as stack:
        links = [await stack.enter_async_context(linked()) for _ in range(size)]
        instances = [LinkedInstance(link.channel, f"lingma-{place}") for place, link in enumerate(links)]
        sessions = SessionBook(max_entries=10, ttl=1000)
        bounds = TurnBounds(first_delta=120, idle=20, max_size=1000)
        options = DialogueOptions(bounds, default_model="org_auto", mode="chat", reuse_sessions=True)
        limiter = Limiter(limit=slots, queue_timeout=QUEUE_TIMEOUT, max_queue=10)
        yield Town(links, instances, sessions, Dialogues(limiter, Pool(instances), sessions, options), limiter)


async def reply(peer: LingmaPeer, question: ServerRequest, session_id: str) -> None:
    await peer.text(question, ANSWER, session_id)
    await peer.finish(question, session_id)


async def rest(dialogue: Dialogue) -> list[AnswerEvent]:
    """Everything up to the end, with the text put together."""
    events: list[AnswerEvent] = []
    while not (events and isinstance(events[-1], Finished)):
        events += await batch(dialogue, math.inf)
    texts = [event.text for event in events if isinstance(event, TextDelta)]
    return [TextDelta("".join(texts)), events[-1]]


@asynccontextmanager
async def taking(dialogue: Dialogue) -> AsyncIterator[list[list[AnswerEvent]]]:
    """Take the whole answer while the block plays the Lingmas; it is there after the block."""
    taken: list[list[AnswerEvent]] = []

    async def take() -> None:
        taken.append(await rest(dialogue))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        yield taken


# --- failures for the instance's sake --------------------------------------------------------------------------------


async def hit_rate_limit(link: Link, question: ServerRequest) -> None:
    await link.peer.finish(question, status=429)


async def use_up_quota(link: Link, question: ServerRequest) -> None:
    await link.peer.finish(question, status=403)
    await link.peer.answer(await link.peer.called("auth/status"), {"status": 2})


async def lose_login(link: Link, question: ServerRequest) -> None:
    await link.peer.finish(question, status=401)


async def lose_login_with_the_status_of_a_quota(link: Link, question: ServerRequest) -> None:
    await link.peer.finish(question, status=403)
    await link.peer.answer(await link.peer.called("auth/status"), {"status": 1})


async def vanish(link: Link, question: ServerRequest) -> None:
    del question
    await link.vanish()


Failure = Callable[[Link, ServerRequest], Awaitable[None]]
FAILURES: dict[Failure, type[GatewayError]] = {
    hit_rate_limit: RateLimited,
    use_up_quota: QuotaExceeded,
    lose_login: LoginRequired,
    lose_login_with_the_status_of_a_quota: LoginRequired,
    vanish: ChannelLost,
}
each_failure = pytest.mark.parametrize("failure", FAILURES)


@each_failure
async def test_turn_moves_unseen(failure: Failure) -> None:
    """An instance that fails before its first delta costs the client nothing: another one gets the whole question."""
    async with town(2) as there:
        async with there.open(CONTINUED) as dialogue:
            async with taking(dialogue) as taken:
                await failure(there.links[0], await there.peers[0].called("chat/ask"))
                question = await there.peers[1].called("chat/ask")
                await reply(there.peers[1], question, "s-1")
            assert taken == [[TextDelta(ANSWER), Finished("s-1")]]
            assert dialogue.instance == "lingma-1"
            await dialogue.commit(Delivered(ANSWER))
        assert question.params["questionText"] == render(CONTINUED.messages)
        assert [instance.turns for instance in there.instances] == [0, 0]


@each_failure
async def test_turn_stays_where_the_client_has_seen_text(failure: Failure) -> None:
    """After the first delta the failure is told, and no other instance hears of the question."""
    async with town(2) as there:
        async with there.open() as dialogue:
            question = await there.peers[0].called("chat/ask")
            await there.peers[0].text(question, ANSWER)
            assert await batch(dialogue, math.inf) == [TextDelta(ANSWER)]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(failure, there.links[0], question)
                with pytest.raises(FAILURES[failure]):
                    await batch(dialogue, math.inf)
        await there.expect_silence(1)


@each_failure
async def test_without_another_instance_the_failure_stands(failure: Failure) -> None:
    """Where nobody else can be asked the client is told what happened, and not that nobody can be asked."""
    async with town(2) as there:
        there.instances[1].lives.state = "needs_login"
        async with there.open() as dialogue:
            question = await there.peers[0].called("chat/ask")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(failure, there.links[0], question)
                with pytest.raises(FAILURES[failure]):
                    await batch(dialogue, math.inf)
        await there.expect_silence(1)


async def test_second_failure_is_told_when_both_fail() -> None:
    """Of two instances that fail one after the other the client learns of the last."""
    async with town(2) as there, there.open() as dialogue, trio.open_nursery() as nursery:

        async def play() -> None:
            await vanish(there.links[0], await there.peers[0].called("chat/ask"))
            await hit_rate_limit(there.links[1], await there.peers[1].called("chat/ask"))

        nursery.start_soon(play)
        with pytest.raises(QuotaExceeded):
            await batch(dialogue, math.inf)


@each_failure
async def test_two_that_fail_together_do_not_fail_the_turn(failure: Failure) -> None:
    """A third instance answers what the first two could not, and nobody is asked twice."""
    async with town(3) as there, there.open() as dialogue:
        async with taking(dialogue) as taken:
            for link in there.links[:2]:
                await failure(link, await link.peer.called("chat/ask"))
            await reply(there.peers[2], await there.peers[2].called("chat/ask"), "s-2")
        assert taken == [[TextDelta(ANSWER), Finished("s-2")]]


async def test_question_that_kills_does_not_kill_everybody() -> None:
    """A question that brings down whoever answers it is given up before it has gone through the whole pool."""
    async with town(MOST_MOVES + 2) as there:
        async with there.open() as dialogue, trio.open_nursery() as nursery:

            async def play() -> None:
                for link in there.links[: MOST_MOVES + 1]:
                    await vanish(link, await link.peer.called("chat/ask"))

            nursery.start_soon(play)
            with pytest.raises(ChannelLost):
                await batch(dialogue, math.inf)
        await there.expect_silence(MOST_MOVES + 1)


@pytest.mark.parametrize(("status", "kind"), [(400, UpstreamRejected), (500, UpstreamError), (601, ContentFiltered)])
async def test_question_s_own_fault_is_not_carried_on(status: int, kind: type[GatewayError]) -> None:
    """What lies in the question would fail anywhere, so nobody else is asked."""
    async with town(2) as there:
        async with there.open() as dialogue:
            await there.peers[0].finish(await there.peers[0].called("chat/ask"), status=status)
            with pytest.raises(kind):
                await batch(dialogue, math.inf)
        await there.expect_silence(1)


async def test_client_that_leaves_stops_the_instance_it_was_moved_to() -> None:
    """A moved turn that is given up is stopped where it is, and not where it was."""
    async with town(2) as there:
        async with there.open() as dialogue, trio.open_nursery() as nursery:
            nursery.start_soon(batch, dialogue, math.inf)
            await hit_rate_limit(there.links[0], await there.peers[0].called("chat/ask"))
            question = await there.peers[1].called("chat/ask")
            nursery.cancel_scope.cancel("the client left")
        stopped = await there.peers[1].called("chat/stop")
        assert stopped.params["requestId"] == question.params["requestId"]
        await there.expect_silence(0)
        assert not there.sessions.commits


# --- rests -----------------------------------------------------------------------------------------------------------


async def fail_at_first(there: Town) -> None:
    """Ask; the first instance hits its limit, and the second answers."""
    async with there.open() as dialogue, taking(dialogue):
        await hit_rate_limit(there.links[0], await there.peers[0].called("chat/ask"))
        await reply(there.peers[1], await there.peers[1].called("chat/ask"), "s-1")


async def test_limit_is_met_once_and_kept_away_from(autojump_clock: MockClock) -> None:
    """An instance that hit its limit is asked nothing until it has rested, for longer each time, until it succeeds."""
    async with town(2) as there:
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
    async with town(2) as there:
        async with there.open() as under_way:
            question = await there.peers[0].called("chat/ask")
            there.instances[1].lives.state = "needs_login"
            async with there.open() as refused, trio.open_nursery() as nursery:
                nursery.start_soon(use_up_quota, there.links[0], await there.peers[0].called("chat/ask"))
                with pytest.raises(QuotaExceeded):
                    await batch(refused, math.inf)
            await trio.sleep(1)
            await reply(there.peers[0], question, "s-0")
            await rest(under_way)
        assert there.instances[0].health.rest("org_auto") == FIRST - 1


async def test_all_resting_is_told_before_anything_is_asked() -> None:
    """Once every instance rests a new question is refused at once, with the time to wait."""
    async with town(1) as there:
        async with there.open() as dialogue:
            await hit_rate_limit(there.links[0], await there.peers[0].called("chat/ask"))
            with pytest.raises(QuotaExceeded):
                await batch(dialogue, math.inf)
        with pytest.raises(QuotaExceeded) as refused:
            async with there.open():
                raise AssertionError
        assert refused.value.retry_after is not None
        assert FIRST - 5 < refused.value.retry_after <= FIRST
        await there.expect_silence(0)


# --- waiting for another instance -----------------------------------------------------------------------------------


async def test_turn_waits_for_an_instance_on_its_way_back(autojump_clock: MockClock) -> None:
    """A turn that failed while the others are starting waits for them in the queue, in the client's patience."""
    async with town(2) as there:
        there.instances[1].lives.state = "starting"
        async with there.open() as dialogue:
            question = await there.peers[0].called("chat/ask")
            await vanish(there.links[0], question)
            assert await batch(dialogue, 5) == []
            assert await batch(dialogue, 5) == []
            there.instances[1].enter("ready")
            async with taking(dialogue) as taken:
                await reply(there.peers[1], await there.peers[1].called("chat/ask"), "s-1")
            assert taken == [[TextDelta(ANSWER), Finished("s-1")]]


async def test_who_waits_is_told_at_once_that_waiting_is_in_vain(autojump_clock: MockClock) -> None:
    """An instance that is not signed in once it has started answers nobody, so nobody waits for it any longer."""
    async with town(1) as there, trio.open_nursery() as nursery:
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


async def test_first_failure_stands_when_nobody_comes_back_in_time(autojump_clock: MockClock) -> None:
    """The wait for another instance ends with the queue timeout, and the client learns what happened to its turn."""
    async with town(2) as there:
        there.instances[1].lives.state = "starting"
        async with there.open() as dialogue:
            await vanish(there.links[0], await there.peers[0].called("chat/ask"))
            with pytest.raises(ChannelLost):
                await batch(dialogue, math.inf)
            assert trio.current_time() == pytest.approx(QUEUE_TIMEOUT)


async def test_turn_that_waits_holds_no_slot(autojump_clock: MockClock) -> None:
    """While a turn waits for another instance its place is somebody else's."""
    async with town(2, slots=1) as there:
        there.instances[1].lives.state = "starting"
        async with there.open() as dialogue, trio.open_nursery() as nursery:
            nursery.start_soon(batch, dialogue, math.inf)
            await vanish(there.links[0], await there.peers[0].called("chat/ask"))
            await wait_all_tasks_blocked()
            assert (there.limiter.counts.in_flight, there.limiter.counts.queued) == (0, 1)
            assert [instance.seats for instance in there.instances] == [0, 0]
            nursery.cancel_scope.cancel("the client left")
        assert (there.limiter.counts.in_flight, there.limiter.counts.queued) == (0, 0)


async def test_one_too_many_at_once_is_asked_again_when_there_is_room() -> None:
    """A refusal that only means too many at once costs the client nothing but the wait for another one's end."""
    async with town(1) as there, there.open() as first, there.open() as second:
        one, two = [await there.peers[0].called("chat/ask") for _ in range(2)]
        async with trio.open_nursery() as nursery:
            answers: list[AnswerEvent] = []

            async def take() -> None:
                answers.extend(await rest(second))

            nursery.start_soon(take)
            await hit_rate_limit(there.links[0], two)
            await wait_all_tasks_blocked()
            await there.expect_silence(0)
            assert there.limiter.counts.queued == 1
            await reply(there.peers[0], one, "s-0")
            await rest(first)
            first.close()
            there.instances[0].seats -= 1
            there.limiter.stir()
            await reply(there.peers[0], await there.peers[0].called("chat/ask"), "s-1")
        assert answers == [TextDelta(ANSWER), Finished("s-1")]


async def test_turns_are_moved_within_a_budget() -> None:
    """While everything fails each question is asked once and a few twice, and the load does not triple."""
    async with town(2) as there:
        asked = refused = 0
        while refused < FLOOR + 5:
            async with there.open() as dialogue, trio.open_nursery() as nursery:

                async def fail(at: int) -> None:
                    nonlocal asked
                    while True:
                        question = await there.peers[at].called("chat/ask")
                        asked += 1
                        await there.peers[at].finish(question, status=401)

                nursery.start_soon(fail, 0)
                nursery.start_soon(fail, 1)
                with pytest.raises(LoginRequired):
                    await batch(dialogue, math.inf)
                refused += 1
                nursery.cancel_scope.cancel("told")
        assert asked == refused + FLOOR


async def test_turn_is_moved_to_nobody_who_lacks_its_model() -> None:
    """An idle instance that does not have the model does not answer with another one."""
    async with town(2) as there:
        there.instances[1].tell_models("other")
        async with there.open() as dialogue:
            await vanish(there.links[0], await there.peers[0].called("chat/ask"))
            with pytest.raises(ChannelLost):
                await batch(dialogue, math.inf)
        await there.expect_silence(1)


# --- sessions --------------------------------------------------------------------------------------------------------


async def test_session_on_a_resting_instance_is_a_miss() -> None:
    """A conversation is not kept waiting for its session: another instance gets all of it instead."""
    async with town(2) as there:
        await there.converse(0)
        there.instances[0].failed(RateLimited("too many"), there.instances[0].asking("org_auto"))
        question = await there.converse(1, CONTINUED)
        assert (question.params["sessionId"], question.params["isReply"]) == ("", False)
        assert question.params["questionText"] == render(CONTINUED.messages)


async def test_failed_session_moves_with_the_whole_conversation() -> None:
    """A turn that continued a session is asked elsewhere from its beginning, since nobody else knows that session."""
    async with town(2) as there:
        await there.converse(0)
        async with there.open(CONTINUED) as dialogue:
            before = dialogue.hit
            async with taking(dialogue):
                lost = await there.peers[0].called("chat/ask")
                await vanish(there.links[0], lost)
                question = await there.peers[1].called("chat/ask")
                await reply(there.peers[1], question, "s-1")
            assert (before, dialogue.hit) == (True, False)
        assert lost.params["sessionId"] == "s-0"
        assert (question.params["sessionId"], question.params["isReply"]) == ("", False)
        assert question.params["questionText"] == render(CONTINUED.messages)


async def test_moved_conversation_goes_on_where_it_was_answered() -> None:
    """What is committed after a move names the instance that answered, so the next turn continues there."""
    async with town(2) as there:
        async with there.open() as dialogue:
            async with taking(dialogue):
                await vanish(there.links[0], await there.peers[0].called("chat/ask"))
                await reply(there.peers[1], await there.peers[1].called("chat/ask"), "s-1")
            await dialogue.commit(Delivered(ANSWER))
        question = await there.converse(1, CONTINUED)
        assert (question.params["sessionId"], question.params["isReply"]) == ("s-1", True)


async def test_lost_instance_is_not_asked_before_its_next_life() -> None:
    """From the moment a channel is lost its instance is passed over, whatever its state still says."""
    async with town(2) as there:
        await there.links[0].vanish()
        await wait_all_tasks_blocked()
        assert there.instances[0].lives.state == "ready"
        await there.converse(1)
