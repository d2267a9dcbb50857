"""More coding agents from npm run errands: they edit a file, talk on and are interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.agent_errand import be_interrupted, edit_and_go_on
from tests.conformance.more_agents import (
    Cline,
    Continue,
    Opencode,
    OpencodeOnMessages,
    OpencodeOnResponses,
    QwenCode,
    QwenCodeOnMessages,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conformance.agents import Agent

AGENTS = [Opencode, OpencodeOnResponses, OpencodeOnMessages, QwenCode, QwenCodeOnMessages, Cline, Continue]


@pytest.mark.parametrize("kind", AGENTS)
def test_file_is_edited_and_the_conversation_goes_on(kind: type[Agent], tmp_path: Path) -> None:
    """It reads the file, changes it and says so; what it is asked then is answered in the same session."""
    edit_and_go_on(kind, tmp_path)


@pytest.mark.parametrize("kind", AGENTS)
def test_ctrl_c_cancels(kind: type[Agent], tmp_path: Path) -> None:
    """Ctrl-C in the middle of an answer cancels it, and Lingma is told to stop."""
    be_interrupted(kind, tmp_path)
