"""The upstreams of a failover, in a test's hands: instances that are asked, answer and fail, each in its own words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from lingma_trio.protocol.jsonrpc import Notification, PeerId, ServerRequest
from lingma_trio.protocol.request import Request
from tests.agent_sweep import SweptAgent
from tests.lingma.acp.peer import AgentLink, agent_linked
from tests.peers import Link as LingmaLink
from tests.peers import LinkedInstance, linked


class End(ABC):
    """One instance, `name`, and whoever stands at the other end of its channel."""

    def __init__(self, name: str, instance: LinkedInstance) -> None:
        self.name = name
        self.instance = instance

    @abstractmethod
    async def asked(self) -> ServerRequest:
        """The question that comes next."""

    @abstractmethod
    def session(self, question: ServerRequest) -> str:
        """The session that it is answered in."""

    @abstractmethod
    def begins(self, question: ServerRequest) -> bool:
        """Whether it begins a session, so that it has to hold the whole conversation."""

    @abstractmethod
    def text_of(self, question: ServerRequest) -> str:
        """What the client said in it."""

    @abstractmethod
    async def say(self, question: ServerRequest, text: str) -> None:
        """Send a piece of the answer."""

    @abstractmethod
    async def end(self, question: ServerRequest) -> None:
        """End the answer."""

    @abstractmethod
    async def hit_rate_limit(self, question: ServerRequest) -> None:
        """Fail, as whoever is asked too often."""

    @abstractmethod
    async def lose_login(self, question: ServerRequest) -> None:
        """Fail, as nobody who is signed in."""

    @abstractmethod
    async def refuse(self, question: ServerRequest) -> None:
        """Decline to answer such a question."""

    @abstractmethod
    async def break_down(self, question: ServerRequest) -> None:
        """Fail for a reason of its own."""

    @abstractmethod
    async def vanish(self, question: ServerRequest | None = None) -> None:
        """Break the connection off without a goodbye."""

    @abstractmethod
    async def stopped(self, question: ServerRequest) -> None:
        """Be told that nobody waits for the answer any longer."""

    @abstractmethod
    async def silent(self) -> None:
        """See that nobody has asked anything, or stopped it, since the last that was read."""

    async def reply(self, question: ServerRequest, text: str) -> None:
        """Answer it."""
        await self.say(question, text)
        await self.end(question)


class LingmaEnd(End):
    """A Lingma in its chat dialect. Its first session is called after its place, as all others are."""

    def __init__(self, at: int, link: LingmaLink) -> None:
        super().__init__(f"instance-{at}", LinkedInstance(link.channel, f"instance-{at}"))
        self.link = link
        self.peer = link.peer
        self._session = f"s-{at}"

    async def asked(self) -> ServerRequest:
        return await self.peer.called("chat/ask")

    def session(self, question: ServerRequest) -> str:
        return str(question.params["sessionId"]) or self._session

    def begins(self, question: ServerRequest) -> bool:
        return not (question.params["sessionId"] or question.params["isReply"])

    def text_of(self, question: ServerRequest) -> str:
        return str(question.params["questionText"])

    async def say(self, question: ServerRequest, text: str) -> None:
        await self.peer.text(question, text, self.session(question))

    async def end(self, question: ServerRequest) -> None:
        await self.peer.finish(question, self.session(question))

    async def hit_rate_limit(self, question: ServerRequest) -> None:
        await self.peer.finish(question, status=429)

    async def lose_login(self, question: ServerRequest) -> None:
        await self.peer.finish(question, status=401)

    async def refuse(self, question: ServerRequest) -> None:
        await self.peer.finish(question, status=601)

    async def break_down(self, question: ServerRequest) -> None:
        await self.peer.finish(question, status=500)

    async def vanish(self, question: ServerRequest | None = None) -> None:
        del question
        await self.link.vanish()

    async def stopped(self, question: ServerRequest) -> None:
        told = await self.peer.called("chat/stop")
        assert told.params["requestId"] == question.params["requestId"]

    async def silent(self) -> None:
        self.link.channel.tell(Request("marker", {}))
        await self.peer.called("marker")

    async def reject(self, question: ServerRequest) -> None:
        """Take the question for a faulty one."""
        await self.peer.finish(question, status=400)

    async def use_up_quota(self, question: ServerRequest) -> None:
        """Fail with a status that a lost login has as well, being signed in."""
        await self.peer.finish(question, status=403)
        await self.peer.answer(await self.peer.called("auth/status"), {"status": 2})

    async def lose_login_with_the_status_of_a_quota(self, question: ServerRequest) -> None:
        """The same, being signed out."""
        await self.peer.finish(question, status=403)
        await self.peer.answer(await self.peer.called("auth/status"), {"status": 1})


class AgentEnd(End):
    """An agent over ACP. It makes a session whenever it is asked to, and closes those that are done with."""

    def __init__(self, at: int, link: AgentLink) -> None:
        super().__init__(f"instance-{at}", SweptAgent(link, f"instance-{at}"))
        self.link = link
        self.peer = link.peer
        self._fresh: set[str] = set()
        self._beginnings: set[PeerId] = set()
        self._names = (f"s-{at}-{number}" for number in count())

    async def asked(self) -> ServerRequest:
        asked = await self._next()
        assert isinstance(asked, ServerRequest)
        assert asked.method == "session/prompt"
        if self.session(asked) in self._fresh:
            self._fresh.remove(self.session(asked))
            self._beginnings.add(asked.id)
        return asked

    def session(self, question: ServerRequest) -> str:
        return str(question.params["sessionId"])

    def begins(self, question: ServerRequest) -> bool:
        return question.id in self._beginnings

    def text_of(self, question: ServerRequest) -> str:
        return str(question.params["prompt"][1]["text"])

    async def say(self, question: ServerRequest, text: str) -> None:
        await self.peer.say(self.session(question), text)

    async def end(self, question: ServerRequest) -> None:
        await self.peer.answer(question, {"stopReason": "end_turn"})

    async def hit_rate_limit(self, question: ServerRequest) -> None:
        await self.peer.refuse(question, -32603, "429 Too Many Requests")

    async def lose_login(self, question: ServerRequest) -> None:
        await self.peer.refuse(question, -32000, "Authentication required")

    async def refuse(self, question: ServerRequest) -> None:
        await self.peer.answer(question, {"stopReason": "refusal"})

    async def break_down(self, question: ServerRequest) -> None:
        await self.peer.refuse(question, -32603, "something broke")

    async def vanish(self, question: ServerRequest | None = None) -> None:
        del question
        await self.peer.stream.aclose()

    async def stopped(self, question: ServerRequest) -> None:
        told = await self._next()
        assert isinstance(told, Notification)
        assert (told.method, told.params["sessionId"]) == ("session/cancel", self.session(question))

    async def silent(self) -> None:
        self.link.channel.tell(Request("marker", {}))
        marker = await self._next()
        assert isinstance(marker, ServerRequest)
        assert marker.method == "marker"

    async def _next(self) -> ServerRequest | Notification:
        """What comes next beside sessions that are made and closed."""
        while True:
            event = await self.peer.event()
            assert isinstance(event, ServerRequest | Notification)
            match event:
                case ServerRequest(method="session/new"):
                    name = next(self._names)
                    self._fresh.add(name)
                    await self.peer.answer(event, {"sessionId": name})
                case ServerRequest(method="session/close"):
                    await self.peer.answer(event, {})
                case _:
                    return event


@asynccontextmanager
async def lingma_end(at: int) -> AsyncIterator[End]:
    """A Lingma whose channel runs."""
    async with linked() as link:
        yield LingmaEnd(at, link)


@asynccontextmanager
async def agent_end(at: int) -> AsyncIterator[End]:
    """An agent whose channel runs."""
    async with agent_linked() as link:
        yield AgentEnd(at, link)
