"""Agents that the gateway runs, set up by the blocks of docs/acp.md and asking a model of this machine.

Knows how each is called and where its maker's address stands. Must not know the gateway's insides.
"""

from __future__ import annotations

import json
import re
import shlex
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tests.conformance.agents import program
from tests.conformance.clients import NODE_CLIENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

Arguments = dict[str, str]
PAGE = Path(__file__).parents[2] / "docs" / "acp.md"
PLACE = "acp"
_POLICY = "/etc/lingma-trio/gemini-policy.toml"


@dataclass(frozen=True, slots=True)
class Setup:
    """Where an agent's own files may be put, and the address of the model that it is to ask."""

    directory: Path
    origin: str


class AcpAgent(ABC):
    """An agent as its block in the documentation has it."""

    name: ClassVar[str]

    @property
    def variables(self) -> dict[str, str]:
        """The variables of its block."""
        page = PAGE.read_text(encoding="utf-8")
        found = re.search(rf"<!-- agent: {self.name} -->\n```ini\n(.*?)```", page, re.DOTALL)
        assert found, f"{PAGE} has no block for {self.name}"
        return dict(line.split("=", 1) for line in found[1].splitlines())

    def settings(self, setup: Setup, tokens: Sequence[str]) -> dict[str, str]:
        """A gateway's settings: those of its block with the program that is installed here, and with these tokens."""
        command = self.toward(setup, shlex.split(self.variables["ACP_COMMAND"]))
        accounts = ",".join(f"account-{place}:{token}" for place, token in enumerate(tokens))
        return {**self.variables, "ACP_COMMAND": json.dumps(command), "ACP_TOKENS": accounts}

    @staticmethod
    @abstractmethod
    def running(command: str) -> tuple[str, Arguments]:
        """Its tool that runs a command, and the arguments that make it do so."""

    @staticmethod
    @abstractmethod
    def writing(file: Path) -> tuple[str, Arguments]:
        """Its tool that writes a file, and the arguments that make it do so."""

    @abstractmethod
    def toward(self, setup: Setup, words: list[str]) -> list[str]:
        """The words of its command, made to start what is installed here and to ask the model of `setup`."""


class Gemini(AcpAgent):
    """gemini-cli, with the policy of the documentation in a file."""

    name = "gemini-cli"

    @staticmethod
    def running(command: str) -> tuple[str, Arguments]:
        """Its shell."""
        return "run_shell_command", {"command": command, "description": "it"}

    @staticmethod
    def writing(file: Path) -> tuple[str, Arguments]:
        """Its way to new files."""
        return "write_file", {"file_path": str(file), "content": "words"}

    def toward(self, setup: Setup, words: list[str]) -> list[str]:
        """Its address is a variable."""
        policy = setup.directory / "policy.toml"
        found = re.search(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
        assert found
        policy.write_text(found[1], encoding="utf-8")
        places = {"gemini": program("gemini", PLACE), _POLICY: str(policy)}
        address = f"GOOGLE_GEMINI_BASE_URL={setup.origin}"
        return ["env", address, *(places.get(word, word) for word in words)]


class Opencode(AcpAgent):
    """opencode, whose settings stand in a variable."""

    name = "opencode"

    @staticmethod
    def running(command: str) -> tuple[str, Arguments]:
        """Its shell."""
        return "bash", {"command": command, "description": "it"}

    @staticmethod
    def writing(file: Path) -> tuple[str, Arguments]:
        """Its way to new files."""
        return "write", {"filePath": str(file), "content": "words"}

    def toward(self, setup: Setup, words: list[str]) -> list[str]:
        """Its address is among the settings, and a shell starts it."""
        # Its command is put in its place by a script that installing it would run.
        binary = min((NODE_CLIENTS / PLACE / "node_modules").glob("opencode-*/bin/opencode"))
        head, _, settings = next(word for word in words if word.startswith("OPENCODE_CONFIG_CONTENT=")).partition("=")
        provider = {"openai": {"options": {"baseURL": f"{setup.origin}/v1"}}}
        asking = f"{head}={json.dumps({**json.loads(settings), 'provider': provider})}"
        return [
            asking if word.startswith(head) else word.replace("exec opencode ", f"exec {shlex.quote(str(binary))} ")
            for word in words
        ]


class Codex(AcpAgent):
    """codex-acp, whose settings are words of its command."""

    name = "codex-acp"

    @staticmethod
    def running(command: str) -> tuple[str, Arguments]:
        """Its shell."""
        return "exec_command", {"cmd": command}

    @staticmethod
    def writing(file: Path) -> tuple[str, Arguments]:
        """Its way to new files."""
        return "apply_patch", {"input": f"*** Begin Patch\n*** Add File: {file}\n+words\n*** End Patch\n"}

    def toward(self, setup: Setup, words: list[str]) -> list[str]:
        """Its address is among the words."""
        placed = [program(word, PLACE) if word == "codex-acp" else word for word in words]
        return [word.replace("https://api.openai.com", setup.origin) for word in placed]


AGENTS: dict[str, AcpAgent] = {agent.name: agent for agent in (Gemini(), Opencode(), Codex())}
"""By the names in the documentation."""
