"""A gateway without sockets and processes: the real router and services, a Lingma in the test's hands, ASGI visitors.

Knows ASGI's messages; must not know what the routes answer.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio
from pydantic_core import from_json, to_json

from lingma_trio.errors import StateDown
from lingma_trio.http.auth import Gatekeeper
from lingma_trio.http.ceiling import Ceiling
from lingma_trio.http.exchange import DEPARTURE
from lingma_trio.http.operator_sessions import OperatorSessions
from lingma_trio.http.picture_bounds import PictureBounds
from lingma_trio.http.pictures import Pictures
from lingma_trio.http.routes import build_router
from lingma_trio.http.services import Bounds, Services
from lingma_trio.http.tenants import Tenants
from lingma_trio.keys.key import ApiKey, parse_api_keys
from lingma_trio.lingma.asker import DialogueOptions
from lingma_trio.lingma.dialogues import Dialogues
from lingma_trio.lingma.limiter import Limiter
from lingma_trio.lingma.pool import Pool
from lingma_trio.lingma.turn import TurnBounds
from lingma_trio.metrics import Metrics
from lingma_trio.policy.aliases import Aliases
from lingma_trio.policy.byte_budget import ByteBudget
from lingma_trio.protocol.jsonrpc import ServerRequest
from lingma_trio.sessions.book import SessionBook
from lingma_trio.state.link import Budget, Call
from lingma_trio.state.link import Link as StateLink
from lingma_trio.state.rates_store import SharedRates
from lingma_trio.state.responses import Responses
from lingma_trio.state.responses_memory import MemoryResponses
from lingma_trio.state.responses_store import StoreResponses
from lingma_trio.state.sessions import Sessions
from lingma_trio.state.sessions_memory import MemorySessions
from lingma_trio.state.sessions_store import StoreSessions
from tests.peers import LingmaPeer, Link, LinkedInstance, linked

LOOPBACK = ("127.0.0.1", 50000)
ELSEWHERE = ("203.0.113.7", 50000)
ROUTER = build_router()


class Visitor:
    """The server's side of one request: hands the body over, takes the response, and can leave."""

    def __init__(self, scope: dict[str, Any], body: bytes, *, withheld: bool = False) -> None:
        self.scope = scope
        self.body = b""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.complete = False
        self.done = trio.Event()
        self._unsent: bytes | None = None if withheld else body
        self._withheld = withheld
        self._left = trio.Event()
        self._reads = trio.Event()
        self._reads.set()
        self._changed = trio.Event()
        self._left_over = b""
        self._leaves_at = b""
        self._leaves_after = b""
        self._request = trio.CancelScope()
        self.departed = ""

    async def visit(self) -> None:
        """Be served: by a server that ends what runs for a client that leaves, where the scope says so."""
        with self._request:
            await ROUTER(self.scope, self.receive, self.send)
        self.done.set()

    def leave(self) -> None:
        """Go away, whatever the response is up to."""
        self._left.set()
        if self.scope["extensions"] and not self.complete:
            self.departed = "client disconnected"
            self._request.cancel(self.departed)

    def leave_at(self, text: bytes) -> None:
        """Go away when `text` is sent, which the write of it finds."""
        self._leaves_at = text

    def leave_after(self, text: bytes) -> None:
        """Go away as soon as the response's body ends in `text`, which has then been read."""
        self._leaves_after = text

    def stop_reading(self) -> None:
        """Take nothing more, so that whoever sends waits, until `read_on`."""
        self._reads = trio.Event()

    def read_on(self) -> None:
        """Take everything again."""
        self._reads.set()

    async def until(self, text: bytes) -> None:
        """Wait until the response's body has `text` in it."""
        while text not in self.body:
            await self._changed.wait()

    async def receive(self) -> dict[str, Any]:
        """ASGI's."""
        if self._unsent is None:
            await self._left.wait()
            return {"type": "http.disconnect"}
        await trio.lowlevel.checkpoint()
        body, self._unsent = self._unsent, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """ASGI's."""
        await self._reads.wait()
        if message["type"] == "http.response.start":
            assert not self.status
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            assert self.status
            assert not self.complete
            data = self._left_over + message.get("body", b"")
            self._left_over = b""
            if self._leaves_at and self._leaves_at in data:
                self.leave()
                await trio.lowlevel.checkpoint()
                return
            self.complete = not message.get("more_body", False)
            self._take(data)

    def arrived(self) -> bool:
        """Our own edge's: whether the body is there."""
        return not self._withheld

    def offer(self, data: bytes) -> bool:
        """Our own edge's: take it at once, unless nothing is read, or the client leaves with it."""
        assert self.status
        assert not self.complete
        leaves = self._leaves_at and self._leaves_at in data
        if self._left_over or leaves or not self._reads.is_set():
            self._left_over += data
            return False
        self._take(data)
        return True

    def _take(self, data: bytes) -> None:
        self.body += data
        if self._leaves_after and self.body.endswith(self._leaves_after):
            self.leave()
        self._changed.set()
        self._changed = trio.Event()

    @property
    def json(self) -> Any:  # noqa: ANN401 - a test looks into it without asking first
        """The body as JSON."""
        return from_json(self.body)

    @property
    def code(self) -> str:
        """The error's code, after a look at the envelope."""
        error = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["message"]
        code: str = error["code"]
        return code


