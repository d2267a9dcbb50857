"""Process: a real socket, a ready file when it listens, an end at SIGTERM, and the ways a process can misbehave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request, TextMessage

from lingma_trio.protocol.jsonrpc import Connection
from lingma_trio.simulator.knob import ENVIRONMENT
from lingma_trio.simulator.knobs import Knobs
from lingma_trio.simulator.process import HOST, Launch, run
from tests.simulator.support import connected, question

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SOON = 20
"""Seconds within which a process must have done what it was told, on a machine that is busy."""


class Crash(Exception):
    """Stands for the end of the process, where the process is the test's own."""


def crash() -> None:
    raise Crash


def ready_file(work_dir: Path) -> list[str]:
    info = work_dir / ".info"
    return info.read_text().split() if info.exists() else []


@asynccontextmanager
async def running(work_dir: Path, *words: str) -> AsyncIterator[int]:
    """A simulator in the test's own process; gives its port, and must have ended by itself or be told to."""
    launch = Launch(work_dir, 0, endpoint="https://example.test")
    with trio.fail_after(SOON):
        async with trio.open_nursery() as nursery:
            yield await nursery.start(partial(run, launch, Knobs().turned(words), crash=crash))


async def until_ready(work_dir: Path, port: int | None = None) -> list[str]:
    """Wait for a complete ready file (that names `port`), as a client has to: Lingma gives no other sign."""
    while len(found := ready_file(work_dir)) < 2 or (port is not None and found[0] != str(port)):  # noqa: ASYNC110
        await trio.sleep(0.01)
    return found


@asynccontextmanager
async def spawned(work_dir: Path, *words: str) -> AsyncIterator[trio.Process]:
    """A simulator as a process of its own, launched like the binary, with its knobs in the environment."""
    command = [sys.executable, "-m", "lingma_trio.simulator", "start", f"--workDir={work_dir}", "--socketPort", "0"]
    with trio.fail_after(SOON):
        async with trio.open_nursery() as nursery:
            process: trio.Process = await nursery.start(
                partial(
                    trio.run_process,
                    command,
                    env={**os.environ, ENVIRONMENT: ",".join(words)},
                    check=False,
                    stderr=subprocess.PIPE,
                )
            )
            yield process
            nursery.cancel_scope.cancel("the test is over")


async def test_it_answers_on_a_real_socket_and_ends_at_sigterm(tmp_path: Path) -> None:
    """The ready file names port and pid; at the signal the client gets a close frame."""
    async with running(tmp_path, "first=0", "gap=0") as port:
        assert await until_ready(tmp_path) == [str(port), str(os.getpid())]
        async with connected(port) as caller:
            assert (await caller.answer("hi")).finish["statusCode"] == 200
            assert await caller.call("config/getEndpoint") == {"endpoint": "https://example.test"}
            signal.raise_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as closed:
                await caller.event()
            assert closed.value.reason is not None
            assert closed.value.reason.code == 1001
    assert "Server stopped" in (tmp_path / "logs" / "lingma.log").read_text()


async def test_a_login_link_leads_through_the_sign_in_site_to_a_login(tmp_path: Path) -> None:
    """The site is where the link says; its callback signs in, tells the clients and keeps the login in the files."""
    async with running(tmp_path, "login=out") as port, connected(port) as caller:
        link = urlsplit((await caller.call("auth/login"))["url"])
        query = parse_qs(link.query)
        assert query["port"] == [str(link.port)]
        target = f"/auth/callback?state={query['state'][0]}&auth=a&token=t"
        async with await trio.open_tcp_stream(HOST, link.port or 0) as stream:
            await stream.send_all(f"GET {target} HTTP/1.1\r\nHost: {link.netloc}\r\n\r\n".encode())
            assert b"200" in await stream.receive_some()
        report = await caller.push()
        assert (report.method, report.params["status"]) == ("auth/report", 2)
        assert (tmp_path / "cache" / "user").exists()
        assert (tmp_path / "cache" / "quota").exists()
        signal.raise_signal(signal.SIGTERM)


async def test_a_client_can_tell_it_to_exit(tmp_path: Path) -> None:
    """As language servers are told."""
    async with running(tmp_path) as port, connected(port) as caller:
        await caller.reply("shutdown")
        await caller.send(caller.connection.notify("exit", {}))
        with pytest.raises(ConnectionClosed):
            await caller.event()


