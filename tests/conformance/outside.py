"""The rest of the network, for programs that should ask nothing of it.

Knows TCP and the first line of a request.
"""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_REQUEST_LINE = 4096


class Outside:
    """Stands for the rest of the network: a proxy that leads nowhere and remembers what was asked of it."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._asked: list[str] = []

    @property
    def address(self) -> str:
        """Where programs find it."""
        host, port = self._listener.getsockname()
        return f"http://{host}:{port}"

    @property
    def hosts(self) -> set[str]:
        """The machines that were asked for."""
        targets = (line.split(" ")[1] for line in self._asked if " " in line)
        return {target.partition("://")[2].partition("/")[0] or target.rpartition(":")[0] for target in targets}

    def serve(self) -> None:
        """Note the first line of every request and hang up, until the listener is closed."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                line = connection.recv(_LONGEST_REQUEST_LINE).partition(b"\r\n")[0]
                self._asked.append(line.decode("latin-1"))


@contextmanager
def outside() -> Iterator[Outside]:
    """The rest of the network for the length of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        rest = Outside(listener)
        thread = threading.Thread(target=rest.serve)
        thread.start()
        try:
            yield rest
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
