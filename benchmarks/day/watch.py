"""The gateway of a day, seen from outside: what it holds, who lives behind it, and what it leaves.

Knows /proc, files and the operator's paths; must not know who asks.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from benchmarks.day.traffic import KEYS
from benchmarks.processes import CLIENT_CPU, POLL, Gateway, pin, serving

OPERATOR = "operator-of-a-day"
QUIET = 90.0
"""Seconds in which all that requests held has to be let go; a request that waits in the queue does so for 30."""

PAGE = os.sysconf("SC_PAGESIZE")
LOG = "lingma_trio.cli.log"
MEGA = 1e6


@dataclass(frozen=True, slots=True)
class Sample:
    """What the gateway held at one moment.

    `behind` are the MB of all processes behind it, `log` and `kept` bytes of its log and of its data.
    """

    behind: float
    log: int
    kept: int
    descriptors: int
    threads: int
    tasks: int
    in_flight: int
    queued: int
    sessions: int
    restarts: int


@dataclass(frozen=True, slots=True)
class Watched:
    """The gateway under a day's load, with `instances` simulators behind it."""

    gateway: Gateway
    instances: int

    def sample(self) -> Sample:
        """Look at it once."""
        stats = self.ask("GET", "/internal/stats")
        return Sample(
            behind=sum(resident(pid) for pid in descendants(self.gateway.pid)) / MEGA,
            log=(self.gateway.directory / LOG).stat().st_size,
            kept=sum(path.stat().st_size for path in (self.gateway.directory / "data").rglob("*") if path.is_file()),
            descriptors=self.descriptors,
            threads=len(list(Path(f"/proc/{self.gateway.pid}/task").iterdir())),
            tasks=self.ask("GET", "/internal/tree")["tasks"],
            in_flight=stats["limiter"]["in_flight"],
            queued=stats["limiter"]["queued"],
            sessions=stats["sessions"]["size"],
            restarts=sum(instance["restarts"] for instance in stats["instances"]),
        )

    @property
    def ran(self) -> tuple[float, float]:
        """Seconds for which its loop has run, and for which it has waited for a processor to run on."""
        ran, waited, _ = Path(f"/proc/{self.gateway.pid}/schedstat").read_text().split()
        return int(ran) / 1e9, int(waited) / 1e9

    @property
    def longest_line(self) -> int:
        """Bytes of the longest line of its log."""
        with (self.gateway.directory / LOG).open("rb") as lines:
            return max(map(len, lines), default=0)

    @property
    def descriptors(self) -> int:
        """How many it has open."""
        return len(list(Path(f"/proc/{self.gateway.pid}/fd").iterdir()))

    @property
    def files(self) -> set[str]:
        """What lies in its directories for temporary files, without the names that differ from life to life."""
        return {
            str(path.relative_to(self.gateway.directory)).partition("/")[2]
            for path in self.gateway.directory.glob("lingma-simulator-*/**/*")
        }

    def settle(self) -> None:
        """Put new lives on the clients' processor: each begins on the gateway's, which starts it."""
        for pid in descendants(self.gateway.pid):
            with suppress(OSError):
                pin(pid, CLIENT_CPU)

    def end_life(self, number: int) -> None:
        """End the life of one instance: each is killed, and the next time restarted by the operator, in turn."""
        place, restarted = divmod(number, 2)
        name = f"lingma-{place % self.instances}"
        if restarted:
            self.ask("POST", f"/internal/instances/{name}/restart")
            return
        infos = sorted(self.gateway.directory.glob("lingma-simulator-*/*/.info"))
        with suppress(OSError, ValueError, IndexError):  # it is between two lives
            os.kill(int(infos[place % len(infos)].read_text().split()[1]), signal.SIGKILL)

    def ask(self, method: str, path: str) -> Any:  # noqa: ANN401 - JSON
        """Ask the operator's part of the gateway."""
        with closing(HTTPConnection("127.0.0.1", self.gateway.port, timeout=QUIET)) as connection:
            body = b"{}" if method == "POST" else None
            headers = {"authorization": f"Bearer {OPERATOR}", "content-type": "application/json"}
            connection.request(method, path, body, headers)
            return from_json(connection.getresponse().read())

    def left(self, before: Left) -> list[str]:
        """What is still held when it has had QUIET seconds to let go, in words."""
        give_up = time.monotonic() + QUIET
        while True:
            found = self.rest()
            if not (over := found.over(before)) or time.monotonic() > give_up:
                return over
            time.sleep(POLL * 10)

    def before(self) -> Left:
        """What it holds before anybody asks, once every instance can be asked."""
        give_up = time.monotonic() + QUIET
        while (found := self.rest()).lost and time.monotonic() < give_up:
            time.sleep(POLL)
        return found

    def rest(self) -> Left:
        """What it holds when nobody asks anything."""
        stats = self.ask("GET", "/internal/stats")
        return Left(
            slots=stats["limiter"]["in_flight"] + stats["limiter"]["queued"],
            turns=sum(instance["turns"] for instance in stats["instances"]),
            bytes=int(stats["metrics"]["lingma_gateway_bytes_in_flight"]),
            lost=sum(instance["state"] != "ready" for instance in stats["instances"]),
            tasks=self.ask("GET", "/internal/tree")["tasks"],
            descriptors=self.descriptors,
            children=len(descendants(self.gateway.pid)),
            files=self.files,
        )


@dataclass(frozen=True, slots=True)
class Left:
    """What requests hold, and have to let go."""

    slots: int
    turns: int
    bytes: int
    lost: int
    tasks: int
    descriptors: int
    children: int
    files: set[str]

    def over(self, before: Left) -> list[str]:
        """What is more than it was before."""
        names = ("slots", "turns", "bytes", "lost", "tasks", "descriptors", "children")
        counts = [(name, getattr(self, name) - getattr(before, name)) for name in names]
        more = [f"{count} {name}" for name, count in counts if count > 0]
        return more + sorted(self.files - before.files)[:3]


def descendants(pid: int) -> list[int]:
    """The pids of a process's children, and of theirs."""
    found = []
    with suppress(OSError):  # it, or a thread of its, has ended meanwhile
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (thread / "children").read_text().split()):
                found += [child, *descendants(child)]
    return found


def resident(pid: int) -> int:
    """Bytes of memory that a process holds; 0 for one that is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except OSError:
        return 0


@contextmanager
def watched(directory: Path, *, instances: int, room: int) -> Iterator[Watched]:
    """A gateway with its log at INFO for the length of the block, which answers so many at once."""
    keys = directory / "keys.yaml"
    keys.write_text(KEYS, encoding="utf-8")
    keys.chmod(0o600)
    settings = {
        "ADMIN_TOKEN": OPERATOR,
        "KEYS_FILE": str(keys),
        "GATEWAY_MAX_IN_FLIGHT": str(room),
        "LINGMA_INSTANCE_COUNT": str(instances),
        "LINGMA_DATA_DIR": str(directory / "data"),
        "LOG_LEVEL": "INFO",
    }
    with serving(directory, settings) as gateway:
        yield Watched(gateway, instances)
