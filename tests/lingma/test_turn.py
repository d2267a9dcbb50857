"""A turn: the question goes out, events come in, silence has a bound, and whoever leaves early tells Lingma."""

from __future__ import annotations

import math
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Literal
from weakref import ref

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.errors import (
    AnswerTooLong,
    ChannelLost,
    ContentFiltered,
    EmptyAnswer,
    GatewayError,
    LoginRequired,
    QuotaExceeded,
    UpstreamError,
    UpstreamTimeout,
)
from lingma_trio.lingma.turn import OPENING_SECONDS, RECHECK_SECONDS, TurnBounds, UpstreamTurn
from lingma_trio.protocol.jsonrpc import METHOD_NOT_FOUND, ServerRequest
from lingma_trio.protocol.messages import Question
from lingma_trio.protocol.request import Request
from lingma_trio.protocol.turn_machine import Terms
from lingma_trio.turns import AnswerEvent, Finished, TextDelta, TextReplaced, ThoughtDelta
from tests.lingma.acp.peer import agent_linked
from tests.peers import LingmaPeer, Link, linked

BOUNDS = TurnBounds(first_delta=120, idle=20, max_size=1000)
IDLE = "<RpcChannel open calls=0 asks=0 turns=0 unsent=0>"


@contextmanager
def opened(link: Link, request_id: str = "a", *, bounds: TurnBounds = BOUNDS) -> Iterator[UpstreamTurn]:
    """A turn that is closed as its dialogue would."""
    turn = UpstreamTurn(link.channel, Question(request_id, "Why?", "org_auto"), bounds)
    turn.open()
    try:
        yield turn
    finally:
        turn.close()


@asynccontextmanager
async def asked(*, bounds: TurnBounds = BOUNDS) -> AsyncIterator[tuple[UpstreamTurn, LingmaPeer, ServerRequest]]:
    """A turn whose question has reached the peer."""
    async with linked() as link:
        with opened(link, bounds=bounds) as turn:
            yield turn, link.peer, await link.peer.called("chat/ask")


async def rest(turn: UpstreamTurn) -> list[AnswerEvent]:
    """Everything up to the end."""
    events: list[AnswerEvent] = []
    while not (events and isinstance(events[-1], Finished)):
        events += await turn.batch(math.inf)
    return events


async def stopped(peer: LingmaPeer) -> dict[str, object]:
    """What the peer is told with the `chat/stop` that comes next."""
    return (await peer.called("chat/stop")).params


async def test_answer_comes_as_events() -> None:
    """What Lingma pushes for the request arrives in order, up to its end, and nobody needs to be told to stop."""
    async with linked() as link:
        with opened(link) as turn:
            question = await link.peer.called("chat/ask")
            assert question.params["questionText"] == "Why?"
            assert question.params["extra"] == {"modelConfig": {"key": "org_auto"}}
            await link.peer.push("chat/think", requestId="a", sessionId="s-1", text="Hm.")
            await link.peer.text(question, "Becau")
            await link.peer.text(question, "se.")
            await link.peer.push("chat/answer", requestId="a", sessionId="s-1", text="Why not.", overwrite=True)
            await link.peer.finish(question, fullAnswer="Why not.")
            await wait_all_tasks_blocked()
            assert await rest(turn) == [ThoughtDelta("Hm."), TextReplaced("Why not."), Finished("s-1")]
            assert turn.deltas == 4
        link.channel.tell(Request("marker", {}))
        await link.peer.called("marker")
        assert repr(link.channel) == IDLE


async def test_replacement_of_what_was_taken_is_an_event() -> None:
    """Text that was passed on already is voided by the one that replaces it."""
    async with asked() as (turn, peer, question):
        await peer.text(question, "Becau")
        assert await turn.batch(math.inf) == [TextDelta("Becau")]
        await peer.push("chat/answer", requestId="a", text="Why not?", overwrite=True)
        assert await turn.batch(math.inf) == [TextReplaced("Why not?")]


async def test_patience_ends_a_wait_and_not_the_turn(autojump_clock: MockClock) -> None:
    """A wait without anything returns nothing in time, and what comes later is there for the next one."""
    async with asked() as (turn, peer, question):
        assert await turn.batch(15) == []
        assert trio.current_time() == 15
        await peer.text(question, "Late.")
        assert await turn.batch(15) == [TextDelta("Late.")]


