"""Puts a day's load to a gateway, and judges what it holds, how long it takes and what it leaves."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from pydantic_core import from_json, to_json

from benchmarks.day.clients import Given
from benchmarks.day.verdict import HEADS, Found, Tick, judge, rows, table
from benchmarks.day.watch import MEGA, OPERATOR, Watched, watched
from benchmarks.processes import CLIENT_CPU, PATIENCE, ROOT, pin

SLICES = 100
TICKS = 10  # of a slice
LEAST = 10  # requests of a tick
SHOWN = 10.0  # seconds between two lines of progress


@contextmanager
def clients(given: Given) -> Iterator[Iterator[dict[str, Any]]]:
    """The clients in a process of their own for the length of the block, as lines of what they were told."""
    with subprocess.Popen(
        (sys.executable, "-m", "benchmarks.day.clients"),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=0,  # an interruption from the keyboard is for this program, which ends them
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            pin(process.pid, CLIENT_CPU)
            process.stdin.write(to_json(asdict(given)))
            process.stdin.close()
            yield map(from_json, process.stdout)
        except BaseException:
            process.kill()
            raise
        if process.wait(PATIENCE):
            raise SystemExit("the clients failed; see above")


def run(watch: Watched, given: Given, found: Found) -> None:
    """Let the day pass, and write down what is seen; what was seen so far is there when it is interrupted."""
    began = shown = time.monotonic()
    ran, waited = watch.ran
    with clients(given) as lines:
        for line in lines:
            found.outcomes.update(line["outcomes"])
            found.wrong += line["wrong"]
            found.cut += line["left"]
            found.seconds = time.monotonic() - began
            now = watch.ran
            resident = watch.gateway.resident / MEGA
            found.ticks.append(Tick(line["first"], line["whole"], resident, now[0] - ran, now[1] - waited))
            ran, waited = now
            while found.killed < found.lives * line["done"] // given.requests:
                watch.end_life(found.killed)
                found.killed += 1
            watch.settle()
            if len(found.ticks) % found.every == 0:
                found.samples.append(watch.sample())
            if time.monotonic() > shown + SHOWN:
                shown = time.monotonic()
                ahead = found.seconds / line["done"] * (given.requests - line["done"])
                click.echo(
                    f"{line['done']:,} of {given.requests:,}, {resident:.1f} MB; {ahead / 60:.0f} min to go", err=True
                )


@click.command()
@click.option("--requests", default=1_000_000, show_default=True, help="Asked in all.")
@click.option("--clients", "number", default=32, show_default=True, help="Who ask one after another.")
@click.option("--room", default=24, show_default=True, help="Answered at once; the other clients wait in the queue.")
@click.option("--instances", default=3, show_default=True, help="Simulators behind the gateway.")
@click.option("--lives", default=0, help="Of simulators that are ended; by default one for each 1,000 requests.")
@click.option("--cut", default=0.1, show_default=True, help="The part of the requests that their clients leave.")
@click.option("--seed", default=1, show_default=True, help="Of what is asked and who leaves when.")
def main(*, requests: int, number: int, room: int, instances: int, lives: int, cut: float, seed: int) -> None:
    """Put a day's load to a gateway; the exit status is 1 where a target is missed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends this leaves no gateway behind
    tick = max(requests // (SLICES * TICKS), LEAST)
    found = Found(requests, tick, TICKS, lives or max(requests // 1000, 2), room)
    with TemporaryDirectory(prefix="lingma-day-") as directory:
        with watched(Path(directory), instances=instances, room=room) as watch:
            before = watch.before()
            given = Given(watch.gateway.port, requests, number, seed, cut, tick, OPERATOR)
            try:
                run(watch, given, found)
            except KeyboardInterrupt:
                click.echo("interrupted; this is what was seen", err=True)
            found.left = watch.left(before)
            found.longest = watch.longest_line
        found.status = watch.gateway.process.returncode
    if not found.samples:
        raise SystemExit("too little was seen")
    verdict = judge(found)
    click.echo(table(HEADS, rows(found)))
    click.echo()
    click.echo(table(("what", "seen", "to reach", "verdict"), [row.cells() for row in verdict]))
    for outcome, count in found.outcomes.most_common():
        click.echo(f"{count:7,} {outcome}")
    click.echo("\n".join(found.wrong[:20]))
    sys.exit(any(row.met is False for row in verdict))


if __name__ == "__main__":
    main()
