"""Dialogues: a session is continued by one answer at a time, given up unseen when lost, and kept on success only."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Literal

import pytest
import trio
from pydantic_core import to_json
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.errors import (
    AnswerMalformed,
    AnswerTooLong,
    ChannelLost,
    ContentFiltered,
    GatewayError,
    LoginRequired,
    QuotaExceeded,
    Unavailable,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
)
from lingma_trio.lingma.asker import Asker, DialogueOptions
from lingma_trio.lingma.dialogue import Dialogue
from lingma_trio.lingma.dialogues import Dialogues
from lingma_trio.lingma.limiter import Limiter
from lingma_trio.lingma.pool import Pool
from lingma_trio.lingma.turn import TurnBounds
from lingma_trio.policy.aliases import Aliases
from lingma_trio.policy.retry_budget import FLOOR, SHARE
from lingma_trio.policy.transcript import render
from lingma_trio.protocol.framing import frame
from lingma_trio.protocol.jsonrpc import METHOD_NOT_FOUND, ServerRequest
from lingma_trio.protocol.opening import Spare
from lingma_trio.protocol.request import Request
from lingma_trio.protocol.turn_machine import LingmaDialect, Terms
from lingma_trio.sessions.book import SessionBook
from lingma_trio.sessions.commit import Delivered
from lingma_trio.state.sessions_memory import MemorySessions
from lingma_trio.turns import AnswerEvent, Finished, Message, Prompt, TextDelta, Tool, Toolbox, ToolCall
from tests.peers import LingmaPeer, Link, LinkedInstance, batch, linked

QUEUE_TIMEOUT = 30.0
ANSWER = "Green."
FIRST = Prompt((Message("user", "Which colour?"),))
SECOND = Prompt((*FIRST.messages, Message("assistant", ANSWER), Message("user", "Why green?")))
THIRD = Prompt((*SECOND.messages, Message("assistant", ANSWER), Message("user", "And then?")))


@dataclass
class House:
    """Dialogues over a linked channel, and everything they work with."""

    link: Link
    instance: LinkedInstance
    sessions: SessionBook
    dialogues: Dialogues

    @property
    def peer(self) -> LingmaPeer:
        return self.link.peer

    async def converse(self, prompt: Prompt, *, session_id: str = "s-1", commit: bool = True) -> ServerRequest:
        """Ask and be answered; returns the question as Lingma saw it."""
        async with self.open(prompt) as dialogue:
            question = await self.peer.called("chat/ask")
            await self.peer.text(question, ANSWER, session_id)
            await self.peer.finish(question, session_id)
            assert await rest(dialogue) == [TextDelta(ANSWER), Finished(session_id)]
            if commit:
                await dialogue.commit(Delivered(ANSWER))
        return question

    @asynccontextmanager
    async def open(
        self, prompt: Prompt, *, tenant: str = "somebody", model: str = "org_auto"
    ) -> AsyncIterator[Dialogue]:
        asker = Asker(tenant, model)
        lease = await self.dialogues.lease(prompt, asker)
        async with self.dialogues.seat(lease, asker) as seat, self.dialogues.open(prompt, asker, seat) as dialogue:
            yield dialogue

    async def expect_silence(self) -> None:
        """See that nothing more was sent to Lingma than has been read."""
        self.link.channel.tell(Request("marker", {}))
        await self.peer.called("marker")


@asynccontextmanager
async def house(
    *, reuse_sessions: bool = True, ttl: float = 1000, tool_mode: Literal["chat", "agent"] = "chat"
) -> AsyncIterator[House]:
    """Everything a dialogue needs, with a channel that runs."""
    async with linked() as link:
        instance, sessions = LinkedInstance(link.channel), SessionBook(max_entries=10, ttl=ttl)
        bounds = TurnBounds(first_delta=120, idle=20, max_size=1000)
        options = DialogueOptions(
            bounds,
            default_model="org_auto",
            mode="chat",
            reuse_sessions=reuse_sessions,
            tool_mode=tool_mode,
            aliases=Aliases([("claude", "Qwen"), ("nowhere", "gone")]),
        )
        limiter = Limiter(limit=10, queue_timeout=QUEUE_TIMEOUT, max_queue=10)
        yield House(link, instance, sessions, Dialogues(limiter, Pool([instance]), MemorySessions(sessions), options))


async def rest(dialogue: Dialogue) -> list[AnswerEvent]:
    """Everything up to the end, with deltas that came apart put together."""
    events: list[AnswerEvent] = []
    while not (events and isinstance(events[-1], Finished)):
        events += await batch(dialogue, math.inf)
    texts = [event.text for event in events if isinstance(event, TextDelta)]
    return [TextDelta("".join(texts)), events[-1]]


async def expect_failure(dialogue: Dialogue, kind: type[GatewayError]) -> None:
    """Wait for what comes next, which has to be this failure."""
    with pytest.raises(kind):
        await batch(dialogue, math.inf)


def asked_for(question: ServerRequest) -> tuple[str, bool, str]:
    """Session, whether it continues, and text of a question."""
    return question.params["sessionId"], question.params["isReply"], question.params["questionText"]


# --- hits and misses -------------------------------------------------------------------------------------------------


async def test_new_conversation_is_sent_whole() -> None:
    """Without a session to continue, the whole conversation goes out as one prompt for a fresh session."""
    async with house() as home:
        assert asked_for(await home.converse(SECOND)) == ("", False, render(SECOND.messages))


async def test_continued_conversation_sends_its_newest_message_only() -> None:
    """A session that holds the rest is told what is new, turn after turn."""
    async with house() as home:
        await home.converse(FIRST)
        assert asked_for(await home.converse(SECOND)) == ("s-1", True, "Why green?")
        assert asked_for(await home.converse(THIRD)) == ("s-1", True, "And then?")
        assert (home.sessions.hits, home.sessions.commits["kept"], len(home.sessions)) == (2, 3, 1)


async def test_session_is_told_what_of_its_answer_was_not_passed_on() -> None:
    """What the client was not given stands before its next message; the session is continued all the same."""
    async with house() as home:
        async with home.open(FIRST) as dialogue:
            question = await home.peer.called("chat/ask")
            await home.peer.text(question, ANSWER)
            await home.peer.finish(question)
            await rest(dialogue)
            assert await dialogue.commit(Delivered(ANSWER, untold="Half of it was dropped.")) == "told"
        async with home.open(SECOND):
            session_id, is_reply, text = asked_for(await home.peer.called("chat/ask"))
    assert (session_id, is_reply) == ("s-1", True)
    assert text.startswith("Half of it was dropped. ")
    assert text.endswith("Why green?")


async def test_answer_under_another_account_is_not_kept_nor_continued() -> None:
    """A session belongs to whoever was signed in when it was asked, as Lingma's report names them."""
    async with house() as home:
        await home.converse(FIRST)
        home.instance.account.pushed("auth/report", {"name": "somebody else"})
        question = await home.converse(SECOND, session_id="s-2")
        assert asked_for(question)[1] is False
        assert home.sessions.misses == {"account": 1}
        async with home.open(THIRD) as dialogue:
            question = await home.peer.called("chat/ask")
            assert asked_for(question)[0] == "s-2"
            await home.peer.text(question, ANSWER, "s-2")
            await home.peer.finish(question, "s-2")
            await rest(dialogue)
            home.instance.account.pushed("auth/report", {"name": "a third one"})
            assert await dialogue.commit(Delivered(ANSWER)) == "altered"
        assert len(home.sessions) == 0