async def test_cancelled_wait_loses_nothing(autojump_clock: MockClock) -> None:
    """What comes after a wait was cancelled is returned by the next."""
    async with asked() as (turn, peer, question):
        with trio.move_on_after(1):
            await turn.batch(math.inf)
        await peer.text(question, "Still here.")
        assert await turn.batch(math.inf) == [TextDelta("Still here.")]


class Follower:
    """Takes all that a turn brings, and notes when each came."""

    def __init__(self, turn: UpstreamTurn, patience: float) -> None:
        self.came: list[tuple[float, list[AnswerEvent]]] = []
        self.failure: GatewayError | None = None
        self._turn = turn
        self._patience = patience

    async def follow(self) -> None:
        self.failure = await self._turn.follow(self._patience, self._take, since=trio.current_time())

    def _take(self, events: list[AnswerEvent]) -> bool:
        self.came.append((trio.current_time(), events))
        return not (events and isinstance(events[-1], Finished))


async def test_follower_waits_anew_for_each_piece(autojump_clock: MockClock) -> None:
    """Each delta gives the next one its time again, and after a sign of life comes the next one as late."""
    async with asked() as (turn, peer, question), trio.open_nursery() as nursery:
        follower = Follower(turn, patience=15)
        nursery.start_soon(follower.follow)
        for text in ("one", "two", "three"):
            await trio.sleep(14)
            await peer.text(question, text)
        await trio.sleep(16)
        await peer.text(question, "four")
        await peer.finish(question)
        await wait_all_tasks_blocked()
        assert follower.came[:4] == [
            (14, [TextDelta("one")]), (28, [TextDelta("two")]), (42, [TextDelta("three")]), (57, [])
        ]  # fmt: skip
        assert [event for at, events in follower.came[4:] for event in events] == [TextDelta("four"), Finished("s-1")]


async def test_follower_is_told_of_silence_in_time(autojump_clock: MockClock) -> None:
    """A deadline that comes nearer with the first delta, and moves on with others, ends the turn when it is due."""
    async with asked() as (turn, peer, question), trio.open_nursery() as nursery:
        follower = Follower(turn, patience=math.inf)
        nursery.start_soon(follower.follow)
        for at in (5, 24, 30):
            await trio.sleep_until(at)
            await peer.text(question, "x")
        await trio.sleep_until(30 + BOUNDS.idle + 1)
        assert follower.came[-1] == (30 + BOUNDS.idle, [Finished("s-1", keep=False)])


async def test_follower_gets_what_came_before_the_failure() -> None:
    """Then the failure is returned, and is there for whoever asks again."""
    async with linked() as link:
        with opened(link) as turn:
            await link.peer.text(await link.peer.called("chat/ask"), "Half")
            await wait_all_tasks_blocked()
            await link.vanish()
            await link.ended.wait()
            for expected in ([TextDelta("Half")], []):
                follower = Follower(turn, patience=math.inf)
                await follower.follow()
                assert isinstance(follower.failure, ChannelLost)
                assert [event for _, events in follower.came for event in events] == expected


# --- leaving ---------------------------------------------------------------------------------------------------------


async def test_leaving_early_tells_lingma_to_stop() -> None:
    """A turn that is closed before Lingma ended it says so once, naming the session that answered."""
    async with linked() as link:
        with opened(link) as turn:
            question = await link.peer.called("chat/ask")
            await link.peer.text(question, "Becau", session_id="s-7")
            await turn.batch(math.inf)
        turn.close()
        assert await stopped(link.peer) == {"requestId": "a", "sessionId": "s-7"}
        link.channel.tell(Request("marker", {}))
        await link.peer.called("marker")
        await link.peer.text(question, "too late")
        await wait_all_tasks_blocked()
        assert repr(link.channel) == IDLE


async def test_cancelled_turn_tells_lingma_to_stop() -> None:
    """The same when the task that holds the turn is cancelled, before anything came."""
    async with linked() as link, trio.open_nursery() as nursery:

        async def hold() -> None:
            with opened(link) as turn:
                await turn.batch(math.inf)

        nursery.start_soon(hold)
        await link.peer.called("chat/ask")
        nursery.cancel_scope.cancel("the client left")
        with trio.CancelScope(shield=True):
            assert await stopped(link.peer) == {"requestId": "a"}
            assert repr(link.channel) == IDLE


