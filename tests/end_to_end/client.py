"""A client that can misbehave: one connection over a Trio socket with h11, dropped, half-closed or stalled at will.

Knows HTTP/1.1 and server-sent events; must not know what the gateway is made of.
"""

from __future__ import annotations

import socket as sockets
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from errno import ECONNREFUSED
from typing import Any, TypeAlias

import h11
import trio
from pydantic_core import from_json, to_json

Json: TypeAlias = Any
"""What JSON holds; a test looks into it without asking first."""

PATIENCE = 20.0
"""Seconds after which a test that waits for the gateway has failed."""

READ_SIZE = 65536


class CutOff(Exception):
    """The response ended before it was complete."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. `complete` is false for one that was cut off; `body` is then what came until there."""

    status: int
    headers: dict[str, str]
    body: bytes
    complete: bool

    @property
    def json(self) -> Json:
        """The body as JSON."""
        return from_json(self.body)

    @property
    def events(self) -> list[Json]:
        """The data of each server-sent event as JSON, and the text itself where it is none, as for `[DONE]`."""
        return events(self.body)

    @property
    def text(self) -> str:
        """The text of a streamed answer."""
        return "".join(
            choice["delta"].get("content") or ""
            for event in self.events
            if isinstance(event, dict)
            for choice in event.get("choices", ())
        )

    @property
    def error(self) -> Json:
        """The error that the body is, or that the stream's last event is; None where there is none."""
        if not self.headers["content-type"].startswith("text/event-stream"):
            return self.json.get("error")
        last = self.events[-1] if self.events else None
        return last.get("error") if isinstance(last, dict) else None


def events(body: bytes) -> list[Json]:
    """The data of each complete server-sent event in `body`."""
    found: list[Json] = []
    for block in body.split(b"\n\n")[:-1]:
        data = b"\n".join(line[6:] for line in block.split(b"\n") if line.startswith(b"data: "))
        if data:
            found.append(from_json(data) if data.startswith((b"{", b"[{")) else data.decode())
    return found


def question(text: str, *, stream: bool = True, **fields: Json) -> bytes:
    """The body of a chat request with one user message."""
    return to_json({"model": "org_auto", "stream": stream, "messages": [{"role": "user", "content": text}], **fields})


class Connection:
    """One connection to the gateway."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.http = h11.Connection(h11.CLIENT)

    @property
    def local_port(self) -> int:
        """The port at this end."""
        port: int = self.stream.socket.getsockname()[1]
        return port

    async def send(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """Send a whole request."""
        given = {"host": "localhost", **(headers or {})}
        if body and "transfer-encoding" not in given:
            given = {"content-length": str(len(body)), **given}
        data = self._bytes_of(h11.Request(method=method, target=path, headers=list(given.items())))
        data += self._bytes_of(h11.Data(data=body)) if body else b""
        await self.stream.send_all(data + self._bytes_of(h11.EndOfMessage()))

    async def ask(self, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send a chat request."""
        await self.send("POST", "/v1/chat/completions", body, headers)

    async def head(self) -> h11.Response:
        """Read up to the end of the response's head."""
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                return event

    async def chunk(self) -> bytes:
        """The next piece of the body, empty at its end. Raises `CutOff` when it ends too early."""
        while True:
            event = await self._next()
            if isinstance(event, h11.Data):
                return bytes(event.data)
            if isinstance(event, h11.EndOfMessage):
                return b""

    async def first_event(self) -> Json:
        """Read the body up to the end of its first event, and return that event."""
        body = b""
        while not (found := events(body)):
            piece = await self.chunk()
            assert piece, "the stream ended before its first event"
            body += piece
        return found[0]

    async def answer(self) -> Answer:
        """Read the response to its end, be that a good one or not."""
        head = await self.head()
        body, complete = await self.rest()
        headers = {name.decode(): value.decode() for name, value in head.headers}
        return Answer(head.status_code, headers, body, complete)

    async def rest(self) -> tuple[bytes, bool]:
        """What is left of the body, and whether it came to its proper end."""
        body = bytearray()
        try:
            while piece := await self.chunk():
                body += piece
        except CutOff:
            return bytes(body), False
        if self.http.our_state is h11.DONE and self.http.their_state is h11.DONE:
            self.http.start_next_cycle()
        return bytes(body), True

    def reset(self) -> None:
        """Drop the connection with a RST."""
        self.stream.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.socket.close()

    def close(self) -> None:
        """Close the connection with a FIN."""
        self.stream.socket.close()

    def half_close(self) -> None:
        """Say that nothing more will be sent, and stay there to read."""
        self.stream.socket.shutdown(sockets.SHUT_WR)

    async def closed(self) -> bytes:
        """Wait until the gateway closes the connection; returns what came before that."""
        came = bytearray()
        try:
            async for piece in self.stream:
                came += piece
        except trio.BrokenResourceError:
            pass
        return bytes(came)

    def _bytes_of(self, event: h11.Request | h11.Data | h11.EndOfMessage) -> bytes:
        return self.http.send(event) or b""

    async def _next(self) -> object:
        while True:
            try:
                event = self.http.next_event()
                if event is not h11.NEED_DATA:
                    if isinstance(event, h11.ConnectionClosed):
                        raise CutOff
                    return event
                self.http.receive_data(await self.stream.receive_some(READ_SIZE))
            except (h11.RemoteProtocolError, trio.BrokenResourceError) as fault:
                raise CutOff from fault


@asynccontextmanager
async def connected(port: int, *, receive_buffer: int = 0) -> AsyncIterator[Connection]:
    """A connection for the length of the block, with the kernel's receive buffer as small as asked for."""
    socket = trio.socket.socket()
    if receive_buffer:
        socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, receive_buffer)
    with socket:
        await socket.connect(("127.0.0.1", port))
        yield Connection(trio.SocketStream(socket))


async def fetch(
    port: int, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Answer:
    """One request on a connection of its own."""
    with trio.fail_after(PATIENCE):
        async with connected(port) as connection:
            await connection.send(method, path, body, headers)
            return await connection.answer()


async def chat(port: int, text: str, *, headers: Mapping[str, str] | None = None, **fields: Json) -> Answer:
    """One chat request with one user message, on a connection of its own."""
    return await fetch(port, "POST", "/v1/chat/completions", question(text, **fields), headers)


async def until_refused(port: int) -> None:
    """Connect again and again until nobody listens: what stood in the kernel's queue until then is reset."""
    with trio.fail_after(PATIENCE):
        while True:
            try:
                async with connected(port):
                    await trio.lowlevel.checkpoint()
            except OSError as fault:
                if fault.errno == ECONNREFUSED:
                    return