async def test_cancelled_answer_leaves_a_mark() -> None:
    """Who goes on from what was seen of a cancelled answer is not given its sibling that is alike."""
    async with house() as home:
        await home.converse(FIRST)
        async with home.open(FIRST) as dialogue:
            question = await home.peer.called("chat/ask")
            await home.peer.text(question, "**Green.**", "s-2")
            await batch(dialogue, math.inf)
        await home.peer.called("chat/stop")
        alike = replace(SECOND, messages=(SECOND.messages[0], Message("assistant", "**Green.**"), SECOND.messages[2]))
        async with home.open(alike):
            assert asked_for(await home.peer.called("chat/ask"))[1] is False
        assert home.sessions.misses == {"altered": 1}
        await home.peer.called("chat/stop")
        async with home.open(SECOND):
            assert asked_for(await home.peer.called("chat/ask"))[0] == "s-1"


async def test_session_goes_by_the_name_it_ended_with() -> None:
    """A session that is renamed at the end of an answer is continued under the new name, and is no other session."""
    async with house() as home:
        await home.converse(FIRST)
        async with home.open(SECOND) as dialogue:
            question = await home.peer.called("chat/ask")
            await home.peer.text(question, ANSWER, "s-1")
            await home.peer.finish(question, "s-2")
            await wait_all_tasks_blocked()
            assert await rest(dialogue) == [TextDelta(ANSWER), Finished("s-2")]
            assert dialogue.hit
            await dialogue.commit(Delivered(ANSWER))
        assert asked_for(await home.converse(THIRD, session_id="s-2"))[:2] == ("s-2", True)


