"""A town of instances of one upstream, and the dialogues over all of them."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import trio

from lingma_trio.lingma.asker import Asker, DialogueOptions
from lingma_trio.lingma.dialogue import Dialogue
from lingma_trio.lingma.dialogues import Dialogues
from lingma_trio.lingma.limiter import Limiter
from lingma_trio.lingma.pool import Pool
from lingma_trio.lingma.turn import TurnBounds
from lingma_trio.protocol.jsonrpc import ServerRequest
from lingma_trio.sessions.book import SessionBook
from lingma_trio.sessions.commit import Delivered
from lingma_trio.state.sessions_memory import MemorySessions
from lingma_trio.turns import AnswerEvent, Finished, Message, Prompt, TextDelta
from tests.failover_ends import End, LingmaEnd
from tests.peers import LinkedInstance, batch

QUEUE_TIMEOUT = 20.0
ANSWER = "Green."
OPENING = Prompt((Message("user", "Which colour?"),))
CONTINUED = Prompt((*OPENING.messages, Message("assistant", ANSWER), Message("user", "Why green?")))


Upstream = Callable[[int], AbstractAsyncContextManager[End]]


@dataclass
class Town:
    """Several instances and the dialogues over all of them. Without affinity, of equals the first is asked."""

    ends: list[End]
    sessions: SessionBook
    dialogues: Dialogues
    limiter: Limiter

    @property
    def instances(self) -> list[LinkedInstance]:
        """What the dialogues are with."""
        return [end.instance for end in self.ends]

    @property
    def lingmas(self) -> list[LingmaEnd]:
        """The ends of those that are Lingmas."""
        return [end for end in self.ends if isinstance(end, LingmaEnd)]

    @asynccontextmanager
    async def open(self, prompt: Prompt = OPENING) -> AsyncIterator[Dialogue]:
        """Ask, for the length of the block."""
        asker = Asker("somebody", "org_auto")
        lease = await self.dialogues.lease(prompt, asker)
        async with self.dialogues.seat(lease, asker) as seat, self.dialogues.open(prompt, asker, seat) as dialogue:
            yield dialogue

    async def converse(self, at: int, prompt: Prompt = OPENING) -> ServerRequest:
        """Ask and be answered by the instance in place `at`; returns the question as that one saw it."""
        end = self.ends[at]
        async with self.open(prompt) as dialogue:
            question = await end.asked()
            began = end.begins(question)
            await end.reply(question, ANSWER)
            assert await rest(dialogue) == answered(end, question)
            await dialogue.commit(Delivered(ANSWER))
        assert began != dialogue.hit
        return question


@asynccontextmanager
async def town(size: int, upstream: Upstream, *, slots: int = 10) -> AsyncIterator[Town]:
    """`size` instances, each on a channel that runs."""
    async with AsyncExitStack() as stack:
        ends = [await stack.enter_async_context(upstream(at)) for at in range(size)]
        sessions = SessionBook(max_entries=10, ttl=1000)
        bounds = TurnBounds(first_delta=120, idle=20, max_size=1000)
        options = DialogueOptions(bounds, default_model="org_auto", mode="chat", reuse_sessions=True)
        limiter = Limiter(limit=slots, queue_timeout=QUEUE_TIMEOUT, max_queue=10)
        pool = Pool([end.instance for end in ends])
        yield Town(ends, sessions, Dialogues(limiter, pool, MemorySessions(sessions), options), limiter)


def answered(end: End, question: ServerRequest) -> list[AnswerEvent]:
    """What a client gets of an answer from there."""
    return [TextDelta(ANSWER), Finished(end.session(question))]


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
