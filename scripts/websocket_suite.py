"""Plays Autobahn's cases against both of our ends of a WebSocket, and holds how each ended against what is expected.

Called by `scripts/websocket-suite` with the Python that the suite is for, the directory that has it, and cases.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import trio

from lingma_trio.errors import ChannelLost
from scripts.websocket_echo import answer, call

LEFT_OUT = Path(__file__).with_name("websocket-left-out")
PASSED = frozenset(("OK", "NON-STRICT", "INFORMATIONAL"))
"""What the suite counts as passed; where the standard leaves something open it is not strict, or only tells."""
COMPRESSION = ("12.", "13.")
"""Cases that offer to compress: an end that does not speak of it in its handshake declines, and is asked no more."""
AGENT = "lingma-trio"
START = """
import site, sys
site.addsitedir(sys.argv.pop(1))
from twisted.internet import reactor
listen = reactor.listenTCP
reactor.listenTCP = lambda port, factory, backlog=50, interface="": listen(port, factory, backlog, "127.0.0.1")
from autobahntestsuite.wstest import run
run()
"""
"""The suite's server knows no address to listen at, and would be everybody's."""
PATIENCE = 900.0  # seconds for all cases, which take less than 60 on an idle machine
POLL = 0.1
QUICK = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*", "12.*", "13.*")
"""All but what the suite calls limits and performance, which are messages of many megabytes in small pieces."""

Ends = dict[str, tuple[str, str]]


class Judge:
    """The suite, in a directory of its own for each end."""

    def __init__(self, interpreter: str, packages: str, directory: Path, cases: list[str]) -> None:
        self._command = [interpreter, "-W", "ignore", "-c", START, str(Path(packages).resolve()), "--webport=0"]
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(directory)}
        self._directory = directory
        self._cases = cases

    async def run(self, mode: str, **more: object) -> None:
        """Be the fuzzing `mode`, until that ends or this is cancelled.

        Raises SystemExit, with what it said, where it failed.
        """
        directory = self._directory / mode
        directory.mkdir()
        task = {"outdir": "reports", "cases": self._cases, "exclude-cases": [], "exclude-agent-cases": {}, **more}
        (directory / "task.json").write_text(json.dumps(task), encoding="utf-8")
        command = [*self._command, f"--mode={mode}", "--spec=task.json"]
        with (directory / "log").open("wb") as log:
            ended = await trio.run_process(
                command,
                cwd=directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if ended.returncode:
            raise SystemExit((directory / "log").read_text(encoding="utf-8", errors="replace"))

    def ends(self, mode: str) -> Ends:
        """How each case ended: by itself, and the connection's close."""
        index: dict[str, dict[str, dict[str, Any]]] = json.loads(
            (self._directory / mode / "reports/index.json").read_text()
        )
        return {case: (row["behavior"], row["behaviorClose"]) for case, row in index[AGENT].items()}


async def judge_server(judge: Judge) -> Ends:
    """Be what the suite's client connects to."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"), name="server's end")
        port = listeners[0].socket.getsockname()[1]
        await judge.run("fuzzingclient", servers=[{"agent": AGENT, "url": f"ws://127.0.0.1:{port}"}])
        nursery.cancel_scope.cancel("all cases were played")
    return judge.ends("fuzzingclient")


async def judge_client(judge: Judge) -> Ends:
    """Connect to the suite's server once for each case."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(judge.run, "fuzzingserver", url=f"ws://127.0.0.1:{port}"), name="judge")
        for number in range(1, await _count(port) + 1):
            await call(port, f"/runCase?case={number}&agent={AGENT}")
        await call(port, f"/updateReports?agent={AGENT}")
        nursery.cancel_scope.cancel("all cases were played")
    return judge.ends("fuzzingserver")


async def _count(port: int) -> int:
    """How many cases there are, once the suite listens."""
    while True:
        try:
            return int(await call(port, "/getCaseCount"))
        except (OSError, ChannelLost):
            await trio.sleep(POLL)


def left_out(end: str) -> dict[str, tuple[list[str], str]]:
    """The cases that are listed for an end, how each may end there, and how its close does."""
    listed: dict[str, tuple[list[str], str]] = {}
    for line in LEFT_OUT.read_text(encoding="utf-8").splitlines():
        words = line.partition("#")[0].split()
        if words and words[0] in {end, "both"}:
            behavior, _, close = words[1].partition("/")
            listed.update(dict.fromkeys(words[2:], (behavior.split("|"), close)))
    return listed


def complaints(end: str, ends: Ends, *, narrowed: bool) -> list[str]:
    """What did not end as it is expected; a listed case that passes, or is not there, too."""
    listed = left_out(end)
    found = []
    for case, ended in ends.items():
        if case in listed:
            behaviors, close = listed[case]
            right = ended[0] in behaviors and ended[1] == close
        elif case.startswith(COMPRESSION):
            right = ended == ("UNIMPLEMENTED", "OK")
        else:
            right = set(ended) <= PASSED
        if not right:
            found.append(f"{end} {case}: {ended[0]}, its close {ended[1]}")
    if not narrowed:
        found += [f"{end} {case}: is listed and not there" for case in listed.keys() - ends.keys()]
    return found


async def main(interpreter: str, packages: str, cases: list[str]) -> int:
    """Print how it went; returns the exit status."""
    ends: dict[str, Ends] = {}

    async def note(end: str, judged: partial[Any]) -> None:
        ends[end] = await judged()

    with TemporaryDirectory(prefix="websocket-suite-") as directory, trio.fail_after(PATIENCE):
        judge = Judge(interpreter, packages, Path(directory), ["*"] if cases == ["--all"] else cases or list(QUICK))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(note, "client", partial(judge_client, judge), name="client's end")
            nursery.start_soon(note, "server", partial(judge_server, judge), name="server's end")
    found = [
        each for end in sorted(ends) for each in complaints(end, ends[end], narrowed=bool(cases) and cases != ["--all"])
    ]
    print(*found, sep="\n", end="\n" if found else "")
    for end in sorted(ends):
        told = Counter(behavior for behavior, _ in ends[end].values())
        print(f"{end}: {', '.join(f'{number} {behavior}' for behavior, number in told.most_common())}")
    total = sum(map(len, ends.values()))
    print(f"{total - len(found)} passed, {len(found)} failed")
    return 1 if found or not total else 0


if __name__ == "__main__":
    sys.exit(trio.run(main, sys.argv[1], sys.argv[2], sys.argv[3:]))
