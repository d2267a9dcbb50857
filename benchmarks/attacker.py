"""What attacks are made of: requests, bodies, readers, and what the attacker was told.

Knows HTTP; must not know what is measured meanwhile.
"""

from __future__ import annotations

import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Thread
from typing import Any, TypeAlias

KEY = "sk-key-of-the-hostile-client"
OTHER_KEY = "sk-key-of-the-paced-clients"
PATIENCE = 75.0  # seconds for one answer

Answers: TypeAlias = Counter[str]
Act: TypeAlias = Callable[[], Answers]


@dataclass(frozen=True)
class Gateway:
    """Where to, and where the simulators' directories are."""

    port: int
    directory: Path

    def call(
        self, path: str, body: bytes = b"", method: str = "POST", *, key: str = KEY, patience: float = PATIENCE
    ) -> tuple[str, bytes]:
        """One request; returns how it ended and what came."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=patience)
        with closing(connection):
            try:
                connection.request(method, path, body, self.headers(key))
                answer = connection.getresponse()
                return str(answer.status), answer.read()
            except (OSError, HTTPException) as fault:
                return type(fault).__name__, b""

    def headers(self, key: str = KEY) -> dict[str, str]:
        """Those of every request."""
        return {"authorization": f"Bearer {key}", "content-type": "application/json"}

    def begun(self, path: str, body: bytes, *, announced: int = 0, receive: int = 0) -> socket.socket:
        """A connection on which a request has been sent, or as much of it as there is; `receive` bounds its buffer."""
        connection = socket.socket()
        connection.settimeout(PATIENCE)
        if receive:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        connection.connect(("127.0.0.1", self.port))
        lines = [f"{name}: {value}" for name, value in self.headers().items()]
        head = [f"POST {path} HTTP/1.1", "host: localhost", *lines, f"content-length: {announced or len(body)}", "", ""]
        connection.sendall("\r\n".join(head).encode() + body)
        return connection


def once(gateway: Gateway, path: str, body: bytes, method: str = "POST") -> Act:
    """One request."""
    return lambda: Counter([gateway.call(path, body, method)[0]])


def at_once(*acts: Callable[[], str]) -> Answers:
    """All of them side by side."""
    told: list[str] = []
    threads = [Thread(target=lambda act=act: told.append(act())) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(told)


def chat(text: str, **fields: Any) -> bytes:  # noqa: ANN401 - JSON
    """The body of a chat request."""
    return json.dumps({"model": "org_auto", "messages": [{"role": "user", "content": text}], **fields}).encode()


def tool(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A tool of OpenAI's."""
    return {"type": "function", "function": {"name": "look", "parameters": schema}}


def call_of(arguments: Mapping[str, Any]) -> str:
    """A question that the simulator answers with a call."""
    told = json.dumps(arguments, separators=(",", ":"))
    return f"Go.\n#simulate first=0 gap=0 'call=look:{told}'"


def read_slowly(connection: socket.socket, *, seconds: float, pace: int) -> Answers:
    """Read so many bytes a second, for so long; a head tells its status."""
    status, give_up = "", time.monotonic() + seconds
    while time.monotonic() < give_up:
        piece = connection.recv(pace // 10)
        status = status or piece[9:12].decode("latin-1")
        if not piece:
            break
        time.sleep(0.1)
    return Counter([status])
