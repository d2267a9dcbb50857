"""Sessions opened ahead: a new conversation waits for none, nobody gets one twice, and all end with the life."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.errors import ChannelLost, UpstreamError, UpstreamRejected
from lingma_trio.lingma.asker import Asker, DialogueOptions
from lingma_trio.lingma.dialogue import Dialogue
from lingma_trio.lingma.dialogues import Dialogues
from lingma_trio.lingma.limiter import Limiter
from lingma_trio.lingma.pool import Pool
from lingma_trio.lingma.sessions_ahead import KEEP_SECONDS, SessionsAhead
from lingma_trio.lingma.turn import TurnBounds, UpstreamTurn
from lingma_trio.protocol.jsonrpc import ServerRequest
from lingma_trio.protocol.messages import Question
from lingma_trio.protocol.opening import Spare
from lingma_trio.protocol.request import Request
from lingma_trio.protocol.turn_machine import Terms
from lingma_trio.sessions.book import SessionBook
from lingma_trio.state.sessions_memory import MemorySessions
from lingma_trio.turns import AnswerEvent, Finished, Message, Prompt, TextDelta
from tests.peers import LingmaPeer, Link, LinkedInstance, batch, linked

BOUNDS = TurnBounds(first_delta=120, idle=20, max_size=1000)
TRIP = 0.1  # seconds to Lingma and back


@dataclass
class Store:
    """What is opened ahead on a link, and whose account it is."""

    link: Link
    account: str = "ann"
    fates: Counter[str] = field(default_factory=Counter)
    number: int = 0

    def __post_init__(self) -> None:
        self.ahead = SessionsAhead(self.link.channel, self.fates, most=2, whose=lambda: self.account)
        self.link.channel.terms = Terms("session", directory="/work")
        self.link.channel.ahead = self.ahead

    @property
    def peer(self) -> LingmaPeer:
        return self.link.peer

    async def opened(self, session_id: str = "") -> str:
        """Play Lingma, which opens the one that was ordered; returns its name."""
        self.number += 1
        session_id = session_id or f"ahead-{self.number}"
        await self.peer.answer(await self.peer.called("session/new"), {"sessionId": session_id})
        await self.peer.answer(await self.peer.called("session/set_model"), {})
        await wait_all_tasks_blocked()
        return session_id

    async def spare(self, model: str = "auto") -> str:
        """Order one and play Lingma."""
        self.ahead.order(model)
        return await self.opened()

    def ask(self, request_id: str = "a", model: str = "auto", session_id: str = "") -> UpstreamTurn:
        """A question that is on its way."""
        turn = UpstreamTurn(self.link.channel, Question(request_id, "Hi.", model, session_id=session_id), BOUNDS)
        turn.open()
        return turn

    async def silent(self) -> bool:
        """Whether nothing more was sent to Lingma than has been read."""
        self.link.channel.tell(Request("marker", {}))
        event = await self.peer.event()
        return isinstance(event, ServerRequest) and event.method == "marker"


@asynccontextmanager
async def store() -> AsyncIterator[Store]:
    """A channel that runs in the dialect of sessions, with two ahead at the most."""
    async with linked() as link:
        yield Store(link)


async def say(peer: LingmaPeer, prompt: ServerRequest, text: str) -> None:
    """Push a whole answer in that dialect."""
    await push(peer, prompt, {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}})
    await end(peer, prompt, 200)


async def end(peer: LingmaPeer, prompt: ServerRequest, status: int, reason: str = "") -> None:
    """Push how an answer ends."""
    data = {"reason": reason, "statusCode": status}
    await push(peer, prompt, {"sessionUpdate": "notification", "type": "chat_finish", "data": data})


async def push(peer: LingmaPeer, prompt: ServerRequest, update: dict[str, object]) -> None:
    """Push an update of the turn of this prompt."""
    about = {"sessionId": prompt.params["sessionId"], "_meta": prompt.params["_meta"]}
    await peer.push("session/update", **about, update=update)


async def test_a_new_conversation_waits_for_one_trip_and_not_for_three(autojump_clock: MockClock) -> None:
    """The first pays for its session; each later one has its first text a trip after its question."""
    waits: list[float] = []
    async with store() as at, trio.open_nursery() as nursery:

        async def play() -> None:
            """Answer whatever comes, a trip later each."""
            while True:
                call = await at.peer.event(math.inf)
                assert isinstance(call, ServerRequest)
                nursery.start_soon(reply, call)

        async def reply(call: ServerRequest) -> None:
            await trio.sleep(TRIP)
            if call.method == "session/new":
                at.number += 1
                await at.peer.answer(call, {"sessionId": f"s-{at.number}"})
            elif call.method == "session/set_model":
                await at.peer.answer(call, {})
            else:
                await say(at.peer, call, "Yes.")

        nursery.start_soon(play)
        for number in range(3):
            began = trio.current_time()
            turn = at.ask(f"q-{number}")
            events: list[AnswerEvent] = []
            while not (events and isinstance(events[-1], Finished)):
                events += await turn.batch(10)
            waits.append(trio.current_time() - began)
            turn.close()
            assert events == [TextDelta("Yes."), Finished(f"s-{number + 1}")]
            await trio.sleep(10 * TRIP)
        nursery.cancel_scope.cancel("seen")
    assert waits == pytest.approx([3 * TRIP, TRIP, TRIP])
    assert at.fates == {"taken": 2}


async def test_nobody_gets_one_that_another_has() -> None:
    """Of two questions at once one is put to the session that is there, and the other to one of its own."""
    async with store() as at:
        session_id = await at.spare()
        first, second = at.ask("a"), at.ask("b")
        assert (await at.peer.called("session/prompt")).params["sessionId"] == session_id
        ordered, own = await at.peer.called("session/new"), await at.peer.called("session/new")
        assert ordered.params["cwd"] == own.params["cwd"] == "/work"
        await at.peer.answer(ordered, {"sessionId": "next"})
        await at.peer.answer(own, {"sessionId": "own"})
        for name in ("next", "own"):
            told = await at.peer.called("session/set_model")
            assert told.params["sessionId"] == name
            await at.peer.answer(told, {})
        assert (await at.peer.called("session/prompt")).params["sessionId"] == "own"
        assert at.ahead.take() == Spare("next", "auto")
        assert at.ahead.take() is None
        first.close()
        second.close()


async def test_one_that_was_told_another_model_is_told_the_right_one() -> None:
    """The question follows once it has it."""
    async with store() as at:
        session_id = await at.spare("other")
        turn = at.ask(model="auto")
        told = await at.peer.called("session/set_model")
        assert (told.params["sessionId"], told.params["modelId"]) == (session_id, "auto")
        assert await at.silent()
        await at.peer.answer(told, {})
        assert (await at.peer.called("session/prompt")).params["sessionId"] == session_id
        turn.close()


async def test_a_question_that_is_left_is_stopped_in_its_session_and_that_is_gone() -> None:
    """Cut off before the first word, its session is nobody's from there on."""
    async with store() as at:
        session_id = await at.spare()
        turn = at.ask()
        await at.peer.called("session/prompt")
        ordered = await at.peer.called("session/new")
        turn.close()
        turn.discard()
        assert (await at.peer.called("session/cancel")).params["sessionId"] == session_id
        await at.peer.answer(ordered, {"sessionId": "next"})
        await at.peer.answer(await at.peer.called("session/set_model"), {})
        await wait_all_tasks_blocked()
        assert at.ahead.take() == Spare("next", "auto")


