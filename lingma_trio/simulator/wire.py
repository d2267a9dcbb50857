"""The server's side of one WebSocket: handshake, whole messages in, a single writer out.

Knows WebSocket and a Trio stream; must not know JSON-RPC or Lingma.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Request,
    TextMessage,
)
from wsproto.utilities import RemoteProtocolError

from lingma_trio.protocol.frame_head import BINARY, TEXT, frame_head
from lingma_trio.simulator.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Iterable

READ_SIZE: Final = 64 * 1024
GOING_AWAY: Final = 1001


class WebSocket:
    """One client's WebSocket.

    Its owner enters `life`, runs `accept`, then the outbox's `write_forever` next to `receive`, and closes the stream.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.life = trio.CancelScope()
        """The scope in which the owner serves this client; `drop` cancels it."""
        self.outbox = Outbox(stream)
        self._stream = stream
        self._protocol = WSConnection(ConnectionType.SERVER)
        self._messages: deque[bytes] = deque()
        self._partial: list[bytes] = []
        self._deaf = False

    def __repr__(self) -> str:
        return f"<WebSocket {self._protocol.state.name} unwritten={self.outbox.unwritten}>"

    async def accept(self) -> bool:
        """Answer the handshake; False when the client left or asked for something else.

        Cancelling leaves the handshake undone; the stream is then only good for closing.
        """
        while self._protocol.state is ConnectionState.CONNECTING:
            if not await self._read():
                return False
        return self._protocol.state is ConnectionState.OPEN

    async def receive(self) -> bytes | None:
        """Return the client's next message, text or binary alike; None when it has closed or is gone.

        Cancelling loses nothing. A socket that was made deaf waits for ever.
        """
        while True:
            if self._deaf:
                await trio.sleep_forever()
            if self._messages:
                return self._messages.popleft()
            if self.outbox.lost:
                return None
            if not await self._read():
                self.outbox.lose()

    def post(self, payloads: Iterable[str | bytes]) -> None:
        """Queue messages for writing; a message to a client that is gone or going is dropped."""
        if self.outbox.closed or self._protocol.state is not ConnectionState.OPEN:
            return
        for payload in payloads:
            kind, data = (TEXT, payload.encode()) if isinstance(payload, str) else (BINARY, payload)
            self.outbox.put(frame_head(kind, len(data)) + data)

    def drop(self) -> None:
        """Break the connection off without a close frame: its life is cancelled, and the owner closes the stream."""
        self.outbox.lose()
        self.life.cancel("dropped")

    def deafen(self) -> None:
        """Never read from the client again."""
        self._deaf = True

    async def say_goodbye(self, *, ping_first: bool) -> None:
        """Post a close frame, with a ping right before it when asked, and wait until everything is written.

        Waits as long as the client does not read, so the caller sets the deadline. Cancelling gives up the wait only.
        """
        if self.outbox.lost or self._protocol.state is not ConnectionState.OPEN:
            return
        if ping_first:
            self.outbox.put(self._protocol.send(Ping()))
        self.outbox.put(self._protocol.send(CloseConnection(code=GOING_AWAY)))
        await self.outbox.flushed()

    async def _read(self) -> bool:
        """Take in what has arrived; False at the end."""
        try:
            data = await self._stream.receive_some(READ_SIZE)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return False
        if not data:
            return False
        try:
            self._protocol.receive_data(bytes(data))
            for event in self._protocol.events():
                self._take(event)
        except RemoteProtocolError:
            return False
        if self._protocol.state not in (ConnectionState.CONNECTING, ConnectionState.OPEN):
            with trio.move_on_after(1):
                await self.outbox.flushed()
            return False
        return True

    def _take(self, event: Event) -> None:
        match event:
            case Request():
                self.outbox.put(self._protocol.send(AcceptConnection()))
            case TextMessage(data=text):
                self._gather(text.encode(), whole=event.message_finished)
            case BytesMessage(data=data):
                self._gather(bytes(data), whole=event.message_finished)
            case Ping() if self._protocol.state is ConnectionState.OPEN:
                self.outbox.put(self._protocol.send(event.response()))
            case CloseConnection():
                if self._protocol.state is ConnectionState.REMOTE_CLOSING:
                    self.outbox.put(self._protocol.send(event.response()))
            case _:
                pass

    def _gather(self, data: bytes, *, whole: bool) -> None:
        self._partial.append(data)
        if whole:
            self._messages.append(b"".join(self._partial))
            self._partial.clear()
