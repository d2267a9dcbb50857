"""One gateway after another on the same sockets: nobody is refused, streams end whole, Lingma is never there twice."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
import trio

from tests.doctor.support import lingma, script
from tests.end_to_end.client import Answer, Connection, connected, question
from tests.end_to_end.gateway import SERVE, Gateway, children, descendants, is_alive, launched, started
from tests.end_to_end.upstreams import ROOT

KNOBS = "first=0.01,gap=0.01,deltas=3"
LONG = "Go on.\n#simulate first=0 gap=0.02 deltas=300"
ENDLESS = "Go on.\n#simulate first=0 gap=0.02 deltas=4000"
POLL = 0.02
PATIENCE = 60.0


@dataclass
class House:
    """A folder in which one gateway follows the other, as their logs, their note and their Lingma show."""

    gateway: Gateway
    pids: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pids.append(self.gateway.process.pid)

    @property
    def port(self) -> int:
        """Where all of them listen."""
        return self.gateway.port

    def pid(self) -> int:
        """The process that is found in the folder; 0 while there is none."""
        notes = list((self.gateway.directory / "state").glob("lingma-trio/gateways/*.json"))
        text = notes[0].read_text() if notes else ""
        return int(json.loads(text)["pid"]) if text else 0

    def events(self, name: str) -> list[dict[str, object]]:
        """What was logged under that name."""
        lines = [json.loads(line) for line in self.gateway.log.splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == name]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for it."""
        with trio.fail_after(PATIENCE):
            while True:
                if condition():
                    return
                await trio.sleep(POLL)

    async def take_over(self) -> int:
        """Have the present one replace itself, and wait until its successor is found; returns its pid."""
        before = self.pids[-1]
        os.kill(before, signal.SIGUSR2)
        await self.until(lambda: self.pid() not in {0, before})
        self.pids.append(self.pid())
        return self.pids[-1]

    async def until_gone(self, pid: int) -> None:
        """Wait for the end of a process; the first one is the test's own child."""
        await self.until(lambda: self.gateway.process.poll() is not None if pid == self.pids[0] else not is_alive(pid))


def jealous(directory: Path, program: str) -> Path:
    """A program that leaves a complaint where another one of its kind is there."""
    return script(
        directory / "jealous",
        f"exec 9>>{directory}/alone",
        f"flock -n 9 || echo twice >> {directory}/twice",
        f"exec {program}",
    )


@contextmanager
def house(directory: Path, upstream: str = "lingma", /, **settings: str) -> Iterator[House]:
    """A gateway with a Lingma, or an agent, that complains about a second one beside it."""
    directory.mkdir(exist_ok=True)
    if upstream == "lingma":
        program = jealous(directory, f'{lingma(directory, f"record=1,{KNOBS}")} "$@"')
        given = {"LINGMA_BIN": str(program), "LINGMA_SOCKET_PORT": "0"}
    else:
        command = [sys.executable, "-m", "lingma_trio.simulator", "acp"]
        knobs = [part for knob in KNOBS.split(",") for part in ("--knob", knob)]
        program = jealous(directory, f"env PYTHONPATH={shlex.quote(str(ROOT))} {shlex.join([*command, *knobs])}")
        given = {"ACP_COMMAND": json.dumps([str(program)])}
    given |= {
        "LINGMA_UPSTREAM": upstream,
        "LINGMA_WORK_DIR": str(directory / "work"),
        "XDG_STATE_HOME": str(directory / "state"),
        "SHUTDOWN_GRACE_SEC": "20",
        "GATEWAY_QUEUE_TIMEOUT_SEC": "40",
        **settings,
    }
    with started(directory, SERVE, **given) as gateway:
        living = House(gateway)
        yield living
        left = [found for pid in living.pids for found in (pid, *descendants(pid)) if is_alive(found)]
        for pid in living.pids:
            if is_alive(pid):
                os.kill(pid, signal.SIGTERM)
        give_up = time.monotonic() + PATIENCE
        while any(is_alive(pid) for pid in left if pid != gateway.process.pid or gateway.process.poll() is None):
            assert time.monotonic() < give_up, "something outlives its gateway"
            time.sleep(POLL)
    assert not (directory / "twice").exists()
    assert not list((directory / "state").glob("lingma-trio/gateways/*.sock"))


