"""A real gateway as a process of its own, with the simulator upstream, and what can be seen of it from outside.

Knows processes, the log's lines and the simulator's record; must not import what it starts.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import trio
from pydantic_core import from_json

from tests.end_to_end.client import PATIENCE, Answer, Json, fetch
from tests.end_to_end.upstreams import CHAT, RECORD, ROOT, Upstream

SERVE = (sys.executable, "-m", "lingma_trio.cli", "serve")
HYPERCORN = (
    sys.executable, "-W", "ignore::RuntimeWarning", "-m", "hypercorn",
    "--worker-class", "trio", "--bind", "127.0.0.1:0", "lingma_trio.asgi:app",
)  # fmt: skip
ADMIN_TOKEN = "admin-token-of-the-tests"
OPERATOR = {"authorization": f"Bearer {ADMIN_TOKEN}"}
POLL = 0.005
PATIENCE_AT_END = 4.0
_KINDS = {"session/prompt": "ask", "session/cancel": "stop"}
_LISTENING = re.compile(r"Running on http://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway. `directory` is its own; the simulator's work directory lies in it."""

    process: subprocess.Popen[bytes]
    directory: Path
    upstream: Upstream = CHAT

    @property
    def log(self) -> str:
        """The whole lines it has written so far; one that is still being written is not among them."""
        return (self.directory / "stderr").read_text(encoding="utf-8", errors="replace").rpartition("\n")[0]

    @property
    def port(self) -> int:
        """Where it listens; 0 while it does not."""
        found = _LISTENING.search(self.log)
        return int(found[1]) if found else 0

    @property
    def work_dir(self) -> Path:
        """The simulator's work directory."""
        return self.simulator_directories[0]

    @property
    def simulator_directories(self) -> list[Path]:
        """The work directories there are: one while it runs; none when it has cleaned up, which an agent's keeps."""
        pattern = "agents/acp/*/config" if self.upstream.name == "acp" else "lingma-simulator-*"
        return list(self.directory.glob(pattern))

    @property
    def simulator(self) -> int:
        """The simulator's pid."""
        if self.upstream.name == "acp":
            return self.agent(0)
        return int((self.work_dir / ".info").read_text().split()[1])

    def agent(self, place: int) -> int:
        """The pid of the agent of the account in that place."""
        return int(_record_of_agent(sorted(self.simulator_directories)[place])[-1]["pid"])

    @property
    def records(self) -> list[Json]:
        """Each question and stop the simulator got, with the monotonic time in nanoseconds.

        A question `opens` a session that nobody has asked in before; its `length` is in characters. A stop has the same
        `subject` as the question that it stops.
        """
        known: set[str] = set()
        records = []
        for record in self._records:
            session = record["sessionId"]
            # Lingma's older protocol has no id for a session before it has answered.
            opens, subject = not session, record.get("requestId")
            if self.upstream.name != "chat":
                opens, subject = session not in known, session
            records.append({**record, "opens": opens, "subject": subject})
            known.add(session)
        return records

    @property
    def _records(self) -> list[Json]:
        if self.upstream.name == "acp":
            told = _record_of_agent(self.work_dir)
            return [
                {
                    "kind": _KINDS[entry["method"]],
                    "time": int(entry["at"] * 1e9),
                    "sessionId": entry["session"],
                    "length": entry.get("length", 0),
                }
                for entry in told
                if entry.get("method") in _KINDS
            ]
        path = self.work_dir / "logs" / "asks.jsonl"
        written = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
        return [from_json(line) for line in written.splitlines()]

    @property
    def complaints(self) -> list[Json]:
        """What an agent was sent that no client of its may send; nothing of Lingma, which complains to nobody."""
        if self.upstream.name != "acp":
            return []
        return [each for home in self.simulator_directories for each in _record_of_agent(home) if "complaint" in each]

    @property
    def open_sessions(self) -> int:
        """How many sessions the agents of this gateway hold in their present lives."""
        return sum(_sessions_held(_record_of_agent(home)) for home in self.simulator_directories)

    @property
    def server(self) -> int:
        """The pid of the process that serves: Hypercorn's command has a worker for that."""
        workers = [
            pid for pid in children(self.process.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        return workers[0] if workers else self.process.pid

    @property
    def descendants(self) -> list[int]:
        """The pids of the server's children, their children and so on."""
        return descendants(self.server)

    @property
    def descriptors(self) -> int:
        """How many descriptors the server has open."""
        return len(list(Path(f"/proc/{self.server}/fd").iterdir()))

    def holds(self, port: int) -> bool:
        """Whether the server has a connection open with the client at that local port."""
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        ends = (f":{self.port:04X}", f":{port:04X}")
        # A socket that its process has closed stays in the table for a while, without an inode.
        return any(line[1].endswith(ends[0]) and line[2].endswith(ends[1]) and line[9] != "0" for line in lines)

    @property
    def resident(self) -> int:
        """Bytes of memory that the server holds."""
        pages = Path(f"/proc/{self.server}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGESIZE")

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self.process.poll() is None

    async def fetch(self, path: str, **more: Json) -> Answer:
        """GET `path`."""
        return await fetch(self.port, "GET", path, **more)

    async def stats(self) -> Json:
        """`/internal/stats`."""
        return (await self.fetch("/internal/stats", headers=OPERATOR)).json

    async def limiter(self) -> tuple[int, int]:
        """Requests in flight and queued."""
        limiter = (await self.stats())["limiter"]
        return limiter["in_flight"], limiter["queued"]

    async def until_limiter(self, in_flight: int, queued: int = 0) -> None:
        """Wait until so many requests are in flight and queued."""

        async def reached() -> bool:
            return await self.limiter() == (in_flight, queued)

        await poll(reached)

    async def until_generation(self, number: int) -> None:
        """Wait until Lingma lives its life of that number."""

        async def living() -> bool:
            generation: int = (await self.stats())["instances"][0]["generation"]
            return generation >= number

        await poll(living)

    async def until_ready(self) -> None:
        """Wait until a chat would be answered."""
        await self._until_readiness(200)

    async def until_lost(self) -> None:
        """Wait until a chat would not be answered."""
        await self._until_readiness(503)

    async def _until_readiness(self, status: int) -> None:
        async def reached() -> bool:
            return (await self.fetch("/readyz")).status == status

        await poll(reached)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds."""
        with trio.fail_after(PATIENCE):
            while True:
                if condition():
                    return
                await trio.sleep(POLL)

    async def exit_status(self) -> int:
        """Wait for the end of the process."""
        await self.until(lambda: not self.running)
        return self.process.returncode


def environment(directory: Path, settings: dict[str, str]) -> dict[str, str]:
    """The environment of a gateway in `directory`: nothing of ours but what it needs to run."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(directory),
        "HOST": "127.0.0.1",
        "PORT": "0",
        "ADMIN_TOKEN": ADMIN_TOKEN,
        "LINGMA_DATA_DIR": str(directory / "data"),
        "LINGMA_UPSTREAM": "simulator",
        "LINGMA_BOOTSTRAP_ALWAYS": "false",
        "AUTO_LOGIN_ENABLED": "false",
        **settings,
    }


@contextmanager
def launched(
    directory: Path,
    command: Sequence[str] = SERVE,
    descriptors: Sequence[int] = (),
    upstream: Upstream = CHAT,
    /,
    **settings: str,
) -> Iterator[Gateway]:
    """A gateway process for the length of the block, which may not be listening yet, and may end by itself.
    It inherits `descriptors`.
    """
    settings = upstream.settings(directory, settings)
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "stderr").open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment(directory, settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=descriptors,
        )
    with process:
        try:
            yield Gateway(process, directory, upstream)
        finally:
            _end(process)


