"""How one instance is run: its program, its place, and for how long what is waited for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import randbelow
from typing import Literal, Protocol

from lingma_trio.accounts import Account, AgentAccount
from lingma_trio.lingma.login import LoginOptions

PORTS = range(20000, 32768)  # below those the kernel gives out by itself
LEAST_OPEN = 1024  # sessions of an agent; turns have some too, and those that can be continued are a few hundred


class Described(Protocol):
    """What is to be known of any instance: its name, the account as its operator is shown it, and how many turns it has
    at the most, where <= 0 is no bound.
    """

    @property
    def name(self) -> str:
        """Which no other instance has."""

    @property
    def label(self) -> str:
        """The account; empty where none is configured."""

    @property
    def most_turns(self) -> int:
        """The bound of the turns under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceOptions(ABC):
    """How to run one instance, whatever its program is. Times are in seconds.

    `work_dir` is its place on the disk, which no other instance has. `most_turns` bounds the turns under way; <= 0 is
    no bound. `environment` is its program's, None for the gateway's own. `prepare` is awaited before every life and
    told how to report what it waits for; it raises `InstanceDown`.
    """

    name: str
    command: tuple[str, ...]
    work_dir: Path
    startup_timeout: float
    rpc_timeout: float
    most_turns: int = 0
    environment: Mapping[str, str] | None = field(default=None, repr=False)
    prepare: Callable[[Callable[[str], None]], Awaitable[None]] | None = None

    @property
    @abstractmethod
    def label(self) -> str:
        """The account as its operator is shown it; empty where none is configured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LingmaOptions(InstanceOptions):
    """How to run one Lingma. `command` is complete but for the arguments every start has.

    `heartbeat` separates two questions for the login state, which also prove that Lingma still answers.
    `dialect` is the protocol to ask in, with `auto` the one that Lingma knows; `allowed_tools` are the names of its own
    tools that it may run where it stands. `sessions_ahead` is the most that are opened before anybody needs them.
    `port` is its WebSocket's; 0 lets Lingma choose, and None takes another one at random for every life: where it
    collides with somebody else's the life fails and the next one has a new port.
    """

    port: int | None
    heartbeat: float = 30.0
    dialect: Literal["auto", "chat", "session"] = "chat"
    sessions_ahead: int = 0
    allowed_tools: frozenset[str] = frozenset()
    endpoint: str = ""
    account: Account | None = None
    login: LoginOptions = field(default_factory=LoginOptions)

    @property
    def label(self) -> str:
        """The account as its operator is shown it; empty where none is configured."""
        return "" if self.account is None else self.account.label

    def start_command(self) -> list[str]:
        """The command line, in the form the real binary takes (protocol reference, 1.2)."""
        port = PORTS.start + randbelow(len(PORTS)) if self.port is None else self.port
        line = [*self.command, "start", f"--workDir={self.work_dir}", f"--socketPort={port}"]
        return [*line, f"--endpoint={self.endpoint}"] if self.endpoint else line


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions(InstanceOptions):
    """How to run one agent over ACP. `command` is complete; its first word is looked for on the PATH of `environment`.

    `mode` is that of its sessions, empty for its own choice. `sessions_per_life` counts where it cannot close any;
    where it can, `sessions_open` may be open at a time.
    """

    account: AgentAccount
    mode: str = ""
    sessions_per_life: int = 100
    sessions_open: int = LEAST_OPEN

    @property
    def label(self) -> str:
        """What the operator calls the account; empty where none is configured."""
        return self.account.name if self.account.token else ""
