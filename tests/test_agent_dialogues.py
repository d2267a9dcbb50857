"""Conversations with an agent: its sessions are gone on with where all is well, and closed where nobody will."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from lingma_trio.errors import ContentFiltered, EmptyAnswer, GatewayError, LoginRequired, UpstreamError
from lingma_trio.lingma.asker import Asker, DialogueOptions
from lingma_trio.lingma.dialogue import Dialogue
from lingma_trio.lingma.dialogues import Dialogues
from lingma_trio.lingma.limiter import Limiter
from lingma_trio.lingma.pool import Pool
from lingma_trio.protocol.acp.opening import FIRST as FIRST_WORDS
from lingma_trio.protocol.acp.opening import NEXT as NEXT_WORDS
from lingma_trio.protocol.failures import AUTH_REQUIRED
from lingma_trio.protocol.jsonrpc import Notification, ServerRequest
from lingma_trio.sessions.book import Session, SessionBook
from lingma_trio.sessions.commit import Delivered
from lingma_trio.state.sessions_memory import MemorySessions
from lingma_trio.turns import AnswerEvent, Finished, Message, Prompt, TextDelta
from tests.lingma.acp.peer import BOUNDS, AgentLink, AgentPeer, agent_linked
from tests.peers import LinkedInstance, batch

ANSWER = "Green."
FIRST = Prompt((Message("user", "Which colour?"),))
SECOND = Prompt((*FIRST.messages, Message("assistant", ANSWER), Message("user", "Why green?")))


class LinkedAgent(LinkedInstance):
    """An instance that is ready at once, on the channel of an agent."""

    def __init__(self, link: AgentLink, name: str = "lingma-0") -> None:
        super().__init__(link.channel, name)
        self._sessions = link.sessions

    def discard(self, session: Session) -> None:
        """As a life of an agent does."""
        if session.life == self.life:
            self._sessions.discard(session.session_id)


@dataclass
class House:
    """Dialogues with an agent, and what they work with."""

    peer: AgentPeer
    book: SessionBook
    dialogues: Dialogues

    @asynccontextmanager
    async def open(self, prompt: Prompt, *, tenant: str = "somebody") -> AsyncIterator[Dialogue]:
        """Ask, for the length of the block."""
        asker = Asker(tenant, "org_auto")
        lease = await self.dialogues.lease(prompt, asker)
        async with self.dialogues.seat(lease, asker) as seat, self.dialogues.open(prompt, asker, seat) as dialogue:
            yield dialogue

    async def converse(self, prompt: Prompt, session_id: str, *, tenant: str = "somebody") -> ServerRequest:
        """Ask in a new session, be answered, and have the session remembered; returns the prompt."""
        async with self.open(prompt, tenant=tenant) as dialogue:
            await self.peer.open(session_id)
            asked = await self.peer.called("session/prompt")
            await self.answer(asked)
            assert await rest(dialogue) == [TextDelta(ANSWER), Finished(session_id)]
            await dialogue.commit(Delivered(ANSWER))
        return asked

    async def answer(self, asked: ServerRequest, stop_reason: str = "end_turn", text: str = ANSWER) -> None:
        """Answer a prompt."""
        if text:
            await self.peer.say(asked.params["sessionId"], text)
        await self.peer.answer(asked, {"stopReason": stop_reason})

    async def closed(self) -> str:
        """The session that the gateway closes next."""
        session_id = (await self.peer.called("session/close")).params["sessionId"]
        assert isinstance(session_id, str)
        return session_id


@asynccontextmanager
async def house(*, reuse: bool = True, most: int = 10, beside: Sequence[LinkedAgent] = ()) -> AsyncIterator[House]:
    """Everything that a dialogue needs, with an agent, and more of them `beside` it."""
    async with agent_linked() as link:
        book = SessionBook(max_entries=most, ttl=1000)
        options = DialogueOptions(BOUNDS, default_model="org_auto", mode="chat", reuse_sessions=reuse)
        limiter = Limiter(limit=10, queue_timeout=30, max_queue=10)
        pool = Pool([LinkedAgent(link), *beside])
        yield House(link.peer, book, Dialogues(limiter, pool, MemorySessions(book), options))


async def rest(dialogue: Dialogue) -> list[AnswerEvent]:
    """Everything up to the end, with deltas that came apart put together."""
    events: list[AnswerEvent] = []
    while not (events and isinstance(events[-1], Finished)):
        events += await batch(dialogue, math.inf)
    return [TextDelta("".join(event.text for event in events if isinstance(event, TextDelta))), events[-1]]


def texts(asked: ServerRequest) -> list[Any]:
    """The texts of a prompt."""
    return [block["text"] for block in asked.params["prompt"]]


async def test_conversation_goes_on_in_its_session(autojump_clock: MockClock) -> None:
    """The second question goes alone into the session that holds the first, and the first block is ours each time."""
    async with house() as at:
        assert texts(await at.converse(FIRST, "s-1")) == [FIRST_WORDS, "Which colour?"]
        async with at.open(SECOND) as dialogue:
            asked = await at.peer.called("session/prompt")
            assert asked.params["sessionId"] == "s-1"
            assert texts(asked) == [NEXT_WORDS, "Why green?"]
            await at.answer(asked)
            await rest(dialogue)
            assert dialogue.hit
            await dialogue.commit(Delivered(ANSWER))
        assert await at.peer.silent()
        assert len(at.book) == 1


@pytest.mark.parametrize(
    ("how", "delivered"),
    [("cut", Delivered("Gr", cut=True)), ("altered", Delivered(ANSWER, altered=True)), ("forgotten", None)],
)
async def test_session_that_is_not_remembered_is_closed(
    autojump_clock: MockClock, how: str, delivered: Delivered | None
) -> None:
    """A client that has something else than the session holds, or left before it had it, cannot go on there."""
    async with house() as at:
        async with at.open(FIRST) as dialogue:
            await at.peer.open("s-1")
            await at.answer(await at.peer.called("session/prompt"))
            await rest(dialogue)
            if delivered is not None:
                assert await dialogue.commit(delivered) == how
        assert await at.closed() == "s-1"
        assert await at.peer.silent()


async def test_sessions_are_closed_after_each_answer_where_none_is_reused(autojump_clock: MockClock) -> None:
    """What is not to be gone on with is not kept in memory either."""
    async with house(reuse=False) as at:
        await at.converse(FIRST, "s-1")
        assert await at.closed() == "s-1"


async def test_evicted_session_is_closed(autojump_clock: MockClock) -> None:
    """Whoever makes room makes it at the agent's, too."""
    async with house(most=1) as at:
        await at.converse(FIRST, "s-1")
        await at.converse(FIRST, "s-2", tenant="somebody else")
        assert await at.closed() == "s-1"
        at.book.clear()
        assert await at.closed() == "s-2"


