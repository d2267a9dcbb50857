"""One request and its response, as the app sees them through ASGI."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any, TypeAlias
from urllib.parse import unquote

import trio
from starlette.types import Message

from lingma_trio.edge.head import Head
from lingma_trio.edge.inbound import Inbound
from lingma_trio.edge.outbound import CONTINUE, Outbound

Write: TypeAlias = Callable[[bytes], Awaitable[None]]
WriteNow: TypeAlias = Callable[[bytes], bytes]


class Clock:
    """The date of responses, made anew once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._date = b""

    def date(self) -> bytes:
        """Now, as RFC 9110 writes it."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._date = formatdate(second, usegmt=True).encode()
        return self._date


class Cycle:
    """A request under way. `departed` is why its client is taken for gone, and empty while it is there.

    `scope` is cancelled where the client is gone. `write` brings bytes to the client, or finds that it is gone;
    `write_now` does so without waiting, and returns what is left. `taken` is told that there is room for more of the
    body.
    """

    def __init__(
        self,
        head: Head,
        inbound: Inbound,
        clock: Clock,
        scope: trio.CancelScope,
        *,
        write: Write,
        write_now: WriteNow,
        taken: Callable[[], None],
    ) -> None:
        self.head = head
        self.outbound = Outbound(head)
        self.departed = ""
        self._scope = scope
        self._inbound = inbound
        self._clock = clock
        self._write = write
        self._write_now = write_now
        self._left = b""  # by an offer, for the next send
        self._taken = taken
        self._arrived: trio.Event | None = None
        self._heard = False
        self._continued = False
        self._delivered = False

    def __repr__(self) -> str:
        return f"<Cycle {self.head.method} {self.outbound}>"

    def depart(self, reason: str) -> None:
        """The client is gone, or taken for it: end the app, which is told so where it asks.

        A client that has all of its response has not left too early, and nothing is ended.
        """
        if not self.departed and not self._delivered:
            self.departed = reason
            self._scope.cancel(reason)
            self.arrive()

    def arrive(self) -> None:
        """Something of the body has come, or nothing more will."""
        if self._arrived is not None:
            self._arrived.set()
            self._arrived = None

    def arrived(self) -> bool:
        """Whether the whole body has come, so that `receive` waits for nothing until it has been given all of it."""
        return self._inbound.complete

    async def receive(self) -> Message:
        """A piece of the body, or that the client has left; waits for either."""
        inbound = self._inbound
        if self.head.expects and not self._continued and not inbound.waiting and not inbound.complete:
            if self.outbound.begun:  # a client that waits for leave to send its body has been told otherwise
                return {"type": "http.disconnect"}
            self._continued = True
            await self._write(CONTINUE)
        while not self.departed:
            piece = inbound.take()
            more = not inbound.complete
            if piece or not (more or self._heard):
                self._heard = not more
                self._taken()
                return {"type": "http.request", "body": piece, "more_body": more}
            self._arrived = self._arrived or trio.Event()
            await self._arrived.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Write a part of the response. A client that is gone cancels the request."""
        if message["type"] == "http.response.start":
            if not self._inbound.complete:  # and nobody reads the rest, so that no request can follow it
                self.outbound.keeps = False
            self.outbound.start(message["status"], message.get("headers", ()), self._clock.date())
        elif message["type"] == "http.response.body":
            data = self._left + self.outbound.body(message.get("body", b""), more=message.get("more_body", False))
            self._left = b""
            if data:
                await self._write(data)
            self._delivered = self.outbound.whole and not self.departed

    def offer(self, data: bytes) -> bool:
        """Write a piece of the response's body as far as the client takes it at once. Never waits.

        Returns whether that was all. What is left goes before whatever is sent next, which is due: until then nobody
        waits for the client.
        """
        framed = self.outbound.body(data, more=True)
        self._left = self._left + framed if self._left else self._write_now(framed)
        return not self._left


def scope_of(cycle: Cycle, *, scheme: str, client: Any, server: Any, state: dict[str, Any]) -> Message:  # noqa: ANN401 - ASGI's
    """What ASGI tells an app of a request."""
    head = cycle.head
    target = head.target
    if not target.startswith(b"/") and b"://" in target:  # the form for proxies
        target = b"/" + target.split(b"://", 1)[1].partition(b"/")[2]
    raw, _, query = target.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": head.version,
        "method": head.method,
        "scheme": scheme,
        "path": unquote(raw.decode("ascii", "replace")) if b"%" in raw else raw.decode("ascii", "replace"),
        "raw_path": raw,
        "query_string": query,
        "root_path": "",
        "headers": head.fields,
        "client": client,
        "server": server,
        "state": dict(state),
        "extensions": {"lingma_trio.departure": cycle},
    }
