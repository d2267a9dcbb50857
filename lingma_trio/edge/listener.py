"""Accepts connections, so many at once as there is room for."""

from __future__ import annotations

import errno
import os
import resource
from collections import Counter
from socket import SHUT_WR
from typing import Any, Final

import structlog
import trio

from lingma_trio.edge.client_stream import RECEIVE
from lingma_trio.edge.connection import Connection, House
from lingma_trio.edge.outbound import whole

RESERVED: Final = 96
"""Descriptors that are kept for everything else: listeners, Lingmas, files, and downloads."""

FEWEST: Final = 16
"""Connections that are let in however few descriptors there are."""

MOST_HEARING: Final = 32
HEARING: Final = 1.0
"""How many clients that are turned away are told why at a time, and the seconds in which each has to hear it."""

EXHAUSTED: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
PAUSE: Final = 0.1  # seconds, once the system has no descriptor left

ACCEPTING: Final = 2
"""Turns of the loop in which whoever the kernel has handed over is in; `accept` itself takes one."""

log = structlog.get_logger("lingma_trio.edge")


class Door:
    """Who is in: all connections of all listeners."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._inside: set[Connection] = set()
        self._by_address: Counter[str] = Counter()
        self._most = room_for(house.bounds.connections, limit=resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        self._turned_away = 0
        self._exhausted = 0
        self._hearing = 0
        self._empty = trio.Event()

    def __repr__(self) -> str:
        held = f"inside={len(self._inside)} addresses={len(self._by_address)} hearing={self._hearing}"
        return f"<Door {held} most={self._most}>"

    async def serve(self, listener: trio.socket.SocketType) -> None:
        """Let clients in until `listener` is closed, and serve those that are in to their end."""
        server = _place(listener.getsockname())
        async with trio.open_nursery() as nursery:
            while listener.fileno() >= 0:
                try:
                    socket, peer = await listener.accept()
                except trio.ClosedResourceError:
                    break
                except OSError as fault:  # of the system, or of a client that has left in the kernel's queue
                    if fault.errno in EXHAUSTED:
                        self._exhausted += 1
                        if _is_told(self._exhausted):
                            log.warning("no_descriptor_left", fault=str(fault), times=self._exhausted)
                        await trio.sleep(PAUSE)
                else:
                    self._let_in(socket, _place(peer), server, nursery)

    async def close(self, seconds: float, *, leave: float = 0.0) -> None:
        """Serve nobody who is not being served: idle connections end in `leave` seconds, the others, and those with a
        request until then, with their response.

        Waits for these, up to `seconds`.
        """
        self._house.closing = True
        self._house.leave = leave
        for _ in range(ACCEPTING):
            await trio.lowlevel.checkpoint()
        self._retire(idle=not leave)
        with trio.move_on_after(seconds):
            with trio.move_on_after(leave):
                await self._emptied()
            self._retire(idle=True)
            await self._emptied()

    def _retire(self, *, idle: bool) -> None:
        for connection in list(self._inside):
            connection.retire(idle=idle)

    async def _emptied(self) -> None:
        if self._inside:
            await self._empty.wait()

    def end(self, reason: str) -> None:
        """End every connection, and the requests that are being answered."""
        for connection in list(self._inside):
            connection.end(reason)

    def _let_in(self, socket: trio.socket.SocketType, client: Any, server: Any, nursery: trio.Nursery) -> None:  # noqa: ANN401 - ASGI's
        address = client[0] if client else ""
        if len(self._inside) >= self._most or self._by_address[address] >= self._house.bounds.per_address:
            self._turn_away(socket, nursery)
            return
        try:
            connection = Connection(socket, self._house, client=client, server=server)
        except OSError:  # a client that has left before it was let in
            socket.close()
            return
        self._inside.add(connection)
        self._by_address[address] += 1
        nursery.start_soon(self._host, connection, address, name="connection")

    async def _host(self, connection: Connection, address: str) -> None:
        try:
            await connection.run()
        finally:
            self._inside.remove(connection)
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
            if self._house.closing and not self._inside:
                self._empty.set()

    def _turn_away(self, socket: trio.socket.SocketType, nursery: trio.Nursery) -> None:
        """Say that there is no room, and give a few at a time the while to hear it."""
        self._turned_away += 1
        if _is_told(self._turned_away):
            log.warning("connections_full", most=self._most, turned_away=self._turned_away)
        if self._house.tls is not None or not self._tell(socket) or self._hearing >= MOST_HEARING:
            socket.close()
            return
        self._hearing += 1
        nursery.start_soon(self._hear_out, socket, name="last words")

    def _tell(self, socket: trio.socket.SocketType) -> bool:
        """Say why, as far as the kernel takes it at once; returns whether there is somebody to hear it."""
        sentence = "Too many connections are open; try again in a moment."
        try:
            os.write(socket.fileno(), whole(503, sentence, self._house.clock.date(), [(b"retry-after", b"1")]))
            socket.shutdown(SHUT_WR)
        except OSError:
            return False
        return True

    async def _hear_out(self, socket: trio.socket.SocketType) -> None:
        """Read what the client says meanwhile: a socket closed over unread bytes takes back what was said to it."""
        try:
            with socket, trio.move_on_after(HEARING):
                while await socket.recv(RECEIVE):
                    pass
        except OSError:
            log.debug("already_gone")
        finally:
            self._hearing -= 1


def _is_told(times: int) -> bool:
    """Whether the log is told of what happened so many times: at 1, 2, 4, 8 …, so that a flood does not fill it."""
    return times & (times - 1) == 0


def room_for(most: int, *, limit: int) -> int:
    """Connections there may be: `most`, or as many as descriptors are left for out of `limit`."""
    if limit == resource.RLIM_INFINITY or limit - RESERVED >= most:
        return most
    room = max(FEWEST, limit - RESERVED)
    log.warning("few_descriptors", limit=limit, connections=room, wanted=most)
    return room


def _place(address: Any) -> Any:  # noqa: ANN401 - a socket's address, whatever its family
    """What ASGI has for an address: host and port, or none."""
    return (address[0], address[1]) if isinstance(address, tuple) else None
