"""The Lingma end of a channel, in a test's hands: real WebSockets over memory streams, real JSON-RPC."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio
import trio.testing
from trio_websocket import WebSocketConnection, wrap_server_stream

from lingma_trio.errors import ChannelLost, QuotaExceeded, RateLimited
from lingma_trio.lingma.account import AccountWatch
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.dialogue import Dialogue
from lingma_trio.lingma.health import Asked
from lingma_trio.lingma.instance import Instance
from lingma_trio.lingma.lives import State
from lingma_trio.lingma.options import LingmaOptions
from lingma_trio.lingma.supervisor import ENDINGS
from lingma_trio.lingma.websocket import shake_hands
from lingma_trio.policy.backoff import Backoff
from lingma_trio.protocol.catalogue import Catalogue
from lingma_trio.protocol.jsonrpc import Connection, Event, ServerRequest
from lingma_trio.protocol.request import Refusal, Reply, Result
from lingma_trio.turns import AnswerEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from lingma_trio.protocol.turn_machine import Push

PATIENCE = 20.0  # seconds a test waits for what must come at once
MODELS = {"chat": [{"key": "org_auto", "displayName": "Auto"}, {"key": "qwen", "displayName": "Qwen"}]}

StreamPair = tuple[trio.StapledStream[Any, Any], trio.StapledStream[Any, Any]]
SocketPair = tuple[trio.SocketStream, trio.SocketStream]


class LingmaPeer:
    """What stands at the other end. Every message that comes is read here, and only when the test asks for it."""

    def __init__(self, socket: WebSocketConnection) -> None:
        self.socket = socket
        self.rpc = Connection()
        self._unread: list[Event] = []

    async def send(self, data: bytes) -> None:
        """Send bytes as one message."""
        await self.socket.send_message(data.decode())

    async def event(self, patience: float = PATIENCE) -> Event:
        """What the gateway sent next."""
        while not self._unread:
            with trio.fail_after(patience):
                message = await self.socket.get_message()
            self._unread += self.rpc.receive(message.encode() if isinstance(message, str) else message)
        return self._unread.pop(0)

    async def called(self, method: str) -> ServerRequest:
        """The gateway's next message, which has to be a call of `method`."""
        event = await self.event()
        assert isinstance(event, ServerRequest), event
        assert event.method == method
        return event

    async def answer(self, call: ServerRequest, result: object) -> None:
        """Answer a call of the gateway's."""
        await self.send(self.rpc.answer(call.id, result))

    async def push(self, method: str, **params: object) -> None:
        """Tell the gateway something that wants no answer."""
        await self.send(self.rpc.notify(method, params))

    async def push_with_id(self, method: str, **params: object) -> int:
        """Tell the gateway something that wants an answer; returns the id it will carry."""
        number, frame = self.rpc.request(method, params)
        await self.send(frame)
        return number

    async def text(self, question: ServerRequest, text: str, session_id: str = "s-1") -> None:
        """Push a piece of an answer."""
        await self.push("chat/answer", requestId=question.params["requestId"], sessionId=session_id, text=text)

    async def finish(self, question: ServerRequest, session_id: str = "s-1", status: int = 200, **more: object) -> None:
        """Push the end of an answer."""
        request_id = question.params["requestId"]
        await self.push("chat/finish", requestId=request_id, sessionId=session_id, statusCode=status, **more)


@dataclass
class Link:
    """A running channel, its peer, and what became of the one and was heard from the other."""

    channel: RpcChannel
    peer: LingmaPeer
    stream: trio.abc.Stream
    scope: trio.CancelScope
    pushes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    failed_calls: list[str] = field(default_factory=list)
    endings: list[Exception] = field(default_factory=list)
    ended: trio.Event = field(default_factory=trio.Event)

    async def vanish(self) -> None:
        """Break the connection off without a goodbye."""
        await self.stream.aclose()


