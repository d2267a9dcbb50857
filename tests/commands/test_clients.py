"""`clients` shows each client's lines for this gateway, and puts them where they belong when it is told to."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from pathlib import Path

import pytest
import yaml

from lingma_trio.clients import CLIENTS
from tests.commands.support import run

KEY = "sk-of-the-clients-0"
FILES = {
    "aider": ".aider.conf.yml",
    "claude": ".claude/settings.json",
    "codex": ".codex/config.toml",
    "continue": ".continue/config.yaml",
}


def settings(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "PORT": "9000", "API_KEYS": KEY}


@pytest.mark.parametrize("client", sorted(CLIENTS))
def test_lines_have_address_and_key(tmp_path: Path, client: str) -> None:
    """This gateway's, and nothing is written for looking."""
    done = run(tmp_path, "clients", client, **settings(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "http://127.0.0.1:9000" in done.stdout
    assert KEY in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("client", sorted(FILES))
def test_lines_are_put_where_they_belong(tmp_path: Path, client: str) -> None:
    """Only for who agrees, and for this user alone; Enter is no yes."""
    file = tmp_path / FILES[client]
    refused = run(tmp_path, "clients", client, "--write", typed="\n", **settings(tmp_path))
    assert (refused.returncode, file.exists()) == (1, False)
    done = run(tmp_path, "clients", client, "--write", typed="y\n", **settings(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    read = {"claude": json.loads, "codex": tomllib.loads}.get(client, yaml.safe_load)
    assert read(text)
    assert "http://127.0.0.1:9000" in text


def test_what_stands_there_is_kept(tmp_path: Path) -> None:
    """And a file that is not understood is left as it is, with status 1."""
    file = tmp_path / ".claude/settings.json"
    file.parent.mkdir()
    file.write_text('{"model": "opus", "env": {"OTHER": "1"}}')
    assert run(tmp_path, "clients", "claude", "--write", "--yes", **settings(tmp_path)).returncode == 0
    found = json.loads(file.read_text())
    assert found["model"] == "opus"
    assert found["env"] == {
        "OTHER": "1",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:9000",
        "ANTHROPIC_AUTH_TOKEN": KEY,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    file.write_text("{// mine\n}")
    done = run(tmp_path, "clients", "claude", "--write", "--yes", **settings(tmp_path))
    assert done.returncode == 1
    assert file.read_text() == "{// mine\n}"


def test_file_that_is_kept_elsewhere_is_written_there(tmp_path: Path) -> None:
    """Where a link leads to, as of those who keep such files together; whoever owned it goes on owning it."""
    kept = tmp_path / "kept/claude.json"
    kept.parent.mkdir()
    kept.write_text("{}")
    owner = 12345 if os.geteuid() == 0 else os.geteuid()
    os.chown(kept, owner, -1)
    file = tmp_path / ".claude/settings.json"
    file.parent.mkdir()
    file.symlink_to(kept)
    assert run(tmp_path, "clients", "claude", "--write", "--yes", **settings(tmp_path)).returncode == 0
    assert file.readlink() == kept
    assert KEY in kept.read_text()
    assert kept.stat().st_uid == owner


def test_client_without_a_file_is_not_written_for(tmp_path: Path) -> None:
    """Nor is a key made up where the settings hold none in clear."""
    assert run(tmp_path, "clients", "cursor", "--write", "--yes", **settings(tmp_path)).returncode == 1
    digests = {**settings(tmp_path), "API_KEYS": f"sha256:{'0' * 64}"}
    done = run(tmp_path, "clients", "claude", "--write", "--yes", **digests)
    assert (done.returncode, list(tmp_path.iterdir())) == (1, [])
    assert "YOUR-KEY" in done.stdout
