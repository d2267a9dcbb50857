"""An agent without any gateway: its process, its protocol on its pipes, and how long its answers take.

The floor under `benchmarks.acp`. Knows as much of the Agent Client Protocol as one client needs that asks in turn or
side by side; must not know which agent it is.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import IO, Any

from pydantic_core import from_json, to_json

FIRST_TEXT = "The text after this one is a question."
"""The gateway, too, sends a text of its own before a client's."""


@dataclass(slots=True)
class Timed:
    """When an answer was asked for, when its first and last text came, and in how many pieces; monotonic seconds."""

    asked: float
    first: float = 0.0
    last: float = 0.0
    pieces: int = 0

    def piece(self) -> None:
        """A piece of text is there."""
        self.last = time.monotonic()
        self.first = self.first or self.last
        self.pieces += 1

    @property
    def wait(self) -> float:
        """Milliseconds to the first text."""
        return (self.first - self.asked) * 1e3

    @property
    def each(self) -> float:
        """Milliseconds from piece to piece."""
        return (self.last - self.first) * 1e3 / max(self.pieces - 1, 1)


@dataclass(slots=True)
class Agent:
    """A running agent that has said what it is; `started` is how many seconds that took, with a first session."""

    stdin: IO[bytes]
    stdout: IO[bytes]
    directory: Path
    started: float = 0.0
    _ids: Iterator[int] = field(default_factory=count)

    def begin(self) -> None:
        """Do what the gateway does before it is ready."""
        began = time.monotonic()
        self.request("initialize", {"protocolVersion": 1, "clientCapabilities": {}})
        self.session()
        self.started = time.monotonic() - began

    def session(self) -> str:
        """Open a session and return its id."""
        return str(self.request("session/new", {"cwd": str(self.directory), "mcpServers": []})["sessionId"])

    def ask(self, questions: Mapping[str, str]) -> list[Timed]:
        """Ask a question in each of these sessions at the same time, and wait for all answers."""
        timed: dict[str, Timed] = {}
        open_prompts: set[int] = set()
        for session, text in questions.items():
            blocks = [{"type": "text", "text": words} for words in (FIRST_TEXT, text)]
            timed[session] = Timed(time.monotonic())
            open_prompts.add(self._send("session/prompt", {"sessionId": session, "prompt": blocks}))
        while open_prompts:
            message = self._read()
            if "method" not in message:
                self._result(message)
                open_prompts.discard(message["id"])
            elif _text(message):
                timed[message["params"]["sessionId"]].piece()
        return list(timed.values())

    def request(self, method: str, params: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
        """Make a request and return its result; what else comes meanwhile is dropped."""
        number = self._send(method, params)
        while True:
            message = self._read()
            if message.get("id") == number and "method" not in message:
                return self._result(message)

    def _send(self, method: str, params: Mapping[str, Any]) -> int:
        number = next(self._ids)
        self.stdin.write(to_json({"jsonrpc": "2.0", "id": number, "method": method, "params": params}) + b"\n")
        self.stdin.flush()
        return number

    def _read(self) -> Any:  # noqa: ANN401 - as above
        line = self.stdout.readline()
        if not line:
            raise SystemExit("the agent has ended")
        return from_json(line)

    @staticmethod
    def _result(message: Mapping[str, Any]) -> Any:  # noqa: ANN401 - as above
        if "result" not in message:
            raise SystemExit(f"the agent answers {message}")
        return message["result"]


@contextmanager
def alone(command: Sequence[str], variables: Mapping[str, str], directory: Path) -> Iterator[Agent]:
    """An agent for the length of the block, with a home and a working directory in `directory`."""
    home, work = directory / "home", directory / "work"
    home.mkdir(parents=True)
    work.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "NO_COLOR": "1", "CI": "1", **variables}
    process = subprocess.Popen(
        command,
        cwd=work,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with process:
        assert process.stdin
        assert process.stdout
        agent = Agent(process.stdin, process.stdout, work)
        try:
            agent.begin()
            yield agent
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def _text(message: Mapping[str, Any]) -> str:
    update = message["params"].get("update", {})
    return str(update["content"].get("text", "")) if update.get("sessionUpdate") == "agent_message_chunk" else ""
