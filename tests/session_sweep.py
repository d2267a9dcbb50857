"""The world of a sweep with a Lingma that speaks the dialect of sessions, of which some are opened ahead."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import trio
from trio.testing import wait_all_tasks_blocked

from lingma_trio.lingma.sessions_ahead import SessionsAhead
from lingma_trio.protocol.jsonrpc import ServerRequest
from lingma_trio.protocol.messages import REQUEST_ID
from lingma_trio.protocol.turn_machine import Terms
from lingma_trio.sessions.book import SessionBook
from lingma_trio.state.sessions_memory import MemorySessions
from tests.peers import LingmaPeer, LinkedInstance, linked
from tests.sweep import Scenario, ScriptedLingma, Step, World, services_for

NOTIFICATION = "notification"


class ScriptedSessions(ScriptedLingma):
    """Plays a scenario's steps in that dialect. `held` is the session that the book has from the start of a run.

    A session that was opened is asked in once at the most, whoever is cancelled when: it is nobody else's.
    """

    def __init__(self, peer: LingmaPeer) -> None:
        super().__init__(peer)
        self.held = ""
        self.unused: set[str] = set()
        self._numbers = count(1)

    def prepare(self, scenario: Scenario, held: str) -> None:
        """Forget the run before; what was opened ahead in it is still there."""
        super().prepare(scenario, held)
        self.held = held

    async def _take(self, call: ServerRequest, nursery: trio.Nursery) -> None:
        session_id = str(call.params.get("sessionId"))
        key = str(call.params.get("_meta", {}).get(REQUEST_ID))
        match call.method:
            case "session/new":
                made = f"n-{next(self._numbers)}"
                self.unused.add(made)
                await self.peer.answer(call, {"sessionId": made})
            case "session/set_model":
                assert session_id in self.unused
                await self.peer.answer(call, {})
            case "session/prompt":
                if session_id != self.held:
                    self.unused.remove(session_id)
                self._begin(key, session_id, nursery)
            case "session/cancel":
                await self._stop(key, call)
                await self._update(key, session_id, _chunk("late"))
                await self._update(key, session_id, _end(200))
            case _:
                await super()._take(call, nursery)

    async def _say(self, step: Step, key: str, session_id: str) -> None:
        match step:
            case "text", value:
                await self._update(key, session_id, _chunk(value))
            case "step", _:
                await self._update(key, session_id, {"sessionUpdate": NOTIFICATION, "type": "context_usage"})
            case "finish", value:
                self._finishes[await self._update(key, session_id, _end(value))] = key

    async def _update(self, key: str, session_id: str, update: dict[str, object]) -> int:
        about = {"sessionId": session_id, "_meta": {REQUEST_ID: key}}
        return await self.peer.push_with_id("session/update", **about, update=update)


def _chunk(text: str) -> dict[str, object]:
    return {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}


def _end(status: int) -> dict[str, object]:
    return {"sessionUpdate": NOTIFICATION, "type": "chat_finish", "data": {"reason": "", "statusCode": status}}


@asynccontextmanager
async def open_session_world() -> AsyncIterator[World]:
    """As `open_world`, in the dialect of sessions, with two ahead at the most."""
    async with linked() as link, trio.open_nursery() as nursery:
        link.channel.terms = Terms("session", directory="/work")
        link.channel.ahead = SessionsAhead(link.channel, Counter(), most=2, whose=str)
        instance, lingma = LinkedInstance(link.channel), ScriptedSessions(link.peer)
        nursery.start_soon(lingma.answer_all)
        await wait_all_tasks_blocked()
        book = SessionBook(max_entries=10, ttl=math.inf)
        yield World(services_for([instance], MemorySessions(book)), book, link.channel, instance, lingma)
        nursery.cancel_scope.cancel("the sweep is over")
