"""Conversations in a test's hands, digested as the book of sessions has them."""

from __future__ import annotations

from lingma_trio.sessions.book import Held
from lingma_trio.sessions.proof import Seed, Turns
from lingma_trio.turns import Message, Role

ROLES: tuple[Role, Role] = ("user", "assistant")


def held(*texts: str, tenant: str = "t", model: str = "m", tools: str = "") -> Held:
    """A conversation of user and assistant in turn, which ends with an answer."""
    turns = Turns()
    for place, text in enumerate(texts):
        turns.add(Message(ROLES[place % 2], text))
    turns.settle()
    keys = turns.keys(Seed(tenant, model, "chat", tools))
    assert keys is not None
    return Held(tenant, model, tools, keys, turns)
