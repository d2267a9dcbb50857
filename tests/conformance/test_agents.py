"""Codex CLI and Claude Code edit a file through the gateway, with a model that says and calls what a scene has.

Each runs unattended, as a process of its own that reaches nothing but the gateway.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.agents import Agent, outside
from tests.conformance.clients import gateway
from tests.conformance.cutter import cutting

if TYPE_CHECKING:
    from tests.end_to_end.gateway import Gateway

TASK = "TASK-OF-THE-TEST: make the colour in notes.txt amber."
BEFORE, AFTER = "The colour is teal.\n", "The colour is amber.\n"
MARK = "Presently"
"""The word of the first answer at which a stream is broken off; the call that follows is lost with it."""
CLOSING = "The colour is amber now, as you wished."


def calling(text: str, tool: str, **arguments: str) -> dict[str, Any]:
    return {"text": text, "calls": [{"tool": tool, "arguments": arguments}]}


def codex_lines(workspace: Path) -> list[dict[str, Any]]:
    """What the model says to Codex, which edits by commands."""
    del workspace
    return [
        calling(f"I look at the file. {MARK} I change it.", "exec_command", cmd="cat notes.txt"),
        calling("It says teal.", "exec_command", cmd="sed -i s/teal/amber/ notes.txt"),
        {"text": CLOSING},
    ]


def claude_code_lines(workspace: Path) -> list[dict[str, Any]]:
    """What the model says to Claude Code, which has a tool for reading and one for editing."""
    file = str(workspace / "notes.txt")
    return [
        calling(f"I look at the file. {MARK} I change it.", "Read", file_path=file),
        calling("It says teal.", "Edit", file_path=file, old_string="teal", new_string="amber"),
        {"text": CLOSING},
    ]


LINES = {"codex": codex_lines, "claude_code": claude_code_lines}
SURFACES = {"codex": "responses", "claude_code": "messages"}


@pytest.mark.parametrize("broken", ["nowhere", "on the way", "upstream"])
@pytest.mark.parametrize("name", ["codex", "claude_code"])
def test_file_is_edited(name: str, broken: str, tmp_path: Path) -> None:
    """The agent reads the file, changes it and says so; a stream that breaks in its middle is asked for again.

    Meanwhile it asks nothing of anybody but the gateway.
    """
    home, workspace = tmp_path / "home", tmp_path / "workspace"
    home.mkdir()
    workspace.mkdir()
    notes = workspace / "notes.txt"
    notes.write_text(BEFORE, encoding="utf-8")
    lines = LINES[name](workspace)
    knobs = "fault=drop_mid,fault_times=1," if broken == "upstream" else ""
    scenes = tmp_path / "scenes.json"
    scenes.write_text(json.dumps([{"when": TASK, "answers": lines}]), encoding="utf-8")
    with ExitStack() as stack:
        running = stack.enter_context(gateway(tmp_path / "gateway", knobs=f"{knobs}record=1,scenes={scenes}"))
        rest = stack.enter_context(outside())
        cutter = stack.enter_context(cutting(running.port, MARK.encode())) if broken == "on the way" else None
        agent = Agent(home, workspace, cutter.port if cutter else running.port, rest)
        ended = getattr(agent, name)(TASK)
        print(ended.stdout, ended.stderr, running.log, sep="\n")  # noqa: T201 - pytest shows it where the test fails
        assert ended.returncode == 0
        assert CLOSING in ended.stdout
        assert notes.read_text(encoding="utf-8") == AFTER
        answers = requests(running, SURFACES[name])
        assert "ok" in answers
        assert rest.asked == []
        assert cutter is None or cutter.cuts == 1
        if broken == "upstream":
            assert "upstream_lost" in answers
        assert sum(record["kind"] == "ask" for record in running.records) >= len(lines)


def requests(running: Gateway, surface: str) -> list[str]:
    """How each request on a surface ended, by the gateway's log."""
    logged = (json.loads(line) for line in running.log.splitlines() if line.startswith("{"))
    return [line["outcome"] for line in logged if line.get("event") == "request" and line["route"] == surface]
