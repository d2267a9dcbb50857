"""The gateway of a chaos run with its three Lingmas, what was heard of it, and what of that must not be.

Knows processes, settings and the log. Must not know what troubles them.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import trio
from pydantic_core import to_json

from tests.chaos.logins import Span
from tests.chaos.surfaces import CUT, UNNAMED
from tests.chaos.talks import NOBODY, SLACK, VISIBLE
from tests.end_to_end.client import CutOff, fetch
from tests.end_to_end.gateway import descendants, environment
from tests.lingma.support import running
from tests.scaled.cluster import Role
from tests.servers import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.chaos.machine import Machine
    from tests.chaos.surfaces import Said
    from tests.chaos.talks import Asked
    from tests.end_to_end.client import Json

KEYS: Final = tuple(f"sk-marker-of-chaos-{number}" for number in range(8))
FICKLE: Final = "sk-marker-of-chaos-fickle"
"""The key that is in KEYS_FILE now and then."""

ADMIN: Final = "marker-admin-token-of-chaos"
METRICS: Final = "marker-metrics-token-of-chaos"
PASSWORD: Final = "marker-password-of-chaos"
BUNDLE: Final = "marker-bundle-of-chaos"
PROMPT: Final = "marker-prompt-of-chaos"
SECRETS: Final = (*KEYS, FICKLE, ADMIN, METRICS, PASSWORD, BUNDLE)
INSTANCES: Final = 3
TAKEOVER: Final = 60.0  # seconds within which the gateway before a takeover has ended
OPERATOR: Final = {"authorization": f"Bearer {ADMIN}", "content-type": "application/json"}

SETTINGS: Final = {
    "ADMIN_TOKEN": ADMIN,
    "METRICS_TOKEN": METRICS,
    "GATEWAY_MAX_IN_FLIGHT": "16",
    "GATEWAY_QUEUE_TIMEOUT_SEC": "10",
    "GATEWAY_REQUEST_TIMEOUT": "40",
    "LINGMA_UPSTREAM": "lingma",
    "LINGMA_SOCKET_PORT": "0",
    "LINGMA_STARTUP_TIMEOUT": "20",
    "LINGMA_RPC_TIMEOUT": "3",
    "LINGMA_HEARTBEAT_SEC": "1",
    "LINGMA_FIRST_DELTA_TIMEOUT": "8",
    "LINGMA_IDLE_TIMEOUT": "8",
    "SHUTDOWN_GRACE_SEC": "3",
    "CLIENT_STALL_SEC": "5",
}


@dataclass(slots=True)
class Scene:
    """A gateway that is started again and again on the same disk, and what was seen of it."""

    machine: Machine
    seed: int
    role: Role
    tell: Callable[[str], None]
    outcomes: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    turns: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    unnamed: list[tuple[str, str]] = field(default_factory=list)
    """Requests whose errors the log has to name, with the keys of their clients."""

    lives: int = 0
    takeovers: int = 0
    """Those that are over."""

    began: float = 0.0
    aways: list[list[float]] = field(default_factory=list)
    """From when until when nobody, or one who was ending, listened."""

    drained: list[Span] = field(default_factory=list)
    """Which instance the operator had drained, and when."""

    has_two: bool = False
    """Whether one gateway takes over from another just now, so that nobody knows which of them keeps a response."""

    has_door: bool = True
    """Whether the disk had room for the socket at which another gateway asks to take over."""

    marker: str = PROMPT

    @property
    def port(self) -> int:
        """Where the gateway listens."""
        return self.role.port

    @property
    def pid(self) -> int:
        """The gateway's process."""
        assert self.role.server.process is not None
        return self.role.server.process.pid

    @property
    def keeper(self) -> int:
        """Which gateway keeps responses: another number after each start, and after a takeover, too."""
        return self.lives + self.takeovers

    @property
    def seconds(self) -> float:
        """Since the beginning of the run."""
        return time.monotonic() - self.began

    @property
    def simulators(self) -> dict[str, tuple[int, int]]:
        """The port and the pid of each Lingma that has told them, by its work directory."""
        found = {}
        for path in sorted((self.machine.disk / "lingma").glob("*/.info")):
            with suppress(OSError, ValueError):
                port, pid = path.read_text().split()
                found[path.parent.name] = int(port), int(pid)
        return found

    @property
    def processes(self) -> list[int]:
        """Every process of this run: what the gateway has started, and what an earlier life of it has left."""
        started = descendants(self.pid) if self.role.server.process is not None else []
        return sorted({*started, *running(str(self.machine.disk))} - {os.getpid()})

    def find(self, what: str, said: Said | None = None) -> None:
        """Note what must not be."""
        of = f" [{said.request_id or 'no request id'}, status {said.status}] {said.tail!r}" if said else ""
        self.findings.append(f"seed {self.seed}, second {self.seconds:.1f}: {what}{of}")
        self.tell(f"FOUND  {self.findings[-1]}")

    def token_for(self, path: str) -> str:
        """What has to be shown at a path."""
        return METRICS if path == "/metrics" else ADMIN if path.startswith("/internal") else KEYS[0]

    def may_be(self, said: Said, key: str, asked: Asked) -> bool:
        """Whether a failure is one that its client may see just then."""
        if asked.way.leaves or said.outcome in VISIBLE:
            return True
        if said.outcome == UNNAMED:
            self.unnamed.append((said.request_id, key))
            return bool(said.request_id)
        if said.outcome in (CUT, NOBODY):
            return self.was_away(asked.began)
        return said.outcome == "invalid_api_key" and key == FICKLE

    def was_away(self, since: float) -> bool:
        """Whether the gateway was away at any time since then."""
        return any(end + SLACK >= since for _, end in self.aways)

    @contextmanager
    def draining(self, instance: str) -> Iterator[None]:
        """Note that the operator has an instance drained in the block."""
        began = time.time()
        place = len(self.drained)
        self.drained.append(Span(instance, began, float("inf")))
        try:
            yield
        finally:
            self.drained[place] = Span(instance, began, time.time())

    @contextmanager
    def away(self) -> Iterator[None]:
        """Note that the gateway is away, or on its way out, in the block."""
        span = [trio.current_time(), float("inf")]
        self.aways.append(span)
        yield
        span[1] = trio.current_time()

    async def start(self) -> None:
        """Begin the gateway's next life."""
        self.lives += 1
        self.has_door = True
        await trio.to_thread.run_sync(self.role.server.start)

    async def restart(self, number: signal.Signals) -> None:
        """End the gateway by a signal, and begin its next life."""
        with self.away():
            server = self.role.server
            server.send(number)
            assert server.process is not None
            status = await trio.to_thread.run_sync(partial(server.process.wait, 30))
            server.process = None
            if number == signal.SIGTERM and status != 0:
                self.find(f"SIGTERM ended the gateway with {status}: {self.role.log[-600:]}")
            await self.start()

    async def replace(self) -> None:
        """Have another gateway take over by its door, and see the one before it end. It listens all the while."""
        server = self.role.server
        old = server.process
        assert old is not None
        self.lives += 1
        self.has_two = True
        arguments = server.arguments
        server.arguments = (*arguments, "--takeover")
        try:
            await trio.to_thread.run_sync(server.start)
        finally:
            server.arguments = arguments
        new = server.process
        assert new is not None
        status = await trio.to_thread.run_sync(partial(_wait, old))
        self.takeovers += 1
        self.has_two = False
        if status != 0 or new.poll() is not None:
            self.find(
                f"taken over, the gateway ended with {status}, its successor {new.poll()}: {self.role.log[-900:]}"
            )
            old.kill()
            old.wait()

    async def see_to_the_gateway(self) -> None:
        """Note where the gateway has ended by itself, and begin its next life."""
        process = self.role.server.process
        if process is not None and process.poll() is not None and self.aways_are_over:
            self.find(f"the gateway ended by itself with {process.returncode}: {self.role.log[-600:]}")
            with self.away():
                await self.start()

    @property
    def aways_are_over(self) -> bool:
        """Whether nobody has just ended the gateway, to start it again."""
        return all(end < float("inf") for _, end in self.aways)

    async def operate(self, path: str, **wishes: Any) -> tuple[int, Json]:  # noqa: ANN401 - JSON
        """Do something as the operator; status 0 where the gateway is away or at the end of its means."""
        try:
            with trio.fail_after(10):
                answer = await fetch(self.port, "POST", path, to_json(wishes), OPERATOR)
        except (OSError, CutOff, trio.TooSlowError, trio.BrokenResourceError):
            return 0, {}
        return answer.status, answer.json if answer.complete else {}

    async def stats(self) -> Json:
        """`/internal/stats`."""
        return (await fetch(self.port, "GET", "/internal/stats", headers=OPERATOR)).json

    async def tree(self) -> Json:
        """`/internal/tree`."""
        return (await fetch(self.port, "GET", "/internal/tree", headers=OPERATOR)).json

    def write_keys(self, *more: str) -> None:
        """Put a KEYS_FILE in place at once: those that are always there, and `more`."""
        names = {key: f"key-{key.rpartition('-')[2]}" for key in (*KEYS, *more)}
        text = "keys:\n" + "".join(f"  - {{name: {name}, key: {key}}}\n" for key, name in names.items())
        self.write_keys_file(text)

    def write_keys_file(self, text: str) -> None:
        """Put any text in its place."""
        path = self.keys_file
        fresh = path.with_name("fresh")
        fresh.touch(mode=0o600)
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)

    @property
    def keys_file(self) -> Path:
        """KEYS_FILE, which is not on the disk that is filled: who writes it there is the operator's editor."""
        return self.role.server.directory / "keys.yaml"


