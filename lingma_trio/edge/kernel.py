"""What the kernel knows of a client's socket, and is told of it."""

from __future__ import annotations

import fcntl
import socket as sockets
import struct
import termios
from contextlib import suppress
from typing import Final

import trio

KERNEL_PATIENCE: Final = 15
"""Times the stall after which the kernel gives up on a client by itself: a fallback for one that vanished while nothing
more is written to it. It must not come first, for where a client's window is smaller than the next segment, of up to
64 KB, the kernel does not count what the client takes, and a slow client looks like a stalled one to it."""

LONGEST_PATIENCE: Final = 2**31 - 1
"""Milliseconds; the kernel takes no longer time, of some 25 days."""

UNSENT: Final = 16 * 1024
"""Bytes that the kernel holds and has not sent; as many as Trio's own streams have."""


def set_up(socket: trio.socket.SocketType, stall_seconds: float) -> None:
    """Send at once, keep what a client has no window for out of the kernel, and let it give up on a peer that
    acknowledges nothing for very long, as far as the system can.
    """
    if socket.family not in (sockets.AF_INET, sockets.AF_INET6):
        return
    socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
    for name, value in (
        ("TCP_NOTSENT_LOWAT", UNSENT),
        ("TCP_USER_TIMEOUT", round(min(stall_seconds * KERNEL_PATIENCE * 1000, LONGEST_PATIENCE))),
    ):
        option = getattr(sockets, name, None)
        if option is not None:
            socket.setsockopt(sockets.IPPROTO_TCP, option, value)


def unsent_of(socket: trio.socket.SocketType) -> int:
    """Bytes the peer has not acknowledged; a number that falls is a client that still reads.

    Raises trio.ClosedResourceError for a socket that was closed meanwhile, as the reader does when its client leaves.
    """
    if socket.fileno() < 0:
        raise trio.ClosedResourceError
    return _count(socket, termios.TIOCOUTQ)


def unread_of(socket: trio.socket.SocketType) -> int:
    """Bytes that came and were not read; 0 for a socket that is closed."""
    return 0 if socket.fileno() < 0 else _count(socket, termios.FIONREAD)


def _count(socket: trio.socket.SocketType, request: int) -> int:
    buffer = bytearray(4)
    fcntl.ioctl(socket.fileno(), request, buffer)
    return int.from_bytes(buffer, "little")


def spoil(socket: trio.socket.SocketType) -> None:
    """Have the socket's close be a reset. One that is closed already is left alone."""
    with suppress(OSError):
        socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))


def reset(socket: trio.socket.SocketType) -> None:
    """Close the socket so that the client learns that what it has is not all; whoever reads from it learns of it."""
    spoil(socket)
    socket.close()
