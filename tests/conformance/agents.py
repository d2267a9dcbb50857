"""Coding agents as processes of their own, asked one task after the other and shut off from everything but a gateway.

Knows how each is configured and called, and what its tools are named. Must not know the gateway's insides.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, ClassVar

from tests.conformance.clients import API_KEY, NODE_CLIENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.conformance.outside import Outside

PATIENCE = 180.0  # seconds for one task; it takes some

# Features of Codex that ask its maker's servers for more, which a run that is shut off has no use for.
_CODEX_FEATURES_OFF = ("apps", "plugins", "remote_plugin")
_CODEX_SETTINGS = """
model = "{model}"
model_provider = "gateway"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.gateway]
name = "gateway"
base_url = "http://127.0.0.1:{port}/v1"
wire_api = "responses"
env_key = "GATEWAY_KEY"
"""


Answer = dict[str, Any]
"""What a model says, as a line of the simulator's scenes."""


def calling(tool: str, **arguments: Any) -> Answer:  # noqa: ANN401 - any JSON
    """An answer that calls one of an agent's tools."""
    return {"calls": [{"tool": tool, "arguments": arguments}]}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an agent runs: a home and a workspace of its own, the gateway's port, and the rest of the network."""

    home: Path
    workspace: Path
    port: int
    rest: Outside


class Agent(ABC):
    """One coding agent; there is nobody to ask, and what it runs is not confined any further."""

    surface: ClassVar[str]
    """The route that it uses, as the gateway's log calls it."""
    goes_on: ClassVar[int] = 1
    """After how many turns that follow an edit it goes on in its session."""
    elsewhere: ClassVar[frozenset[str]] = frozenset()
    """The machines elsewhere that it asks for what it can do without."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.prepare()

    @property
    def origin(self) -> str:
        """The gateway's address."""
        return f"http://127.0.0.1:{self.place.port}"

    @abstractmethod
    def prepare(self) -> None:
        """Write what it reads when it starts."""

    @property
    @abstractmethod
    def variables(self) -> dict[str, str]:
        """What its environment has beside a home and a path."""

    @abstractmethod
    def words(self, task: str, *, again: bool) -> list[str]:
        """The command for a task, or for one that goes on with the conversation before it (`again`)."""

    @staticmethod
    @abstractmethod
    def edit(file: Path, before: str, after: str) -> list[Answer]:
        """The answers, one after the other, by which a file is read and one word in it replaced by another."""

    def converse(self, tasks: Sequence[str], last: str) -> str:
        """Let it do tasks one after the other in one conversation, and return all that it wrote meanwhile.

        `last` is what it says in the end: by that one which does not end by itself is known to be done. Raises
        CalledProcessError where it fails.
        """
        del last
        written = ""
        for task in tasks:
            with self.doing(self.words(task, again=task != tasks[0])) as process:
                written += ended(process)
        return written

    @contextmanager
    def doing(self, command: list[str], given: int | IO[str] = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
        """A command at work on what it is given; what is left of it at the end of the block is killed."""
        # A shell has what it puts in the background ignore Ctrl-C, and so would all that is started from there.
        with subprocess.Popen(
            ["env", "--default-signal=INT", *command],
            cwd=self.place.workspace,
            env=self.environment,
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    @property
    def environment(self) -> dict[str, str]:
        """Its whole environment."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.place.home),
            "TMPDIR": str(self.place.home),
            "HTTP_PROXY": self.place.rest.address,
            "HTTPS_PROXY": self.place.rest.address,
            "NO_PROXY": "127.0.0.1",
            **self.variables,
        }


def ended(process: subprocess.Popen[str]) -> str:
    """Wait for the end of a process and return what it wrote. Raises CalledProcessError where it failed."""
    output, errors = process.communicate(timeout=PATIENCE)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args, output, errors)
    return output


def program(name: str, place: str = ".") -> str:
    """The command of that name from npm, as the lock in `place` has it."""
    return str(NODE_CLIENTS / place / "node_modules" / ".bin" / name)


class Codex(Agent):
    """Codex CLI, which edits by commands. What it sends depends on the name of the model."""

    surface = "responses"
    model: ClassVar[str] = "org_auto"

    def prepare(self) -> None:
        """Write its settings."""
        settings = _CODEX_SETTINGS.format(port=self.place.port, model=self.model)
        (self.place.home / "config.toml").write_text(settings, encoding="utf-8")

    @property
    def variables(self) -> dict[str, str]:
        """Where its settings are, and the key that they name."""
        return {"CODEX_HOME": str(self.place.home), "GATEWAY_KEY": API_KEY}

    def words(self, task: str, *, again: bool) -> list[str]:
        """`codex exec`."""
        off = [word for feature in _CODEX_FEATURES_OFF for word in ("--disable", feature)]
        free = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
        return [program("codex"), "exec", *off, *free, *(["resume", "--last"] if again else []), task]

    @staticmethod
    def edit(file: Path, before: str, after: str) -> list[Answer]:
        """Two commands."""
        commands = f"cat {file}", f"sed -i s/{before}/{after}/ {file}"
        return [calling("exec_command", cmd=command) for command in commands]


class CodexWithGpt55(Codex):
    """Codex CLI with a model that it knows."""

    model = "gpt-5.5"


class CodexWithGpt56Sol(Codex):
    """Codex CLI with a model to which it describes its tools within the input, and that calls them by programs."""

    model = "gpt-5.6-sol"

    @staticmethod
    def edit(file: Path, before: str, after: str) -> list[Answer]:
        """Two programs of one command each."""
        commands = f"cat {file}", f"sed -i s/{before}/{after}/ {file}"
        programs = (f"text(await tools.exec_command({json.dumps({'cmd': command})}))" for command in commands)
        return [calling("functions__exec", input=program) for program in programs]


class ClaudeCode(Agent):
    """Claude Code, which may edit files and search the web; some tools it declares only when a model asks for them."""

    surface = "messages"

    def prepare(self) -> None:
        """Nothing: its environment says it all."""

    @property
    def variables(self) -> dict[str, str]:
        """The gateway, and silence toward its maker."""
        return {
            "CLAUDE_CONFIG_DIR": str(self.place.home),
            "ANTHROPIC_BASE_URL": self.origin,
            "ANTHROPIC_API_KEY": API_KEY,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_ERROR_REPORTING": "1",
            "DISABLE_TELEMETRY": "1",
        }

    def words(self, task: str, *, again: bool) -> list[str]:
        """`claude --print`."""
        script = NODE_CLIENTS / "node_modules" / "@anthropic-ai" / "claude-code" / "cli-wrapper.cjs"
        on = ["--continue"] if again else []
        return [
            "node",
            str(script),
            "--print",
            *on,
            "--permission-mode",
            "acceptEdits",
            "--allowedTools=WebSearch",
            task,
        ]

    @staticmethod
    def edit(file: Path, before: str, after: str) -> list[Answer]:
        """A tool for reading and one for editing."""
        return [
            calling("Read", file_path=str(file)),
            calling("Edit", file_path=str(file), old_string=before, new_string=after),
        ]
