"""An errand for a coding agent: it edits a file through the gateway, whose model says and calls what a scene has.

Each agent runs unattended, as a process of its own that reaches nothing but the gateway.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.agents import PATIENCE, Agent, Answer, Place, calling
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


def scenes(editing: list[Answer]) -> list[dict[str, Any]]:
    """What the model says: how a file is edited, then that it is done, then what it is asked after that."""
    edits = [{"text": text, **answer} for text, answer in zip(TEXTS, editing, strict=False)]
    searching = [calling("ToolSearch", query="select:WebSearch", max_results=1), calling("WebSearch", query="teal")]
    long = {"text": "Teal is a colour. " * 500, "knobs": "gap=0.1"}
    return [
        {"when": TASK, "answers": [*edits, {"text": CLOSING}, {"text": ANSWER}]},
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

    def converses(self, *tasks: str, last: str) -> str:
        """Let the agent do tasks, the last of which it answers with `last`; return all that it said."""
        try:
            return self.agent.converse(tasks, last)
        except subprocess.CalledProcessError as fault:
            pytest.fail(f"{fault}\n{fault.stdout}\n{fault.stderr}")
        finally:
            print(*self.requests, sep="\n")  # noqa: T201 - pytest shows it where it fails


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
        assert rest.hosts <= kind.elsewhere
        assert cutter is None or cutter.cuts == 1


def edit_and_go_on(kind: type[Agent], directory: Path) -> None:
    """The agent reads the file, changes it and says so; what it is asked then is answered in the same session."""
    with at_work(kind, directory) as run:
        said = run.converses(TASK, *[QUESTION] * kind.goes_on, last=ANSWER)
        assert ANSWER in said
        assert run.notes.read_text(encoding="utf-8") == AFTER
        assert run.requests[-1]["session"] == "hit"
        assert {request["outcome"] for request in run.requests} == {"ok"}


def be_interrupted(kind: type[Agent], directory: Path) -> None:
    """Ctrl-C in the middle of an answer ends it: for the log it is cancelled, and Lingma is told to stop."""
    with at_work(kind, directory) as run, run.agent.doing(run.agent.words(LONG_TASK, again=False)) as process:
        until(lambda: run.recorded("ask") > 0)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=PATIENCE)
        until(lambda: run.recorded("stop") > 0)
        until(lambda: any(request["outcome"] == "cancelled" for request in run.requests))


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds: other processes have no event to wait for."""
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(POLL)