async def test_second_claim_of_the_same_state_misses() -> None:
    """Of two requests that continue the same conversation at once only one continues the session."""
    async with house() as home:
        await home.converse(FIRST)
        async with home.open(SECOND) as first, home.open(SECOND) as second:
            assert (first.hit, second.hit) == (True, False)
            questions = [await home.peer.called("chat/ask") for _ in range(2)]
            assert [asked_for(question)[:2] for question in questions] == [("s-1", True), ("", False)]
            for question, session_id in zip(questions, ("s-1", "s-2"), strict=True):
                await home.peer.text(question, ANSWER, session_id)
                await home.peer.finish(question, session_id)
            for dialogue in (first, second):
                await rest(dialogue)
                await dialogue.commit(Delivered(ANSWER))
        assert len(home.sessions) == 2


@pytest.mark.parametrize("other", [{"tenant": "somebody else"}, {"model": "qwen"}])
async def test_other_tenant_or_model_misses(other: dict[str, str]) -> None:
    """A session belongs to one API key and one model."""
    async with house() as home:
        await home.converse(FIRST)
        async with home.open(SECOND, **other) as dialogue:
            assert not dialogue.hit


NAMES = (
    ("QWEN", "qwen"), ("Qwen", "qwen"), ("gpt-9", "org_auto"), ("", "org_auto"),
    ("CLAUDE", "qwen"), ("nowhere", "org_auto"),
)  # fmt: skip


async def test_model_is_looked_up() -> None:
    """A model is meant by alias, key or name in any case; a name nobody knows is the default's."""
    async with house() as home:
        for name, key in NAMES:
            async with home.open(FIRST, model=name) as dialogue:
                assert dialogue.model == key
                question = await home.peer.called("chat/ask")
                assert question.params["extra"] == {"modelConfig": {"key": key}}
            await home.peer.called("chat/stop")


async def test_restarted_lingma_knows_no_sessions() -> None:
    """A session of an earlier life of the instance is a miss, and is dropped."""
    async with house() as home:
        await home.converse(FIRST)
        home.instance.live_on()
        assert asked_for(await home.converse(SECOND))[:2] == ("", False)
        assert home.sessions.misses == {"life_ended": 1}


async def test_answer_that_began_before_a_restart_is_kept_for_no_later_life() -> None:
    """What is committed belongs to the life in which it was asked."""
    async with house() as home:
        async with home.open(FIRST) as dialogue:
            question = await home.peer.called("chat/ask")
            await home.peer.text(question, ANSWER)
            await home.peer.finish(question)
            await rest(dialogue)
            home.instance.live_on()
            await dialogue.commit(Delivered(ANSWER))
        async with home.open(SECOND) as dialogue:
            assert not dialogue.hit


async def test_old_session_is_a_miss(autojump_clock: MockClock) -> None:
    """A session is kept for its time and no longer."""
    async with house(ttl=1000) as home:
        await home.converse(FIRST)
        await trio.sleep(1000)
        async with home.open(SECOND) as dialogue:
            assert not dialogue.hit


async def test_sessions_are_left_alone_where_reuse_is_off() -> None:
    """Without reuse every question is whole, and nothing is looked for or kept."""
    async with house(reuse_sessions=False) as home:
        await home.converse(FIRST)
        assert asked_for(await home.converse(SECOND))[:2] == ("", False)
        assert (home.sessions.misses, home.sessions.commits) == ({}, {"off": 2})


# --- commits ---------------------------------------------------------------------------------------------------------


async def test_unfinished_answer_is_not_kept() -> None:
    """Committing before the end came writes nothing."""
    async with house() as home:
        async with home.open(FIRST) as dialogue:
            question = await home.peer.called("chat/ask")
            await home.peer.text(question, ANSWER)
            await batch(dialogue, math.inf)
            await dialogue.commit(Delivered(ANSWER))
        assert home.sessions.commits["kept"] == 0


async def test_answer_without_an_end_is_not_kept(autojump_clock: MockClock) -> None:
    """An answer that ended by silence is delivered, and its session is not continued."""
    async with house() as home:
        async with home.open(FIRST) as dialogue:
            await home.peer.text(await home.peer.called("chat/ask"), ANSWER)
            assert await rest(dialogue) == [TextDelta(ANSWER), Finished("s-1", keep=False)]
            await dialogue.commit(Delivered(ANSWER))
        assert home.sessions.commits["kept"] == 0


async def test_nameless_session_is_not_kept() -> None:
    """Where Lingma names no session there is none to continue."""
    async with house() as home:
        await home.converse(FIRST, session_id="")
        assert home.sessions.commits["kept"] == 0


async def test_conversation_that_nobody_continues_is_not_kept() -> None:
    """It would only take the place of one that somebody does."""
    async with house() as home:
        await home.converse(replace(FIRST, once=True))
        assert home.sessions.commits["kept"] == 0


