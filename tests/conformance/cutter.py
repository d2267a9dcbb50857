"""A relay in front of the gateway that breaks off one stream, the first that is about to carry a mark.

Knows TCP only; a break is a reset, as a lost network looks to a client.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_RESET = struct.pack("ii", 1, 0)
_PIECE = 65536


class Cutter:
    """Passes every connection on to `port`; `cuts` counts those that were broken off ahead of `mark`."""

    def __init__(self, listener: socket.socket, port: int, mark: bytes) -> None:
        self._listener = listener
        self._port = port
        self._mark = mark
        self._lock = threading.Lock()
        self.cuts = 0

    @property
    def port(self) -> int:
        """Where clients find it."""
        port: int = self._listener.getsockname()[1]
        return port

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            gateway = socket.create_connection(("127.0.0.1", self._port))
            for work in (self._ask, self._answer):
                threading.Thread(target=work, args=(client, gateway), daemon=True).start()

    def _ask(self, client: socket.socket, gateway: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(_PIECE):
                gateway.sendall(data)
        with suppress(OSError):
            gateway.shutdown(socket.SHUT_RDWR)

    def _answer(self, client: socket.socket, gateway: socket.socket) -> None:
        with client, gateway, suppress(OSError):
            while data := gateway.recv(_PIECE):
                if self._mark in data and self._is_first():
                    client.sendall(data[: data.index(self._mark)])
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    client.shutdown(socket.SHUT_RD)  # wakes whoever reads from it, or closing would not reset it
                    return
                client.sendall(data)

    def _is_first(self) -> bool:
        with self._lock:
            first = not self.cuts
            self.cuts = 1
            return first


@contextmanager
def cutting(port: int, mark: bytes) -> Iterator[Cutter]:
    """A cutter in front of `port` for the length of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        cutter = Cutter(listener, port, mark)
        thread = threading.Thread(target=cutter.serve)
        thread.start()
        try:
            yield cutter
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