async def test_a_conversation_that_goes_on_neither_takes_nor_orders_one() -> None:
    """It has a session."""
    async with store() as at:
        await at.spare()
        turn = at.ask(session_id="mine")
        assert (await at.peer.called("session/prompt")).params["sessionId"] == "mine"
        assert await at.silent()
        assert repr(at.ahead) == "<SessionsAhead spares=1 opening=0>"
        turn.close()


async def test_no_more_are_opened_than_are_allowed() -> None:
    """Those on their way count."""
    async with store() as at:
        for _ in range(5):
            at.ahead.order("auto")
        first, second = await at.peer.called("session/new"), await at.peer.called("session/new")
        assert await at.silent()
        for number, call in enumerate((first, second)):
            await at.peer.answer(call, {"sessionId": f"s-{number}"})
            await at.peer.answer(await at.peer.called("session/set_model"), {})
        await wait_all_tasks_blocked()
        at.ahead.order("auto")
        assert await at.silent()


async def test_one_that_waited_too_long_is_not_used(autojump_clock: MockClock) -> None:
    """Lingma may have reclaimed it."""
    async with store() as at:
        await at.spare()
        await trio.sleep(KEEP_SECONDS)
        assert at.ahead.take() is None
        assert at.fates == {"expired": 1}


async def test_those_that_waited_too_long_leave_their_place_to_new_ones(autojump_clock: MockClock) -> None:
    """Of conversations that begin one by one each takes the newest: one that nobody came to take is replaced."""
    async with store() as at:
        for _ in range(2):
            await at.spare()
        await trio.sleep(KEEP_SECONDS - 1)
        assert at.ahead.take() == Spare("ahead-2", "auto")
        await at.spare()
        await trio.sleep(1)
        await at.spare()
        assert [at.ahead.take(), at.ahead.take()] == [Spare("ahead-4", "auto"), Spare("ahead-3", "auto")]
        assert at.fates == {"taken": 3, "expired": 1}


