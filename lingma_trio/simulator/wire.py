"""The server's side of one WebSocket: handshake, whole messages in, a single writer out.

Knows WebSocket and a Trio stream; must not know JSON-RPC or Lingma. Posting never waits, so that one client which reads
slowly cannot hold up another; whoever posts much asks `congested` first.
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

READ_SIZE: Final = 64 * 1024
HIGH_WATER: Final = 256 * 1024
"""Bytes posted and not yet written from which on a socket is congested: some thousand deltas."""

GOING_AWAY: Final = 1001


class WebSocket:
    """One client's WebSocket.

    Its owner enters `life`, runs `accept` and then `write_forever` next to `receive`, and closes the stream.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.life = trio.CancelScope()
        """The scope in which the owner serves this client; `drop` cancels it."""
        self._stream = stream
        self._protocol = WSConnection(ConnectionType.SERVER)
        self._messages: deque[bytes] = deque()
        self._partial: list[bytes] = []
        self._outbox: list[bytes] = []
        self._unwritten = 0
        self._posted = trio.Event()
        self._emptied = trio.Event()
        self._drained: list[Callable[[], None]] = []
        self._last_act: Callable[[], None] | None = None
        self._deaf = False
        self._over = False

    def __repr__(self) -> str:
        return f"<WebSocket {self._protocol.state.name} unwritten={self._unwritten}>"

    @property
    def congested(self) -> bool:
        """Whether so much waits to be written that more had better wait for `when_drained`."""
        return self._unwritten > HIGH_WATER

    @property
    def lost(self) -> bool:
        """Whether nothing that is posted can reach the client any more."""
        return self._over

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
            if self._over:
                return None
            if not await self._read():
                self.lose()

    async def write_forever(self) -> None:
        """Write what is posted, in order; return when the client is gone or the last act is done.

        Everything that waits goes out in one write. Cancelling may cut a message in two, so it is only for the end.
        """
        while not self._over:
            if not self._outbox:
                if self._last_act is not None:
                    self._last_act()
                    return
                self._posted = trio.Event()
                self._emptied.set()
                await self._posted.wait()
                continue
            data = b"".join(self._outbox)
            self._outbox.clear()
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self.lose()
                return
            self._unwritten -= len(data)
            if not self.congested:
                self._release()

    def post(self, payloads: Iterable[str | bytes]) -> None:
        """Queue messages for writing; a message to a client that is gone or going is dropped."""
        if self._over or self._last_act is not None or self._protocol.state is not ConnectionState.OPEN:
            return
        send = self._protocol.send
        for payload in payloads:
            self._write(send(TextMessage(data=payload) if isinstance(payload, str) else BytesMessage(data=payload)))

    def when_drained(self, resume: Callable[[], None]) -> None:
        """Call `resume` once when the socket is no longer congested, or lost."""
        self._drained.append(resume)

    def end_with(self, act: Callable[[], None]) -> None:
        """Call `act` when everything posted so far is written, at once for a client that is gone; drop later posts."""
        if self._over:
            act()
            return
        self._last_act = act
        self._posted.set()

    def drop(self) -> None:
        """Break the connection off without a close frame: its life is cancelled, and the owner closes the stream."""
        self.lose()
        self.life.cancel("dropped")

    def deafen(self) -> None:
        """Never read from the client again."""
        self._deaf = True

    async def say_goodbye(self, *, ping_first: bool) -> None:
        """Post a close frame, with a ping right before it when asked, and wait until everything is written.

        Waits as long as the client does not read, so the caller sets the deadline. Cancelling gives up the wait only.
        """
        if self._over or self._protocol.state is not ConnectionState.OPEN:
            return
        if ping_first:
            self._write(self._protocol.send(Ping()))
        self._write(self._protocol.send(CloseConnection(code=GOING_AWAY)))
        await self._flushed()

    def lose(self) -> None:
        """Take note that the client is gone: drop what waits, and let nobody wait for it to drain."""
        self._over = True
        self._outbox.clear()
        self._unwritten = 0
        self._posted.set()
        self._emptied.set()
        self._release()

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
                await self._flushed()
            return False
        return True

    def _take(self, event: Event) -> None:
        match event:
            case Request():
                self._write(self._protocol.send(AcceptConnection()))
            case TextMessage(data=text):
                self._gather(text.encode(), whole=event.message_finished)
            case BytesMessage(data=data):
                self._gather(bytes(data), whole=event.message_finished)
            case Ping() if self._protocol.state is ConnectionState.OPEN:
                self._write(self._protocol.send(event.response()))
            case CloseConnection():
                if self._protocol.state is ConnectionState.REMOTE_CLOSING:
                    self._write(self._protocol.send(event.response()))
            case _:
                pass

    def _gather(self, data: bytes, *, whole: bool) -> None:
        self._partial.append(data)
        if whole:
            self._messages.append(b"".join(self._partial))
            self._partial.clear()

    def _write(self, data: bytes) -> None:
        self._outbox.append(data)
        self._unwritten += len(data)
        self._posted.set()

    async def _flushed(self) -> None:
        while self._unwritten and not self._over:
            self._emptied = trio.Event()
            await self._emptied.wait()

    def _release(self) -> None:
        waiting, self._drained = self._drained, []
        for resume in waiting:
            resume()
