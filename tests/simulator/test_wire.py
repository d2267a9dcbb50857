"""WebSocket: whole messages in, one writer out, and no client can make the others wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, Ping, Pong, Request, TextMessage

from lingma_trio.simulator.outbox import HIGH_WATER
from lingma_trio.simulator.wire import WebSocket

if TYPE_CHECKING:
    pass


class Peer:
    """A client's end of a memory stream, whose bytes the test can see."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.protocol = WSConnection(ConnectionType.CLIENT)

    async def send(self, *events: Event) -> None:
        await self.stream.send_all(b"".join(map(self.protocol.send, events)))

    async def events(self) -> list[Event]:
        self.protocol.receive_data(bytes(await self.stream.receive_some()) or None)
        return list(self.protocol.events())


def pair() -> tuple[WebSocket, Peer]:
    ours, theirs = trio.testing.memory_stream_pair()
    return WebSocket(theirs), Peer(ours)


async def opened(nursery: trio.Nursery) -> tuple[WebSocket, Peer]:
    """Both ends after the handshake, with the writer running."""
    socket, peer = pair()
    await peer.send(Request(host="127.0.0.1", target="/ws"))
    assert await socket.accept()
    nursery.start_soon(socket.outbox.write_forever)
    (event,) = await peer.events()
    assert isinstance(event, AcceptConnection)
    return socket, peer


async def test_messages_come_whole_however_they_are_cut(autojump_clock: trio.testing.MockClock) -> None:
    """Text and binary, in fragments and several at a time."""
    async with trio.open_nursery() as nursery:
        socket, peer = await opened(nursery)
        await peer.send(
            TextMessage(data="你", message_finished=False),
            TextMessage(data="好"),
            BytesMessage(data=b"\x00\xff"),
        )
        assert await socket.receive() == "你好".encode()
        assert await socket.receive() == b"\x00\xff"
        nursery.cancel_scope.cancel()


async def test_what_was_sent_before_a_close_is_still_received(autojump_clock: trio.testing.MockClock) -> None:
    """Then comes None, again and again; the close is answered, and later posts are dropped."""
    async with trio.open_nursery() as nursery:
        socket, peer = await opened(nursery)
        await peer.send(TextMessage(data="stop"), CloseConnection(code=1000))
        assert await socket.receive() == b"stop"
        assert await socket.receive() is None
        assert await socket.receive() is None
        assert socket.outbox.lost
        (event,) = await peer.events()
        assert isinstance(event, CloseConnection)
        socket.post(["too late"])


async def test_a_ping_is_answered(autojump_clock: trio.testing.MockClock) -> None:
    """Without anybody's help but the reader's."""
    async with trio.open_nursery() as nursery:
        socket, peer = await opened(nursery)
        nursery.start_soon(socket.receive)
        await peer.send(Ping(payload=b"hi"))
        assert await peer.events() == [Pong(payload=b"hi")]
        nursery.cancel_scope.cancel()


async def test_a_ping_during_the_goodbye_harms_nobody(autojump_clock: trio.testing.MockClock) -> None:
    """A pong after a close frame would be a protocol error of ours."""
    async with trio.open_nursery() as nursery:
        socket, peer = await opened(nursery)
        await socket.say_goodbye(ping_first=False)
        await peer.send(Ping())
        assert await socket.receive() is None


@pytest.mark.parametrize("rubbish", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00\xff\r\n\r\n"])
async def test_no_handshake_no_socket(autojump_clock: trio.testing.MockClock, rubbish: bytes) -> None:
    """A client that leaves or speaks something else is not accepted."""
    socket, peer = pair()
    if rubbish:
        await peer.stream.send_all(rubbish)
    await peer.stream.aclose()
    assert not await socket.accept()


async def test_posts_are_written_in_order_and_together(autojump_clock: trio.testing.MockClock) -> None:
    """Whatever waits leaves in one write."""
    async with trio.open_nursery() as nursery:
        socket, peer = await opened(nursery)
        socket.post(["one", b"two"])
        socket.post(["three"])
        assert [event.data for event in await peer.events() if isinstance(event, TextMessage | BytesMessage)] == [
            "one",
            b"two",
            "three",
        ]
        nursery.cancel_scope.cancel()


def fill(socket: WebSocket) -> None:
    """Post until the socket is congested."""
    while not socket.outbox.congested:
        socket.post(["x" * 4096])


async def test_a_congested_socket_tells_when_it_has_drained(autojump_clock: trio.testing.MockClock) -> None:
    """Once, after the client has read."""
    async with trio.open_nursery() as nursery:
        calls: list[float] = []
        ours, theirs = trio.testing.lockstep_stream_pair()
        socket, peer = WebSocket(theirs), Peer(ours)
        nursery.start_soon(peer.send, Request(host="127.0.0.1", target="/"))
        assert await socket.accept()
        nursery.start_soon(socket.outbox.write_forever)
        await peer.events()
        fill(socket)
        socket.outbox.when_drained(lambda: calls.append(trio.current_time()))
        await trio.testing.wait_all_tasks_blocked()
        assert calls == []
        received = 0
        while received < HIGH_WATER:
            received += len(await peer.stream.receive_some())
        await trio.testing.wait_all_tasks_blocked()
        assert len(calls) == 1
        assert not socket.outbox.congested
        nursery.cancel_scope.cancel()


async def test_a_lost_client_holds_up_nobody(autojump_clock: trio.testing.MockClock) -> None:
    """Who waits for it to drain is told at once, and what is posted to it is gone."""
    calls: list[str] = []
    async with trio.open_nursery() as nursery:
        socket, peer = await opened(nursery)
        fill(socket)
        socket.outbox.when_drained(lambda: calls.append("drained"))
        await peer.stream.aclose()
    assert socket.outbox.lost
    assert calls == ["drained"]
    socket.post(["x" * HIGH_WATER] * 2)
    assert not socket.outbox.congested


async def test_the_last_act_comes_after_everything_posted(autojump_clock: trio.testing.MockClock) -> None:
    """And what is posted after it never leaves."""
    async with trio.open_nursery() as nursery:
        socket, peer = await opened(nursery)
        acts: list[str] = []
        socket.post(["before"])
        socket.outbox.end_with(lambda: acts.append("end"))
        socket.post(["after"])
        assert acts == []
        assert [event.data for event in await peer.events() if isinstance(event, TextMessage)] == ["before"]
        await trio.testing.wait_all_tasks_blocked()
        assert acts == ["end"]


def test_the_last_act_for_a_lost_client_is_at_once() -> None:
    """There is nothing to wait for."""
    socket, _ = pair()
    socket.outbox.lose()
    acts: list[str] = []
    socket.outbox.end_with(lambda: acts.append("end"))
    assert acts == ["end"]


def test_the_state_shows() -> None:
    """In a log or a debugger."""
    socket, _ = pair()
    assert repr(socket) == "<WebSocket CONNECTING unwritten=0>"
