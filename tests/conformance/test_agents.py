"""Coding agents edit a file through the gateway, with a model that says and calls what a scene has.

Each runs unattended, as a process of its own that reaches nothing but the gateway.
"""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.agents import (
    PATIENCE,
    Agent,
    Call,
    ClaudeCode,
    Codex,
    CodexWithGpt55,
    CodexWithGpt56Sol,
    Place,
)
from tests.conformance.clients import gateway
from tests.conformance.cutter import cutting
from tests.conformance.outside import outside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.end_to_end.gateway import Gateway

TASK = "TASK-OF-THE-TEST: make the colour in notes.txt amber."
BEFORE, AFTER = "The colour is teal.\n", "The colour is amber.\n"
MARK = "Presently"
"""The word of the first answer at which a stream is broken off; the call that follows is lost with it."""
TEXTS = (f"I look at the file. {MARK} I change it.", "It says teal.")
CLOSING = "The colour is amber now, as you wished."
QUESTION, ANSWER = "Thanks. And what is umber?", "Umber is a brown of earth."
SEARCH_TASK = "SEARCH-OF-THE-TEST: what does the web say of teal?"
NO_SEARCH = "I have no search, so I cannot tell."
LONG_TASK = "LONG-TASK-OF-THE-TEST: what is teal?"
POLL = 0.05

AGENTS = [Codex, CodexWithGpt55, CodexWithGpt56Sol, ClaudeCode]


def scenes(calls: list[Call]) -> list[dict[str, Any]]:
    """What the model says: one answer for each call, then that it is done, then what it is asked after that."""
    calling = [
        {"text": text, "calls": [{"tool": call.tool, "arguments": call.arguments}]}
        for text, call in zip(TEXTS, calls, strict=False)
    ]
    find, search = {"query": "select:WebSearch", "max_results": 1}, {"query": "teal"}
    searching = [
        {"text": "I look for a tool.", "calls": [{"tool": "ToolSearch", "arguments": find}]},
        {"text": "I search.", "calls": [{"tool": "WebSearch", "arguments": search}]},
    ]
    long = {"text": "Teal is a colour. " * 500, "knobs": "gap=0.1"}
    return [
        {"when": TASK, "answers": [*calling, {"text": CLOSING}, {"text": ANSWER}]},
        {"when": SEARCH_TASK, "answers": [*searching, {"text": NO_SEARCH}]},
        {"when": LONG_TASK, "answers": [long]},
    ]


class Run:
    """An agent, the gateway that it talks to, and the file that it is to edit."""

    def __init__(self, agent: Agent, running: Gateway, notes: Path) -> None:
        self.agent = agent
        self.running = running
        self.notes = notes

    @property
    def requests(self) -> list[dict[str, Any]]:
        """What the gateway's log says of each answer that was asked for on the agent's surface."""
        logged = (json.loads(line) for line in self.running.log.splitlines() if line.startswith("{"))
        return [line for line in logged if line.get("event") == "request" and line["route"] == self.agent.surface]

    def recorded(self, kind: str) -> int:
        """How many questions ("ask") or stops ("stop") Lingma got."""
        return sum(record["kind"] == kind for record in self.running.records)

    def does(self, task: str, *, again: bool = False) -> str:
        """Let the agent do a task, and return what it says on it."""
        ended = self.agent.do(task, again=again)
        print(ended.stdout, ended.stderr, *self.requests, sep="\n")  # noqa: T201 - pytest shows it where it fails
        assert ended.returncode == 0
        return ended.stdout


@contextmanager
def at_work(kind: type[Agent], directory: Path, *, knobs: str = "", cut: bool = False) -> Iterator[Run]:
    """An agent of a kind and a gateway whose model knows its tools; it asks nothing of anybody else.

    With `cut` one stream is broken off on its way.
    """
    home, workspace = directory / "home", directory / "workspace"
    home.mkdir()
    workspace.mkdir()
    notes, script = workspace / "notes.txt", directory / "scenes.json"
    notes.write_text(BEFORE, encoding="utf-8")
    script.write_text(json.dumps(scenes(kind.edit(notes, "teal", "amber"))), encoding="utf-8")
    with ExitStack() as stack:
        rest = stack.enter_context(outside())
        running = stack.enter_context(gateway(directory / "gateway", knobs=f"{knobs}record=1,scenes={script}"))
        cutter = stack.enter_context(cutting(running.port, MARK.encode())) if cut else None
        yield Run(kind(Place(home, workspace, cutter.port if cutter else running.port, rest)), running, notes)
        assert set(rest.asked) <= kind.elsewhere
        assert cutter is None or cutter.cuts == 1


@pytest.mark.parametrize("kind", AGENTS)
def test_file_is_edited_and_the_conversation_goes_on(kind: type[Agent], tmp_path: Path) -> None:
    """The agent reads the file, changes it and says so; what it is asked then is answered in the same session."""
    with at_work(kind, tmp_path) as run:
        assert CLOSING in run.does(TASK)
        assert run.notes.read_text(encoding="utf-8") == AFTER
        before = run.requests
        assert ANSWER in run.does(QUESTION, again=True)
        assert [request["session"] for request in run.requests[len(before) :]] == ["hit"]
        assert {request["outcome"] for request in run.requests} == {"ok"}


@pytest.mark.parametrize("where", ["on the way", "upstream"])
@pytest.mark.parametrize("kind", [Codex, ClaudeCode])
def test_broken_stream_is_asked_for_again(kind: type[Agent], where: str, tmp_path: Path) -> None:
    """A stream that breaks in its middle costs an agent nothing: it asks once more and edits the file."""
    knobs = "fault=drop_mid,fault_times=1," if where == "upstream" else ""
    with at_work(kind, tmp_path, knobs=knobs, cut=where == "on the way") as run:
        assert CLOSING in run.does(TASK)
        assert run.notes.read_text(encoding="utf-8") == AFTER
        answers = [request["outcome"] for request in run.requests]
        assert "ok" in answers
        assert ("upstream_lost" in answers) == (where == "upstream")
        assert run.recorded("ask") > len(TEXTS)


@pytest.mark.parametrize("kind", AGENTS)
def test_ctrl_c_cancels(kind: type[Agent], tmp_path: Path) -> None:
    """Ctrl-C in the middle of an answer ends it: for the log it is cancelled, and Lingma is told to stop."""
    with at_work(kind, tmp_path) as run, run.agent.doing(LONG_TASK) as process:
        until(lambda: run.recorded("ask") > 0)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=PATIENCE)
        until(lambda: run.recorded("stop") > 0)
        until(lambda: any(request["outcome"] == "cancelled" for request in run.requests))


def test_search_is_found_and_never_invented(tmp_path: Path) -> None:
    """Claude Code's model finds the tool for searching, which is then declared, and calls it.

    For that Claude Code asks for a search of Anthropic's: it is refused, Lingma is not asked to make one up, and the
    model is told.
    """
    with at_work(ClaudeCode, tmp_path) as run:
        assert NO_SEARCH in run.does(SEARCH_TASK)
        assert [request["outcome"] for request in run.requests] == ["ok", "ok", "invalid_request", "ok"]
        assert run.recorded("ask") == 3


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds: other processes have no event to wait for."""
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(POLL)
