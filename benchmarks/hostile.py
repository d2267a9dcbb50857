"""Measures what one client's worst does to all others; run as `python -m benchmarks.hostile [--checkout DIRECTORY]`.

Each attack has a gateway of its own, in a process of its own, with twenty paced streams and somebody who asks for
`/healthz` beside it. Prints one table. What it means is in the README beside this file.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryDirectory

import click
import trio
from pydantic_core import from_json, to_json

from benchmarks.attacker import KEY, OTHER_KEY
from benchmarks.attacks import ATTACKS
from benchmarks.figures import number
from benchmarks.processes import CLIENT_CPU, ROOT, Gateway, cpu_seconds, machine_seconds, pin, serving
from benchmarks.upstream import simulators

STREAMS = 20
PACE = 0.1  # seconds between two deltas of a stream
PROBE = 0.02  # seconds between two questions for /healthz
WARM_UP, SETTLE = 3.0, 2.0  # seconds
LONGEST = 90.0  # seconds for one attack
TARGETS = {"step ms": 50.0, "healthz ms": 250.0, "gap ms": 300.0, "peak MB": 400.0}
HEADS = ("attack", *TARGETS, "CPU s", "seconds", "streams lost", "told", "others", "missed")
SETTINGS = {
    "API_KEYS": f"paced:{OTHER_KEY},hostile:{KEY}",
    "GATEWAY_MAX_IN_FLIGHT": str(2 * STREAMS),  # room for the paced streams; everything else is at its default
}
OFTEN = {"LINGMA_HEARTBEAT_SEC": "5", "LINGMA_RPC_TIMEOUT": "5"}
SETTINGS_OF = {
    "kills": {"LINGMA_INSTANCE_COUNT": "3"},
    "refused_looks": OFTEN,
    "late_looks": OFTEN,
    "unanswering": {"LINGMA_FIRST_DELTA_TIMEOUT": "5"},
}
KNOBS_OF = {
    "refused_looks": ("looks=refused",),
    "late_looks": ("looks=silent",),
    "unanswering": ("fault=stall_first", "first=0"),
    "stray_errors": ("first=0",),
}
STREAMS_OF = {
    "kills": 0,  # they would be those of the Lingmas that are killed
    "unanswering": 0,  # nor would one be answered
    "stray_errors": 1,  # an error of nobody's was taken for that of the only turn there is
}


@dataclass
class Seen:
    """What the others saw of one attack; times in seconds."""

    healthz: float = 0.0
    gap: float = 0.0
    lost: int = 0
    told: dict[str, int] = field(default_factory=dict)

    def waited(self, since: float) -> None:
        """Somebody has waited for `/healthz` since then."""
        self.healthz = max(self.healthz, time.monotonic() - since)

    def silent(self, since: float) -> None:
        """A stream has been silent since then."""
        self.gap = max(self.gap, time.monotonic() - since - PACE)


async def run(port: int, seen: Seen, *, task_status: trio.TaskStatus[None]) -> None:
    """Read one paced answer for as long as the attack takes."""
    question = f"Go on.\n#simulate first=0 gap={PACE} deltas=5000 empties=0"
    body = to_json({"model": "org_auto", "stream": True, "messages": [{"role": "user", "content": question}]})
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {OTHER_KEY}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    connection = await trio.open_tcp_stream("127.0.0.1", port)
    async with connection:
        await connection.send_all(head.encode() + body)
        await connection.receive_some()
        task_status.started()
        last = time.monotonic()
        try:
            while piece := await connection.receive_some():
                if b"data: " in piece:
                    seen.silent(last)
                    last = time.monotonic()
        except trio.BrokenResourceError:
            pass
        finally:
            seen.silent(last)
        seen.lost += 1


async def probe(port: int, seen: Seen) -> None:
    """Ask for `/healthz`, again and again, each time as a stranger does."""
    asked = time.monotonic()
    try:
        while True:
            answer = b""
            try:
                async with await trio.open_tcp_stream("127.0.0.1", port) as connection:
                    await connection.send_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
                    while b'"ok"' not in answer and (piece := await connection.receive_some()):
                        answer += piece
            except (OSError, trio.BrokenResourceError):
                pass  # it is asked again, and waits on
            if b'"ok"' in answer:
                seen.waited(asked)
                await trio.sleep(PROBE)
                asked = time.monotonic()
    finally:
        seen.waited(asked)


async def watch(name: str, gateway: Gateway, seen: Seen) -> tuple[float, float]:
    """Run one attack, and see what it does to the others; returns when it began and when it was over."""
    attacker = [sys.executable, "-m", "benchmarks.attacks", name, str(gateway.port), str(gateway.directory)]
    async with trio.open_nursery() as nursery:
        for number_of in range(STREAMS_OF.get(name, STREAMS)):
            await nursery.start(run, gateway.port, seen, name=f"stream {number_of}")
        nursery.start_soon(probe, gateway.port, seen)
        process = await trio.lowlevel.open_process(attacker, stdin=PIPE, stdout=PIPE, cwd=ROOT)
        assert process.stdin is not None
        assert process.stdout is not None
        pin(process.pid, CLIENT_CPU)
        await process.stdout.receive_some()
        await trio.sleep(WARM_UP)
        seen.healthz = seen.gap = 0.0
        gateway.forget_peak()
        began = time.monotonic()
        await process.stdin.send_all(b"go\n")
        told = b""
        with trio.move_on_after(LONGEST):
            async for piece in process.stdout:
                told += piece
            await trio.sleep(SETTLE)
        process.kill()
        await process.wait()
        seen.told = from_json(told) if told else {"no end": 1}
        ended = time.monotonic()
        nursery.cancel_scope.cancel("seen enough")
    return began, ended


def longest_step(notes: Path, began: float, ended: float) -> tuple[float, str]:
    """The seconds of processor time of the longest task step that began in that time, and whose it was."""
    steps = [(0.0, "")]
    for line in notes.read_text().splitlines():
        at, taken, task = line.split(" ", 2)
        if began <= float(at) <= ended + float(taken):
            steps.append((float(taken), task))
    return max(steps)


def measure(name: str, checkout: Path) -> list[str]:
    """One row of the table."""
    with TemporaryDirectory(prefix="lingma-hostile-") as given:
        directory = Path(given)
        notes = directory / "steps"
        notes.touch()
        program = (str(ROOT / "benchmarks" / "watched.py"), str(notes), "serve")
        settings = SETTINGS | SETTINGS_OF.get(name, {})
        if name in KNOBS_OF:
            settings |= simulators(directory, *KNOBS_OF[name])
        with serving(directory, settings, program=program, checkout=checkout) as gateway:
            seen = Seen()
            used, machine = cpu_seconds(gateway.pid), machine_seconds()
            began, ended = trio.run(watch, name, gateway, seen)
            used, machine = cpu_seconds(gateway.pid) - used, machine_seconds() - machine
            peak = gateway.peak / 1e6
        step, task = longest_step(notes, began, ended)
    figures = {"step ms": step * 1e3, "healthz ms": seen.healthz * 1e3, "gap ms": seen.gap * 1e3, "peak MB": peak}
    missed = [figure for figure, limit in TARGETS.items() if figures[figure] > limit]
    told = ", ".join(f"{count} x {word}" for word, count in seen.told.items())
    if "step ms" in missed:
        missed[0] += f" ({task})"
    return [
        name,
        *map(number, figures.values()),
        number(used),
        number(ended - began - SETTLE),
        str(seen.lost or ""),
        told,
        number(max(machine - used, 0)) + " s",
        ", ".join(missed),
    ]


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The rows as a table that reads well as it is and as Markdown."""
    widths = [max(map(len, column)) for column in zip(HEADS, *rows, strict=True)]
    for row in (HEADS, ["-" * width for width in widths], *rows):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"


@click.command()
@click.option("--checkout", type=click.Path(exists=True, file_okay=False, path_type=Path), default=ROOT)
@click.option("--only", multiple=True, type=click.Choice(list(ATTACKS)), help="May be repeated.")
def main(checkout: Path, only: tuple[str, ...]) -> None:
    """Measure the gateway of CHECKOUT, this one by default, and print the table; the exit status is 1 where a target is
    missed.
    """
    rows = []
    for name in only or ATTACKS:
        click.echo(f"{name} ...", err=True)
        rows.append(measure(name, checkout.resolve()))
    targets = ", ".join(f"{name} <= {limit:g}" for name, limit in TARGETS.items())
    click.echo(f"{checkout.resolve()}; targets: {targets}\n")
    click.echo("\n".join(table(rows)))
    sys.exit(any(row[-1] for row in rows))


if __name__ == "__main__":
    main()
