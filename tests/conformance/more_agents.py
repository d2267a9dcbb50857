"""More coding agents: opencode, Qwen Code, Cline's CLI, Continue's `cn` and aider; see `agents` for the first two.

Knows how each is configured and called, and what its tools are named. Must not know the gateway's insides.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from tests.conformance.agents import PATIENCE, Agent, Answer, calling, ended, program
from tests.conformance.clients import API_KEY, NODE_CLIENTS
from tests.conformance.terminal import on_terminal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MODEL = "org_auto"
PLACE = "cli"
AIDER = NODE_CLIENTS / "aider" / ".venv" / "bin" / "aider"


class Opencode(Agent):
    """opencode, on chat completions: by Vercel's package for what is compatible with OpenAI."""

    surface = "chat"
    elsewhere = frozenset({"registry.npmjs.org"})
    package: ClassVar[str] = "@ai-sdk/openai-compatible"

    def prepare(self) -> None:
        """Write its settings."""
        provider = {
            "npm": self.package,
            "name": "gateway",
            "options": {"baseURL": f"{self.origin}/v1", "apiKey": API_KEY},
            "models": {MODEL: {"name": "Auto", "limit": {"context": 100_000, "output": 8_000}}},
        }
        settings: dict[str, Any] = {
            "autoupdate": False,
            "share": "disabled",
            "model": f"gateway/{MODEL}",
            "small_model": f"gateway/{MODEL}",
            "provider": {"gateway": provider},
        }
        write(self.place.home / ".config" / "opencode" / "opencode.json", json.dumps(settings))

    @property
    def variables(self) -> dict[str, str]:
        """Silence toward its maker."""
        return {"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1"}

    def words(self, task: str, *, again: bool) -> list[str]:
        """`opencode run`."""
        # Its command is put in its place by a script that installing it would run.
        binary = min((NODE_CLIENTS / PLACE / "node_modules").glob("opencode-*/bin/opencode"))
        return [str(binary), "run", *(["--continue"] if again else []), task]

    @staticmethod
    def edit(file: Path, before: str, after: str) -> list[Answer]:
        """A tool for reading and one for editing."""
        return [
            calling("read", filePath=str(file)),
            calling("edit", filePath=str(file), oldString=before, newString=after),
        ]


class OpencodeOnResponses(Opencode):
    """opencode by Vercel's package for OpenAI."""

    surface = "responses"
    package = "@ai-sdk/openai"


class OpencodeOnMessages(Opencode):
    """opencode by Vercel's package for Anthropic."""

    surface = "messages"
    package = "@ai-sdk/anthropic"


class QwenCode(Agent):
    """Qwen Code, on chat completions."""

    surface = "chat"
    kind: ClassVar[str] = "openai"

    def prepare(self) -> None:
        """Write its settings. Its memory would ask on its own after a turn, and take a slot."""
        settings = {
            "security": {"auth": {"selectedType": self.kind}},
            "privacy": {"usageStatisticsEnabled": False},
            "general": {"disableAutoUpdate": True, "enableAutoUpdate": False},
            "memory": {"enableManagedAutoMemory": False, "enableManagedAutoDream": False},
        }
        write(self.place.home / ".qwen" / "settings.json", json.dumps(settings))

    @property
    def variables(self) -> dict[str, str]:
        """The gateway, as it knows OpenAI."""
        return {
            "OPENAI_API_KEY": API_KEY,
            "OPENAI_BASE_URL": f"{self.origin}/v1",
            "OPENAI_MODEL": MODEL,
            "QWEN_TELEMETRY_ENABLED": "false",
        }

    def words(self, task: str, *, again: bool) -> list[str]:
        """`qwen --prompt`."""
        return [program("qwen", PLACE), "--yolo", *(["--continue"] if again else []), "--prompt", task]

    @staticmethod
    def edit(file: Path, before: str, after: str) -> list[Answer]:
        """A tool for reading and one for editing."""
        return [
            calling("read_file", file_path=str(file)),
            calling("edit", file_path=str(file), old_string=before, new_string=after),
        ]


class QwenCodeOnMessages(QwenCode):
    """Qwen Code by Anthropic's package."""

    surface = "messages"
    kind = "anthropic"

    @property
    def variables(self) -> dict[str, str]:
        """The gateway, as it knows Anthropic."""
        return {
            "ANTHROPIC_API_KEY": API_KEY,
            "ANTHROPIC_BASE_URL": self.origin,
            "ANTHROPIC_MODEL": MODEL,
            "QWEN_TELEMETRY_ENABLED": "false",
        }


