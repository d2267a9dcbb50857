"""The server's end of a WebSocket, and how it parts."""

from __future__ import annotations

import pytest
import trio
from trio.testing import memory_stream_pair, wait_all_tasks_blocked
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Request, TextMessage

from lingma_trio.agent.socket import GONE, ServerSocket
from lingma_trio.errors import ChannelLost

PATIENCE = 5.0
PING = b"\x89\x80mask"


async def connected() -> tuple[ServerSocket, WSConnection, trio.abc.Stream]:
    """An end, and the wire and the stream of the client that shook hands with it."""
    ours, theirs = memory_stream_pair()
    wire = WSConnection(ConnectionType.CLIENT)
    socket = ServerSocket(ours, wire.send(Request(host="agent", target="/")))
    await socket.send()
    wire.receive_data(bytes(await theirs.receive_some()))
    assert [type(event) for event in wire.events()] == [AcceptConnection]
    return socket, wire, theirs


@pytest.mark.parametrize(
    "last", [TextMessage(data="last"), TextMessage(data="last", message_finished=False)], ids=["whole", "begun"]
)
async def test_goodbye_behind_a_message_is_answered_at_once(last: TextMessage) -> None:
    """Which came together, and the client waits for the server to close: nothing more is read, whatever there is."""
    socket, wire, client = await connected()
    await client.send_all(wire.send(last) + wire.send(CloseConnection(code=1001)))
    assert await socket.receive() == b"last"
    await client.send_all(b"\x80\x84mask" + b"more")
    with trio.fail_after(PATIENCE):
        with pytest.raises(ChannelLost, match=GONE):
            await socket.receive()
        await socket.aclose()
    wire.receive_data(bytes(await client.receive_some()))
    assert list(wire.events()) == [CloseConnection(code=1001, reason="")]
    assert await client.receive_some() == b""


async def test_closing_waits_for_the_goodbye_behind_a_ping() -> None:
    """A ping that crossed ours is no reason to leave without the client's last words."""
    socket, wire, client = await connected()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(socket.aclose)
        wire.receive_data(bytes(await client.receive_some()))
        (goodbye,) = wire.events()
        assert isinstance(goodbye, CloseConnection)
        await client.send_all(PING)
        await wait_all_tasks_blocked()
        assert nursery.child_tasks
        await client.send_all(wire.send(goodbye.response()))
    assert await client.receive_some() == b""
