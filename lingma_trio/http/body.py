"""A request's body, read within bounds of size and time.

Hypercorn hands the body over through a short queue that only the request's task empties. A body that nobody reads
therefore blocks the connection for ever, also for the response: whoever answers without reading must `discard`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO

import trio
from starlette.types import Receive

from lingma_trio.errors import BodyTimeout, BodyTooLarge, ClientGone

DISCARD_SECONDS = 2.0  # for what a refused client still sends; then the connection closes
DISCARD_BYTES = 64 * 1024 * 1024


def _unknown() -> bool:
    """Nobody knows what has arrived."""
    return False


class RequestBody:
    """The body of one request."""

    def __init__(
        self, headers: Mapping[bytes, bytes], receive: Receive, arrived: Callable[[], bool] = _unknown
    ) -> None:
        """`headers` are the request's. `arrived` says whether all of it is there, so that reading waits for nothing."""
        length = headers.get(b"content-length", b"0")
        self._declared = int(length) if length.isdigit() else 0
        self._receive = receive
        self._arrived = arrived
        self.complete = not self._declared and b"transfer-encoding" not in headers

    async def read(
        self, *, limit: int, seconds: float, take: Callable[[int], None] | None = None, setting: str = ""
    ) -> bytes:
        """The whole body. `take` is told of each piece's size as it comes, and may raise to end the reading. `setting`
        names what the limit can be raised by.

        Raises `BodyTooLarge` over `limit` bytes, before reading anything where the length is declared, `BodyTimeout`
        after `seconds`, and `ClientGone` when the client leaves first.
        """
        if self._declared > limit:
            raise _too_large(limit, setting)
        body = BytesIO()  # grows in place, and is given out without a copy
        if self._arrived():
            await self._read_into(body, limit, take, setting)
        else:
            with trio.move_on_after(seconds):
                await self._read_into(body, limit, take, setting)
        if not self.complete:
            raise BodyTimeout(f"the request's body did not arrive within {seconds:g} s")
        return body.getvalue()

    async def _read_into(self, body: BytesIO, limit: int, take: Callable[[int], None] | None, setting: str) -> None:
        while not self.complete:
            piece = await self._next()
            if body.tell() + len(piece) > limit:
                raise _too_large(limit, setting)
            if take is not None:
                take(len(piece))
            body.write(piece)

    async def discard(self) -> None:
        """Read what is left and forget it, within DISCARD_SECONDS and DISCARD_BYTES."""
        size = 0
        with trio.move_on_after(DISCARD_SECONDS):
            while not self.complete and size < DISCARD_BYTES:
                try:
                    size += len(await self._next())
                except ClientGone:
                    return

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.complete = True
            raise ClientGone("the client left before its request was complete")
        self.complete = not message.get("more_body", False)
        body: bytes = message.get("body", b"")
        return body


def _too_large(limit: int, setting: str) -> BodyTooLarge:
    remedy = f"send less, or raise {setting}" if setting else "send less"
    return BodyTooLarge(f"the request's body is larger than {limit} bytes; {remedy}")