async def test_turn_that_never_opened_stops_nothing() -> None:
    """On a lost channel the question is refused at once, and closing is harmless."""
    async with linked() as link:
        await link.vanish()
        await link.ended.wait()
        turn = UpstreamTurn(link.channel, Question("a", "Why?", "org_auto"), BOUNDS)
        with pytest.raises(ChannelLost):
            turn.open()
        turn.close()


# --- silence ---------------------------------------------------------------------------------------------------------


async def test_silence_before_the_first_delta_ends_the_turn(autojump_clock: MockClock) -> None:
    """Without any delta the turn fails exactly at its first bound, and Lingma is told to stop."""
    async with asked() as (turn, peer, _question):
        with pytest.raises(UpstreamTimeout):
            await turn.batch(math.inf)
        assert trio.current_time() == 120
        turn.close()
        assert await stopped(peer) == {"requestId": "a"}


async def test_silence_is_noticed_between_short_waits(autojump_clock: MockClock) -> None:
    """Waiting in short stretches, as with keep-alives, moves no bound; where both end together the turn does next."""
    async with asked() as (turn, _peer, _question):
        for _ in range(8):
            assert await turn.batch(15) == []
        assert trio.current_time() == 120
        with pytest.raises(UpstreamTimeout):
            await turn.batch(15)
        assert trio.current_time() == 120


async def test_steps_are_no_sign_of_an_answer(autojump_clock: MockClock) -> None:
    """Progress reports do not put the end off."""
    async with asked() as (turn, peer, _question), trio.open_nursery() as nursery:

        async def work() -> None:
            for _ in range(5):
                await trio.sleep(30)
                await peer.push("chat/process_step_callback", requestId="a", sessionId="s-1", step="thinking")

        nursery.start_soon(work)
        with pytest.raises(UpstreamTimeout):
            await turn.batch(math.inf)
        assert trio.current_time() == 120
        nursery.cancel_scope.cancel("the turn is over")


async def test_empty_deltas_are_signs_of_life(autojump_clock: MockClock) -> None:
    """An empty delta puts the end off, counted from when it came and not from when somebody looked."""
    async with asked() as (turn, peer, question), trio.open_nursery() as nursery:

        async def hesitate() -> None:
            for pause in (100, 15, 15):
                await trio.sleep(pause)
                await peer.text(question, "")

        nursery.start_soon(hesitate)
        with pytest.raises(UpstreamTimeout):
            await turn.batch(math.inf)
        assert trio.current_time() == 130 + 20
        assert turn.deltas == 0


async def test_silence_after_text_ends_the_answer(autojump_clock: MockClock) -> None:
    """Text without an end is delivered after the idle bound, its session is not kept, and Lingma is told to stop."""
    async with asked() as (turn, peer, question):
        await trio.sleep(100)
        await peer.text(question, "As much as ")
        await wait_all_tasks_blocked()
        await trio.sleep(10)
        await peer.text(question, "there is")
        await wait_all_tasks_blocked()
        assert await rest(turn) == [TextDelta("As much as there is"), Finished("s-1", keep=False)]
        assert trio.current_time() == 110 + 20
        turn.close()
        assert await stopped(peer) == {"requestId": "a", "sessionId": "s-1"}


async def test_slow_consumer_is_no_silent_lingma(autojump_clock: MockClock) -> None:
    """What came while nobody looked is delivered, however long ago, and the bound runs from there on."""
    async with asked() as (turn, peer, question):
        await peer.text(question, "one")
        await turn.batch(math.inf)
        await peer.text(question, "two")
        await trio.sleep(1000)
        await peer.text(question, "three")
        await wait_all_tasks_blocked()
        assert await turn.batch(math.inf) == [TextDelta("twothree")]
        await peer.finish(question)
        assert await turn.batch(math.inf) == [Finished("s-1")]


# --- failures --------------------------------------------------------------------------------------------------------


async def fail_with(status: int, *, login: object, errors: type[GatewayError]) -> GatewayError:
    """End a turn with a status while the login is in the given state; returns the failure."""
    failures: list[GatewayError] = []
    async with asked() as (turn, peer, question):

        async def take() -> None:
            with pytest.raises(errors) as failure:
                await turn.batch(math.inf)
            failures.append(failure.value)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take)
            await peer.finish(question, status=status, reason="无权限")
            if login is not None:
                await peer.answer(await peer.called("auth/status"), login)
    return failures[0]