@pytest.mark.parametrize(
    ("stop_reason", "text", "kind"),
    [
        ("end_turn", "", EmptyAnswer),
        ("refusal", "", ContentFiltered),
        ("cancelled", "", UpstreamError),
        ("max_turn_requests", "", UpstreamError),
    ],
)
async def test_session_of_a_bad_end_is_closed(
    autojump_clock: MockClock, stop_reason: str, text: str, kind: type[GatewayError]
) -> None:
    """What went wrong stays in the agent's history, so nobody goes on from it."""
    async with house() as at:
        async with at.open(FIRST) as dialogue:
            await at.peer.open("s-1")
            await at.answer(await at.peer.called("session/prompt"), stop_reason, text)
            with pytest.raises(kind):
                await batch(dialogue, math.inf)
        assert await at.closed() == "s-1"


async def test_session_that_an_agent_forgot_is_replaced_unseen(autojump_clock: MockClock) -> None:
    """An error before the first words of a session that was gone on with is mended by a fresh one, with everything."""
    async with house() as at:
        await at.converse(FIRST, "s-1")
        async with at.open(SECOND) as dialogue:
            await at.peer.refuse(await at.peer.called("session/prompt"), -32602, "Session not found")
            batches: list[AnswerEvent] = []

            async def take() -> None:
                batches.extend(await rest(dialogue))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(take)
                assert await at.closed() == "s-1"
                await at.peer.open("s-2")
                asked = await at.peer.called("session/prompt")
                await at.answer(asked)
            assert batches == [TextDelta(ANSWER), Finished("s-2")]
            assert texts(asked)[0] == FIRST_WORDS
            assert "Which colour?" in texts(asked)[1]
            assert (dialogue.hit, dialogue.miss) == (False, "refused")
            await dialogue.commit(Delivered(ANSWER))
        assert len(at.book) == 1
        assert (at.book.hits, at.book.misses) == (0, {"refused": 1})


