"""Whatever clients do, a session is only continued with the conversation that it really holds."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from lingma_trio.sessions.book import Held, Session, SessionBook
from lingma_trio.sessions.counters import Gone
from lingma_trio.sessions.proof import Seed, Turns
from lingma_trio.sessions.text_form import normal_form
from lingma_trio.state.sessions import Lease
from lingma_trio.turns import Message

TTL = 50.0
ANSWERS = ("yes", "**yes**", "*yes*", "no", "42", "7", "OK.", "C++ is fine", "C# is fine", "so\n\nit is", "`a  b`")
QUESTIONS = ("and then?", "more", "thanks", "x = -1", "x = 1", "fix it\n\nRules: be brief.", "see\n\nthat")
RULES = "\n\nRules: be brief."
STEPS_EACH = 50  # of one example


def reformatted(text: str, way: int) -> str:
    """The text as one client or another keeps it: every change here is one that the normal form undoes."""
    ways = (
        text,
        text + "\n",
        text.replace(" ", "  "),
        text.replace("\n", "\r\n"),
        f"**{text}**",
        text.replace("**", ""),
    )
    changed = ways[way % len(ways)]
    return changed if normal_form(changed) == normal_form(text) else text


def beginnings(text: str) -> list[str]:
    """The text, and what of it stands before each blank line."""
    parts = text.split("\n\n")
    return ["\n\n".join(parts[:count]) for count in range(1, len(parts) + 1)]


@dataclass
class Chat:
    """One conversation as its client keeps it."""

    tenant: str
    model: str
    messages: list[Message] = field(default_factory=list)


@dataclass(frozen=True)
class Turn:
    """What is asked and answered, how the turn ends, and in which way its client keeps the answer."""

    text: str
    answer: str
    end: str
    way: int


numbers = st.integers(0, 20)
turns = st.builds(
    Turn, text=st.sampled_from(QUESTIONS), answer=st.sampled_from(ANSWERS), way=st.integers(0, 5),
    end=st.sampled_from((*["whole"] * 12, "cut", "cancelled", "altered")),
)  # fmt: skip


class Conversations(RuleBasedStateMachine):
    """Clients of two keys, two instances, a book with few places, and what every upstream session really holds."""

    def __init__(self) -> None:
        super().__init__()
        self.book = SessionBook(max_entries=5, ttl=TTL)
        self.now = 0.0
        self.lives = {"lingma-0": 0, "lingma-1": 0}
        self.accounts = {"lingma-0": "ann", "lingma-1": "ann"}
        self.chats = [Chat("A", "m"), Chat("A", "m"), Chat("B", "m")]
        self.upstream: dict[str, list[Message]] = {}
        self.leases: list[tuple[Lease, Chat]] = []

    def gone(self, session: Session) -> Gone | None:
        if session.life != str(self.lives[session.instance]):
            return "life_ended"
        return None if session.account == self.accounts[session.instance] else "account"

    def claim(self, asked: Held) -> Lease | None:
        """The lease on a session that holds this conversation, if there is one."""
        found = self.book.claim(asked, now=self.now, gone=self.gone)
        return None if isinstance(found, str) else found

    def commit(self, conversation: Held, session: Session) -> None:
        self.book.commit(conversation, session, now=self.now)

    def mark_altered(self, question: bytes) -> None:
        self.book.mark_altered(question, now=self.now)

    def session(self, session_id: str) -> Session:
        """A session by its name, on the instance that its number falls to."""
        instance = f"lingma-{int(session_id[2:]) % 2}"
        return Session(session_id, instance, str(self.lives[instance]), self.accounts[instance])

    def proof(self, chat: Chat, messages: list[Message]) -> Held | None:
        turns = Turns()
        for message in messages:
            turns.add(message)
        turns.settle()
        keys = turns.keys(Seed(chat.tenant, chat.model, "chat", ""))
        return None if keys is None else Held(chat.tenant, chat.model, "", keys, turns)

    def check(self, session: Session, chat: Chat) -> None:
        """What the session holds is what the client sends, but for what it leaves out of its own questions."""
        truth = self.upstream[session.session_id]
        assert len(truth) == len(chat.messages)
        for real, sent in zip(truth, chat.messages, strict=True):
            forms = [real.text] if real.role == "assistant" else beginnings(real.text)
            assert real.role == sent.role
            assert normal_form(sent.text) in map(normal_form, forms), (truth, chat.messages)

    def some(self, number: int) -> Chat:
        return self.chats[number % len(self.chats)]

    @rule(tenant=st.sampled_from("AB"), model=st.sampled_from("mn"))
    def begin(self, tenant: str, model: str) -> None:
        """A new conversation, perhaps with words that others began with."""
        self.chats.append(Chat(tenant, model))
        del self.chats[:-6]

    @rule(number=numbers, turns=st.lists(turns, min_size=1, max_size=6))
    def talk(self, number: int, turns: list[Turn]) -> None:
        """Some turns of one conversation, each of which ends in one way or another."""
        for turn in turns:
            self.ask(self.some(number), turn)

    def ask(self, chat: Chat, turn: Turn) -> None:
        question = Message("user", turn.text)
        before = self.proof(chat, chat.messages)
        lease = None if before is None else self.claim(before)
        if lease is not None:
            self.check(lease.session, chat)
            session_id = lease.session.session_id
            lease.spend()
            lease.give_back()
        else:
            session_id = f"s-{len(self.upstream)}"
            self.upstream[session_id] = list(chat.messages)
        self.upstream[session_id] = [*self.upstream[session_id], question, Message("assistant", turn.answer)]
        shown = turn.answer if turn.end != "cut" else turn.answer[:3]
        after = self.proof(chat, [*chat.messages, question, Message("assistant", shown)])
        assert after is not None
        if turn.end == "whole":
            self.commit(after, self.session(session_id))
        else:
            self.mark_altered(after.keys.question)
        if turn.end != "cancelled" or turn.way % 2:
            kept = reformatted(shown, turn.way) if turn.end == "whole" else shown
            chat.messages += [question, Message("assistant", kept)]

    @rule(number=numbers)
    def leave_early(self, number: int) -> None:
        """A claim whose question never goes out."""
        chat = self.some(number)
        before = self.proof(chat, chat.messages)
        if before is None:
            return
        lease = self.claim(before)
        if lease is not None:
            self.check(lease.session, chat)
            self.leases.append((lease, chat))

    @rule()
    def let_go(self) -> None:
        """Whoever left early is gone."""
        while self.leases:
            self.leases.pop()[0].give_back()

    @rule(number=numbers, length=st.integers(0, 6))
    def fork(self, number: int, length: int) -> None:
        """A copy goes on from an earlier turn: regenerate, truncate, resume."""
        chat = self.some(number)
        self.chats.append(replace(chat, messages=chat.messages[: length - length % 2]))

    @rule(number=numbers, place=st.integers(0, 20), text=st.sampled_from((*ANSWERS, *QUESTIONS)))
    def edit(self, number: int, place: int, text: str) -> None:
        """The user edits any message, the assistant's too."""
        chat = self.some(number)
        if chat.messages:
            at = place % len(chat.messages)
            chat.messages[at] = replace(chat.messages[at], text=text)

    @rule(number=numbers, way=st.integers(0, 5))
    def reformat(self, number: int, way: int) -> None:
        """The client keeps its texts in another way."""
        chat = self.some(number)
        chat.messages = [replace(each, text=reformatted(each.text, way)) for each in chat.messages]

    @rule(number=numbers)
    def leave_out(self, number: int) -> None:
        """The client leaves out of its questions what it had added to them."""
        chat = self.some(number)
        chat.messages = [replace(each, text=each.text.removesuffix(RULES)) for each in chat.messages]

    @rule(number=numbers, model=st.sampled_from("mn"))
    def change_model(self, number: int, model: str) -> None:
        """The conversation goes on with another model."""
        chat = self.some(number)
        chat.model = model

    @rule(
        seconds=st.sampled_from((1.0, 1.0, 10.0, TTL)), instance=st.sampled_from(("lingma-0", "lingma-1")),
        happens=st.sampled_from(("nothing", "nothing", "nothing", "a new life", "another account")),
    )  # fmt: skip
    def wait(self, seconds: float, instance: str, happens: str) -> None:
        """Time passes, and now and then an instance begins a new life, or somebody else signs in to it."""
        self.now += seconds
        if happens == "a new life":
            self.lives[instance] += 1
        elif happens == "another account":
            self.accounts[instance] = {"ann": "bob", "bob": "ann"}[self.accounts[instance]]

    @invariant()
    def bounded(self) -> None:
        """No more sessions than there are places."""
        assert len(self.book) <= 5


TestConversations = Conversations.TestCase


@pytest.mark.slow
def test_many_conversations() -> None:
    """The same with ten thousand steps; ten times as many where LONG_TESTS is set, as by `scripts/test --long`."""
    steps = 100_000 if os.environ.get("LONG_TESTS") else 10_000
    many = settings(max_examples=steps // STEPS_EACH, stateful_step_count=STEPS_EACH)
    run_state_machine_as_test(Conversations, settings=many)
