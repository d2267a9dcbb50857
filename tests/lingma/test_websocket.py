"""The WebSocket to Lingma: opened over any stream, merged on the way in, and never left open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import h11
import pytest
import trio
from trio.testing import MockClock, lockstep_stream_pair, memory_stream_pair, wait_all_tasks_blocked
from trio_websocket import (
    HandshakeError,
    WebSocketConnection,
    serve_websocket,
    wrap_client_stream,
    wrap_server_stream,
)
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request
from wsproto.frame_protocol import FrameProtocol, Opcode

from lingma_trio.errors import ChannelLost, ProtocolFault
from lingma_trio.lingma.websocket import WebSocket, connect, shake_hands
from tests.hostile.steps import watched_steps


async def accept(nursery: trio.Nursery, stream: trio.abc.Stream, served: list[WebSocketConnection]) -> None:
    """Be the server of one WebSocket."""
    request = await wrap_server_stream(nursery, stream)
    served.append(await request.accept())


async def say_goodbye(server: WebSocketConnection, stream: trio.abc.Stream) -> None:
    await server.aclose()


async def break_off(server: WebSocketConnection, stream: trio.abc.Stream) -> None:
    await stream.aclose()


async def do_nothing(server: WebSocketConnection, stream: trio.abc.Stream) -> None:
    await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("end", [say_goodbye, break_off, do_nothing])
async def test_closing_closes_the_stream_whoever_ended_it(
    end: Callable[[WebSocketConnection, trio.abc.Stream], Awaitable[None]],
) -> None:
    """However a connection came to its end, closing it leaves no open stream behind, and may be done twice."""
    ours, theirs = memory_stream_pair()
    served: list[WebSocketConnection] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept, nursery, theirs, served)
        socket = await shake_hands(ours, "lingma")
        await wait_all_tasks_blocked()
        nursery.start_soon(end, served[0], theirs)
        await wait_all_tasks_blocked()
        for _ in range(2):
            await socket.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await ours.send_all(b"x")
        with pytest.raises(ChannelLost):
            await socket.receive()
        nursery.cancel_scope.cancel("the test is over")


async def test_handshake_that_is_given_up_closes_the_stream(autojump_clock: MockClock) -> None:
    """A server that never answers the handshake costs the patience of who waits, and no open stream."""
    ours, _theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(3) as patience:
            await shake_hands(ours, "lingma")
        assert patience.cancelled_caught
        with pytest.raises(trio.ClosedResourceError):
            await ours.send_all(b"x")
        nursery.cancel_scope.cancel("the test is over")


async def test_messages_pass_both_ways_over_a_socket() -> None:
    """What is sent arrives, and messages that arrive together are read together without a byte lost."""
    async with trio.open_nursery() as nursery:
        heard: list[str | bytes] = []

        async def serve(request: object) -> None:
            server = await request.accept()  # type: ignore[attr-defined]
            heard.append(await server.get_message())
            for piece in ("one ", "two ", "three"):
                await server.send_message(piece)
            await server.aclose()

        server = await nursery.start(serve_websocket, serve, "127.0.0.1", 0, None)
        socket = await connect(server.port)
        await socket.send(b"hello")
        received = ""
        with suppress(ChannelLost):
            while True:
                received += (await socket.receive()).decode()
        await socket.aclose()
        assert heard == ["hello"]
        assert received == "one two three"
        nursery.cancel_scope.cancel("the test is over")


async def test_long_message_leaves_in_many_steps() -> None:
    """A message of many pieces arrives as one, and holds the loop for none of them."""
    text = "x" * 4_000_000
    async with trio.open_nursery() as nursery:
        heard: list[str | bytes] = []

        async def serve(request: object) -> None:
            server = await request.accept()  # type: ignore[attr-defined]
            heard.extend([await server.get_message(), await server.get_message()])
            await server.aclose()

        options = partial(serve_websocket, max_message_size=5_000_000)
        server = await nursery.start(options, serve, "127.0.0.1", 0, None)
        socket = await connect(server.port)
        with watched_steps() as steps:
            await socket.send(text.encode())
        await socket.send(b"next")
        with pytest.raises(ChannelLost, match="1000"):
            await socket.receive()
        with pytest.raises(ChannelLost, match="1000"):
            await socket.send(b"too late")
        await socket.aclose()
        assert heard == [text, "next"]
        assert steps.count > 20
        nursery.cancel_scope.cancel("the test is over")


async def test_nothing_listens() -> None:
    """Connecting where nobody listens is a lost channel."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    with pytest.raises(ChannelLost, match=f"no WebSocket on 127.0.0.1:{port}"):
        await connect(port)


