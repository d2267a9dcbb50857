"""The processes a benchmark runs, where they are pinned, and what they and everything else on the machine use up.

Knows /proc and CPUs; must not know what is measured.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic_core import from_json, to_json

from benchmarks.clients import KEY

ROOT = Path(__file__).parents[1]
PATIENCE = 60.0  # seconds for a server to become ready, or to end
POLL = 0.05
TICK = 1 / os.sysconf("SC_CLK_TCK")
PROCESS_CLOCK = 2  # of the clocks that Linux numbers by process: that of its CPU time, as clock_getcpuclockid() has it
BUSY_FIELDS = (0, 1, 2, 5, 6, 7)  # of /proc/stat: user, nice, system, irq, softirq, steal

Launch: TypeAlias = Literal["edge", "hypercorn"]
SERVE = ("-m", "lingma_trio.cli", "serve")
LAUNCHES: Mapping[Launch, tuple[str, ...]] = {
    "edge": SERVE,
    "hypercorn": (
        "-m",
        "hypercorn",
        "--worker-class",
        "trio",
        "lingma_trio.asgi:app",
        "--workers",
        "0",
        "--bind",
        "127.0.0.1:PORT",
    ),
}
SESSIONS = "protocol=session"
"""The knobs of a simulator that speaks the dialect of sessions."""

CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPU = {CPUS[0]}
CLIENT_CPU = {CPUS[-1]}
"""One core for what is measured, another for the clients and for Lingma; the same one where there is only one."""


def cpu_seconds(pid: int) -> float:
    """The CPU time a process has used, to the nanosecond; 0 for one that is gone."""
    try:
        return time.clock_gettime(~pid << 3 | PROCESS_CLOCK)
    except OSError:
        return 0.0


def machine_seconds() -> float:
    """The CPU time that everything on the machine has used."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(int(fields[index]) for index in BUSY_FIELDS) * TICK


def pin(pid: int, cpus: Iterable[int]) -> None:
    """Keep every thread of a process on `cpus`; threads it starts later follow."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cpus)


@dataclass(frozen=True)
class Server:
    """A server under measurement."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def resident(self) -> int:
        """Bytes of memory it holds."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    @property
    def peak(self) -> int:
        """The most bytes of memory it held, since `forget_peak` where that was called."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split(maxsplit=1)[0]) * 1024

    def forget_peak(self) -> None:
        """Let the peak be what it holds now."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    @property
    def ready(self) -> bool:
        """Whether it answers."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200  # noqa: PLR2004
        except OSError:
            return False
        finally:
            connection.close()


@dataclass(frozen=True)
class Gateway(Server):
    """The gateway, and the simulator it has started in `directory`."""

    directory: Path

    @cached_property
    def work_dir(self) -> Path:
        """The simulator's work directory."""
        return next(self.directory.glob("lingma-simulator-*"))

    @cached_property
    def info(self) -> tuple[int, int]:
        """The simulator's port and pid."""
        port, pid = (self.work_dir / ".info").read_text().split()[:2]
        return int(port), int(pid)

    @property
    def records(self) -> list[dict[str, Any]]:
        """Each question and stop that came to the simulator, with the monotonic time in nanoseconds."""
        written = (self.work_dir / "logs" / "asks.jsonl").read_bytes().rpartition(b"\n")[0]
        return [from_json(line) for line in written.splitlines()]


@contextmanager
def gateway(
    directory: Path, *, log_level: str = "INFO", launch: Launch = "edge", knobs: str = "record=1"
) -> Iterator[Gateway]:
    """A gateway without limiter for the length of the block; its log goes to a file, as a service's would, and it has
    secrets to keep out of it: KEY, that of another client, and a token.

    `knobs` are the simulator's behind it.
    """
    settings = {
        "API_KEYS": f"{KEY},{KEY}-2",
        "ADMIN_TOKEN": "a-token-of-the-benchmark",
        "GATEWAY_MAX_IN_FLIGHT": "0",
        "LOG_LEVEL": log_level,
        "LINGMA_SIMULATOR": knobs,
    }
    with serving(directory, settings, program=LAUNCHES[launch]) as server:
        yield server


