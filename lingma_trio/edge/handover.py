"""What a server and its successor say to each other while the one hands its listening sockets to the other.

    successor            server
    ask 1          ->
                   <-    offer 1, and the sockets    or: refused, and why
    ready          ->                                the successor's app has started
                   <-    released                    or: refused, and why

A message is a word and a text, on a socket that keeps messages apart. Until it says `released` the server serves as
before, and whatever ends the talk leaves it at that. Then it accepts nobody any more and the successor begins to; who
connects in between waits in the kernel's queue, which belongs to both. A server that ends without a word has died, and
its successor serves all the same.
"""

from __future__ import annotations

import array
import os
import socket as sockets
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import trio

Word: TypeAlias = Literal["ask", "offer", "refused", "ready", "released"]

VERSION: Final = "1"
KIND: Final = sockets.SOCK_SEQPACKET
LONGEST: Final = 4096  # bytes of a message
MOST_SOCKETS: Final = 250  # as many as the kernel passes with one message, less a few
ANSWER_SECONDS: Final = 10.0
"""Seconds that the server has to answer what it is asked."""

_PEER = struct.Struct("3i")


class HandoverFailed(Exception):
    """Nobody took over, and why; told to people."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message. Of `ask` the text is the version of this talk, of `offer` how many sockets come with it, of
    `refused` the reason.
    """

    word: Word
    text: str = ""

    def encode(self) -> bytes:
        """The message as bytes, its text cut where it is too long."""
        return f"{self.word} {self.text}".rstrip().encode()[:LONGEST]

    @classmethod
    def read(cls, data: bytes) -> Message:
        """The message in `data`. Raises `HandoverFailed` where there is none, as at the end of the talk."""
        word, _, text = data.decode("utf-8", "replace").partition(" ")
        for known in get_args(Word):
            if word == known:
                return cls(known, text)
        raise HandoverFailed("the other side ended the talk" if not data else "the other side speaks otherwise")

    def expect(self, word: Word) -> None:
        """Raises `HandoverFailed` for any other word, with the other side's reason where it gave one."""
        if self.word == "refused":
            raise HandoverFailed(self.text)
        if self.word != word:
            raise HandoverFailed(f"the other side said `{self.word}` in place of `{word}`")


class Predecessor:
    """The server that serves so far, as its successor sees it. `listeners` are its sockets, for the caller to close."""

    def __init__(self, socket: sockets.socket, listeners: tuple[sockets.socket, ...]) -> None:
        self._socket = socket
        self.listeners = listeners

    def __repr__(self) -> str:
        return f"<Predecessor gone={self.gone} listeners={len(self.listeners)}>"

    @classmethod
    def ask(cls, socket: sockets.socket) -> Predecessor:
        """Ask for the listening sockets, and wait for them; takes `socket` over. Raises `HandoverFailed`."""
        socket.settimeout(ANSWER_SECONDS)
        try:
            data, listeners = _asked(socket)
        except OSError as fault:
            socket.close()
            raise HandoverFailed(f"the gateway does not answer ({fault})") from fault
        predecessor = cls(socket, listeners)
        try:
            Message.read(data).expect("offer")
        except HandoverFailed:
            predecessor.close()
            raise
        return predecessor

    async def succeed(self) -> None:
        """Say that this process is ready, and wait until the sockets are its alone. Raises `HandoverFailed` where the
        server goes on by itself. Cancelling ends the talk, and the server goes on.
        """
        self._socket.setblocking(False)
        socket = trio.socket.from_stdlib_socket(self._socket)
        say(socket, Message("ready"))  # in vain to a server that has refused meanwhile, but what it said can be read
        data = b""
        with suppress(OSError):
            try:
                data = await socket.recv(LONGEST)
            except ConnectionResetError:
                data = await socket.recv(LONGEST)  # as in `_asked`
        if data:
            Message.read(data).expect("released")

    def close(self) -> None:
        """End the talk. The listeners stay as they are."""
        self._socket.close()

    @property
    def gone(self) -> bool:
        """Whether its process has ended, with all that ran for it."""
        try:
            return not self._socket.recv(1, sockets.MSG_PEEK | sockets.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True


def _asked(socket: sockets.socket) -> tuple[bytes, tuple[sockets.socket, ...]]:
    """The answer to the question for the listening sockets, and those that came with it. Raises OSError."""
    with suppress(BrokenPipeError):  # somebody who has refused before he was asked; what he said can be read
        socket.sendall(Message("ask", VERSION).encode())
    try:
        data, descriptors, _, _ = sockets.recv_fds(socket, LONGEST, MOST_SOCKETS)
    except ConnectionResetError:
        # He left something unread, which the kernel tells first, and what he said after it.
        data, descriptors, _, _ = sockets.recv_fds(socket, LONGEST, MOST_SOCKETS)
    listeners = tuple(sockets.socket(fileno=descriptor) for descriptor in descriptors)
    for listener in listeners:
        listener.set_inheritable(False)
    return data, listeners


async def offer(socket: trio.socket.SocketType, listeners: Sequence[sockets.socket]) -> None:
    """Hear a successor ask, hand it the sockets, and wait until it is ready. Raises `HandoverFailed`."""
    asked = await hear(socket)
    asked.expect("ask")
    if asked.text != VERSION:
        raise HandoverFailed(f"the successor asks in version {asked.text!r}, and this is {VERSION}: restart instead")
    passed = array.array("i", [listener.fileno() for listener in listeners])
    try:
        await socket.sendmsg(
            [Message("offer", str(len(passed))).encode()], [(sockets.SOL_SOCKET, sockets.SCM_RIGHTS, passed)]
        )
    except OSError as fault:
        raise HandoverFailed(f"the successor is gone ({fault})") from fault
    (await hear(socket)).expect("ready")


async def hear(socket: trio.socket.SocketType) -> Message:
    """The next message. Raises `HandoverFailed` at the end of the talk."""
    try:
        return Message.read(await socket.recv(LONGEST))
    except OSError as fault:
        raise HandoverFailed(f"the other side is gone ({fault})") from fault


def say(socket: trio.socket.SocketType, message: Message) -> None:
    """Say a word, which waits for nobody; to somebody who is gone it is said in vain."""
    with suppress(OSError):
        os.write(socket.fileno(), message.encode())


def is_ours(socket: sockets.socket | trio.socket.SocketType) -> bool:
    """Whether a process of this user's, or root's, is at the other end."""
    _, user, _ = _PEER.unpack(socket.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, _PEER.size))
    return user in {os.geteuid(), 0}
