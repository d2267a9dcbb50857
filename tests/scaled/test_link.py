"""A link carries, cuts, holds and mends."""

from __future__ import annotations

import trio

from tests.scaled.link import Link, linked


async def echo(stream: trio.SocketStream) -> None:
    async with stream:
        async for data in stream:
            await stream.send_all(data)


async def says(port: int, words: bytes, seconds: float = 5) -> bytes:
    """What comes back from there, nothing where the connection ends first."""
    with trio.fail_after(seconds):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            try:
                await stream.send_all(words)
                return await stream.receive_some(100)
            except trio.BrokenResourceError:
                return b""


async def test_link_carries_is_cut_and_mends(nursery: trio.Nursery) -> None:
    """What goes over a link ends with a cut, as new connections do, and comes through again once it is mended."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, echo, listeners)
    async with linked(listeners[0].socket.getsockname()[1]) as link:
        async with await trio.open_tcp_stream("127.0.0.1", link.port) as stream:
            await stream.send_all(b"one")
            assert await stream.receive_some(100) == b"one"
            link.sever()
            with trio.fail_after(5):
                assert await ending(stream) == b""
        assert await says(link.port, b"two") == b""
        link.mend()
        assert await says(link.port, b"three") == b"three"
    nursery.cancel_scope.cancel()


async def ending(stream: trio.SocketStream) -> bytes:
    """What comes up to the end of the connection, however that ends."""
    try:
        return await stream.receive_some(100)
    except trio.BrokenResourceError:
        return b""


async def test_held_link_is_silent_and_loses_nothing(nursery: trio.Nursery) -> None:
    """What is held comes late and whole, on a connection that never ended."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, echo, listeners)
    async with (
        linked(listeners[0].socket.getsockname()[1]) as link,
        await trio.open_tcp_stream("127.0.0.1", link.port) as stream,
    ):
        link.hold()
        await stream.send_all(b"late")
        with trio.move_on_after(0.1) as patience:
            await stream.receive_some(100)
        assert patience.cancelled_caught
        link.mend()
        with trio.fail_after(5):
            assert await stream.receive_some(100) == b"late"
    nursery.cancel_scope.cancel()


def test_link_tells_its_state() -> None:
    """What a link does is seen in its text, for the line that a failure prints."""
    link = Link(1)
    link.delay = 0.5
    assert repr(link) == "<Link 0 to 1 0.5 s late>"
    link.hold()
    assert repr(link) == "<Link 0 to 1 held>"
    link.sever()
    assert repr(link) == "<Link 0 to 1 cut>"