@dataclass
class Poller:
    """Asks `/healthz` every 20 ms, each time on a new connection or always on the same as long as that is kept."""

    port: int
    keeps: bool
    answers: int = 0
    closings: int = 0
    longest: float = 0.0

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Ask until cancelled. A refused or reset connection is an exception here, and the end of the test."""
        task_status.started()
        while True:
            async with connected(self.port) as connection:
                while True:
                    began = time.monotonic()
                    await connection.send("GET", "/healthz")
                    answer = await connection.answer()
                    assert answer.status == 200
                    self.answers += 1
                    self.longest = max(self.longest, time.monotonic() - began)
                    await trio.sleep(POLL)
                    if answer.headers.get("connection") == "close":
                        self.closings += 1
                        break
                    if not self.keeps:
                        break


@asynccontextmanager
async def polled(port: int) -> AsyncIterator[list[Poller]]:
    """Pollers of either kind for the length of the block."""
    pollers = [Poller(port, keeps) for keeps in (False, True)]
    async with trio.open_nursery() as nursery:
        for poller in pollers:
            await nursery.start(poller.run)
        yield pollers
        nursery.cancel_scope.cancel("the test is over")


@asynccontextmanager
async def streaming(port: int, text: str) -> AsyncIterator[Connection]:
    """A client in the middle of its stream."""
    async with connected(port) as client:
        await client.ask(question(text))
        await client.head()
        await client.first_event()
        yield client


async def answered(port: int, text: str) -> Answer:
    """A chat on a connection of its own, however long it waits."""
    with trio.fail_after(PATIENCE):
        async with connected(port) as client:
            await client.ask(question(text))
            return await client.answer()


@pytest.mark.slow
@pytest.mark.parametrize("upstream", ["lingma", "acp"])
async def test_nobody_notices_a_takeover(tmp_path: Path, upstream: str) -> None:
    """Through two of them a poller sees no refusal, no reset and no second without an answer; a stream ends whole; a
    chat that is asked meanwhile waits for the one upstream and is answered by the successor; and each is counted once.
    """
    with house(tmp_path, upstream) as living:
        async with polled(living.port) as pollers:
            for _ in range(2):
                before = living.pids[-1]
                answers: list[Answer] = []

                async def ask(into: list[Answer] = answers) -> None:
                    into.append(await answered(living.port, "Hello."))

                async with streaming(living.port, LONG) as client, trio.open_nursery() as nursery:
                    await living.take_over()
                    nursery.start_soon(ask)
                    body, complete = await client.rest()
                    assert complete
                    assert body.endswith(b"data: [DONE]\n\n")
                await living.until_gone(before)
                assert answers[0].status == 200
                assert answers[0].text
                await living.gateway.until_ready()
        assert living.gateway.process.returncode == 0
        assert all(poller.longest < 1.0 for poller in pollers), pollers
        assert all(poller.answers > 100 for poller in pollers), pollers
        assert pollers[1].closings >= 2, "each predecessor says that it hangs up"
        assert len(living.events("handed_over")) == 2
    with closing(sqlite3.connect(tmp_path / "data" / "use.sqlite")) as book:
        assert book.execute("SELECT outcome, sum(requests) FROM use GROUP BY 1").fetchall() == [("ok", 4)]


@pytest.mark.slow
async def test_grace_ends_the_streams_of_the_one_that_was_followed(tmp_path: Path) -> None:
    """A stream that goes on beyond the grace is told so in band, and then the Lingma is the successor's."""
    with house(tmp_path, SHUTDOWN_GRACE_SEC="2") as living:
        async with streaming(living.port, ENDLESS) as client:
            await living.take_over()
            body, complete = await client.rest()
        assert not complete
        assert b'"code":"shutting_down"' in body
        await living.until_gone(living.pids[0])
        assert living.gateway.process.returncode == 0
        assert (await answered(living.port, "Hello.")).status == 200