@contextmanager
def serving(
    directory: Path,
    settings: Mapping[str, str],
    *,
    program: tuple[str, ...] = SERVE,
    checkout: Path = ROOT,
) -> Iterator[Gateway]:
    """A gateway with these settings for the length of the block, of the code in `checkout`.

    `program` may say where its port goes, as PORT.
    """
    port = free_port()
    program = tuple(word.replace("PORT", str(port)) for word in program)
    settings = {
        "TMPDIR": str(directory),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "LINGMA_UPSTREAM": "simulator",
        "PYTHONPATH": str(checkout),
        **settings,
    }
    with _running(program, directory, settings) as process:
        server = Gateway(process, port, directory)
        _await(server)
        for info in directory.glob("lingma-simulator-*/**/.info"):
            pin(int(info.read_text().split()[1]), CLIENT_CPU)
        yield server


@contextmanager
def peer(command: str, directory: Path) -> Iterator[Server]:
    """Another gateway, for the length of the block, in front of a simulator of its own that speaks the session dialect.

    `command` has `{ws}` where the simulator's address goes, `{port}` where the peer's port, and `{directory}` where a
    place for files is wanted.
    """
    directory.mkdir()
    place, upstream, port = directory / "lingma", free_port(), free_port()
    simulator = ("-m", "lingma_trio.simulator", "start", f"--workDir={place}", f"--socketPort={upstream}")
    with _running(simulator, directory, {"LINGMA_SIMULATOR": SESSIONS}) as process:
        pin(process.pid, CLIENT_CPU)
        _await_port(upstream)
        words = command.format(ws=f"ws://127.0.0.1:{upstream}/", port=port, directory=directory)
        with (directory / "peer.log").open("wb") as log:
            other = subprocess.Popen(shlex.split(words), cwd=directory, stdout=log, stderr=subprocess.STDOUT)
        with other:
            try:
                _await_port(port)
                pin(other.pid, SERVER_CPU)
                yield Server(other, port)
            finally:
                other.terminate()


@contextmanager
def bare_server(directory: Path) -> Iterator[Server]:
    """A bare Hypercorn app on Trio, for the length of the block."""
    port = free_port()
    with _running(("-m", "benchmarks.bare", str(port)), directory, {}) as process:
        server = Server(process, port)
        _await(server)
        yield server


def run_clients(specification: Mapping[str, Any]) -> dict[str, Any]:
    """Run `benchmarks.clients` in a process of its own, on the clients' core; returns what it reports."""
    process = subprocess.Popen(
        (sys.executable, "-m", "benchmarks.clients"), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        pin(process.pid, CLIENT_CPU)
        report, _ = process.communicate(to_json(specification))
    if process.returncode:
        raise SystemExit("the clients failed; see above")
    result: dict[str, Any] = from_json(report)
    return result


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _running(
    arguments: tuple[str, ...], directory: Path, settings: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **settings}
    with (directory / f"{Path(arguments[1]).name}.log").open("wb") as log:
        process = subprocess.Popen(
            (sys.executable, *arguments),
            cwd=directory,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            process_group=0,  # an interruption from the keyboard is for the benchmark, which ends them
        )
    with process:
        try:
            pin(process.pid, SERVER_CPU)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


def _await_port(port: int) -> None:
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > give_up:
                raise SystemExit(f"nobody listens on port {port}") from None
            time.sleep(POLL)
        else:
            return


def _await(server: Server) -> None:
    give_up = time.monotonic() + PATIENCE
    while not server.ready:
        if server.process.poll() is not None or time.monotonic() > give_up:
            raise SystemExit(f"{server.process.args!r} does not serve")
        time.sleep(POLL)
