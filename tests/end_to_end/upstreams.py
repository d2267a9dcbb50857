"""The upstreams that a gateway can have, as rows of the same tests: Lingma's two protocols, and an agent over ACP.

Each is the simulator. A test speaks of its knobs as `LINGMA_SIMULATOR` has them; what a knob is called elsewhere stands
here, and so does what an upstream has not, with the reason.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import pytest

ROOT: Final = Path(__file__).parents[2]
RECORD: Final = "sent.jsonl"
TOKEN_VARIABLE: Final = "SIMULATOR_TOKEN"

Lack = Literal["another client", "blind models", "native tools", "signing in", "signs of life", "statuses", "uploads"]

_LACKS: Final[Mapping[str, Mapping[Lack, str]]] = {
    "chat": {},
    "session": {"uploads": "pictures are parts of a prompt: nothing is uploaded"},
    "acp": {
        "another client": "an agent's pipes have one client",
        "blind models": "an agent takes pictures or takes none, whatever its model",
        "native tools": "an agent's own tools are off: its calls are nobody's",
        "signing in": "an agent is logged in by its token: nobody signs in or out while it runs",
        "signs of life": "an agent is asked for none: it may be silent for long, and only a turn's own limits end that",
        "statuses": "an agent's error has no status: whose fault it was is not told",
        "uploads": "pictures are blocks of a prompt: nothing is uploaded",
    },
}
_KNOBS_OF_AGENTS: Final = {"info_delay": "new_delay", "login=out": "new=auth", "record=1": f"record={RECORD}"}
"""What a knob of Lingma's is called with an agent."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """One row. `instance` is what its instances are called, before their number; `owner` is whose its models are."""

    name: Literal["chat", "session", "acp"]
    instance: str = "lingma"
    owner: str = "lingma-simulator"

    def __str__(self) -> str:
        return self.name

    def needs(self, *features: Lack) -> None:
        """Leave the test out, with the reason, where this upstream has none of that."""
        for feature in features:
            if feature in _LACKS[self.name]:
                pytest.skip(f"{self.name}: {_LACKS[self.name][feature]}")

    def settings(self, directory: Path, settings: Mapping[str, str]) -> dict[str, str]:
        """The settings of a gateway in `directory` with this upstream; knobs and accounts are given as for Lingma."""
        knobs = settings.get("LINGMA_SIMULATOR", "")
        if self.name == "chat":
            return dict(settings)
        if self.name == "session":
            return {**settings, "LINGMA_SIMULATOR": f"{knobs},protocol=session"}
        rest = {name: value for name, value in settings.items() if name not in ("LINGMA_SIMULATOR", "LINGMA_ACCOUNTS")}
        words = [_for_agents(word) for word in (*knobs.split(","), "record=1") if word]
        given = {"LINGMA_UPSTREAM": "acp", "LINGMA_WORK_DIR": str(directory / "agents")}
        if accounts := settings.get("LINGMA_ACCOUNTS"):
            given |= {"ACP_TOKENS": accounts, "ACP_TOKEN_VARIABLE": TOKEN_VARIABLE}
            words.append(f"tokens={';'.join(account.partition(':')[2] for account in accounts.split(','))}")
        turned = [part for word in words for part in ("--knob", word)]
        program = [sys.executable, "-m", "lingma_trio.simulator", "acp", *turned]
        given["ACP_COMMAND"] = json.dumps(["env", f"PYTHONPATH={ROOT}", *program])
        return {**given, **rest}


CHAT: Final = Upstream("chat")
SESSION: Final = Upstream("session")
ACP: Final = Upstream("acp", "acp", "acp")

UPSTREAMS: Final = (CHAT, SESSION, ACP)
PROGRAMS: Final = (CHAT, ACP)


def _for_agents(word: str) -> str:
    name, _, value = word.partition("=")
    if word in _KNOBS_OF_AGENTS:
        return _KNOBS_OF_AGENTS[word]
    return f"{_KNOBS_OF_AGENTS.get(name, name)}={value}"