@pytest.mark.parametrize(("code", "words"), [(-32602, "Session not found"), (-32002, "Resource not found")])
async def test_session_that_is_gone_before_its_first_question_is_replaced_once(
    autojump_clock: MockClock, code: int, words: str
) -> None:
    """One that was made for nobody may have been forgotten meanwhile; an agent that knows none at all is believed."""
    async with house() as at:
        async with at.open(FIRST) as dialogue, trio.open_nursery() as nursery:
            nursery.start_soon(_forget_two, at, code, words)
            with pytest.raises(UpstreamError, match=words):
                await batch(dialogue, math.inf)
        assert await at.closed() == "s-2"
        assert await at.peer.silent()


async def _forget_two(at: House, code: int, words: str) -> None:
    """Make two sessions, and know neither when it is asked in."""
    for session in ("s-1", "s-2"):
        await at.peer.open(session)
        await at.peer.refuse(await at.peer.called("session/prompt"), code, words)
        if session == "s-1":
            assert await at.closed() == session


async def test_session_that_is_gone_where_a_question_was_moved_to_is_replaced(autojump_clock: MockClock) -> None:
    """That another agent had failed before says nothing of what this one has forgotten: it is asked afresh, once."""
    async with (
        agent_linked(spare="s-8") as link,
        house(beside=[LinkedAgent(link, "lingma-1")]) as at,
        at.open(FIRST) as dialogue,
        trio.open_nursery() as nursery,
    ):
        first, second = (at.peer, link.peer) if dialogue.instance == "lingma-0" else (link.peer, at.peer)
        assert first is at.peer
        nursery.start_soon(rest, dialogue)
        await first.open("s-1")
        await first.refuse(await first.called("session/prompt"), AUTH_REQUIRED, "sign in")
        asked = await second.called("session/prompt")
        assert asked.params["sessionId"] == "s-8"
        await second.refuse(asked, -32602, "Session not found")
        assert (await second.called("session/close")).params["sessionId"] == "s-8"
        await second.open("s-9")
        asked = await second.called("session/prompt")
        await second.say("s-9", ANSWER)
        await second.answer(asked, {"stopReason": "end_turn"})


async def test_error_that_is_not_about_the_session_is_told_at_once(autojump_clock: MockClock) -> None:
    """What an agent has against a question it has against it in any session."""
    async with house() as at:
        async with at.open(FIRST) as dialogue:
            await at.peer.open("s-1")
            await at.peer.refuse(await at.peer.called("session/prompt"), -32602, "no such block")
            with pytest.raises(UpstreamError):
                await batch(dialogue, math.inf)
        assert await at.closed() == "s-1"
        assert await at.peer.silent()


async def test_lost_login_is_told_with_the_settings(autojump_clock: MockClock) -> None:
    """The only code that means anything names what the operator has to set."""
    async with house() as at, at.open(FIRST) as dialogue:
        await at.peer.refuse(await at.peer.called("session/new"), -32000, "Authentication required")
        with pytest.raises(LoginRequired, match=r"ACP_TOKENS.*ACP_TOKEN_VARIABLE"):
            await batch(dialogue, math.inf)


async def test_who_leaves_in_mid_turn_leaves_no_session(autojump_clock: MockClock) -> None:
    """The agent is told to cancel at once; its session is closed when the prompt is answered, whatever the answer."""
    async with house() as at:
        async with at.open(FIRST) as dialogue:
            await at.peer.open("s-1")
            asked = await at.peer.called("session/prompt")
            await at.peer.say("s-1", "Gr")
            assert await batch(dialogue, math.inf) == [TextDelta("Gr")]
        assert (await at.peer.told("session/cancel")).params == {"sessionId": "s-1"}
        assert await at.peer.silent()
        await at.answer(asked, "end_turn", "een")
        assert await at.closed() == "s-1"
        assert len(at.book) == 0
        assert await at.peer.silent()