async def test_one_that_a_turn_has_is_not_given_out_again() -> None:
    """It would be told another model amid an answer, and two clients would read each other's conversations."""
    async with store() as at:
        session_id = await at.spare()
        turn = at.ask()
        await at.peer.called("session/prompt")
        await at.peer.answer(await at.peer.called("session/new"), {"sessionId": session_id})
        await wait_all_tasks_blocked()
        assert await at.silent()
        assert at.ahead.take() is None
        assert at.fates == {"taken": 1, "refused": 1}
        turn.close()


async def test_one_of_another_account_is_not_used() -> None:
    """Whoever signs in meanwhile begins with sessions of their own, also where one was on its way."""
    async with store() as at:
        await at.spare()
        at.ahead.order("auto")
        call = await at.peer.called("session/new")
        at.account = "bob"
        await at.peer.answer(call, {"sessionId": "late"})
        await at.peer.answer(await at.peer.called("session/set_model"), {})
        await wait_all_tasks_blocked()
        assert at.ahead.take() is None
        assert at.fates == {"expired": 2}


@pytest.mark.parametrize("said", [{}, {"sessionId": ""}, {"sessionId": "ahead-1"}, {"errorCode": "500"}, None])
async def test_what_is_no_session_is_none_and_no_other_is_ordered_for_a_while(
    said: dict[str, str] | None, autojump_clock: MockClock
) -> None:
    """Nor is one that was given out before: two clients would read each other's conversations."""
    async with store() as at:
        await at.spare()
        at.ahead.order("auto")
        call = await at.peer.called("session/new")
        if said is None:
            await at.peer.send(at.peer.rpc.refuse(call.id, -32603, "no room"))
        else:
            await at.peer.answer(call, said)
        await wait_all_tasks_blocked()
        assert at.fates == {"refused": 1}
        assert at.ahead.take() == Spare("ahead-1", "auto")
        assert at.ahead.take() is None
        at.ahead.order("auto")
        assert await at.silent()
        await trio.sleep(KEEP_SECONDS)
        await at.spare()