@asynccontextmanager
async def linked(
    *,
    rpc_timeout: float = 30.0,
    streams: Callable[[], StreamPair | SocketPair] = trio.testing.memory_stream_pair,
    peer_queue: int = 1000,
) -> AsyncIterator[Link]:
    """A channel that runs as in a life of an instance, and its peer."""
    ours, theirs = streams()
    pushes: list[tuple[str, dict[str, Any]]] = []
    failed_calls: list[str] = []
    channel = RpcChannel(
        rpc_timeout=rpc_timeout,
        on_push=lambda method, params: pushes.append((method, params)),
        on_error=failed_calls.append,
    )
    async with trio.open_nursery() as nursery:
        accepted: list[WebSocketConnection] = []

        async def accept() -> None:
            request = await wrap_server_stream(nursery, theirs, message_queue_size=peer_queue, max_message_size=2**26)
            accepted.append(await request.accept())

        async def run(*, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
            try:
                async with trio.open_nursery() as life:
                    socket = await shake_hands(ours, "lingma")
                    await life.start(channel.run, socket)
                    task_status.started(life.cancel_scope)
            except* ENDINGS as group:
                link.endings += leaves(group)
            link.ended.set()

        async with trio.open_nursery() as handshake:
            handshake.start_soon(accept)
            scope = await nursery.start(run)
        link = Link(channel, LingmaPeer(accepted[0]), theirs, scope, pushes, failed_calls)
        yield link
        await link.vanish()  # sooner than cancelling, which waits for a goodbye
        await link.ended.wait()
        nursery.cancel_scope.cancel("the test is over")


def leaves(group: BaseExceptionGroup[Exception]) -> list[Exception]:
    """The faults in a group, however deep."""
    found: list[Exception] = []
    for member in group.exceptions:
        found += leaves(member) if isinstance(member, BaseExceptionGroup) else [member]
    return found


async def batch(dialogue: Dialogue, patience: float) -> list[AnswerEvent]:
    """What comes next; an empty list when `patience` seconds pass without anything."""
    came: list[AnswerEvent] = []

    def first(events: list[AnswerEvent]) -> bool:
        came.extend(events)
        return False

    await dialogue.follow(patience, first)
    return came


class Nobody:
    """A turn that nobody waits for."""

    def reply(self, method: str, params: dict[str, Any]) -> Reply:
        """Nothing."""
        return Result()

    def push(self, method: str, params: dict[str, Any]) -> None:
        """Nothing."""

    def push_all(self, pushes: Sequence[Push]) -> None:
        """Nothing."""

    def answered(self, number: int, result: object) -> None:
        """Nothing."""

    def refused(self, number: int, refusal: Refusal) -> None:
        """Nothing."""

    def lost(self, error: ChannelLost) -> None:
        """Nothing."""

    def doubted(self, params: dict[str, Any]) -> None:
        """Nothing."""


class LinkedInstance(Instance):
    """An instance that is ready at once, on a channel of the test's and without a process."""

    account: AccountWatch

    def __init__(self, channel: RpcChannel, name: str = "lingma-0", *, most_turns: int = 0) -> None:
        options = LingmaOptions(
            name=name,
            command=("lingma",),
            work_dir=Path("nowhere"),
            port=0,
            startup_timeout=1,
            rpc_timeout=1,
            most_turns=most_turns,
        )
        super().__init__(options, Backoff())
        self.lives.present.channel = channel
        channel.on_room = self._changed
        self.lives.state = "ready"
        self.lives.generation = 1
        self.account.catalogue = Catalogue.read(MODELS)

    def live_on(self) -> None:
        """Begin another life on the same channel."""
        channel = self.lives.present.channel
        self.lives.begin()
        self.lives.present.channel = channel

    def tell_models(self, *keys: str) -> None:
        """Have these models and no others."""
        self.account.catalogue = Catalogue.read({"chat": [{"key": key, "displayName": key} for key in keys]})

    def enter(self, state: State, reason: str = "") -> None:
        """Be in that state, and let it be known."""
        self.lives.enter(state, reason)

    def rest(self, seconds: float | None = None, *, model: str = "") -> None:
        """Hit the account's limit, or be told that the plan does not cover a model."""
        kind = QuotaExceeded if model else RateLimited
        self.failed(kind("too many", retry_after=seconds), Asked(model, trio.current_time()))


class IdleInstance(LinkedInstance):
    """An instance on a channel that is asked nothing and never runs."""

    def __init__(self, name: str, *, most_turns: int = 0) -> None:
        channel = RpcChannel(rpc_timeout=1, on_push=lambda *_: None, on_error=lambda _: None)
        super().__init__(channel, name, most_turns=most_turns)
        self.lives.reason = ""