async def test_forbidden_while_logged_in_is_the_quota() -> None:
    """Lingma's 403 means the quota as long as Lingma says that it is logged in."""
    failure = await fail_with(403, login={"status": 2}, errors=QuotaExceeded)
    assert "无权限" in failure.message
    assert failure.__cause__ is None


async def test_forbidden_while_logged_out_is_the_login() -> None:
    """Lingma's 403 means the login once Lingma says that it is logged out."""
    failure = await fail_with(403, login={"status": 1}, errors=LoginRequired)
    assert isinstance(failure.__cause__, QuotaExceeded)


async def test_other_failures_ask_nothing() -> None:
    """Only the status with two meanings costs a question."""
    assert isinstance(await fail_with(601, login=None, errors=GatewayError), ContentFiltered)


async def test_forbidden_that_nobody_explains_is_the_quota(autojump_clock: MockClock) -> None:
    """Where Lingma does not say in time which it is, the quota is told, after one question and a bounded wait.

    That the turn would have run into its idle bound meanwhile changes nothing.
    """
    bounds = TurnBounds(first_delta=RECHECK_SECONDS / 2, idle=RECHECK_SECONDS / 2, max_size=1000)
    async with linked() as link:
        with opened(link, bounds=bounds) as turn:
            question = await link.peer.called("chat/ask")
            await link.peer.text(question, "")
            await link.peer.finish(question, status=403)
            with pytest.raises(QuotaExceeded):
                await turn.batch(math.inf)
            assert trio.current_time() == RECHECK_SECONDS
        await link.peer.called("auth/status")
        link.channel.tell(Request("marker", {}))
        await link.peer.called("marker")


async def test_success_without_text_is_a_failure() -> None:
    """A finish that brings no text at all is told as an empty answer."""
    async with asked() as (turn, peer, question):
        await peer.finish(question)
        with pytest.raises(EmptyAnswer):
            await turn.batch(math.inf)


async def test_failure_comes_after_the_text_before_it() -> None:
    """What Lingma said before it failed is delivered first."""
    async with asked() as (turn, peer, question):
        await peer.text(question, "Half an ans")
        await peer.finish(question, status=601)
        await wait_all_tasks_blocked()
        assert await turn.batch(math.inf) == [TextDelta("Half an ans")]
        with pytest.raises(ContentFiltered):
            await turn.batch(math.inf)


@pytest.mark.parametrize("address", [{"requestId": "a"}, {}], ids=["addressed", "unaddressed"])
async def test_error_push_fails_the_turn(address: dict[str, str]) -> None:
    """An error in place of the end fails the only turn, whether it names it or not, and Lingma is told to stop."""
    async with asked() as (turn, peer, _question):
        await peer.push("error", message="exploded", **address)
        with pytest.raises(UpstreamError, match="exploded"):
            await turn.batch(math.inf)
        turn.close()
        assert await stopped(peer) == {"requestId": "a"}


async def test_unaddressed_error_among_several_turns_fails_none() -> None:
    """Of several turns none is failed by an error that may be another's."""
    async with linked() as link:
        with opened(link, "a") as first, opened(link, "b") as second:
            questions = [await link.peer.called("chat/ask") for _ in range(2)]
            await link.peer.push("error", message="whose?")
            for question in questions:
                await link.peer.text(question, "Fine.")
                await link.peer.finish(question)
            for turn in (first, second):
                assert await rest(turn) == [TextDelta("Fine."), Finished("s-1")]


async def test_refused_question_needs_no_stop() -> None:
    """A question that Lingma refuses fails at once with Lingma's words, and there is nothing to stop."""
    async with linked() as link:
        with opened(link) as turn:
            question = await link.peer.called("chat/ask")
            await link.peer.send(link.peer.rpc.refuse(question.id, -32603, "failed to ask"))
            with pytest.raises(UpstreamError, match="failed to ask"):
                await turn.batch(math.inf)
        link.channel.tell(Request("marker", {}))
        await link.peer.called("marker")


