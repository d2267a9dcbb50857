"""Which layer a short answer's CPU goes to; run as `python -m benchmarks.layers`, with `py-spy` on the path.

py-spy looks at the gateway's stack some hundred times a second while one client asks for short answers one after
another. Each look counts for the layer of the innermost frame that is in one, so the shares make a whole, system calls
included but those of the poller. A busy machine blurs them and favours nobody.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.clients import Plan
from benchmarks.processes import Server, cpu_seconds, gateway, run_clients
from benchmarks.scenarios import SHORT

ANSWERS = 1000
LOOKS, SECONDS = 800, 30
"""How many looks a second, and for how long."""

LAYERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("the log's line", ("lingma_trio/logs", "structlog/", "json/")),
    ("trio: steps, scopes, registering at the poller", ("trio/", "outcome/", "<attrs generated")),
    ("edge: HTTP on the client's socket", ("lingma_trio/edge/",)),
    ("body read, checked, and the answer encoded", ("lingma_trio/api/", "pydantic/")),
    (
        "sessions: digests and the book",
        ("lingma_trio/sessions/", "lingma_trio/state/sessions", "lingma_trio/policy/shares"),
    ),
    (
        "queue, and which instance",
        tuple(f"lingma_trio/lingma/{name}" for name in ("limiter", "pool", "seat", "instance", "health", "standing"))
        + tuple(f"lingma_trio/policy/{name}" for name in ("fair_queue", "routing", "cooldown", "retry_budget")),
    ),
    (
        "channel: frames, JSON, whose a push is",
        tuple(f"lingma_trio/lingma/{name}" for name in ("websocket", "frame_stream", "writer", "channel", "registry"))
        + tuple(f"lingma_trio/protocol/{name}" for name in ("framing", "jsonrpc"))
        + tuple(f"lingma_trio/protocol/{name}" for name in ("server_frames", "client_frames", "frame_head")),
    ),
    (
        "the turn: question, pushes, events",
        ("lingma_trio/lingma/", "lingma_trio/protocol/", "lingma_trio/policy/backlog"),
    ),
    ("the request: stages, accounts, delivery", ("lingma_trio/",)),
)
"""Each layer with the beginnings of its files' names; the first that fits counts."""


def layer_of(file: str) -> str | None:
    """The layer that a file belongs to; None where it is nobody's own, such as the standard library's."""
    return next((layer for layer, beginnings in LAYERS if file.startswith(beginnings)), None)


def counted(lines: Iterable[str]) -> Counter[str]:
    """How many looks there were at each layer, by py-spy's raw lines: frames, the innermost last, and their number."""
    found: Counter[str] = Counter()
    for line in lines:
        stack, _, number = line.rpartition(" ")
        if "unrolled_run" in stack:  # else it is another thread's, or the poller's, who mostly waits
            layer = next(filter(None, map(layer_of, _files(stack))), None)
            found[layer or "the rest"] += int(number)
    return found


def _files(stack: str) -> Iterator[str]:
    """The files of the frames, the innermost first."""
    for frame in reversed(stack.split(";")):
        yield frame.rpartition(" (")[2].partition(":")[0].removesuffix(")")


def ask(server: Server, answers: int) -> None:
    """Have one client ask for so many."""
    plan = Plan(SHORT, clients=1, answers=answers, stream=False)
    run_clients({"kind": "http", "port": server.port, "plans": [asdict(plan)]})


def main() -> None:
    """Print a row for each layer."""
    with TemporaryDirectory(prefix="lingma-benchmark-") as directory, gateway(Path(directory)) as server:
        ask(server, ANSWERS)
        before = cpu_seconds(server.pid)
        ask(server, ANSWERS)
        each = (cpu_seconds(server.pid) - before) / ANSWERS * 1e6
        stacks = Path(directory) / "stacks"
        spy = ("py-spy", "record", "--format", "raw", "--output", stacks, "--pid", str(server.pid))
        with subprocess.Popen(
            (*spy, "--rate", str(LOOKS), "--duration", str(SECONDS)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as looking:
            while looking.poll() is None:
                ask(server, ANSWERS)
        found = counted(stacks.read_text().splitlines())
    looks = found.total()
    rows = [
        f"| {layer} | {each * share / looks:.0f} | {100 * share / looks:.1f} |" for layer, share in found.most_common()
    ]
    head = (f"| layer, of {looks:,} looks | us of {each:.0f} | % |", "| --- | --- | --- |")
    sys.stdout.write("\n".join((*head, *rows)) + "\n")


if __name__ == "__main__":
    main()
