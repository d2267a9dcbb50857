"""Reads where an agent is: `wss://host:port`, `ws://127.0.0.1:port` on this machine alone, or `unix:/path`. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

AGENT_PORT: Final = 8327
"""Where an agent listens that is told no other port."""

Scheme: TypeAlias = Literal["wss", "ws", "unix"]


@dataclass(frozen=True, slots=True)
class AgentAddress:
    """Where an agent is. `path` is the socket's of `unix`, `host` and `port` are the others'.

    `at` is one of the addresses that the name `host` stands for, where it was looked up; TLS still asks for the name.
    """

    scheme: Scheme
    host: str = ""
    port: int = AGENT_PORT
    path: str = ""
    at: str = ""

    @classmethod
    def parse(cls, text: str) -> AgentAddress:
        """Read one. Raises `ValueError`, which repeats nothing of it."""
        if text.startswith("unix:"):
            path = text.removeprefix("unix:")
            if not path.startswith("/"):
                raise ValueError("names no socket by an absolute path, as unix:/run/lingma-trio/agent.sock does")
            return cls("unix", port=0, path=path)
        parts = urlsplit(text)
        try:
            port = parts.port
        except ValueError:
            raise ValueError("has a port that is none") from None
        if not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
            raise ValueError("is none of wss://host:port, ws://127.0.0.1:port and unix:/path")
        if parts.scheme == "wss":
            return cls("wss", parts.hostname, AGENT_PORT if port is None else port)
        if parts.scheme != "ws":
            raise ValueError("is none of wss://host:port, ws://127.0.0.1:port and unix:/path")
        if not is_loopback(parts.hostname):
            raise ValueError(
                "is ws:// to another machine, so that anybody on the way could read it; use wss:// and certificates"
            )
        return cls("ws", parts.hostname, AGENT_PORT if port is None else port)

    def __str__(self) -> str:
        if self.scheme == "unix":
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        looked_up = f" ({self.at})" if self.at and self.at != self.host else ""
        return f"{self.scheme}://{host}:{self.port}{looked_up}"


def is_loopback(host: str) -> bool:
    """Whether this is a name or address of the machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
