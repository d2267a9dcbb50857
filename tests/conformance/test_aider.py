"""aider runs errands: it edits a file by its edit format, talks on and is interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance.agent_errand import be_interrupted, edit_and_go_on
from tests.conformance.more_agents import Aider

if TYPE_CHECKING:
    from pathlib import Path


def test_file_is_edited_and_the_conversation_goes_on(tmp_path: Path) -> None:
    """A block in its answer changes the file; from the second question after that on it goes on in one session."""
    edit_and_go_on(Aider, tmp_path)


def test_ctrl_c_cancels(tmp_path: Path) -> None:
    """Ctrl-C in the middle of an answer cancels it, and Lingma is told to stop."""
    be_interrupted(Aider, tmp_path)