@contextmanager
def shown(link: Link, *, older: int) -> Iterator[UpstreamTurn]:
    """A turn with two pictures, the first of them of older messages."""
    images = ("data:image/png;base64,AAAA", "data:image/png;base64,BBBB")
    question = Question("a", "Why?", "org_auto", images=images, older_images=older)
    turn = UpstreamTurn(link.channel, question, BOUNDS)
    turn.open()
    try:
        yield turn
    finally:
        turn.close()


async def took(peer: LingmaPeer, upload: ServerRequest) -> None:
    """Tell that a picture has been uploaded."""
    result = {"requestId": upload.params["requestId"], "imageUrl": "https://img.example/1.png"}
    await peer.push("image/uploadResultNotification", errorCode="", errorMessage="", result=result)


@pytest.mark.parametrize("code", [-32603, METHOD_NOT_FOUND])
async def test_older_picture_that_is_refused_is_left_out(code: int) -> None:
    """The question is asked without it, and can be stopped as any other."""
    async with linked() as link:
        with shown(link, older=1) as turn:
            old, new = await link.peer.called("image/upload"), await link.peer.called("image/upload")
            await link.peer.send(link.peer.rpc.refuse(old.id, code, "no room"))
            await took(link.peer, new)
            question = await link.peer.called("chat/ask")
            assert question.params["chatContext"]["imageUrls"] == ["https://img.example/1.png"]
            await link.peer.text(question, "Because")
            assert await turn.batch(math.inf) == [TextDelta("Because")]
        assert await stopped(link.peer) == {"requestId": "a", "sessionId": "s-1"}


async def test_older_picture_of_which_nothing_is_heard_is_left_out(autojump_clock: MockClock) -> None:
    """The question is asked without it when Lingma has had its time; from then on it has the time of an answer."""
    async with linked() as link:
        with shown(link, older=1) as turn, trio.fail_after(60):
            await link.peer.called("image/upload")
            await took(link.peer, await link.peer.called("image/upload"))
            assert await turn.batch(OPENING_SECONDS + 1) == []
            question = await link.peer.called("chat/ask")
            assert question.params["chatContext"]["imageUrls"] == ["https://img.example/1.png"]
            assert await turn.batch(30) == []
            await link.peer.text(question, "Because.")
            assert await turn.batch(math.inf) == [TextDelta("Because.")]
    assert autojump_clock.current_time() >= OPENING_SECONDS


async def test_picture_of_the_last_message_that_never_arrives_is_a_fault(autojump_clock: MockClock) -> None:
    """The question is not asked without it."""
    async with linked() as link:
        with shown(link, older=0) as turn, pytest.raises(UpstreamError, match="did not take the picture"):
            await turn.batch(math.inf)
        assert trio.current_time() == OPENING_SECONDS
    del autojump_clock


async def test_answer_that_outgrows_its_bound_fails() -> None:
    """An answer over the bound ends the turn, and Lingma is told to stop."""
    async with asked() as (turn, peer, question):
        await peer.text(question, "x" * 1001)
        with pytest.raises(AnswerTooLong):
            await turn.batch(math.inf)
        turn.close()
        assert await stopped(peer) == {"requestId": "a", "sessionId": "s-1"}


async def test_lost_channel_fails_the_turn() -> None:
    """When Lingma goes away, so does the turn, after what had come."""
    async with linked() as link:
        with opened(link) as turn:
            await link.peer.text(await link.peer.called("chat/ask"), "Half")
            await wait_all_tasks_blocked()
            await link.vanish()
            await link.ended.wait()
            assert await turn.batch(math.inf) == [TextDelta("Half")]
            with pytest.raises(ChannelLost):
                await turn.batch(math.inf)


async def test_turn_knows_who_answered_first() -> None:
    """The session named first answers; another name at the end is where the conversation is kept."""
    async with asked() as (turn, peer, question):
        assert turn.answered_by == ""
        await peer.text(question, "Yes.", session_id="s-1")
        await peer.finish(question, session_id="s-2")
        assert (await rest(turn))[-1] == Finished("s-2")
        assert turn.answered_by == "s-1"


@pytest.mark.parametrize("dialect", ["chat", "session"])
async def test_text_of_the_question_is_kept_no_longer_than_it_takes_to_send_it(
    dialect: Literal["chat", "session"],
) -> None:
    """While the answer comes nobody holds the question's text any more, which may be as long as a request."""

    class Text(str):
        __slots__ = ("__weakref__",)

    text = Text("Why?")
    kept = ref(text)
    async with linked() as link:
        link.channel.terms = Terms(dialect=dialect)
        turn = UpstreamTurn(link.channel, Question("a", text, "org_auto", session_id="s-1"), BOUNDS)
        del text
        assert kept() is not None
        turn.open()
        await link.peer.called("chat/ask" if dialect == "chat" else "session/prompt")
        assert kept() is None
        turn.close()


