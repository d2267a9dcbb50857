"""The network between two processes of one machine, in a test's hands: it can be cut, held and slowed.

Knows bytes and ports. Must not know what is said over it.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_SIZE = 65536


class Link:
    """A way to a port: whoever connects to `port` talks to the process at `target`, as long as the link lets it."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.cut = False
        self.delay = 0.0
        self._flows = trio.Event()
        self._flows.set()
        self._ways: set[trio.CancelScope] = set()

    def __repr__(self) -> str:
        states = {"cut": self.cut, "held": not self._flows.is_set(), f"{self.delay} s late": self.delay, "whole": True}
        return f"<Link {self.port} to {self.target} {next(state for state, is_so in states.items() if is_so)}>"

    def sever(self) -> None:
        """Reset all that goes over it, and whatever comes, until `mend`."""
        self.cut = True
        for way in self._ways:
            way.cancel("the link is cut")

    def hold(self) -> None:
        """Let nothing through and say nothing of it, as a lost network does, until `mend`."""
        if self._flows.is_set():
            self._flows = trio.Event()

    def mend(self) -> None:
        """Let everything through at once; what was held goes on."""
        self.cut = False
        self.delay = 0.0
        self._flows.set()

    async def carry(self, near: trio.SocketStream) -> None:
        """Serve one connection until either end, or a cut, ends it."""
        with trio.CancelScope() as way:
            self._ways.add(way)
            try:
                await self._join(near)
            finally:
                self._ways.discard(way)
                near.socket.close()

    async def _join(self, near: trio.SocketStream) -> None:
        await self._flows.wait()
        if self.cut:
            return
        try:
            far = await trio.open_tcp_stream("127.0.0.1", self.target)
        except OSError:
            return
        with far.socket:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pass_on, near, far, nursery.cancel_scope)
                nursery.start_soon(self._pass_on, far, near, nursery.cancel_scope)

    async def _pass_on(self, source: trio.SocketStream, sink: trio.SocketStream, whole: trio.CancelScope) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while data := await source.receive_some(_SIZE):
                await trio.sleep(self.delay)
                await self._flows.wait()
                await sink.send_all(data)
        whole.cancel("one end has closed")


@asynccontextmanager
async def linked(target: int) -> AsyncIterator[Link]:
    """A link to a port of 127.0.0.1 for the length of the block."""
    link = Link(target)
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        link.port = listeners[0].socket.getsockname()[1]
        await nursery.start(partial(trio.serve_listeners, link.carry, listeners))
        yield link
        nursery.cancel_scope.cancel("nobody needs the link")