async def test_cancelled_hit_leaves_nothing() -> None:
    """A claimed session whose answer is cancelled is gone: upstream's state is unknown, so the next request misses."""
    async with house() as home:
        await home.converse(FIRST)
        async with home.open(SECOND):
            await home.peer.called("chat/ask")
        assert (await home.peer.called("chat/stop")).params["sessionId"] == "s-1"
        assert (len(home.sessions), home.sessions.commits) == (0, {"kept": 1})
        assert home.link.channel.turns == 0
        async with home.open(SECOND) as dialogue:
            assert not dialogue.hit


# --- sessions that are refused ---------------------------------------------------------------------------------------


async def refuse(peer: LingmaPeer, question: ServerRequest) -> None:
    await peer.send(peer.rpc.refuse(question.id, -32603, "session not found"))


async def fail_unknown(peer: LingmaPeer, question: ServerRequest) -> None:
    await peer.finish(question, status=31404, reason="会话不存在")


async def fail_rejected(peer: LingmaPeer, question: ServerRequest) -> None:
    await peer.finish(question, status=400)


async def say_nothing(peer: LingmaPeer, question: ServerRequest) -> None:
    await peer.finish(question)


async def answer_afresh(peer: LingmaPeer, question: ServerRequest) -> None:
    await peer.text(question, "Green what?", session_id="s-new")


Refusal = Callable[[LingmaPeer, ServerRequest], Awaitable[None]]
REFUSALS: list[Refusal] = [refuse, fail_unknown, fail_rejected, say_nothing, answer_afresh]


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_refused_session_is_given_up_unseen(refusal: Refusal) -> None:
    """A session that Lingma no longer has costs the client nothing: the whole conversation goes to a fresh one."""
    async with house() as home:
        await home.converse(FIRST)
        async with home.open(SECOND) as dialogue:
            answers: list[list[AnswerEvent]] = []

            async def take() -> None:
                answers.append(await rest(dialogue))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(take)
                lost = await home.peer.called("chat/ask")
                assert asked_for(lost)[:2] == ("s-1", True)
                await refusal(home.peer, lost)
                if refusal is answer_afresh:
                    stop = await home.peer.called("chat/stop")
                    assert stop.params == {"requestId": lost.params["requestId"], "sessionId": "s-new"}
                again = await home.peer.called("chat/ask")
                assert asked_for(again) == ("", False, render(SECOND.messages))
                assert again.params["requestId"] != lost.params["requestId"]
                await home.peer.text(lost, "a late word of the first attempt")
                await home.peer.text(again, ANSWER, "s-2")
                await home.peer.finish(again, "s-2")
            assert answers == [[TextDelta(ANSWER), Finished("s-2")]]
            assert not dialogue.hit
            await dialogue.commit(Delivered(ANSWER))
        assert home.link.channel.turns == 0
        assert asked_for(await home.converse(THIRD, session_id="s-2"))[:2] == ("s-2", True)
        await home.expect_silence()


async def test_fresh_session_is_tried_once() -> None:
    """When the fresh session fails like the continued one, that is the answer."""
    async with house() as home:
        await home.converse(FIRST)
        async with home.open(SECOND) as dialogue, trio.open_nursery() as nursery:
            nursery.start_soon(expect_failure, dialogue, UpstreamError)
            for _ in range(2):
                await home.peer.finish(await home.peer.called("chat/ask"), status=500)
        await home.expect_silence()


async def test_nothing_is_retried_once_the_client_has_seen_text() -> None:
    """After the first event the answer is what it is, also when it fails."""
    async with house() as home:
        await home.converse(FIRST)
        async with home.open(SECOND) as dialogue:
            question = await home.peer.called("chat/ask")
            await home.peer.text(question, "Bec")
            assert await batch(dialogue, math.inf) == [TextDelta("Bec")]
            await home.peer.finish(question, status=500)
            with pytest.raises(UpstreamError):
                await batch(dialogue, math.inf)
        await home.expect_silence()


LASTING: list[tuple[int, type[GatewayError]]] = [
    (401, LoginRequired),
    (403, QuotaExceeded),
    (408, UpstreamTimeout),
    (429, QuotaExceeded),
    (601, ContentFiltered),
]


@pytest.mark.parametrize(("status", "kind"), LASTING)
async def test_failure_that_is_not_the_session_s_is_told(status: int, kind: type[GatewayError]) -> None:
    """What a fresh session cannot help is not tried again."""
    async with house() as home:
        await home.converse(FIRST)
        async with home.open(SECOND) as dialogue, trio.open_nursery() as nursery:
            nursery.start_soon(expect_failure, dialogue, kind)
            await home.peer.finish(await home.peer.called("chat/ask"), status=status)
            if status == 403:
                await home.peer.answer(await home.peer.called("auth/status"), {"status": 2})
        await home.expect_silence()