@contextmanager
def started(
    directory: Path,
    command: Sequence[str] = SERVE,
    upstream: Upstream = CHAT,
    patience: float = PATIENCE,
    /,
    **settings: str,
) -> Iterator[Gateway]:
    """A gateway for the length of the block, ready to answer within `patience` seconds.

    Its agents have nothing to complain of at the end.
    """
    with launched(directory, command, (), upstream, **settings) as gateway:
        give_up = time.monotonic() + patience
        while not (gateway.port and _is_ready(gateway.port)):
            assert gateway.running, gateway.log
            assert time.monotonic() < give_up, gateway.log
            time.sleep(POLL)
        yield gateway
        assert gateway.complaints == []


async def poll(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again until `condition` holds: another process has no event to wait for."""
    with trio.fail_after(PATIENCE):
        while True:
            if await condition():
                return
            await trio.sleep(POLL)


def children(pid: int) -> list[int]:
    """The pids of a process's children. Each thread has its own: Trio starts processes from worker threads."""
    lists = (path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(child) for text in lists for child in text.split()]


def descendants(pid: int) -> list[int]:
    """The pids of a process's children, their children and so on."""
    return [found for child in children(pid) for found in (child, *descendants(child))]


def is_alive(pid: int) -> bool:
    """Whether a process with that id runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _record_of_agent(config: Path) -> list[Json]:
    """What an agent wrote down, in whole lines."""
    path = config / RECORD
    written = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
    return [from_json(line) for line in written.splitlines()]


def _sessions_held(record: list[Json]) -> int:
    """How many sessions were opened and not closed since the last start."""
    methods = [entry.get("method") for entry in record]
    life = methods[max(place for place, method in enumerate(methods) if method == "$start") :]
    return life.count("session/new") - life.count("session/close")


def _is_ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with closing(connection):
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, a second one for streams that a test has left behind, then SIGKILL to all of the session."""
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE_AT_END)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
