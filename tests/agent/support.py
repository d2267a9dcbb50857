"""An agent in a test's hands: one instance on a channel of the test's, and gateways that speak the wire themselves."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
from trio.testing import memory_stream_pair
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from lingma_trio.agent.hosted import Hosted
from lingma_trio.agent.listener import Listener
from lingma_trio.agent.pages import Pages
from lingma_trio.agent.refusals import Refusals
from lingma_trio.logs import Redactor
from lingma_trio.protocol.fleet_messages import FLEET, instance_path
from lingma_trio.protocol.jsonrpc import Connection, ErrorResponse, Event, Notification, Response
from tests.peers import LingmaPeer, Link, LinkedInstance, linked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOKEN = "the-token-of-this-fleet"
PATIENCE = 20.0


class GatewayEnd:
    """A gateway that does nothing by itself but answer pings."""

    def __init__(self, socket: WebSocketConnection, stream: trio.abc.Stream) -> None:
        self.socket = socket
        self.stream = stream
        self.rpc = Connection()
        self._unread: list[Event] = []

    async def event(self) -> Event:
        """What the agent said next."""
        while not self._unread:
            with trio.fail_after(PATIENCE):
                message = await self.socket.get_message()
            self._unread += self.rpc.receive(message.encode() if isinstance(message, str) else message)
        return self._unread.pop(0)

    async def ask(self, method: str, **params: object) -> int:
        """Send a request; returns its number."""
        number, frame = self.rpc.request(method, params)
        await self.socket.send_message(frame.decode())
        return number

    async def tell(self, method: str, **params: object) -> None:
        """Send what has no answer."""
        await self.socket.send_message(self.rpc.notify(method, params).decode())

    async def answered(self, number: int) -> object:
        """The answer to a request, which has to be the next thing that comes."""
        event = await self.event()
        assert isinstance(event, Response), event
        assert event.id == number
        return event.result

    async def refused(self, number: int) -> int:
        """The code of the error that answers a request, which has to be the next thing that comes."""
        event = await self.event()
        assert isinstance(event, ErrorResponse), event
        assert event.id == number
        return event.code

    async def pushed(self) -> tuple[str, dict[str, Any]]:
        """What is told next, which has to be without an id."""
        event = await self.event()
        assert isinstance(event, Notification), event
        return event.method, event.params

    async def closed(self) -> int:
        """The code with which the agent closes the connection, whatever it says before."""
        with pytest.raises(ConnectionClosed) as end:
            await self._hear_out()
        assert end.value.reason is not None
        return int(end.value.reason.code)

    async def _hear_out(self) -> None:
        with trio.fail_after(PATIENCE):
            while True:
                await self.socket.get_message()


class Town:
    """An agent that serves, and what stands behind it."""

    def __init__(
        self, link: Link, instance: LinkedInstance, hosted: Hosted, refusals: Refusals, nursery: trio.Nursery
    ) -> None:
        self.link = link
        self.instance = instance
        self.hosted = hosted
        self.refusals = refusals
        self.pages = Pages(hosted, refusals, Redactor(()))
        self.listener = Listener(self.pages, refusals, hosted=hosted, token=TOKEN)
        self._nursery = nursery

    @property
    def peer(self) -> LingmaPeer:
        """The Lingma."""
        return self.link.peer

    def dial(self, *, sockets: bool = False) -> Any:  # noqa: ANN401 - a stream that trio-websocket does not know
        """A stream to the agent, in memory or over a pair of sockets, which hold little."""
        ours, theirs = map(trio.SocketStream, trio.socket.socketpair()) if sockets else memory_stream_pair()
        self._nursery.start_soon(self.listener.serve, theirs, "a test")
        return ours

    async def connect(self, path: str = "", token: str = TOKEN) -> GatewayEnd:
        """A gateway at this path; by default at the present life of the instance."""
        stream = self.dial()
        path = path or instance_path(self.instance.name, self.instance.life)
        headers = [(b"Authorization", f"Bearer {token}".encode())]
        socket = await wrap_client_stream(self._nursery, stream, "agent", path, extra_headers=headers)
        return GatewayEnd(socket, stream)

    async def listen(self) -> GatewayEnd:
        """A gateway that hears how the instances stand."""
        return await self.connect(FLEET)


@asynccontextmanager
async def town(*, most_turns: int = 0) -> AsyncIterator[Town]:
    """An agent with one instance, which is ready, for the length of the block."""
    async with linked() as link, trio.open_nursery() as nursery:
        instance = LinkedInstance(link.channel, "one.lingma-0", most_turns=most_turns)
        hosted = Hosted("one", [instance], url="ws://one:8327")
        nursery.start_soon(hosted.tell, name="state teller")
        yield Town(link, instance, hosted, Refusals(), nursery)
        nursery.cancel_scope.cancel("the test is over")