async def test_those_that_are_never_opened_leave_their_place(autojump_clock: MockClock) -> None:
    """No answer is a refusal: others are ordered after a while, and one that comes too late is nobody's."""
    async with store() as at:
        at.ahead.order("auto")
        at.ahead.order("auto")
        late = await at.peer.called("session/new")
        await at.peer.called("session/new")
        await trio.sleep(at.link.channel.rpc_timeout)
        assert at.ahead.take() is None
        assert at.fates == {"refused": 2}
        await at.peer.answer(late, {"sessionId": "late"})
        await trio.sleep(KEEP_SECONDS)
        opened = await at.spare()
        assert at.ahead.take() == Spare(opened, "auto")
        assert await at.silent()
    del autojump_clock


async def test_the_end_of_the_channel_ends_them() -> None:
    """Nothing is ordered on a channel that is lost, and whoever asks on it is told so."""
    async with store() as at:
        await at.spare()
        at.ahead.order("auto")
        await at.link.vanish()
        await at.link.ended.wait()
        at.ahead.order("auto")
        with pytest.raises(ChannelLost):
            at.ask()
        assert repr(at.ahead) == "<SessionsAhead spares=0 opening=1>"


async def test_a_question_that_is_refused_for_its_own_sake_leaves_the_others_be() -> None:
    """Asked again it would be refused again; and whoever asks for too much takes nobody's sessions away."""
    async with store() as at:
        await at.spare()
        turn = at.ask()
        prompt = await at.peer.called("session/prompt")
        await at.opened("next")
        await end(at.peer, prompt, 400, "no such role")
        with pytest.raises(UpstreamRejected):
            await turn.batch(10)
        assert not turn.spurned
        assert at.ahead.take() == Spare("next", "auto")
        turn.close()


@pytest.mark.parametrize("step", ["model", "prompt", "end"])
async def test_a_question_that_is_refused_in_one_is_put_to_a_session_of_its_own(step: str) -> None:
    """Lingma may have reclaimed it: nobody notices, the others are forgotten, and a second refusal is final."""
    async with store() as at:
        for _ in range(2):
            await at.spare("auto" if step == "model" else "org_auto")
        options = DialogueOptions(BOUNDS, "org_auto", "chat", reuse_sessions=True)
        sessions = MemorySessions(SessionBook(max_entries=10, ttl=1000))
        limiter, pool = Limiter(limit=1, queue_timeout=1, max_queue=1), Pool([LinkedInstance(at.link.channel)])
        dialogues = Dialogues(limiter, pool, sessions, options)
        prompt, asker = Prompt((Message("user", "Which colour?"),)), Asker("ann", "org_auto")

        async def refuse() -> None:
            call = await at.peer.called(f"session/{'set_model' if step == 'model' else 'prompt'}")
            if step == "end":
                await end(at.peer, call, 31404, "model key is empty")
            else:
                await at.peer.send(at.peer.rpc.refuse(call.id, -32602, "model key is empty"))

        async def fail(dialogue: Dialogue) -> None:
            with pytest.raises(UpstreamError, match="model key is empty"):
                await batch(dialogue, math.inf)

        async with (
            dialogues.seat(await dialogues.lease(prompt, asker), asker) as seat,
            dialogues.open(prompt, asker, seat) as dialogue,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(fail, dialogue)
            await refuse()
            if step != "model":
                await at.peer.called("session/new")  # which was ordered with it
            await at.peer.answer(await at.peer.called("session/new"), {"sessionId": "own"})
            if step != "model":
                await at.peer.answer(await at.peer.called("session/set_model"), {})
            await refuse()
        assert at.fates == {"taken": 1, "expired": 1, "refused": 1}
        assert await at.silent()


async def test_session_is_dated_with_the_time_of_day() -> None:
    """In milliseconds, as Lingma keeps it."""
    async with store() as at:
        at.ahead.order("auto")
        new = await at.peer.called("session/new")
        dated = [int(word) for word in re.findall(r"\d{13}", str(new.params))]
        assert dated
        assert all(abs(each / 1000 - time.time()) < 600 for each in dated)