async def test_failed_fresh_conversation_is_not_tried_again() -> None:
    """Only a continued session can be given up for a fresh one."""
    async with house() as home:
        async with home.open(FIRST) as dialogue:
            await home.peer.finish(await home.peer.called("chat/ask"), status=400)
            with pytest.raises(UpstreamRejected):
                await batch(dialogue, math.inf)
        await home.expect_silence()


async def test_answer_that_is_too_long_is_not_asked_for_again() -> None:
    """A continued session whose answer outgrows the bound fails, and is stopped."""
    async with house() as home:
        await home.converse(FIRST)
        async with home.open(SECOND) as dialogue:
            await home.peer.text(await home.peer.called("chat/ask"), "x" * 1001)
            with pytest.raises(AnswerTooLong):
                await batch(dialogue, math.inf)
        await home.peer.called("chat/stop")
        await home.expect_silence()


async def test_lost_lingma_ends_the_dialogue(autojump_clock: MockClock) -> None:
    """When Lingma goes away nothing can be asked again: the dialogue fails, and what it claimed stays gone.

    Who comes then waits for its next life, as long as the queue lets anybody wait.
    """
    async with house() as home:
        await home.converse(FIRST)
        async with home.open(SECOND) as dialogue:
            await home.peer.called("chat/ask")
            await home.link.vanish()
            with pytest.raises(ChannelLost):
                await batch(dialogue, math.inf)
        with pytest.raises(Unavailable):
            async with home.open(SECOND):
                raise AssertionError
        assert trio.current_time() >= QUEUE_TIMEOUT
        assert len(home.sessions) == 0


async def test_silent_session_is_not_tried_again(autojump_clock: MockClock) -> None:
    """A session that says nothing for too long fails as a timeout, since asking again would double the wait."""
    async with house() as home:
        await home.converse(FIRST)
        async with home.open(SECOND) as dialogue:
            await home.peer.called("chat/ask")
            with pytest.raises(UpstreamTimeout):
                await batch(dialogue, math.inf)
        await home.peer.called("chat/stop")
        await home.expect_silence()


# --- mending, pictures, tools ----------------------------------------------------------------------------------------


async def test_finished_answer_is_mended_in_its_own_session() -> None:
    """What is asked again goes to the session that answered, and the mended answer is what is remembered."""
    async with house() as home:
        async with home.open(FIRST) as dialogue:
            question = await home.peer.called("chat/ask")
            await home.peer.text(question, "Colour.")
            await home.peer.finish(question)
            assert await rest(dialogue) == [TextDelta("Colour."), Finished("s-1")]
            dialogue.ask_again("Name one.")
            again = await home.peer.called("chat/ask")
            assert asked_for(again) == ("s-1", True, "Name one.")
            await home.peer.text(again, ANSWER)
            await home.peer.finish(again)
            assert await rest(dialogue) == [TextDelta(ANSWER), Finished("s-1")]
            assert dialogue.deltas == 2
            await dialogue.commit(Delivered(ANSWER))
        assert asked_for(await home.converse(SECOND))[0] == "s-1"


async def test_answer_without_a_session_is_mended_with_everything(autojump_clock: MockClock) -> None:
    """Where upstream never confirmed the end, the whole conversation is asked again with the new question after it."""
    del autojump_clock
    async with house() as home, home.open(FIRST) as dialogue:
        question = await home.peer.called("chat/ask")
        await home.peer.text(question, "Colour.")
        await wait_all_tasks_blocked()
        assert (await rest(dialogue))[-1] == Finished("s-1", keep=False)
        dialogue.ask_again("Name one.")
        await home.peer.called("chat/stop")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(batch, dialogue, math.inf)
            again = await home.peer.called("chat/ask")
            nursery.cancel_scope.cancel("seen")
        assert asked_for(again) == ("", False, f"{render(FIRST.messages)}\n\nName one.")


async def test_answer_of_a_dead_life_is_mended_with_everything() -> None:
    """A Lingma that began anew is never asked in a session of the life before: it gets the whole conversation."""
    async with house() as home:
        async with home.open(FIRST) as dialogue:
            question = await home.peer.called("chat/ask")
            await home.peer.text(question, "Colour.")
            await home.peer.finish(question)
            await rest(dialogue)
            home.instance.live_on()
            dialogue.ask_again("Name one.")
            async with trio.open_nursery() as nursery:
                answers: list[list[AnswerEvent]] = []

                async def take() -> None:
                    answers.append(await rest(dialogue))

                nursery.start_soon(take)
                again = await home.peer.called("chat/ask")
                assert asked_for(again) == ("", False, f"{render(FIRST.messages)}\n\nName one.")
                await home.peer.text(again, ANSWER, "s-2")
                await home.peer.finish(again, "s-2")
            assert await dialogue.commit(Delivered(ANSWER)) == "altered", "the new session holds no first answer"
        assert asked_for(await home.converse(SECOND))[0] == ""


