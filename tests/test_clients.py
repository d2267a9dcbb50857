"""The lines for clients: whole, in the form of the file they are for, and those of the documentation."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lingma_trio.clients import CLIENTS, Gateway

HERE = Gateway("http://127.0.0.1:8317", "KEY")
DOCUMENTED = (Path(__file__).parent.parent / "docs" / "clients.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(CLIENTS))
def test_lines_have_address_key_and_model(name: str) -> None:
    """Each client is told where to ask and with which key; Claude Code asks for models by names of its own."""
    text = "\n".join(lines.text for lines in CLIENTS[name].lines(Gateway("https://lingma.example", "sk-mine", "qwen")))
    assert "https://lingma.example" in text
    assert "sk-mine" in text
    assert ("qwen" in text) is (name not in {"claude", "openwebui"})


@pytest.mark.parametrize("name", sorted(CLIENTS))
def test_files_are_of_their_form(name: str) -> None:
    """What is to be put into a file can be read from it."""
    readers: dict[str, Callable[[str], object]] = {"json": json.loads, "toml": tomllib.loads, "yaml": yaml.safe_load}
    for lines in CLIENTS[name].lines(HERE):
        if lines.form in readers:
            assert isinstance(readers[lines.form](lines.text), dict)
            assert lines.file.startswith("~/")


@pytest.mark.parametrize("name", ["codex", "continue"])
def test_documentation_has_the_same_file(name: str) -> None:
    """To the letter."""
    assert CLIENTS[name].lines(HERE)[0].text in DOCUMENTED


@pytest.mark.parametrize(
    "line",
    [
        "ANTHROPIC_BASE_URL=http://127.0.0.1:8317",
        "OPENAI_API_BASE=http://127.0.0.1:8317/v1",
        "OPENAI_API_BASE_URL=http://HOST:8317/v1",
        "curl -sSN http://127.0.0.1:8317/v1/chat/completions",
    ],
)
def test_documentation_has_the_same_addresses(line: str) -> None:
    """With `/v1` for OpenAI's API and without for Anthropic's."""
    assert line in DOCUMENTED
