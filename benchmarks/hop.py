"""What an agent's hop adds; run as `python -m benchmarks.hop [--calls N] [--text BYTES]`.

Makes the same call to one simulator, directly and by way of `lingma-trio agent`, in turn, so that whatever else the
machine does disturbs both alike. `--text` is how much goes up with the call, which the agent reads and writes again.
Prints one line of JSON; the README beside this file says what it means.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import click
import trio
from pydantic_core import from_json, to_json

from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.websocket import shake_hands
from lingma_trio.protocol.fleet_messages import FLEET, FleetState, instance_path
from lingma_trio.protocol.messages import initialize_params
from tests.servers import free_port

TOKEN = "token-of-the-benchmark"  # noqa: S105 - it guards a simulator, for a minute
READY = 30.0  # seconds for agent and simulator to start
WARM_UP = 100  # calls that are not counted
TARGET = 0.3  # milliseconds added to a call, in the median


@click.command()
@click.option("--calls", default=2000)
@click.option("--text", default=200)
def main(calls: int, text: int) -> None:
    """Measure, and end with 1 where the hop adds more than the target."""
    with TemporaryDirectory(prefix="hop-") as folder, _agent(Path(folder)) as (port, upstream):
        figures = trio.run(_measure, calls, text, port, upstream)
    click.echo(to_json(figures))
    sys.exit(figures["added_p50_ms"] > TARGET)


@contextmanager
def _agent(folder: Path) -> Iterator[tuple[int, int]]:
    """An agent with a simulator: its port, and the simulator's own."""
    port = free_port()
    settings = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LINGMA_UPSTREAM": "simulator",
        "AGENT_TOKEN": TOKEN,
        "LOG_FORMAT": "json",
    }
    command = [sys.executable, "-m", "lingma_trio", "agent", "--port", str(port)]
    with subprocess.Popen(command, cwd=folder, env=settings, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        place = ""
        try:
            for line in process.stderr:
                told = from_json(line)
                place = told.get("work_dir", place)
                if told["event"] == "instance_state" and told["state"] == "ready":
                    break
            yield port, int(Path(place, ".info").read_text(encoding="ascii").split()[0])
        finally:
            process.kill()


async def _measure(calls: int, text: int, port: int, upstream: int) -> dict[str, float]:
    """Milliseconds of the calls in either way: median and 99th part of each, and what the hop adds to the median."""
    took: dict[str, list[float]] = {"direct": [], "hop": []}
    async with trio.open_nursery() as nursery:
        ways = {
            "direct": await _open(nursery, upstream, "/"),
            "hop": await _open(nursery, port, await _life_at(nursery, port)),
        }
        await ways["direct"].call("initialize", initialize_params(name="hop", version="1"))
        for number in range(calls + WARM_UP):
            for way, channel in ways.items():
                began = time.perf_counter()
                await channel.call("auth/status", {"padding": "x" * text})
                if number >= WARM_UP:
                    took[way].append(1000 * (time.perf_counter() - began))
        nursery.cancel_scope.cancel("measured")
    figures = {f"{way}_p50_ms": round(median(values), 4) for way, values in took.items()}
    figures |= {f"{way}_p99_ms": round(quantiles(values, n=100)[98], 4) for way, values in took.items()}
    figures["added_p50_ms"] = round(figures["hop_p50_ms"] - figures["direct_p50_ms"], 4)
    return figures


async def _life_at(nursery: trio.Nursery, port: int) -> str:
    """Where the agent relays for its instance."""
    found = FleetState()
    heard = trio.Event()

    def note(method: str, params: dict[str, Any]) -> None:
        nonlocal found
        del method
        found = FleetState.read(params)
        if found.instances[0].life:
            heard.set()

    await _open(nursery, port, FLEET, note)
    with trio.fail_after(READY):
        await heard.wait()
    return instance_path(found.instances[0].name, found.instances[0].life)


async def _open(
    nursery: trio.Nursery,
    port: int,
    target: str,
    on_push: Callable[[str, dict[str, Any]], None] = lambda *_: None,
) -> RpcChannel:
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    headers = [(b"Authorization", f"Bearer {TOKEN}".encode())]
    socket = await shake_hands(stream, f"127.0.0.1:{port}", target=target, headers=headers)
    channel = RpcChannel(rpc_timeout=READY, on_push=on_push, on_error=lambda _: None)
    await nursery.start(channel.run, socket, name="RPC channel")
    return channel


if __name__ == "__main__":
    main()
