"""`init` leaves a `.env` that serves, shows no secret, and changes nothing that is there."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from dotenv import dotenv_values

from lingma_trio.config import load_settings
from tests.commands.support import run

BLANK = {"HOST": "", "PORT": "", "ADMIN_TOKEN": "", "LINGMA_UPSTREAM": "", "LINGMA_DATA_DIR": ""}


def test_without_questions_the_simulator_is_written(tmp_path: Path) -> None:
    """For its owner alone, with a new key and token that are shown nowhere; the next command is told."""
    done = run(tmp_path, "init", "--yes", **BLANK, HOME=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    env_file = tmp_path / ".env"
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600
    settings = load_settings({}, env_file)
    assert (settings.lingma_upstream, settings.port, settings.host) == ("simulator", 8317, "127.0.0.1")
    assert settings.lingma_data_dir == tmp_path / ".local/share/lingma-trio"
    assert settings.warnings == ()
    assert len(settings.secrets) == 2
    assert not [secret for secret in settings.secrets if secret in done.stdout]
    assert done.stdout.endswith("-m lingma_trio serve\n")


def test_port_is_the_environments(tmp_path: Path) -> None:
    """PORT goes into the file."""
    run(tmp_path, "init", "-y", **{**BLANK, "PORT": "9017"})
    assert dotenv_values(tmp_path / ".env")["PORT"] == "9017"


@pytest.mark.parametrize("there", ["PORT=1\n", ""], ids=["text", "empty"])
def test_file_that_is_there_stays(tmp_path: Path, there: str) -> None:
    """It is said, and it is no fault."""
    (tmp_path / ".env").write_text(there)
    done = run(tmp_path, "init", "--yes", **BLANK)
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing was changed" in done.stdout
    assert (tmp_path / ".env").read_text() == there
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_link_is_not_followed(tmp_path: Path) -> None:
    """A `.env` that leads to where nothing is counts as one that is there."""
    (tmp_path / ".env").symlink_to(tmp_path / "elsewhere")
    assert "nothing was changed" in run(tmp_path, "init", "--yes", **BLANK).stdout
    assert not (tmp_path / "elsewhere").exists()


def test_answers_are_written_down(tmp_path: Path) -> None:
    """The login of another machine, the port and the place of the data; Enter takes what is offered. Each file has
    secrets of its own.
    """
    (tmp_path / "bundle").touch()
    done = run(tmp_path, "init", typed=f"2\n{tmp_path}/bundle\n9018\n{tmp_path}/data\n", **BLANK)
    assert (done.returncode, done.stderr) == (0, "")
    found = dotenv_values(tmp_path / ".env")
    assert found["LINGMA_UPSTREAM"] == "lingma"
    assert found["LINGMA_SESSION_BUNDLE_FILE"] == str(tmp_path / "bundle")
    assert (found["PORT"], found["LINGMA_DATA_DIR"]) == ("9018", str(tmp_path / "data"))
    (tmp_path / ".env").unlink()
    run(tmp_path, "init", typed="\n\n\n", **BLANK)
    again = dotenv_values(tmp_path / ".env")
    assert (again["LINGMA_UPSTREAM"], again["PORT"]) == ("simulator", "8317")
    assert not {found["API_KEYS"], found["ADMIN_TOKEN"]} & {again["API_KEYS"], again["ADMIN_TOKEN"]}


def test_agent_is_written_down(tmp_path: Path) -> None:
    """Its command as it was typed, and a token where it reads one, which is not shown."""
    typed = f"5\nagent --acp ''\nAGENT_KEY\nt0ken-of-it\n9018\n{tmp_path}/data\n"
    done = run(tmp_path, "init", typed=typed, **BLANK)
    assert done.returncode == 0
    found = dotenv_values(tmp_path / ".env")
    assert (found["LINGMA_UPSTREAM"], found["ACP_COMMAND"]) == ("acp", "agent --acp ''")
    assert (found["ACP_TOKEN_VARIABLE"], found["ACP_TOKENS"]) == ("AGENT_KEY", "default:t0ken-of-it")
    assert "t0ken" not in done.stdout.partition("Wrote")[2]
    (tmp_path / ".env").unlink()
    assert run(tmp_path, "init", typed="5\nagent\n\n\n\n", **BLANK).returncode == 0
    assert "ACP_TOKENS" not in dotenv_values(tmp_path / ".env")


def test_settings_that_do_not_fit_are_not_written(tmp_path: Path) -> None:
    """The fault is told as at a start, with status 2."""
    done = run(tmp_path, "init", "--yes", **{**BLANK, "PORT": "planted"})
    assert (done.returncode, done.stdout) == (2, "")
    assert "PORT: " in done.stderr
    assert not (tmp_path / ".env").exists()


def test_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """With status 1."""
    done = run(tmp_path, "init", typed="9\n", **BLANK)
    assert done.returncode == 1
    assert not (tmp_path / ".env").exists()


def test_settings_of_before_are_taken_over(tmp_path: Path) -> None:
    """With a report of what changed, which repeats no value."""
    (tmp_path / "old.env").write_text(
        "API_KEYS=sk-planted-of-before-0\nLINGMA_ACCOUNTS=ann:planted\nLINGMA_BIN=/app/data/bin/Lingma\nHOST=0.0.0.0\n"
    )
    done = run(tmp_path, "init", "--import", "old.env", **BLANK)
    assert (done.returncode, done.stderr) == (0, "")
    found = dotenv_values(tmp_path / ".env")
    assert (found["API_KEYS"], found["LINGMA_ACCOUNTS"]) == ("sk-planted-of-before-0", "ann:planted")
    assert (found["LINGMA_UPSTREAM"], found["HOST"]) == ("lingma", "0.0.0.0")
    assert "LINGMA_BIN" not in found
    assert "LINGMA_BIN: is a place in a container" in done.stdout
    assert "planted" not in done.stdout