@dataclass(frozen=True)
class World:
    """The parts of one gateway."""

    services: Services
    instance: LinkedInstance
    link: Link

    @property
    def peer(self) -> LingmaPeer:
        """Lingma."""
        return self.link.peer

    def visitor(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        client: tuple[str, int] | None = LOOPBACK,
        withheld: bool = False,
        query: str = "",
        watched: bool = True,
    ) -> Visitor:
        """Somebody with a request. A `withheld` body is announced and never comes.

        A server that is not our own edge has not `watched` for the client's departure, and tells of it by a message.
        """
        lines = {"content-length": str(len(body) or 1)} if body or withheld else {}
        scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in {**lines, **(headers or {})}.items()],
            "client": client,
            "state": {"services": self.services},
            "extensions": {},
        }
        visitor = Visitor(scope, body, withheld=withheld)
        if watched:
            scope["extensions"] = {DEPARTURE: visitor}
        return visitor

    def asker(
        self,
        text: str = "Hello.",
        headers: Mapping[str, str] | None = None,
        *,
        watched: bool = True,
        **fields: Any,  # noqa: ANN401 - whatever JSON holds
    ) -> Visitor:
        """Somebody with a question."""
        body = {"model": "auto", "messages": [{"role": "user", "content": text}], **fields}
        return self.visitor("POST", "/v1/chat/completions", to_json(body), headers, watched=watched)

    async def call(self, method: str, path: str, body: bytes = b"", **more: Any) -> Visitor:  # noqa: ANN401
        """Have one request served."""
        visitor = self.visitor(method, path, body, **more)
        await visitor.visit()
        return visitor

    @property
    def stored(self) -> int:
        """How many responses are kept."""
        responses = self.services.responses
        assert isinstance(responses, MemoryResponses)
        return len(responses)

    def sample(self, name: str, **labels: str) -> float:
        """A metric's value; 0 while it has none."""
        return self.services.metrics.registry.get_sample_value(f"lingma_gateway_{name}", labels) or 0.0


class DownLink:
    """The way to a store that cannot be reached."""

    replicas = 2
    up = False

    async def trip(self, *calls: Call, budget: Budget | None = None) -> list[Any]:
        raise StateDown(f"no store for {calls[0].script}", retry_after=1)


@asynccontextmanager
async def open_world(
    *,
    keys: tuple[str | ApiKey, ...] = (),
    anonymous: bool = False,
    admin: str = "",
    metrics: str = "",
    slots: int = 4,
    max_queue: int = 10,
    max_request: int = 100_000,
    max_answer: int = 100_000,
    max_bytes: int = 0,
    max_stored: int = 100_000,
    request_timeout: float = 900,
    keepalive: float = 15,
    notice: str = "",
    aliases: tuple[tuple[str, str], ...] = (),
    each: int = 0,
    others: tuple[LinkedInstance, ...] = (),
    store: StateLink | None = None,
) -> AsyncIterator[World]:
    """Put the parts together as the gateway does. A key that is a text has no name of its own and no limits.

    `each` bounds the turns of the world's own instance; `others` come after it. With a `store` the gateway shares there
    what it can; what it tells it beside requests is for the test to run.
    """
    tenants = Tenants(key for text in keys for key in ((text,) if isinstance(text, ApiKey) else parse_api_keys(text)))
    async with linked() as link:
        instance = LinkedInstance(link.channel, most_turns=each)
        sessions: Sessions = MemorySessions(SessionBook(max_entries=10, ttl=math.inf))
        responses: Responses = MemoryResponses(max_entries=10, max_bytes=max_stored, ttl=3600)
        if store is not None:
            sessions = StoreSessions(store, max_entries=10, ttl=1000)
            responses = StoreResponses(store, max_entries=10, max_bytes=max_stored, ttl=3600)
        pool = Pool([instance, *others])
        options = DialogueOptions(
            TurnBounds(first_delta=120, idle=60, max_size=max_answer),
            "org_auto",
            "chat",
            reuse_sessions=True,
            aliases=Aliases(aliases),
        )
        limiter = Limiter(limit=slots, queue_timeout=30, max_queue=max_queue)
        services = Services(
            gatekeeper=Gatekeeper(tenants, anonymous=anonymous, admin_token=admin, metrics_token=metrics),
            limiter=limiter,
            sessions=sessions,
            responses=responses,
            pool=pool,
            dialogues=Dialogues(limiter, pool, sessions, options),
            metrics=Metrics(),
            bounds=Bounds(max_request=max_request, request_timeout=request_timeout, keepalive=keepalive),
            byte_budget=ByteBudget(max_bytes or 4 * max_request),
            pictures=Pictures(PictureBounds(max_size=1024, seconds=5), enabled=False, fallback="error"),
            ceiling=Ceiling(request_timeout, delivery=20),
            notice=notice,
            created=1_700_000_000,
            operators=OperatorSessions(admin),
            rates=SharedRates(store) if store is not None else None,
        )
        services.metrics.attach(services)
        yield World(services, instance, link)


@asynccontextmanager
async def asking(world: World, visitor: Visitor) -> AsyncIterator[ServerRequest]:
    """A visitor that is being served, and the question that reached Lingma; ends with the visitor's last byte."""
    with trio.fail_after(1000):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visitor.visit)
            yield await world.peer.called("chat/ask")
