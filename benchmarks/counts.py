"""Counts what one answer costs in the gateway: task steps, trips to the poller, function calls, objects that only the
garbage collector frees, and what it holds.

Run as `python -m benchmarks.counts`, or with `--json` for a program to read. Counts are not times, so a busy machine
makes no difference: one client asks on one connection, and the gateway serves in this process while an instrument and a
profiler look on; its log goes to standard error. A streamed answer's figures are for each delta, of which none shares
its way with another. What a stream holds is the bytes of all objects that are there for it and its connection while it
waits for its next delta.
"""

from __future__ import annotations

import cProfile
import gc
import json
import os
import pstats
import signal
import sys
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from subprocess import PIPE
from tempfile import TemporaryDirectory
from typing import TypedDict

import trio

from lingma_trio.application import Application
from lingma_trio.config import load_settings
from lingma_trio.edge.server import Listening, serve_app
from lingma_trio.logs import configure_logging

WARM_UP = 3
DELTAS = 50
QUESTIONS = {
    "short answer": (200, False, "Hi.\n#simulate first=0 gap=0 deltas=3"),
    "paced delta": (4, True, f"Hi.\n#simulate first=0.02 gap=0.02 deltas={DELTAS}"),
}
"""How often each is asked, whether it is streamed, and its text."""

CLIENT = """
import http.client, json, socket, sys
port, times, stream, text = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "1", sys.argv[4]
question = {"model": "org_auto", "stream": stream, "messages": [{"role": "user", "content": text}]}
body = json.dumps(question).encode()
first, length = "POST /v1/chat/completions HTTP/1.1", f"content-length: {len(body)}"
head = "\\r\\n".join((first, "host: localhost", length, "content-type: application/json", "", "")).encode()
with socket.create_connection(("127.0.0.1", port)) as connection:
    for _ in range(times):
        connection.sendall(head + body)
        answer = http.client.HTTPResponse(connection, method="POST")
        answer.begin()
        assert answer.status == 200 and answer.read()
"""
"""Writes head and body at once: written apart, as `http.client` does it, they would be read together or apart as the
machine is busy or not.
"""

STREAMS = 30
FEW = 5
"""Streams that are open when what each holds is told: of so many more than of a few, which have what is there once."""

STREAMING = """
import json, socket, sys
port, number = int(sys.argv[1]), int(sys.argv[2])
text = "Hi.\\n#simulate first=0 gap=1000 deltas=2"
body = json.dumps({"model": "org_auto", "stream": True, "messages": [{"role": "user", "content": text}]}).encode()
head = b"POST /v1/chat/completions HTTP/1.1\\r\\nhost: localhost\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(body)
streams = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(number)]
for stream in streams:
    stream.sendall(head + body)
for stream in streams:
    data = b""
    while b'"delta":{"content":' not in data:
        data += stream.recv(65536)
print("open", flush=True)
sys.stdin.read()
"""


class Held(TypedDict):
    """What a stream holds."""

    bytes: float


class Count(TypedDict):
    """What one answer, or one delta, costs."""

    steps: float
    polls: float
    calls: float
    garbage: float


class Looking(trio.abc.Instrument):
    """Counts task steps, by task, and trips to the poller."""

    def __init__(self) -> None:
        self.steps: Counter[str] = Counter()
        self.polls = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Trio's."""
        self.steps[task.name] += 1

    def after_io_wait(self, timeout: float) -> None:
        """Trio's."""
        del timeout
        self.polls += 1


async def asked(port: str, times: int, stream: bool, text: str) -> None:
    """Have a process of its own ask so many times."""
    await trio.run_process([sys.executable, "-c", CLIENT, port, str(times), str(int(stream)), text])


async def counted(port: str, times: int, stream: bool, text: str) -> Count:
    """Count one kind of answer, less what starting a client costs."""
    await asked(port, WARM_UP, stream, text)
    found = []
    for number in (0, times):
        looking, profile = Looking(), cProfile.Profile()
        gc.collect()
        gc.disable()
        trio.lowlevel.add_instrument(looking)
        profile.enable()
        await asked(port, number, stream, text)
        profile.disable()
        trio.lowlevel.remove_instrument(looking)
        calls: int = pstats.Stats(profile).total_calls  # type: ignore[attr-defined] # which typeshed leaves out
        found.append((sum(looking.steps.values()), looking.polls, calls, gc.collect()))
        gc.enable()
    per = times * (DELTAS if stream else 1)
    steps, polls, calls, garbage = ((after - before) / per for before, after in zip(*found, strict=True))
    return Count(steps=steps, polls=polls, calls=calls, garbage=garbage)


@asynccontextmanager
async def streaming(port: str, number: int) -> AsyncIterator[None]:
    """Have a process of its own hold so many streams open for the length of the block."""
    command = [sys.executable, "-c", STREAMING, port, str(number)]
    async with trio.open_nursery() as nursery:
        process = await nursery.start(partial(trio.run_process, command, stdin=PIPE, stdout=PIPE))
        async with process.stdin, process.stdout:
            assert await process.stdout.receive_some(), "the streams did not begin"
            yield


async def held(port: str) -> Held:
    """Trace what streams hold."""
    found = []
    tracemalloc.start()
    for number in (FEW, STREAMS):
        async with streaming(port, number):
            gc.collect()
            found.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    few, many = found
    return Held(bytes=(many - few) / (STREAMS - FEW))


async def measure(directory: str) -> tuple[dict[str, Count], Held]:
    """Serve with the simulator upstream, count each kind, and then what a stream holds."""
    environ = {"LINGMA_UPSTREAM": "simulator", "ALLOW_ANONYMOUS": "true", "LINGMA_DATA_DIR": directory}
    environ["GATEWAY_MAX_IN_FLIGHT"] = str(STREAMS)
    settings = load_settings(environ, None)
    app = Application(lambda: settings)
    serving, places = trio.Event(), list[str]()

    async def welcome(found: Sequence[str]) -> None:
        await trio.lowlevel.checkpoint()
        places.extend(found)
        serving.set()

    async with trio.open_nursery() as nursery:
        listening = Listening("127.0.0.1", 0, grace=1.0)
        nursery.start_soon(partial(serve_app, app, listening, drain=app.drain, reload=app.reload, welcome=welcome))
        await serving.wait()
        assert app.services is not None
        while True:
            if any(instance.standing.fault() is None for instance in app.services.pool.instances):
                break
            await trio.sleep(0.05)
        port = places[0].rpartition(":")[2]
        counts = {name: await counted(port, *question) for name, question in QUESTIONS.items()}
        stream = await held(port)
        os.kill(os.getpid(), signal.SIGTERM)
    return counts, stream


def main() -> None:
    """Print a row for each kind of answer, and what a stream holds."""
    configure_logging("WARNING", "json", frozenset())
    with TemporaryDirectory() as directory:
        counts, stream = trio.run(measure, directory)
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps({**counts, "live stream": stream}) + "\n")
        return
    rows = [f"{'each':<16}{'steps':>8}{'polls':>8}{'calls':>8}{'garbage':>9}"]
    rows += [
        f"{name:<16}{one['steps']:>8.1f}{one['polls']:>8.1f}{one['calls']:>8.0f}{one['garbage']:>9.1f}"
        for name, one in counts.items()
    ]
    sys.stdout.write("\n".join([*rows, f"{'live stream':<16}{stream['bytes']:>8.0f} bytes"]) + "\n")


if __name__ == "__main__":
    main()
