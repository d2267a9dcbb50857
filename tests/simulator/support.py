"""A simulator without a process, and a client for it that speaks through another WebSocket library than it does."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import trio
import trio.testing
from trio_websocket import WebSocketConnection, wrap_client_stream

from lingma_trio.protocol.jsonrpc import Connection, ErrorResponse, Event, Notification, Response, ServerRequest
from lingma_trio.simulator.files import WorkDirectory
from lingma_trio.simulator.knobs import Knobs
from lingma_trio.simulator.service import SimulatedLingma

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

PATIENCE = 300
"""Seconds after which nothing can be coming any more: a test that waits in vain fails instead of hanging."""
ENDINGS = ("chat/finish", "chat/filterTimeout", "error")


@dataclass(frozen=True)
class Heard:
    """A push, and when it came."""

    at: float
    method: str
    params: dict[str, Any]


@dataclass
class Answer:
    """What was pushed for one question, or for its session."""

    pushes: list[Heard] = field(default_factory=list)

    @property
    def deltas(self) -> list[str]:
        return [push.params["text"] for push in self.pushes if push.method == "chat/answer"]

    @property
    def text(self) -> str:
        return "".join(self.deltas)

    @property
    def methods(self) -> list[str]:
        return [push.method for push in self.pushes]

    @property
    def finish(self) -> dict[str, Any]:
        return next(push.params for push in self.pushes if push.method == "chat/finish")


class Caller:
    """A client of the simulator that answers each push which wants it, unless `acknowledges` is False."""

    def __init__(self, websocket: WebSocketConnection, name: str = "request") -> None:
        self.name = name
        self.websocket = websocket
        self.connection = Connection()
        self.messages: list[str | bytes] = []
        self.pushes: list[Heard] = []
        self.acknowledges = True
        self._requests = count(1)
        self._unheard: list[Event] = []

    async def send(self, data: bytes) -> None:
        await self.websocket.send_message(data.decode())

    async def event(self) -> Event:
        """The next event, whatever it is."""
        while not self._unheard:
            with trio.fail_after(PATIENCE):
                message = await self.websocket.get_message()
            self.messages.append(message)
            self._unheard += self.connection.receive(message.encode() if isinstance(message, str) else message)
        event = self._unheard.pop(0)
        if isinstance(event, ServerRequest) and self.acknowledges:
            await self.send(self.connection.answer(event.id))
        if isinstance(event, ServerRequest | Notification):
            self.pushes.append(Heard(trio.current_time(), event.method, event.params))
        return event

    async def push(self) -> Heard:
        """The next push; replies before it are passed over."""
        before = len(self.pushes)
        while len(self.pushes) == before:
            await self.event()
        return self.pushes[-1]

    async def reply(self, method: str, params: dict[str, Any] | None = None) -> Response | ErrorResponse:
        """Call and wait for the reply to this call; pushes that come before it are kept in `pushes`."""
        number, data = self.connection.request(method, params or {})
        await self.send(data)
        while True:
            event = await self.event()
            if isinstance(event, Response | ErrorResponse) and event.id == number:
                return event

    async def call(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call and return the result."""
        reply = await self.reply(method, params)
        assert isinstance(reply, Response), reply
        assert isinstance(reply.result, dict), reply
        return reply.result

    async def ask(self, text: str, *, session_id: str = "", request_id: str = "", extra: object = None) -> str:
        """Ask as a notification; return the request's id. `extra` takes the place of the usual one."""
        request_id = request_id or f"{self.name}-{next(self._requests)}"
        params = question(text, request_id, session_id)
        await self.send(self.connection.notify("chat/ask", params if extra is None else {**params, "extra": extra}))
        return request_id

    async def answer(self, text: str, *, session_id: str = "", extra: object = None) -> Answer:
        """Ask, and collect what is pushed up to the first ending."""
        await self.ask(text, session_id=session_id, extra=extra)
        return await self.rest()

    async def rest(self) -> Answer:
        """Collect what is pushed up to the next ending."""
        answer = Answer()
        while not answer.pushes or answer.pushes[-1].method not in ENDINGS:
            answer.pushes.append(await self.push())
        return answer


def question(text: str, request_id: str, session_id: str = "") -> dict[str, Any]:
    """The params of a chat/ask, as far as the simulator reads them."""
    return {"requestId": request_id, "sessionId": session_id, "questionText": text, "isReply": bool(session_id)}


async def websocket_over(nursery: trio.Nursery, stream: trio.abc.Stream) -> WebSocketConnection:
    """A client's WebSocket over any stream. Whoever opened the stream closes it: the library does not always."""
    return await wrap_client_stream(nursery, stream, "127.0.0.1", "/")  # type: ignore[arg-type]


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Caller]:
    """A client over a real socket, initialized."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream, trio.open_nursery() as nursery:
        caller = Caller(await websocket_over(nursery, stream))
        await caller.call("initialize")
        yield caller
        nursery.cancel_scope.cancel("the test is over")


class House:
    """A running SimulatedLingma and the nursery its clients live in."""

    def __init__(self, lingma: SimulatedLingma, nursery: trio.Nursery) -> None:
        self.lingma = lingma
        self.crashes: list[float] = []
        self._nursery = nursery
        self._names = (f"client-{number}" for number in count(1))

    async def connect(self, *, initialize: bool = True, buffered: bool = True) -> Caller:
        """A new client, connected in memory; without a buffer the simulator waits until the client has read."""
        pair: Callable[[], tuple[trio.abc.Stream, trio.abc.Stream]]
        pair = trio.testing.memory_stream_pair if buffered else trio.testing.lockstep_stream_pair
        ours, theirs = pair()
        self._nursery.start_soon(self.lingma.serve, theirs)
        caller = Caller(await websocket_over(self._nursery, ours), next(self._names))
        if initialize:
            await caller.call("initialize")
        return caller


@asynccontextmanager
async def simulated(tmp_path: Path, *words: str) -> AsyncIterator[House]:
    """A simulator with these knobs turned and `tmp_path` for work directory; its session ids are s-1, s-2 and so on."""
    directory = WorkDirectory(tmp_path)
    numbers = count(1)
    crashes: list[float] = []
    lingma = SimulatedLingma(
        Knobs().turned(words),
        directory=directory,
        machine_id=directory.prepare(),
        crash=lambda: crashes.append(trio.current_time()),
        make_id=lambda: f"s-{next(numbers)}",
    )
    async with trio.open_nursery() as nursery:
        house = House(lingma, nursery)
        house.crashes = crashes
        nursery.start_soon(lingma.play)
        yield house
        nursery.cancel_scope.cancel("the test is over")