@pytest.mark.slow
async def test_successor_that_fails_changes_nothing(tmp_path: Path) -> None:
    """With faulty settings, or killed on its way, it leaves the gateway as it is, whose log says why; once that is put
    right the next one takes over.
    """
    with house(tmp_path) as living:
        first = living.pids[0]
        async with polled(living.port) as pollers, streaming(living.port, LONG) as client:
            (tmp_path / ".env").write_text("LOG_LEVEL=LOUD\n")
            os.kill(first, signal.SIGUSR2)
            await living.until(lambda: len(living.events("takeover_failed")) == 1)
            (tmp_path / ".env").write_text("")
            os.kill(first, signal.SIGUSR2)
            await living.until(lambda: len(living.events("takeover_begun")) == 2)
            os.kill(int(str(living.events("takeover_begun")[1]["successor"])), signal.SIGKILL)
            await living.until(lambda: len(living.events("takeover_failed")) == 2)
            _, complete = await client.rest()
            assert complete
        assert [event["exit_status"] for event in living.events("takeover_failed")] == [2, -signal.SIGKILL]
        assert "LOG_LEVEL: " in living.gateway.log
        assert all(poller.longest < 1.0 for poller in pollers), pollers
        assert living.pid() == first
        assert not pollers[1].closings
        assert (await answered(living.port, "Hello.")).status == 200
        await living.take_over()
        assert (await answered(living.port, "Hello.")).status == 200


async def test_container_is_not_ended_for_a_successor(tmp_path: Path) -> None:
    """Below a container's init, which would end with it, the gateway says what to do instead, and serves on."""
    init = script(tmp_path / "tini", f"{shlex.join(SERVE)}", "exit $?")
    with started(tmp_path, (str(init),)) as gateway:
        (server,) = children(gateway.process.pid)
        os.kill(server, signal.SIGUSR2)
        await gateway.until(lambda: "takeover_failed" in gateway.log)
        assert "restart the container instead" in gateway.log
        assert (await gateway.fetch("/healthz")).status == 200
        os.kill(server, signal.SIGTERM)
        assert await gateway.exit_status() == 0


@pytest.mark.slow
async def test_takeover_from_outside(tmp_path: Path) -> None:
    """`serve --takeover` in the same folder takes the sockets of whoever serves there; a path to listen at stays. Where
    nobody does it says so, and where somebody does, who starts beside him is told of it.
    """
    command = ("env", "-C", str(tmp_path), *SERVE, "--takeover")
    state = {"XDG_STATE_HOME": str(tmp_path / "state"), "HOST": f"unix:{tmp_path}/gateway.sock"}
    with launched(tmp_path / "nobody", command, **state) as alone:
        assert await alone.exit_status() == 1
        assert "no gateway answers for this folder" in alone.log
    with launched(tmp_path / "first", ("env", "-C", str(tmp_path), *SERVE), **state) as first:
        await first.until(lambda: "Running on unix:" in first.log)
        with launched(tmp_path / "beside", ("env", "-C", str(tmp_path), *SERVE), **state) as beside:
            assert await beside.exit_status() == 3
            assert "serve --takeover" in beside.log
        with launched(tmp_path / "second", command, **state) as second:
            assert await first.exit_status() == 0
            await second.until(lambda: "Running on unix:" in second.log)
            stream = await trio.open_unix_socket(tmp_path / "gateway.sock")
            async with stream:
                await stream.send_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 ")
            second.process.terminate()
            assert await second.exit_status() == 0
    assert not (tmp_path / "gateway.sock").exists()


@pytest.mark.slow
async def test_takeover_under_load_leaves_nothing_behind(tmp_path: Path) -> None:
    """Of twenty clients that come and go at random none is refused; those that stay have whole answers, and in the end
    the last gateway has no more descriptors and processes than the first had.
    """
    random = Random(12)
    cut: list[str] = []
    wholes: list[int] = []

    async def visit(port: int) -> None:
        while True:
            async with connected(port) as client:
                await client.ask(question(f"Go on.\n#simulate first=0 gap=0.01 deltas={random.randrange(20, 80)}"))
                assert (await client.head()).status_code == 200
                if random.random() < 0.5:
                    await trio.sleep(random.random())
                    continue
                body, complete = await client.rest()
                (wholes.append(len(body)) if complete else cut.append(body.decode()))

    with house(tmp_path, GATEWAY_MAX_IN_FLIGHT="30") as living:
        await trio.sleep(0.5)
        before = living.gateway.descriptors, len(living.gateway.descendants)
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(visit, living.port)
            for _ in range(2):
                await trio.sleep(1)
                old = living.pids[-1]
                await living.take_over()
                await living.until_gone(old)
                await living.gateway.until_ready()
            nursery.cancel_scope.cancel("enough")
        assert wholes
        assert cut == []
        last = living.pids[-1]
        await living.until(lambda: len(list(Path(f"/proc/{last}/fd").iterdir())) <= before[0] + 1)
        assert len(descendants(last)) == before[1]
