"""Codex CLI and Claude Code run errands: they edit a file, talk on, are interrupted and meet broken streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.agent_errand import (
    AFTER,
    CLOSING,
    NO_SEARCH,
    SEARCH_TASK,
    TASK,
    TEXTS,
    at_work,
    be_interrupted,
    edit_and_go_on,
)
from tests.conformance.agents import Agent, ClaudeCode, Codex, CodexWithGpt55, CodexWithGpt56Sol

if TYPE_CHECKING:
    from pathlib import Path

AGENTS = [Codex, CodexWithGpt55, CodexWithGpt56Sol, ClaudeCode]


@pytest.mark.parametrize("kind", AGENTS)
def test_file_is_edited_and_the_conversation_goes_on(kind: type[Agent], tmp_path: Path) -> None:
    """It reads the file, changes it and says so; what it is asked then is answered in the same session."""
    edit_and_go_on(kind, tmp_path)


@pytest.mark.parametrize("kind", AGENTS)
def test_ctrl_c_cancels(kind: type[Agent], tmp_path: Path) -> None:
    """Ctrl-C in the middle of an answer cancels it, and Lingma is told to stop."""
    be_interrupted(kind, tmp_path)


@pytest.mark.parametrize("where", ["on the way", "upstream"])
@pytest.mark.parametrize("kind", [Codex, ClaudeCode])
def test_broken_stream_is_asked_for_again(kind: type[Agent], where: str, tmp_path: Path) -> None:
    """A stream that breaks in its middle costs an agent nothing: it asks once more and edits the file."""
    knobs = "fault=drop_mid,fault_times=1," if where == "upstream" else ""
    with at_work(kind, tmp_path, knobs=knobs, cut=where == "on the way") as run:
        assert CLOSING in run.converses(TASK, last=CLOSING)
        assert run.notes.read_text(encoding="utf-8") == AFTER
        answers = [request["outcome"] for request in run.requests]
        assert "ok" in answers
        assert ("upstream_lost" in answers) == (where == "upstream")
        assert run.recorded("ask") > len(TEXTS)


def test_search_is_found_and_never_invented(tmp_path: Path) -> None:
    """Claude Code's model finds the tool for searching, which is then declared, and calls it.

    For that Claude Code asks for a search of Anthropic's: it is refused, Lingma is not asked to make one up, and the
    model is told.
    """
    with at_work(ClaudeCode, tmp_path) as run:
        assert NO_SEARCH in run.converses(SEARCH_TASK, last=NO_SEARCH)
        assert [request["outcome"] for request in run.requests] == ["ok", "ok", "invalid_request", "ok"]
        assert run.recorded("ask") == 3
