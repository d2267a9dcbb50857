"""The two pipes to an agent, as what a channel runs on."""

from __future__ import annotations

import trio

from lingma_trio.errors import ChannelLost

READ_SIZE = 65536
"""Bytes taken at once: what a pipe holds, so that a burst of messages is one look."""

CLOSED = "the agent closed its end of the pipes"


class PipeTransport:
    """The stream of messages to an agent's stdin and from its stdout. Owns the pipes."""

    owes = False
    """Pipes have nothing of their own to say."""

    def __init__(self, pipes: trio.abc.Stream) -> None:
        self._pipes = pipes

    def __repr__(self) -> str:
        return f"<PipeTransport {self._pipes!r}>"

    async def receive(self) -> bytes:
        """What came, in any cut. Raises `ChannelLost` at the end."""
        try:
            data = bytes(await self._pipes.receive_some(READ_SIZE))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as broken:
            raise ChannelLost(CLOSED) from broken
        if not data:
            raise ChannelLost(CLOSED)
        return data

    async def send(self, text: bytes = b"", /) -> None:
        """Send one message. Raises `ChannelLost`. Cancelling in the middle leaves nothing but to close."""
        try:
            await self._pipes.send_all(text)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as broken:
            raise ChannelLost(CLOSED) from broken

    def offer(self, text: bytes, /) -> bool:
        """Take nothing: a pipe has room for a question seldom enough, and its writer waits for it."""
        del text
        return False

    async def aclose(self) -> None:
        """Close both; the end of its stdin asks many an agent to leave."""
        await self._pipes.aclose()
