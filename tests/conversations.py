"""Conversations in a test's hands, digested as the book of sessions has them."""

from __future__ import annotations

from lingma_trio.sessions.book import Held
from lingma_trio.sessions.proof import Keys, Seed, Turns
from lingma_trio.turns import Message, Role, ToolCall

SEED = Seed("tenant", "model", "chat", "")


def turns_of(*messages: Message) -> Turns:
    """A conversation, digested."""
    turns = Turns()
    for message in messages:
        turns.add(message)
    turns.settle()
    return turns


def keys(*messages: Message, seed: Seed = SEED) -> Keys:
    """The keys of a conversation that ends with an answer."""
    found = turns_of(*messages).keys(seed)
    assert found is not None
    return found


def user(text: str, *, breaks: tuple[int, ...] = (), attachments: tuple[str, ...] = ()) -> Message:
    return Message("user", text, breaks=breaks, attachments=attachments)


def told(text: str, *calls: ToolCall) -> Message:
    return Message("assistant", text, tool_calls=calls)


ROLES: tuple[Role, Role] = ("user", "assistant")


def held(*texts: str, tenant: str = "t", model: str = "m", tools: str = "") -> Held:
    """A conversation of user and assistant in turn, which ends with an answer."""
    turns = turns_of(*(Message(ROLES[place % 2], text) for place, text in enumerate(texts)))
    found = turns.keys(Seed(tenant, model, "chat", tools))
    assert found is not None
    return Held(tenant, model, tools, found, turns)
