"""A gateway that runs an agent, which asks a model of this machine, in a network that ends there; and who asks it.

Knows processes and the clients' packages. Must not know one agent from another.
"""

from __future__ import annotations

import fcntl
import json
import socket
import struct
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anthropic import Anthropic
from openai import OpenAI

from tests.conformance.acp_agents import AcpAgent, Setup
from tests.conformance.agent_errand import until
from tests.conformance.agents import PATIENCE
from tests.conformance.clients import API_KEY, gateway
from tests.conformance.model import Model, model

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from tests.end_to_end.gateway import Gateway

Messages = list[Any]
MODEL = "auto"
ROUTES = ("chat", "messages")
LOOPBACK = "lo"
_LISTENING = "0A"  # of proc_pid_net(5)
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1  # of netdevice(7)


@dataclass(frozen=True, slots=True)
class World:
    """A gateway, the agents that it runs, and the model that they ask; all that it keeps is below `directory`."""

    directory: Path
    running: Gateway
    model: Model
    tokens: tuple[str, ...]

    @property
    def origin(self) -> str:
        """Where the gateway is."""
        return f"http://127.0.0.1:{self.running.port}"

    @property
    def requests(self) -> list[dict[str, Any]]:
        """What the gateway's log says of each answer that was asked for and is over."""
        logged = (json.loads(line) for line in self.running.log.splitlines() if line.startswith("{"))
        return [line for line in logged if line.get("event") == "request" and line["route"] in ROUTES]

    def config(self, place: int = 0) -> Path:
        """The config directory of an account."""
        return self.directory / "work" / "acp" / f"account-{place}" / "config"

    def cwd(self, place: int = 0) -> Path:
        """The working directory of an account's agent."""
        return self.directory / "work" / "acp" / f"account-{place}" / "work"

    def processes(self, place: int = 0) -> list[int]:
        """An account's processes, by the directory that they call home: keeper, agent, what that has started."""
        home = f"HOME={self.config(place)}".encode()
        return [pid for pid in self.running.descendants if home in _read(pid, "environ").split(b"\0")]

    @property
    def doors(self) -> set[int]:
        """The ports on which something else listens than the gateway and the model: here that is the agent."""
        tables = "".join(Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6"))
        rows = [line.split() for line in tables.splitlines() if ": " in line]
        listening = {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == _LISTENING}
        return listening - {self.running.port, self.model.port}

    def holds(self, words: str, below: Path) -> bool:
        """Whether a file below a directory holds these words."""
        return any(words.encode() in path.read_bytes() for path in below.rglob("*") if path.is_file())


@contextmanager
def world(agent: AcpAgent, directory: Path, tokens: Sequence[str] = ("token-0",)) -> Iterator[World]:
    """A world for the length of the block, with a process for each token."""
    assert_alone()
    with model() as mind:
        settings = agent.settings(Setup(directory, mind.origin), tokens)
        work = str(directory / "work")
        more = {
            "LINGMA_WORK_DIR": work,
            "LINGMA_STARTUP_TIMEOUT": "60",
            "LOG_FORMAT": "json",
            "GATEWAY_MAX_IN_FLIGHT": "16",
        }
        with gateway(directory / "gateway", PATIENCE, **settings, **more) as running:
            until(lambda: _all_ready(running.port))
            yield World(directory, running, mind, tuple(tokens))


def assert_alone() -> None:
    """Bring the network of this process up, which has to end at the machine itself."""
    cards = [line.partition(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]]
    assert cards == [LOOPBACK], f"agents would reach {cards}; run this by scripts/conformance"
    with socket.socket() as any_socket:
        name = LOOPBACK.encode()
        flags = struct.unpack("16xh", fcntl.ioctl(any_socket, _GET_FLAGS, struct.pack("16sh", name, 0)))[0]
        if not flags & _UP:
            fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh", name, flags | _UP))


def by_openai(origin: str, messages: Messages) -> Generator[str]:
    """The pieces of an answer on chat completions."""
    client = OpenAI(base_url=f"{origin}/v1", api_key=API_KEY, max_retries=0)
    with client.chat.completions.create(model=MODEL, messages=messages, stream=True) as stream:
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content


def by_anthropic(origin: str, messages: Messages) -> Generator[str]:
    """The pieces of an answer on messages."""
    client = Anthropic(base_url=origin, api_key=API_KEY, max_retries=0)
    with client.messages.stream(model=MODEL, max_tokens=1000, messages=messages) as stream:
        yield from stream.text_stream


SDKS: dict[str, Callable[[str, Messages], Generator[str]]] = {"openai": by_openai, "anthropic": by_anthropic}


def said(text: str) -> Messages:
    """The messages of a conversation that begins."""
    return [{"role": "user", "content": text}]


def _all_ready(port: int) -> bool:
    """Whether every account has its agent; the gateway answers as soon as one has."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("GET", "/readyz")
        return all(each["state"] == "ready" for each in json.load(connection.getresponse())["instances"])


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