async def test_mending_under_another_account_is_asked_with_everything() -> None:
    """A session that one account answered in is never gone on with under another."""
    async with house() as home, home.open(FIRST) as dialogue:
        question = await home.peer.called("chat/ask")
        await home.peer.text(question, "Colour.")
        await home.peer.finish(question)
        await rest(dialogue)
        home.instance.account.pushed("auth/report", {"name": "somebody else"})
        dialogue.ask_again("Name one.")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(batch, dialogue, math.inf)
            again = await home.peer.called("chat/ask")
            nursery.cancel_scope.cancel("seen")
        assert asked_for(again) == ("", False, f"{render(FIRST.messages)}\n\nName one.")


async def test_mending_that_another_session_answers_is_asked_with_everything() -> None:
    """Who answers a complaint without the conversation mends nothing, and its session is not kept."""
    async with house() as home:
        async with home.open(FIRST) as dialogue:
            question = await home.peer.called("chat/ask")
            await home.peer.text(question, "Colour.")
            await home.peer.finish(question)
            await rest(dialogue)
            dialogue.ask_again("Name one.")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(rest, dialogue)
                lost = await home.peer.called("chat/ask")
                await home.peer.text(lost, "Which one?", "s-empty")
                assert (await home.peer.called("chat/stop")).params["sessionId"] == "s-empty"
                again = await home.peer.called("chat/ask")
                assert asked_for(again) == ("", False, f"{render(FIRST.messages)}\n\nName one.")
                await home.peer.text(again, ANSWER, "s-2")
                await home.peer.finish(again, "s-2")
            assert await dialogue.commit(Delivered(ANSWER, untold="It was asked again.")) == "altered"
        assert len(home.sessions) == 0


async def test_session_that_turns_out_to_be_another_is_not_kept() -> None:
    """An answer whose first words named no session may be one of a session that does not hold the conversation."""
    async with house() as home:
        await home.converse(FIRST)
        async with home.open(SECOND) as dialogue:
            question = await home.peer.called("chat/ask")
            await home.peer.text(question, "Gre", "")
            assert await batch(dialogue, math.inf) == [TextDelta("Gre")]
            await home.peer.text(question, "en.", "s-empty")
            await home.peer.finish(question, "s-empty")
            await rest(dialogue)
            assert await dialogue.commit(Delivered(ANSWER)) == "altered"
        assert len(home.sessions) == 0


async def test_answers_are_asked_for_again_within_a_budget() -> None:
    """Where every answer has to be mended the load does not double: those over the budget fail for what they are."""
    async with house() as home:
        mended = 0
        with suppress(AnswerMalformed):
            while mended < 10 * FLOOR:
                async with home.open(FIRST) as dialogue:
                    question = await home.peer.called("chat/ask")
                    await home.peer.text(question, "Colour.")
                    await home.peer.finish(question)
                    await rest(dialogue)
                    dialogue.ask_again("Name one.")
                    mended += 1
                    await home.peer.called("chat/ask")
                await home.peer.called("chat/stop")
        assert FLOOR <= mended <= FLOOR + SHARE * mended + 1


async def test_session_that_was_not_asked_is_there_for_the_next() -> None:
    """Who claims a session and is refused before Lingma was asked anything leaves it as it was."""
    async with house() as home:
        await home.converse(FIRST)
        asker = Asker("somebody", "org_auto")
        async with home.dialogues.seat(await home.dialogues.lease(SECOND, asker), asker) as seat:
            home.instance.lives.state = "needs_login"
            with pytest.raises(LoginRequired):
                async with home.dialogues.open(SECOND, asker, seat):
                    raise AssertionError
            home.instance.lives.state = "ready"
        assert asked_for(await home.converse(SECOND))[:2] == ("s-1", True)
        await home.expect_silence()


async def test_mending_that_is_left_is_stopped() -> None:
    """The second question is stopped like the first when its client goes."""
    async with house() as home:
        async with home.open(FIRST) as dialogue:
            question = await home.peer.called("chat/ask")
            await home.peer.text(question, "Colour.")
            await home.peer.finish(question)
            await rest(dialogue)
            dialogue.ask_again("Name one.")
            again = await home.peer.called("chat/ask")
        stopped = await home.peer.called("chat/stop")
        assert stopped.params["requestId"] == again.params["requestId"]


