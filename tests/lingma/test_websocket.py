"""The WebSocket to Lingma: opened over any stream, merged on the way in, and never left open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, serve_websocket, wrap_server_stream

from lingma_trio.errors import ChannelLost
from lingma_trio.lingma.websocket import connect, shake_hands
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
        socket = await shake_hands(nursery, ours, "lingma")
        await wait_all_tasks_blocked()
        await end(served[0], theirs)
        await wait_all_tasks_blocked()
        for _ in range(2):
            await socket.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await ours.send_all(b"x")
        with pytest.raises(ConnectionClosed):
            await socket.get_message()
        nursery.cancel_scope.cancel("the test is over")


async def test_handshake_that_is_given_up_closes_the_stream(autojump_clock: MockClock) -> None:
    """A server that never answers the handshake costs the patience of who waits, and no open stream."""
    ours, _theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(3) as patience:
            await shake_hands(nursery, ours, "lingma")
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
        socket = await connect(nursery, server.port)
        await socket.send_text(b"hello")
        received = ""
        with suppress(ConnectionClosed):
            while True:
                received += str(await socket.get_message())
        await socket.aclose()
        assert heard == ["hello"]
        assert received == "one two three"
        nursery.cancel_scope.cancel("the test is over")


async def test_long_message_stays_whole_beside_control_frames() -> None:
    """A message of many pieces arrives as one, though pings are answered meanwhile, and leaves in many steps."""
    text = "x" * 4_000_000
    async with trio.open_nursery() as nursery:
        heard: list[str | bytes] = []

        async def serve(request: object) -> None:
            server = await request.accept()  # type: ignore[attr-defined]
            async with trio.open_nursery() as pings:
                for _ in range(3):
                    pings.start_soon(server.ping)
                heard.append(await server.get_message())
            heard.append(await server.get_message())
            await server.aclose()

        options = partial(serve_websocket, max_message_size=5_000_000)
        server = await nursery.start(options, serve, "127.0.0.1", 0, None)
        socket = await connect(nursery, server.port)
        with watched_steps() as steps:
            await socket.send_text(text.encode())
        await socket.send_text(b"next")
        with pytest.raises(ConnectionClosed):
            await socket.get_message()
        with pytest.raises(ChannelLost):
            await socket.send_text(b"too late")
        await socket.aclose()
        assert heard == [text, "next"]
        assert steps.count > 20
        nursery.cancel_scope.cancel("the test is over")


async def test_nothing_listens() -> None:
    """Connecting where nobody listens is a lost channel."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    async with trio.open_nursery() as nursery:
        with pytest.raises(ChannelLost, match=f"no WebSocket on 127.0.0.1:{port}"):
            await connect(nursery, port)


async def test_something_else_listens() -> None:
    """What answers and speaks no WebSocket fails in the reader's nursery, and the connection is not left open."""
    closed = trio.Event()

    async def refuse(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
        while await stream.receive_some():
            pass
        closed.set()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, refuse, 0)
        with pytest.RaisesGroup(HandshakeError):
            async with trio.open_nursery() as life:
                await connect(life, listeners[0].socket.getsockname()[1])
        with trio.fail_after(5):
            await closed.wait()
        nursery.cancel_scope.cancel("the test is over")
