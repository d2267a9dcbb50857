"""A client's socket as a stream."""

from __future__ import annotations

import socket as sockets
import struct

import pytest
import trio
import trio.testing

from lingma_trio.edge.bounds import Bounds
from lingma_trio.edge.client_stream import ClientStream


async def test_reset_after_a_wakeup_for_nothing_is_a_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: one kind of fault for a connection that was reset, though the kernel had first said too early that there
    is something.
    """
    with sockets.create_server(("127.0.0.1", 0)) as server:
        client = sockets.create_connection(server.getsockname())
        stream = ClientStream(trio.socket.from_stdlib_socket(server.accept()[0]), Bounds())
    waited = trio.lowlevel.wait_readable
    too_early = [True]

    async def wakes_up(socket: trio.socket.SocketType) -> None:
        if too_early.pop():
            await trio.lowlevel.checkpoint()
        else:
            await waited(socket)

    monkeypatch.setattr(trio.lowlevel, "wait_readable", wakes_up)
    async with stream, trio.open_nursery() as nursery:

        async def leave() -> None:
            await trio.testing.wait_all_tasks_blocked()
            client.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()

        nursery.start_soon(leave)
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()