async def test_something_else_listens() -> None:
    """What answers and speaks no WebSocket is said to, and the connection is not left open."""
    closed = trio.Event()

    async def refuse(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
        while await stream.receive_some():
            pass
        closed.set()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, refuse, 0)
        with pytest.raises(ProtocolFault, match="404 Not Found"):
            await connect(listeners[0].socket.getsockname()[1])
        with trio.fail_after(5):
            await closed.wait()
        nursery.cancel_scope.cancel("the test is over")


ANSWERS = {
    "agrees": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%b\r\n",
    "agrees to something else": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n%b\r\n",
    "agrees to what was not asked": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%b"
        b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    ),
    "without the key": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "serves a page": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
    "sends elsewhere": b"HTTP/1.1 302 Found\r\nlocation: /ws\r\ncontent-length: 0\r\n\r\n",
    "no HTTP": b"Content-Length: 2\r\n\r\n{}",
    "no end": b"HTTP/1.1 101 Switching Protocols\r\nx: " + b"y" * 20_000,
    "leaves": b"",
}


async def answer_handshake(stream: trio.abc.Stream, answer: bytes) -> None:
    """Read the request for a WebSocket, say this, with the right key where it has a place for that, and leave."""
    wire = WSConnection(ConnectionType.SERVER)
    wire.receive_data(bytes(await stream.receive_some()))
    head = wire.send(next(AcceptConnection() for event in wire.events() if isinstance(event, Request)))
    key = next(line for line in head.splitlines(keepends=True) if line.lower().startswith(b"sec-websocket-accept"))
    await stream.send_all(answer % key if b"%b" in answer else answer)
    await stream.aclose()


async def agrees(shake: Callable[[trio.abc.Stream], Awaitable[object]], answer: bytes) -> bool:
    """Whether this client takes that for the beginning of a WebSocket."""
    ours, theirs = memory_stream_pair()
    agreed = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_handshake, theirs, answer)
        with suppress(HandshakeError, ChannelLost, ProtocolFault), trio.move_on_after(1):
            await shake(ours)
            agreed = True
        await trio.aclose_forcefully(ours)
    return agreed


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_handshakes_are_judged_as_a_library_judges_them(answer: bytes, autojump_clock: MockClock) -> None:
    """Whatever is answered, it begins a WebSocket here where it does for trio-websocket's client."""

    async def by_library(stream: trio.abc.Stream) -> None:
        refused = False
        try:
            async with trio.open_nursery() as nursery:
                await wrap_client_stream(nursery, stream, "lingma", "/")  # type: ignore[arg-type] # any stream will do
                nursery.cancel_scope.cancel("agreed")
        except* (HandshakeError, h11.LocalProtocolError):  # the latter is its own fault: it answers as a server would
            refused = True
        if refused:
            raise HandshakeError

    assert await agrees(partial(shake_hands, host="lingma"), answer) == await agrees(by_library, answer)
    assert await agrees(partial(shake_hands, host="lingma"), answer) == (answer is ANSWERS["agrees"])


@pytest.mark.parametrize("field", [b"Upgrade", b"Connection", b"Sec-WebSocket-Extensions", b"Sec-WebSocket-Accept"])
async def test_handshake_that_is_no_text_is_refused(field: bytes) -> None:
    """As a fault of who answers, which a library that takes these fields for text does not say."""
    ours, theirs = memory_stream_pair()
    answer = ANSWERS["agrees"].removesuffix(b"\r\n") + field + b": \xff\r\n\r\n"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_handshake, theirs, answer)
        with pytest.raises(ProtocolFault, match="no WebSocket"):
            await shake_hands(ours, "lingma")


async def test_what_came_with_the_handshake_is_read_first() -> None:
    """A server that speaks before it is asked to is heard from its first word."""
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_handshake, theirs, ANSWERS["agrees"] + b"\x81\x05early")
        socket = await shake_hands(ours, "lingma")
        assert await socket.receive() == b"early"
        with pytest.raises(ChannelLost, match="without a goodbye"):
            await socket.receive()
        await socket.aclose()


async def test_ping_is_answered_before_the_next_message() -> None:
    """What is owed is known at once, leaves with the next thing that is sent, and several pings have one answer."""
    ours, theirs = memory_stream_pair()
    socket = WebSocket(ours)
    server = FrameProtocol(client=False, extensions=[])
    await theirs.send_all(bytes(server.ping(b"first") + server.ping(b"second")))
    assert await socket.receive() == b""
    assert socket.owes
    await socket.send(b"question")
    server.receive_bytes(bytes(await theirs.receive_some()))
    assert [(frame.opcode, frame.payload) for frame in server.received_frames()] == [
        (Opcode.PONG, b"second"),
        (Opcode.TEXT, "question"),
    ]
    await trio.aclose_forcefully(ours)