async def test_tools_have_a_mode_of_their_own() -> None:
    """A question whose client declares tools that may be called is asked in the mode for tools, any other is not."""
    tool = Tool("look", "", {"type": "object"})
    async with house(tool_mode="agent") as home:
        for toolbox, mode in ((Toolbox((tool,)), "agent"), (Toolbox((tool,), choice="none"), "chat"), (None, "chat")):
            async with home.open(replace(FIRST, toolbox=toolbox)):
                assert (await home.peer.called("chat/ask")).params["mode"] == mode
            await home.peer.called("chat/stop")


async def test_tools_are_described_once_in_a_session() -> None:
    """The session that continues knows them; it is told their names, and which call a result is of."""
    tool = Tool("look", "Looks round.", {"type": "object"})
    asked = replace(FIRST, tools="[look]", toolbox=Toolbox((tool,)))
    call = ToolCall("call_1", "look", "{}")
    async with house() as home:
        async with home.open(asked) as dialogue:
            question = await home.peer.called("chat/ask")
            assert "Looks round." in asked_for(question)[2]
            await home.peer.text(question, "I look.")
            await home.peer.finish(question)
            await rest(dialogue)
            await dialogue.commit(Delivered("I look.", (call,)))
        answer = Message("assistant", "I look.", tool_calls=(call,))
        result = Message("tool", "All is well.", tool_call_id="call_1")
        async with home.open(replace(asked, messages=(*asked.messages, answer, result))):
            session_id, is_reply, text = asked_for(await home.peer.called("chat/ask"))
    assert (session_id, is_reply) == ("s-1", True)
    assert 'tool "look" answering call "call_1" ===\nAll is well.' in text
    assert "look" in text
    assert "Looks round." not in text


# --- dialects --------------------------------------------------------------------------------------------------------


async def refuse_method(house: House, call: ServerRequest) -> None:
    """Answer that there is no such method."""
    error = {"code": METHOD_NOT_FOUND, "message": "method not found"}
    await house.peer.send(frame(to_json({"jsonrpc": "2.0", "id": call.id, "error": error})))


async def test_a_question_in_a_dialect_that_is_not_known_is_put_in_the_other() -> None:
    """Whoever asked is answered, and later questions go by what was found out."""
    async with house() as place:
        place.link.channel.terms = Terms(changes=2)
        events: list[AnswerEvent] = []

        async def take(dialogue: Dialogue) -> None:
            events.extend(await rest(dialogue))

        async with place.open(FIRST) as dialogue, trio.open_nursery() as nursery:
            nursery.start_soon(take, dialogue)
            await refuse_method(place, await place.peer.called("chat/ask"))
            await place.peer.answer(await place.peer.called("session/new"), {"sessionId": "s-2"})
            await place.peer.answer(await place.peer.called("session/set_model"), {})
            meta = (await place.peer.called("session/prompt")).params["_meta"]
            said = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": ANSWER}}
            end = {"sessionUpdate": "notification", "type": "chat_finish", "data": {"reason": "", "statusCode": 200}}
            for update in (said, end):
                await place.peer.push("session/update", sessionId="s-2", _meta=meta, update=update)
        assert events == [TextDelta(ANSWER), Finished("s-2")]
        assert place.link.channel.terms == Terms("session", changes=1)


async def test_a_question_with_a_picture_is_put_in_the_other_dialect_too() -> None:
    """Its picture is what comes first, and goes within the question there."""
    picture = "data:image/png;base64,AAAA"
    asked = Prompt((Message("user", "What is it?\n[image]", attachments=("digest",), images=(picture, picture)),))
    async with house() as place:
        place.link.channel.terms = Terms(changes=2)
        async with place.open(asked) as dialogue, trio.open_nursery() as nursery:
            nursery.start_soon(batch, dialogue, math.inf)
            first, second = await place.peer.called("image/upload"), await place.peer.called("image/upload")
            await refuse_method(place, first)
            await refuse_method(place, second)
            await place.peer.answer(await place.peer.called("session/new"), {"sessionId": "s-2"})
            await place.peer.answer(await place.peer.called("session/set_model"), {})
            parts = (await place.peer.called("session/prompt")).params["prompt"]
            nursery.cancel_scope.cancel("seen")
        assert parts[1:] == [{"type": "image", "mimeType": "image/png", "data": "AAAA"}] * 2
        assert place.link.channel.terms == Terms("session", changes=1)