class Continue(Agent):
    """Continue's `cn`."""

    surface = "chat"

    def prepare(self) -> None:
        """Write its settings."""
        model = {
            "name": "Auto",
            "provider": "openai",
            "model": MODEL,
            "apiBase": f"{self.origin}/v1",
            "apiKey": API_KEY,
            "roles": ["chat", "edit"],
            "capabilities": ["tool_use"],
        }
        settings = {"name": "gateway", "version": "0.0.1", "schema": "v1", "models": [model]}
        # YAML has JSON in it.
        write(self._settings, json.dumps(settings))

    @property
    def _settings(self) -> Path:
        return self.place.home / "config.yaml"

    @property
    def variables(self) -> dict[str, str]:
        """Silence toward its maker."""
        return {"CONTINUE_TELEMETRY_ENABLED": "0"}

    def words(self, task: str, *, again: bool) -> list[str]:
        """`cn --print`."""
        on = ["--resume"] if again else []
        return [program("cn", PLACE), "--print", "--auto", *on, "--config", str(self._settings), task]

    @staticmethod
    def edit(file: Path, before: str, after: str) -> list[Answer]:
        """A tool for reading and one for editing."""
        return [
            calling("Read", filepath=str(file)),
            calling("Edit", file_path=str(file), old_string=before, new_string=after),
        ]


class Cline(Agent):
    """Cline's CLI, which goes on with a conversation on a terminal only."""

    surface = "chat"
    elsewhere = frozenset({"api.cline.bot", "data.cline.bot", "models.dev", "otel.cline.bot"})

    def prepare(self) -> None:
        """Let it write its settings."""
        address = ["--baseurl", f"{self.origin}/v1"]
        with self.doing(
            [program("cline", PLACE), "auth", "openai-compatible", "-k", API_KEY, *address, "-m", MODEL]
        ) as process:
            ended(process)

    @property
    def variables(self) -> dict[str, str]:
        """Silence toward its maker, and the kind of terminal."""
        return {"CLINE_TELEMETRY_DISABLED": "1", "TERM": "xterm"}

    def words(self, task: str, *, again: bool) -> list[str]:
        """`cline`."""
        del again
        return [program("cline", PLACE), task]

    def converse(self, tasks: Sequence[str], last: str) -> str:
        """Do the first task as a command, and type the second into what it is on a terminal.

        Raises TimeoutError where `last` is not painted there.
        """
        written = super().converse(tasks[:1], last)
        if not tasks[1:]:
            return written
        (session,) = (self.place.home / ".cline" / "data" / "sessions").iterdir()
        more = {"cwd": self.place.workspace, "env": self.environment}
        with on_terminal([program("cline", PLACE), "--id", session.name], **more) as terminal:
            # Until it shows what was said before, it is not ready for more.
            terminal.until(tasks[0], PATIENCE)
            terminal.type(tasks[1])
            terminal.until(tasks[1], PATIENCE)
            terminal.until(last, PATIENCE, press="\r")
            return f"{written}{last}"

    @staticmethod
    def edit(file: Path, before: str, after: str) -> list[Answer]:
        """A tool for reading and one for editing."""
        return [
            calling("read_files", files=[{"path": str(file)}]),
            calling("editor", path=str(file), old_text=before, new_text=after),
        ]


class Aider(Agent):
    """aider, whose edits are text. After one it has other things ahead of what was said before, and begins anew."""

    surface = "chat"
    goes_on = 2
    elsewhere = frozenset({"raw.githubusercontent.com"})

    def prepare(self) -> None:
        """Nothing: its command says it all."""

    @property
    def variables(self) -> dict[str, str]:
        """The gateway, and a terminal that can do nothing."""
        return {"OPENAI_API_BASE": f"{self.origin}/v1", "OPENAI_API_KEY": API_KEY, "TERM": "dumb"}

    def words(self, task: str, *, again: bool) -> list[str]:
        """`aider --message`."""
        del again
        return [*self._command, "--message", task]

    def converse(self, tasks: Sequence[str], last: str) -> str:
        """Do all tasks in one process, which is given them line by line."""
        del last
        given = self.place.home / "tasks.txt"
        write(given, "".join(f"{task}\n" for task in (*tasks, "/exit")))
        with given.open(encoding="utf-8") as lines, self.doing(self._command, lines) as process:
            return ended(process)

    @property
    def _command(self) -> list[str]:
        off = ("git", "gitignore", "analytics", "check-update", "show-model-warnings", "show-release-notes", "pretty")
        return [
            str(AIDER),
            *(f"--no-{feature}" for feature in off),
            *("--model", f"openai/{MODEL}", "--edit-format", "diff", "--map-tokens", "0", "--yes-always"),
            str(self.place.workspace / "notes.txt"),
        ]

    @staticmethod
    def edit(file: Path, before: str, after: str) -> list[Answer]:
        """A block that says what is to be replaced, in whole lines."""
        old = file.read_text(encoding="utf-8")
        new = old.replace(before, after)
        return [{"text": f"{file.name}\n```\n<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE\n```"}]


def write(file: Path, text: str) -> None:
    """Write a file, in a directory that may not be there yet."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
