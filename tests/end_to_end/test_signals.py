"""How the gateway ends, and what it leaves: streams finish or are told why not, and no process outlives it."""

from __future__ import annotations

import os
import signal
import socket as sockets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.end_to_end.client import Connection, connected, question, until_refused
from tests.end_to_end.gateway import HYPERCORN, SERVE, Gateway, is_alive, launched, started
from tests.end_to_end.upstreams import Upstream

ENDING = 4.0
"""Seconds that ending Lingma may add to the grace."""

SHORT = "Finish.\n#simulate first=0 gap=0.02 deltas=50"
ENDLESS = "Go on.\n#simulate first=0 gap=0.02 deltas=4000"
ENDINGS = ["SIGTERM", "SIGINT"]


@asynccontextmanager
async def streaming(gateway: Gateway, text: str) -> AsyncIterator[Connection]:
    """A client in the middle of its stream."""
    async with connected(gateway.port) as client:
        await client.ask(question(text))
        await client.head()
        await client.first_event()
        yield client


async def assert_gone(gateway: Gateway, pids: list[int]) -> None:
    """None of the processes runs."""
    assert len(pids) >= 2, "the keeper and the simulator at least"
    await gateway.until(lambda: not any(map(is_alive, pids)))


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
async def test_signal_lets_streams_finish(program: Upstream, tmp_path: Path, ending: str) -> None:
    """The first signal closes the door; a stream under way comes to its proper end; the exit status is 0."""
    with started(tmp_path, SERVE, program) as gateway:
        pids = gateway.descendants
        async with streaming(gateway, SHORT) as client:
            gateway.process.send_signal(signal.Signals[ending])
            body, complete = await client.rest()
            assert complete
            assert body.endswith(b"data: [DONE]\n\n")
        assert await gateway.exit_status() == 0
        await assert_gone(gateway, pids)


@pytest.mark.slow
async def test_signal_closes_the_door(tmp_path: Path) -> None:
    """Who comes during the grace is turned away."""
    with started(tmp_path) as gateway:
        async with streaming(gateway, ENDLESS):
            gateway.process.send_signal(signal.SIGTERM)
            await gateway.until(lambda: '"stopping"' in gateway.log)
            await until_refused(gateway.port)


@pytest.mark.slow
async def test_grace_that_runs_out_is_told_in_band(tmp_path: Path) -> None:
    """A stream that is still going when the grace ends gets an error of its own and is cut off."""
    grace = 2.0
    with started(tmp_path, SHUTDOWN_GRACE_SEC=f"{grace:g}") as gateway:
        async with streaming(gateway, ENDLESS) as client:
            began = time.monotonic()
            gateway.process.send_signal(signal.SIGTERM)
            body, complete = await client.rest()
            assert time.monotonic() - began < grace + 0.5
        assert await gateway.exit_status() == 0
        assert time.monotonic() - began < grace + ENDING
    assert b'"code":"shutting_down"' in body
    assert b"[DONE]" not in body
    assert b'"finish_reason":"stop"' not in body
    assert not complete


@pytest.mark.slow
async def test_grace_that_runs_out_is_told_as_a_status(tmp_path: Path) -> None:
    """A request of which nothing has been sent when the grace ends gets a 503 that asks it to come again."""
    with started(tmp_path, SHUTDOWN_GRACE_SEC="1", LINGMA_SIMULATOR="record=1") as gateway:
        async with connected(gateway.port) as client:
            await client.ask(question("Wait.\n#simulate fault=stall_first", stream=False))
            await gateway.until(lambda: len(gateway.records) > 0)
            gateway.process.send_signal(signal.SIGTERM)
            answer = await client.answer()
        assert (answer.status, answer.error["code"], answer.complete) == (503, "shutting_down", True)
        assert answer.headers["retry-after"] == "5"
        assert await gateway.exit_status() == 0


@pytest.mark.slow
async def test_second_signal_means_now(program: Upstream, tmp_path: Path) -> None:
    """The second signal ends everything at once, Lingma included."""
    with started(tmp_path, SERVE, program, SHUTDOWN_GRACE_SEC="60") as gateway:
        pids = gateway.descendants
        async with streaming(gateway, ENDLESS) as client:
            gateway.process.send_signal(signal.SIGTERM)
            await gateway.until(lambda: '"stopping"' in gateway.log)
            began = time.monotonic()
            gateway.process.send_signal(signal.SIGTERM)
            _, complete = await client.rest()
            assert not complete
        assert await gateway.exit_status() == 128 + signal.SIGTERM
        await assert_gone(gateway, pids)
        assert time.monotonic() - began < 1.0


@pytest.mark.slow
@pytest.mark.parametrize("launch", [SERVE, HYPERCORN], ids=["serve", "hypercorn"])
@pytest.mark.parametrize("knobs", ["", "ignore_sigterm=1,grandchild=own_session"], ids=["tame", "stubborn"])
async def test_nothing_outlives_a_sigkill(
    program: Upstream, tmp_path: Path, launch: tuple[str, ...], knobs: str
) -> None:
    """A gateway that is killed with SIGKILL takes Lingma, its keeper and their children along."""
    with started(tmp_path, launch, program, LINGMA_SIMULATOR=knobs) as gateway:
        pids = gateway.descendants
        assert gateway.simulator in pids
        if "grandchild" in knobs:
            pids.append(int((gateway.work_dir / "simulator-grandchild").read_text()))
        os.kill(gateway.server, signal.SIGKILL)
        await assert_gone(gateway, pids)


@pytest.mark.slow
async def test_stubborn_lingma_is_ended_all_the_same(program: Upstream, tmp_path: Path) -> None:
    """A Lingma that ignores SIGTERM is killed after its own grace, and the exit status is 0 all the same."""
    with started(tmp_path, SERVE, program, LINGMA_SIMULATOR="ignore_sigterm=1,grandchild=own_session") as gateway:
        pids = [*gateway.descendants, int((gateway.work_dir / "simulator-grandchild").read_text())]
        gateway.process.send_signal(signal.SIGTERM)
        assert await gateway.exit_status() == 0
        await assert_gone(gateway, pids)
        assert not gateway.simulator_directories or program.name == "acp"


async def test_faulty_settings_end_the_start(tmp_path: Path) -> None:
    """All faults are listed at once by their variables' names, without values, and the exit status is 2."""
    faults = {"PORT": "many", "GATEWAY_QUEUE_TIMEOUT_SEC": "-1", "ADMIN_TOKEN": "hush", "LOG_LEVEL": "LOUD"}
    with launched(tmp_path, **faults) as gateway:
        assert await gateway.exit_status() == 2
        assert "Traceback" not in gateway.log
        assert all(f"{name}: " in gateway.log for name in faults if name != "ADMIN_TOKEN")
        assert not any(value in gateway.log for value in ("many", "hush", "LOUD"))


async def test_taken_port_ends_the_start(tmp_path: Path) -> None:
    """A port that somebody else has is named, and the exit status is 3."""
    with sockets.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with launched(tmp_path, PORT=str(port)) as gateway:
            assert await gateway.exit_status() == 3
            assert f"127.0.0.1:{port}" in gateway.log
            assert "Traceback" not in gateway.log


@pytest.mark.slow
async def test_second_worker_is_refused(tmp_path: Path) -> None:
    """More than one Hypercorn worker is refused, and standard error says why."""
    with launched(tmp_path, (*HYPERCORN, "--workers", "2")) as gateway:
        await gateway.exit_status()
        assert "one process serves everything" in gateway.log
        assert "--workers 1" in gateway.log
        assert '"instance_state"' not in gateway.log