async def test_nothing_is_said_behind_half_a_message(autojump_clock: MockClock) -> None:
    """Whoever was cut off in a frame closes without a goodbye, which would be read as the frame's rest."""
    ours, theirs = lockstep_stream_pair()
    socket = WebSocket(ours)
    with trio.move_on_after(1):
        await socket.send(b"never read")
    began = trio.current_time()
    await socket.aclose()
    assert trio.current_time() == began
    with pytest.raises(trio.ClosedResourceError):
        await ours.send_all(b"x")
    await theirs.aclose()


async def test_goodbye_with_a_code_of_nobody_is_not_said_back() -> None:
    """It is told in words, and answered as what it is: a fault of the other side's."""
    ours, theirs = memory_stream_pair()
    socket = WebSocket(ours, b"\x88\x02\x03\xee")
    with pytest.raises(ChannelLost, match="closed the channel: 1006"):
        await socket.receive()
    await socket.aclose()
    server = FrameProtocol(client=False, extensions=[])
    server.receive_bytes(bytes(await theirs.receive_some()))
    assert [frame.payload for frame in server.received_frames()] == [(1002, "")]


async def test_broken_protocol_ends_without_a_goodbye() -> None:
    """A server that masks its frames is no server, and is told nothing more."""
    ours, theirs = memory_stream_pair()
    socket = WebSocket(ours)
    await theirs.send_all(b"\x81\x85maskhello")
    with pytest.raises(ProtocolFault, match="masked"):
        await socket.receive()
    await socket.aclose()
    assert await theirs.receive_some() == b""


def socket_pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    """Two ends of a connection through the kernel."""
    left, right = trio.socket.socketpair()
    return trio.SocketStream(left), trio.SocketStream(right)


async def test_offer_leaves_at_once_and_whole() -> None:
    """What there is room for; of the rest nothing is lost, and nothing goes before it."""
    ours, theirs = socket_pair()
    socket = WebSocket(ours)
    taken = 0
    while not socket.owes:
        assert socket.offer(b"%05d" % taken + b"x" * 50_000)
        taken += 1
    assert not socket.offer(b"not before the rest is out")
    server = FrameProtocol(client=False, extensions=[])
    heard: list[str] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(socket.send, b"last")
        while "last" not in heard:
            server.receive_bytes(bytes(await theirs.receive_some()))
            heard += [str(frame.payload)[:5] for frame in server.received_frames() if frame.payload]
    assert [text for text in heard if text.isdigit()] == [f"{number:05}" for number in range(taken)]
    assert socket.offer(b"again")
    await trio.aclose_forcefully(ours)
    await theirs.aclose()


async def test_offer_is_declined_where_somebody_has_to_wait() -> None:
    """A long message, one behind a ping that is not answered, and one to nobody are for whoever sends."""
    ours, theirs = socket_pair()
    socket = WebSocket(ours)
    assert not socket.offer(b"x" * 1_000_000)
    await theirs.send_all(bytes(FrameProtocol(client=False, extensions=[]).ping(b"?")))
    assert await socket.receive() == b""
    assert not socket.offer(b"behind the answer")
    await socket.send()
    await theirs.aclose()
    assert not socket.offer(b"to nobody")
    with pytest.raises(ChannelLost):
        await socket.send(b"to nobody")
    await socket.aclose()
    assert not socket.offer(b"on a closed one")


async def test_nothing_is_said_behind_the_half_of_an_offer() -> None:
    """A goodbye would be read as the message's rest."""
    ours, theirs = socket_pair()
    socket = WebSocket(ours)
    while not socket.owes:
        socket.offer(b"x" * 60_000)
    with trio.fail_after(1):
        await socket.aclose()
    await theirs.aclose()


@pytest.mark.parametrize("before", [True, False], ids=["before", "within"])
async def test_stream_that_breaks_in_the_handshake_is_a_loss(*, before: bool) -> None:
    """Be it broken before a word was said, or while the answer is waited for; it is closed either way."""
    ours, theirs = memory_stream_pair()
    if before:
        await theirs.aclose()
    async with trio.open_nursery() as nursery:
        if not before:
            nursery.start_soon(theirs.aclose)
        with pytest.raises(ChannelLost, match="the agent closed the connection in the handshake"):
            await shake_hands(ours, "agent", who="the agent")
    with pytest.raises(trio.ClosedResourceError):
        await ours.send_all(b"more")