async def test_answer_that_outgrows_its_bound_is_stopped_at_once() -> None:
    """Whoever has to take what came before may be long about it."""
    async with asked() as (turn, peer, question):
        await peer.text(question, "x" * 1001)
        assert (await stopped(peer))["requestId"] == "a"
        with pytest.raises(AnswerTooLong):
            await turn.batch(math.inf)


async def test_pushes_that_were_read_together_are_one_step_each() -> None:
    """Nothing of them is lost, and each counts."""
    async with asked() as (turn, peer, question):
        frames = [
            peer.rpc.notify("chat/answer", {"requestId": "a", "sessionId": "s-1", "text": text}) for text in "abc"
        ]
        await peer.send(b"".join(frames))
        await peer.finish(question)
        assert await rest(turn) == [TextDelta("abc"), Finished("s-1")]
        assert turn.deltas == 3


async def test_session_is_made_before_it_is_asked() -> None:
    """In the dialect of sessions: each step follows the answer to the one before, dated with the time of day."""
    async with linked() as link:
        link.channel.terms = Terms("session", directory="/work")
        with opened(link) as turn:
            new = await link.peer.called("session/new")
            dated = [int(word) for word in re.findall(r"\d{13}", str(new.params))]
            assert dated
            assert all(abs(each / 1000 - time.time()) < 600 for each in dated)
            await link.peer.answer(new, {"sessionId": "s-1"})
            await link.peer.answer(await link.peer.called("session/set_model"), {})
            prompt = await link.peer.called("session/prompt")
            about = {"sessionId": "s-1", "_meta": prompt.params["_meta"]}
            said = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "Blue."}}
            end = {"sessionUpdate": "notification", "type": "chat_finish", "data": {"reason": "", "statusCode": 200}}
            for update in (said, end):
                await link.peer.push("session/update", **about, update=update)
            assert await rest(turn) == [TextDelta("Blue."), Finished("s-1")]
            assert turn.answered_by == "s-1"


async def test_session_that_is_refused_is_the_turn_s_failure() -> None:
    """It is not waited for any longer, and nothing is stopped in it."""
    async with linked() as link:
        link.channel.terms = Terms("session", directory="/work")
        with opened(link) as turn:
            new = await link.peer.called("session/new")
            await link.peer.send(link.peer.rpc.refuse(new.id, -32603, "no session today"))
            with pytest.raises(UpstreamError, match="no session today"):
                await turn.batch(math.inf)
        link.channel.tell(Request("marker", {}))
        await link.peer.called("marker")
        assert not turn.spurned


async def test_turn_asks_in_the_session_that_an_agent_makes_for_it() -> None:
    """And leaves it once it is done: its prompt is nobody's to wait for."""
    async with agent_linked() as link:
        with link.turn() as turn:
            await link.peer.open("S1")
            prompt = await link.peer.called("session/prompt")
            assert prompt.params["sessionId"] == "S1"
            await link.peer.say("S1", "Blue.")
            assert await turn.batch(math.inf) == [TextDelta("Blue.")]
        assert (await link.peer.told("session/cancel")).params == {"sessionId": "S1"}
        await link.peer.answer(prompt, {"stopReason": "cancelled"})
        await wait_all_tasks_blocked()
        assert repr(link.channel) == IDLE


@pytest.mark.parametrize("ahead", [True, False])
async def test_session_that_an_agent_does_not_know_may_be_one_that_was_made_ahead(*, ahead: bool) -> None:
    """Then it may be asked afresh, where it was allowed to ask in such a one at all."""
    async with agent_linked(spare="S0") as link:
        turn = UpstreamTurn(link.channel, Question("a", "Why?", "org_auto"), BOUNDS, ahead=ahead)
        turn.open()
        await link.peer.refuse(await link.peer.called("session/prompt"), -32602, "session not found: S0")
        with pytest.raises(GatewayError):
            await turn.batch(math.inf)
        assert turn.spurned == ahead
        turn.close()