async def test_a_client_that_does_not_read_does_not_delay_the_end(tmp_path: Path) -> None:
    """The goodbye has a deadline."""
    protocol, connection = WSConnection(ConnectionType.CLIENT), Connection()
    async with running(tmp_path, "first=0", "gap=0") as port, await trio.open_tcp_stream(HOST, port) as stream:
        await stream.send_all(protocol.send(Request(host=HOST, target="/")))
        protocol.receive_data(bytes(await stream.receive_some()))
        assert [type(event) for event in protocol.events()] == [AcceptConnection]
        calls = connection.request("initialize", {})[1]
        calls += connection.notify("chat/ask", question("#simulate deltas=20000 chars=1000", "r"))
        await stream.send_all(protocol.send(TextMessage(data=calls.decode())))
        assert await stream.receive_some(100)
        signal.raise_signal(signal.SIGTERM)


async def test_the_ready_file_comes_when_its_delay_is_over(tmp_path: Path) -> None:
    """In every form it is complete in the end."""
    for words in (("info=one_line_first",), ("info=stale",), ("info=text",)):
        async with running(tmp_path, *words, "info_delay=0.01") as port:
            await until_ready(tmp_path, port)
            signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize(("word", "before"), [("info=one_line_first", 1), ("info=stale", 2), ("info=text", 0)])
async def test_the_ready_file_can_be_late(tmp_path: Path, word: str, before: int) -> None:
    """Until then it is half written, stale or missing, though the port answers."""
    async with running(tmp_path, word, "info_delay=1000") as port:
        await (await trio.open_tcp_stream(HOST, port)).aclose()
        await trio.testing.wait_all_tasks_blocked()
        found = ready_file(tmp_path)
        assert len(found) == before
        assert found != [str(port), str(os.getpid())]
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize("fault", ["crash_start", "crash_before_info"])
async def test_a_crash_can_come_before_the_ready_file(tmp_path: Path, fault: str) -> None:
    """So that nobody ever sees it ready."""
    with pytest.RaisesGroup(Crash):
        async with running(tmp_path, f"fault={fault}"):
            pytest.fail("it should not have started")
    assert ready_file(tmp_path) == []


@pytest.mark.parametrize("kind", ["same_group", "own_group", "own_session"])
async def test_a_grandchild_is_left_behind(tmp_path: Path, kind: str) -> None:
    """In the process's group, in its own, or in a session of its own."""
    async with running(tmp_path, f"grandchild={kind}"):
        signal.raise_signal(signal.SIGTERM)
    pid = int((tmp_path / "simulator-grandchild").read_text())
    try:
        assert (os.getpgid(pid) == os.getpgid(0)) is (kind == "same_group")
        assert (os.getsid(pid) == pid) is (kind == "own_session")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)  # noqa: ASYNC222 - it has just been killed


async def test_a_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    """Rather than a process that nobody can reach."""
    async with running(tmp_path / "one") as port:
        with pytest.raises(OSError, match="in use"):
            await run(Launch(tmp_path / "two", port), Knobs(), crash=crash)
        with pytest.raises(OSError, match="in use"):
            await run(Launch(tmp_path / "two", 0, http_port=port), Knobs(), crash=crash)
        signal.raise_signal(signal.SIGTERM)


async def test_a_process_can_be_launched_and_ended(tmp_path: Path) -> None:
    """With the binary's command line; nothing is left running and the exit code is 0."""
    async with spawned(tmp_path) as process:
        port, pid = await until_ready(tmp_path)
        assert int(pid) == process.pid
        await (await trio.open_tcp_stream(HOST, int(port))).aclose()
        process.terminate()
        assert await process.wait() == 0


async def test_a_crash_ends_the_process_with_its_exit_code(tmp_path: Path) -> None:
    """Without a goodbye; the ready file stays behind, as after a real crash."""
    async with spawned(tmp_path, "fault=crash_connect", "exit_code=23") as process:
        port, _ = await until_ready(tmp_path)
        await (await trio.open_tcp_stream(HOST, int(port))).aclose()
        assert await process.wait() == 23
    assert len(ready_file(tmp_path)) == 2


async def test_sigterm_can_be_ignored(tmp_path: Path) -> None:
    """Then only SIGKILL helps."""
    async with spawned(tmp_path, "ignore_sigterm=1") as process:
        await until_ready(tmp_path)
        process.terminate()
        with trio.move_on_after(0.5) as waiting:
            await process.wait()
        assert waiting.cancelled_caught
        process.kill()
        assert await process.wait() == -signal.SIGKILL


async def test_a_flood_on_stderr_has_to_be_drained(tmp_path: Path) -> None:
    """Until somebody reads it, the process is stuck and never ready."""
    async with spawned(tmp_path, "stderr_flood=300000") as process:
        assert process.stderr is not None
        received = len(await process.stderr.receive_some(1))
        assert ready_file(tmp_path) == []
        while received < 300_000:
            received += len(await process.stderr.receive_some())
        await until_ready(tmp_path)
