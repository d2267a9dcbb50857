"""Where dialogues are opened: which models answer to which names, what is tied to an instance, and who is told what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from lingma_trio.errors import TokenLimitExceeded
from lingma_trio.lingma.asker import Asker, DialogueOptions
from lingma_trio.lingma.dialogues import Dialogues
from lingma_trio.lingma.limiter import Limiter
from lingma_trio.lingma.pool import Pool
from lingma_trio.lingma.turn import TurnBounds
from lingma_trio.policy.aliases import Aliases
from lingma_trio.sessions.book import Session, SessionBook
from lingma_trio.sessions.commit import Delivered
from lingma_trio.sessions.conversation import Conversation
from lingma_trio.sessions.forms import Forms
from lingma_trio.sessions.proof import Seed
from lingma_trio.state.places_memory import FreeEntry
from lingma_trio.state.sessions_memory import MemorySessions
from lingma_trio.turns import Finished, Message, Prompt
from tests.peers import Link, LinkedInstance, batch, linked

PROMPT = Prompt((Message("user", "Why blue?"),))
ANN = Asker("ann", "Qwen", "her user")


@dataclass
class House:
    """The dialogues of two instances on one link."""

    link: Link

    def __post_init__(self) -> None:
        self.instances = [LinkedInstance(self.link.channel, name) for name in ("lingma-0", "lingma-1")]
        self.pool = Pool(self.instances)
        self.options = DialogueOptions(
            TurnBounds(first_delta=120, idle=20, max_size=1000),
            default_model="org_auto",
            mode="chat",
            reuse_sessions=True,
            tool_mode="agent",
            aliases=Aliases([("claude", "Qwen"), ("nowhere", "gone")]),
        )
        self.limiter = Limiter(limit=10, queue_timeout=30, max_queue=10)
        self.dialogues = Dialogues(
            self.limiter, self.pool, MemorySessions(SessionBook(max_entries=9, ttl=99)), self.options
        )


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    """Dialogues, for the length of the block."""
    async with linked() as link:
        yield House(link)


async def test_models_answer_to_all_their_names() -> None:
    """Their key, their name and the operator's; an alias of a model that is in no list is asked for by its key."""
    async with house() as here:
        dialogues = here.dialogues
        assert dialogues.default_model == "org_auto"
        assert dialogues.tool_mode == "agent"
        assert [each.name for each in dialogues.aliases.listed] == ["claude", "nowhere"]
        for name in ("qwen", "Qwen", "claude"):
            assert dialogues.names_of(name) == ("qwen", "Qwen")
            found = dialogues.find(name)
            assert found is not None
            assert found.key == "qwen"
        for instance in here.instances:
            instance.tell_models("qwen")
        assert dialogues.find("unheard of") is None
        assert dialogues.names_of("unheard of") == ("org_auto",)


async def led_to(dialogues: Dialogues, prompt: Prompt, asker: Asker) -> str:
    """The instance that would be asked."""
    lease = await dialogues.lease(prompt, asker)
    assert lease.take()
    name = lease.instance.name
    lease.release()
    return name


@pytest.mark.parametrize("prompt", [PROMPT, Prompt((Message("user", "Why blue?" * 10_000),))], ids=["short", "long"])
async def test_conversations_of_one_user_stay_with_one_instance(prompt: Prompt) -> None:
    """And only theirs: another user of the same key, and another key, may be led elsewhere."""
    async with house() as here:
        for askers in (
            [Asker("ann", "Qwen", str(user)) for user in range(16)],
            [Asker(str(key), "Qwen", "her user") for key in range(16)],
        ):
            first = [await led_to(here.dialogues, prompt, asker) for asker in askers]
            assert [await led_to(here.dialogues, prompt, asker) for asker in askers] == first
            assert len({*first}) == 2


async def test_question_is_asked_for_the_length_of_the_block() -> None:
    """In the model of its seat; whoever leaves has upstream told to stop, and a second seat is free meanwhile."""
    async with house() as here:
        dialogues, peer = here.dialogues, here.link.peer
        lease = await dialogues.lease(PROMPT, ANN)
        async with dialogues.seat(lease, ANN) as seat:
            async with dialogues.open(PROMPT, ANN, seat) as dialogue:
                question = await peer.called("chat/ask")
                assert question.params["extra"]["modelConfig"]["key"] == "qwen"
                await peer.text(question, "Blue.")
                assert len(await batch(dialogue, 20)) == 1
                async with dialogues.spare_seat(ANN, seat) as spare:
                    assert spare.instance is not seat.instance
                    assert spare.model == "qwen"
                    assert here.limiter.counts.in_flight == 2
                assert here.limiter.counts.in_flight == 1
            stopped = await peer.called("chat/stop")
            assert stopped.params["requestId"] == question.params["requestId"]
        assert here.limiter.counts.in_flight == 0
        assert "turns=0" in repr(here.link.channel)


class UsedUp(FreeEntry):
    """The way in of whoever may have no more of its tokens now."""

    async def come_in(self) -> bool:
        """It is told so."""
        raise TokenLimitExceeded("used up")


async def test_dialogue_that_does_not_begin_leaves_nothing() -> None:
    """Neither a turn, nor the session that it was to continue without that for the next."""
    follow_up = Prompt((*PROMPT.messages, Message("assistant", "Blue."), Message("user", "Sure?")))
    async with house() as here:
        dialogues, peer = here.dialogues, here.link.peer
        async with dialogues.seat(await dialogues.lease(PROMPT, ANN), ANN) as seat:
            async with dialogues.open(PROMPT, ANN, seat) as dialogue:
                question = await peer.called("chat/ask")
                await peer.text(question, "Blue.")
                await peer.finish(question)
                while not isinstance((await batch(dialogue, 20))[-1], Finished):
                    pass
                assert await dialogue.commit(Delivered("Blue.")) == "kept"
            shut_out = replace(ANN, entry=UsedUp())
            async with dialogues.seat(await dialogues.lease(follow_up, shut_out), shut_out) as other:
                with pytest.raises(TokenLimitExceeded):
                    await dialogues.open(follow_up, shut_out, other).__aenter__()
            assert "turns=0" in repr(here.link.channel)
            async with dialogues.open(follow_up, ANN, seat) as dialogue:
                assert dialogue.session == "hit"


async def test_change_in_the_pool_stirs_who_waits() -> None:
    """Their queue is told, as they wait for an instance too."""
    async with house() as here:
        assert here.pool.on_change == here.limiter.stir


async def test_session_that_is_dropped_is_let_go_of_where_it_is() -> None:
    """Nobody goes on with it, so its instance is told."""

    class Told(Pool):
        def discard(self, session: Session) -> None:
            told.append(session.session_id)

    async with house() as here:
        told: list[str] = []
        sessions = SessionBook(max_entries=1, ttl=99)
        Dialogues(here.limiter, Told(here.instances), MemorySessions(sessions), here.options)
        for name in ("s-1", "s-2"):
            asked = Conversation(Prompt((Message("user", name),)), Seed("ann", "qwen", "chat", ""), Forms())
            session = Session(name, "lingma-0", here.instances[0].life)
            sessions.commit(asked.answered("Blue.", ()), session, now=0)
        assert told == ["s-1"]
