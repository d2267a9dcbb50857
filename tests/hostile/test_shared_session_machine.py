"""Whatever clients do, gateways that share sessions only continue one with the conversation that it really holds.

Also where the store fails over to a server that knows less: it is as it was some time ago, with an id of its own.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from copy import deepcopy
from typing import TypeVar

import pytest
import trio
from hypothesis import settings
from hypothesis.stateful import invariant, rule, run_state_machine_as_test
from trio.testing import wait_all_tasks_blocked

from lingma_trio.sessions.book import Held, Session
from lingma_trio.state.sessions import Lease
from lingma_trio.state.sessions_store import StoreSessions
from tests.hostile.test_session_machine import STEPS_EACH, TTL, Conversations, Turn, numbers, turns
from tests.instant_link import InstantLink

Found = TypeVar("Found")

PLACES = 5


class SharedConversations(Conversations):
    """The same clients, whose requests arrive at one gateway or the other, and a store that fails over."""

    def __init__(self) -> None:
        super().__init__()
        self.link = InstantLink(lambda: self.now)
        self.gateways = [StoreSessions(self.link, max_entries=PLACES, ttl=TTL) for _ in range(2)]
        self.arrived = 0
        self.size = 0

    def run(self, act: Callable[[StoreSessions], Awaitable[Found]]) -> Found:
        """Have the gateway that is next do something, and bring back what leases left."""
        self.arrived += 1
        gateway = self.gateways[self.arrived % 2]

        async def ask() -> Found:
            async with trio.open_nursery() as nursery:
                for each in self.gateways:
                    nursery.start_soon(each.keep)
                found = await act(gateway)
                await wait_all_tasks_blocked()
                assert not any(each.unsent for each in self.gateways)
                nursery.cancel_scope.cancel()
            self.size = len(gateway)
            return found

        return trio.run(ask)

    def claim(self, asked: Held) -> Lease | None:
        found = self.run(lambda gateway: gateway.claim(asked, now=0, gone=self.gone))
        return None if isinstance(found, str) else found

    def commit(self, conversation: Held, session: Session) -> None:
        self.run(lambda gateway: gateway.commit(conversation, session, "kept", now=0))

    def mark_altered(self, question: bytes) -> None:
        async def mark(gateway: StoreSessions) -> None:
            gateway.mark_altered(question, now=0)
            await trio.lowlevel.checkpoint()

        self.run(mark)

    @rule(number=numbers, turn=turns, again=turns)
    def fail_over(self, number: int, turn: Turn, again: Turn) -> None:
        """A turn of which the new primary was not told, and which the client then has answered anew."""
        chat, server = self.some(number), self.link.server
        messages, known = list(chat.messages), deepcopy(server.keys)
        self.ask(chat, turn)
        server.keys = known
        server.lead()
        chat.messages = messages
        self.ask(chat, again)

    @invariant()
    def bounded(self) -> None:
        """No more sessions than there are places, but for those whose leases came back."""
        assert self.size <= PLACES + len(self.leases) + 1


TestSharedConversations = SharedConversations.TestCase
TestSharedConversations.settings = settings(max_examples=20, stateful_step_count=30)


@pytest.mark.slow
def test_many_shared_conversations() -> None:
    """The same with five thousand steps; ten times as many where LONG_TESTS is set, as by `scripts/test --long`."""
    steps = 50_000 if os.environ.get("LONG_TESTS") else 5_000
    many = settings(max_examples=steps // STEPS_EACH, stateful_step_count=STEPS_EACH)
    run_state_machine_as_test(SharedConversations, settings=many)