def scene(directory: Path, machine: Machine, dialect: str, seed: int, tell: Callable[[str], None]) -> Scene:
    """A scene whose gateway is not started yet. What the gateway and its Lingmas write lies on the machine's disk, but
    for the log.
    """
    disk = machine.disk
    (disk / "tmp").mkdir()
    binary = directory / "Lingma"
    binary.write_text(
        f'#!/bin/sh\necho "signing in with {PASSWORD} {BUNDLE}" >&2\n'
        f'exec {sys.executable} -m lingma_trio.simulator "$@"\n',
        encoding="utf-8",
    )
    binary.chmod(0o755)
    accounts = [
        {"username": f"user-{number}", "password": PASSWORD, "session_bundle": BUNDLE} for number in range(INSTANCES)
    ]
    port = free_port()
    given = environment(
        directory,
        {
            **SETTINGS,
            "LINGMA_SIMULATOR": f"first=0.1,gap=0.01,protocol={dialect}",
            "PORT": str(port),
            "TMPDIR": str(disk / "tmp"),
            "LINGMA_BIN": str(binary),
            "LINGMA_DATA_DIR": str(disk / "data"),
            "LINGMA_WORK_DIR": str(disk / "lingma"),
            "LINGMA_ACCOUNTS": to_json(accounts).decode(),
            "XDG_STATE_HOME": str(disk / "state"),
            "KEYS_FILE": str(directory / "keys.yaml"),
        },
    )
    server = Server("serve", (sys.executable, "-m", "lingma_trio.cli", "serve"), port, directory, given)
    made = Scene(machine, seed, Role(server), tell, began=time.monotonic())
    made.write_keys()
    return made


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    """Its exit status; none where it goes on."""
    with suppress(subprocess.TimeoutExpired):
        return process.wait(TAKEOVER)
    return None


def allow_cores() -> None:
    """Let whatever is started from now on leave a core where it crashes, as on a machine that is set up so."""
    resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