async def test_who_leaves_while_a_session_opens_leaves_one_for_the_next(autojump_clock: MockClock) -> None:
    """One that nobody used may stay, and is the next turn's."""
    async with house() as at:
        async with at.open(FIRST):
            opening = await at.peer.called("session/new")
        await at.peer.answer(opening, {"sessionId": "spare"})
        assert await at.peer.silent()
        async with at.open(FIRST):
            assert (await at.peer.called("session/prompt")).params["sessionId"] == "spare"


class MoodyAgent:
    """An agent that makes sessions and answers prompts well, badly, late or never, as its dice have it."""

    def __init__(self, peer: AgentPeer, dice: Random) -> None:
        self._peer = peer
        self._dice = dice
        self._cancels: dict[str, trio.Event] = {}
        self._made = count(1)
        self._deaf = 2  # times it ignores a cancel: of three in a row it is replaced
        self.open: set[str] = set()

    async def run(self) -> None:
        """Serve until the test is over."""
        async with trio.open_nursery() as nursery:
            while True:
                event = await self._peer.event(patience=math.inf)
                assert isinstance(event, ServerRequest | Notification)
                match event.method:
                    case "session/cancel":
                        self._cancels[event.params["sessionId"]].set()
                    case "session/close":
                        self.open.remove(event.params["sessionId"])
                    case _:
                        assert isinstance(event, ServerRequest)
                        nursery.start_soon(self._make if event.method == "session/new" else self._prompt, event)

    async def _make(self, request: ServerRequest) -> None:
        await trio.sleep(self._dice.choice([0, 0, 0.1, 3]))
        if self._dice.random() < 0.1:
            await self._peer.refuse(request)
            return
        session_id = f"s-{next(self._made)}"
        self.open.add(session_id)
        self._cancels[session_id] = trio.Event()
        await self._peer.answer(request, {"sessionId": session_id})

    async def _prompt(self, request: ServerRequest) -> None:
        session_id = request.params["sessionId"]
        mood = self._dice.choice(["well", "well", "well", "mute", "error", "hangs", "deaf"])
        if mood == "deaf":
            self._deaf -= 1
            mood = "deaf" if self._deaf >= 0 else "hangs"
        with trio.move_on_after(self._dice.choice([0, 0.1, 2])):
            await self._cancels[session_id].wait()
        if mood in {"hangs", "deaf"}:
            await self._cancels[session_id].wait()
        elif mood != "mute":
            await self._peer.say(session_id, ANSWER)
        if mood == "error":
            await self._peer.refuse(request)
        elif mood != "deaf":
            await self._peer.answer(request, {"stopReason": "end_turn"})


@pytest.mark.parametrize("seed", range(8))
async def test_no_session_is_left_whatever_happens(autojump_clock: MockClock, seed: int) -> None:
    """At the end the agent has the sessions that are remembered, and one at most that nobody has used."""
    dice = Random(seed)
    async with house(most=4) as at, trio.open_nursery() as nursery:
        agent = MoodyAgent(at.peer, dice)
        nursery.start_soon(agent.run)

        async def talk(name: str) -> None:
            prompt = FIRST
            for _ in range(3):
                with trio.move_on_after(dice.choice([0.05, 1, 30, 30])), suppress(GatewayError):
                    async with at.open(prompt, tenant=name) as dialogue:
                        await rest(dialogue)
                        await dialogue.commit(Delivered(ANSWER, cut=dice.random() < 0.2))
                    prompt = SECOND if prompt is FIRST else FIRST
                await trio.sleep(dice.choice([0, 0.5]))

        async with trio.open_nursery() as clients:
            for number in range(24):
                clients.start_soon(talk, f"client {number % 6}")
                await trio.sleep(dice.choice([0, 0, 0.2]))
        await trio.sleep(60)
        assert len(agent.open) <= len(at.book) + 1
        at.book.clear()
        await trio.sleep(1)
        assert len(agent.open) <= 1
        nursery.cancel_scope.cancel("the test is over")