async def test_only_what_the_last_message_shows_is_needed() -> None:
    """Older pictures go before those of the last message, and the question can be asked without them."""
    images = tuple(f"data:image/png;base64,{name}" for name in "ABC")
    asked = Prompt(
        (
            Message("user", "[image]", images=images[:1]),
            Message("user", "[image]", images=images[1:2]),
            Message("user", "[image]", images=images[2:]),
            Message("assistant", "It is"),
        )
    )
    async with house() as place:
        async with place.open(asked) as dialogue, trio.open_nursery() as nursery:
            nursery.start_soon(batch, dialogue, math.inf)
            uploads = [await place.peer.called("image/upload") for _ in images]
            assert [upload.params["imageUri"] for upload in uploads] == list(images)
            for upload in uploads[:2]:
                await place.peer.send(place.peer.rpc.refuse(upload.id, -32603, "no room"))
            result = {"requestId": uploads[2].params["requestId"], "imageUrl": "https://img.example/1.png"}
            await place.peer.push("image/uploadResultNotification", result=result)
            question = await place.peer.called("chat/ask")
            nursery.cancel_scope.cancel("seen")
        assert question.params["chatContext"]["imageUrls"] == ["https://img.example/1.png"]


async def test_a_dialect_is_changed_back_where_neither_is_known() -> None:
    """The changes are counted, so that a Lingma that knows neither ends in a failure; one that was named stays."""
    async with house() as place:
        place.link.channel.terms = Terms(changes=2)
        async with place.open(FIRST) as dialogue, trio.open_nursery() as nursery:
            nursery.start_soon(expect_failure, dialogue, UpstreamError)
            for method in ("chat/ask", "session/new", "chat/ask"):
                await refuse_method(place, await place.peer.called(method))
        assert place.link.channel.terms == Terms("chat", changes=0)


@pytest.mark.parametrize(("dialect", "method"), [("chat", "chat/ask"), ("session", "session/new")])
async def test_a_dialect_that_was_set_and_is_not_known_is_told_with_the_setting(
    dialect: LingmaDialect, method: str
) -> None:
    """Asking again cannot help; who asks is told what does."""
    async with house() as place:
        place.link.channel.terms = Terms(dialect)
        async with place.open(FIRST) as dialogue:
            await refuse_method(place, await place.peer.called(method))
            with pytest.raises(UpstreamError, match="LINGMA_DIALECT=auto"):
                await batch(dialogue, math.inf)


async def test_dialogue_says_which_instance_is_asked() -> None:
    """Nothing is said of a move where the question was asked at once."""
    async with house() as home:
        with capture_logs() as logs:
            async with home.open(FIRST) as dialogue:
                assert dialogue.instance == "lingma-0"
                await home.peer.called("chat/ask")
        assert [line for line in logs if line["event"] == "turn_moved"] == []


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_session_that_is_given_up_is_a_miss(refusal: Refusal) -> None:
    """For the reason that it was refused, and no longer a hit."""
    async with house() as home:
        await home.converse(FIRST)
        async with home.open(SECOND) as dialogue, trio.open_nursery() as nursery:
            assert (dialogue.session, dialogue.miss) == ("hit", None)
            nursery.start_soon(batch, dialogue, math.inf)
            await refusal(home.peer, await home.peer.called("chat/ask"))
            await wait_all_tasks_blocked()
            assert (dialogue.session, dialogue.miss) == ("miss", "refused")
            nursery.cancel_scope.cancel("the test is over")


class Spares:
    """Sessions that are there for anybody."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def take(self) -> Spare:
        self.taken.append(f"ahead-{len(self.taken)}")
        return Spare(self.taken[-1], "org_auto")

    def order(self, model_key: str) -> None:
        pass

    def distrust(self) -> None:
        pass


@pytest.mark.parametrize("continued", [False, True])
async def test_instance_that_forgot_a_session_is_asked_in_none_that_it_made_before(*, continued: bool) -> None:
    """Be it the one that was to be continued, or one that was made ahead: the next is made for the question."""
    async with house() as home:
        if continued:
            await home.converse(FIRST)
        home.link.channel.terms = Terms("session", directory="/work")
        home.link.channel.ahead = spares = Spares()
        async with home.open(SECOND if continued else FIRST) as dialogue, trio.open_nursery() as nursery:
            nursery.start_soon(batch, dialogue, math.inf)
            prompt = await home.peer.called("session/prompt")
            assert prompt.params["sessionId"] == ("s-1" if continued else "ahead-0")
            await home.peer.send(home.peer.rpc.refuse(prompt.id, -32603, "session not found"))
            await home.peer.called("session/new")
            assert spares.taken == ([] if continued else ["ahead-0"])
            nursery.cancel_scope.cancel("the test is over")
