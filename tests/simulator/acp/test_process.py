"""Process: a real one on real pipes, launched as a gateway launches an agent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import trio
from pydantic_core import from_json

from lingma_trio.simulator.knob import ENVIRONMENT
from tests.simulator.acp.support import QUICK, Book, Peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

DEADLINE = 30


@asynccontextmanager
async def process(
    home: Path, *words: str, initialize: bool = True, variables: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[Peer, trio.Process]]:
    """A process with these knobs turned, and a client on its pipes; killed at the end, with what it left."""
    command = [sys.executable, "-m", "lingma_trio.simulator", "acp", *(f"--knob={word}" for word in words)]
    pipe = subprocess.PIPE
    running = await trio.lowlevel.open_process(
        command,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        env={"PATH": os.environ["PATH"], "HOME": str(home), **(variables or {})},
        start_new_session=True,
    )
    assert running.stdin is not None
    assert running.stdout is not None
    try:
        with trio.fail_after(DEADLINE):
            peer = Peer(trio.StapledStream(running.stdin, running.stdout), Book())
            if initialize:
                await peer.call("initialize", protocolVersion=1)
            yield peer, running
    finally:
        with trio.move_on_after(5, shield=True):
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            await running.wait()
            for stream in (running.stdin, running.stdout, running.stderr):
                if stream is not None:
                    await stream.aclose()


async def output(stream: trio.abc.ReceiveStream | None) -> bytes:
    """Everything up to the end."""
    assert stream is not None
    return b"".join([bytes(data) async for data in stream])


async def test_it_talks_until_the_end_of_stdin(tmp_path: Path) -> None:
    """With a banner before everything and a line after it; then it exits by itself. Knobs come from both places."""
    words = (*QUICK, "split=50", "farewell=1", "record=sent.jsonl")
    async with process(tmp_path, *words, variables={ENVIRONMENT: "banner=1"}) as (peer, running):
        assert not peer.lines[0].startswith(b"{")
        session = await peer.open()
        assert "“Hello”" in (await peer.turn(session, "Hello")).text
        await running.stdin.aclose()  # type: ignore[union-attr]
        assert not (await output(running.stdout)).startswith(b"{")
        assert await running.wait() == 0
        entries = [from_json(line) for line in (tmp_path / "sent.jsonl").read_bytes().splitlines()]
        assert [entry["method"] for entry in entries] == ["$start", "initialize", "session/new", "session/prompt"]
        assert {"HOME", ENVIRONMENT} <= set(entries[0]["variables"])
        assert {entry["pid"] for entry in entries} == {running.pid}


async def test_it_can_survive_the_end_of_stdin(tmp_path: Path) -> None:
    """A signal still ends it, unless it is told to heed none."""
    async with process(tmp_path, "eof=stays", "ignore_sigterm=0") as (_, running):
        await running.stdin.aclose()  # type: ignore[union-attr]
        with trio.move_on_after(0.3):
            await running.wait()
        assert running.returncode is None
        running.send_signal(signal.SIGTERM)
        assert await running.wait() == 0


async def test_it_can_ignore_signals(tmp_path: Path) -> None:
    """And answers on."""
    async with process(tmp_path, "ignore_sigterm=1", *QUICK) as (peer, running):
        running.send_signal(signal.SIGTERM)
        assert (await peer.turn(await peer.open(), "Hello")).stop_reason == "end_turn"


async def test_a_grandchild_can_hold_stdout(tmp_path: Path) -> None:
    """The process has exited, and no end of its output comes."""
    async with process(tmp_path, "grandchild=same_group", "stderr_flood=200") as (_, running):
        await running.stdin.aclose()  # type: ignore[union-attr]
        assert await running.wait() == 0
        with trio.move_on_after(0.3) as waited:
            await output(running.stdout)
        assert waited.cancelled_caught
        os.killpg(running.pid, signal.SIGKILL)
        assert (await output(running.stderr)).startswith(b"the simulator floods")


@pytest.mark.parametrize("fault", ["crash_start", "crash_new"])
async def test_it_can_crash(tmp_path: Path, fault: str) -> None:
    """With the exit code that is asked for, as often as is asked for over all its lives."""
    words = (*QUICK, f"fault={fault}", "fault_times=1", "exit_code=7")
    async with process(tmp_path, *words, initialize=fault != "crash_start") as (peer, running):
        await peer.ask("session/new", cwd="/", mcpServers=[])
        assert await running.wait() == 7
    async with process(tmp_path, *words) as (peer, _):
        assert (await peer.turn(await peer.open(), "Hello")).stop_reason == "end_turn"


async def test_it_can_close_its_pipes_and_go_on(tmp_path: Path) -> None:
    """The end of its output is not the end of the process."""
    async with process(tmp_path, *QUICK, "fault=drop_mid") as (peer, running):
        session = await peer.open()
        await peer.prompt(session, "Hello")
        with pytest.raises(EOFError):
            await peer.rest(0)
        assert running.poll() is None


async def test_it_mutters_a_wrong_token(tmp_path: Path) -> None:
    """On stderr, as agents may: whoever keeps that has to redact it."""
    async with process(tmp_path, "tokens=right", "token_variable=X", variables={"X": "wrong"}) as (peer, running):
        assert await peer.refused("session/new", cwd="/", mcpServers=[]) == -32000
        await running.stdin.aclose()  # type: ignore[union-attr]
        assert b"wrong" in await output(running.stderr)
