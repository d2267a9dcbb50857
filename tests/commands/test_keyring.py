"""An edit of KEYS_FILE is told from one that a running gateway has in force."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.support import run
from tests.end_to_end.client import fetch
from tests.end_to_end.gateway import Gateway, started
from tests.servers import free_port

TEAM = "team:sk-key-of-the-team-in-the-settings"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the keys are, with none there yet."""
    keys = tmp_path / "keys.yaml"
    keys.write_text("keys: []\n")
    return keys


@pytest.fixture
def gateway(tmp_path: Path, path: Path) -> Iterator[Gateway]:
    """A gateway with one key of the settings beside those of the file."""
    with started(tmp_path / "gateway", KEYS_FILE=str(path), API_KEYS=TEAM) as running:
        yield running


async def status(gateway: Gateway, key: str) -> int:
    """How the gateway answers the bearer of a key."""
    return (await fetch(gateway.port, "GET", "/v1/models", headers={"authorization": f"Bearer {key}"})).status


async def test_edit_ends_when_the_gateway_has_it(tmp_path: Path, path: Path, gateway: Gateway) -> None:
    """The key that `new` prints is let in from then on, and one that is revoked is not."""
    settings = {"KEYS_FILE": str(path), "API_KEYS": TEAM, "PORT": str(gateway.port)}
    made = run(tmp_path, "keys", "new", "zoe", **settings)
    assert (made.returncode, "has it in force" in made.stderr) == (0, True), made.stderr
    assert await status(gateway, made.stdout.strip()) == 200
    gone = run(tmp_path, "keys", "revoke", "zoe", **settings)
    assert (gone.returncode, "has it in force" in gone.stderr) == (0, True), gone.stderr
    assert await status(gateway, made.stdout.strip()) == 401


def test_file_that_the_gateway_refuses_is_a_failure(tmp_path: Path, path: Path, gateway: Gateway) -> None:
    """Where the command does not know the gateway's own keys, the gateway's word is asked and repeated."""
    settings = {"KEYS_FILE": str(path), "PORT": str(gateway.port)}
    refused = run(tmp_path, "keys", "new", "team", **settings)
    assert refused.returncode == 1
    assert "goes on with the keys of before: the name team is given in KEYS_FILE and in API_KEYS" in refused.stderr
    shown = run(tmp_path, "status", PORT=str(gateway.port))
    assert "KEYS_FILE is faulty, and the keys of before stay in force: the name team" in shown.stdout


def test_edit_that_the_gateway_would_refuse_is_not_made(tmp_path: Path, path: Path) -> None:
    """The same settings as the gateway's say so beforehand, with both places of the clash."""
    before = path.read_text()
    refused = run(tmp_path, "keys", "new", "team", KEYS_FILE=str(path), API_KEYS=TEAM)
    assert (refused.returncode, refused.stdout, path.read_text()) == (1, "", before)
    assert "the name team is given in KEYS_FILE and in API_KEYS; change one of them" in refused.stderr


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"ADMIN_TOKEN": ""}, "ADMIN_TOKEN is not set"),
        ({"ADMIN_TOKEN": "another-token-of-the-tests"}, "does not take this ADMIN_TOKEN"),
        ({"PORT": ""}, "nothing answers at"),
    ],
    ids=["no token", "other token", "no gateway"],
)
def test_gateway_that_cannot_be_asked_is_no_failure(
    tmp_path: Path, path: Path, gateway: Gateway, settings: dict[str, str], reason: str
) -> None:
    """It may be there or not, so it is said that nobody knows, and why."""
    given = {"KEYS_FILE": str(path), "PORT": str(gateway.port), **settings}
    done = run(tmp_path, "keys", "new", "zoe", **{**given, "PORT": given["PORT"] or str(free_port())})
    assert (done.returncode, "no gateway could be asked" in done.stderr) == (0, True), done.stderr
    assert reason in done.stderr


def test_gateway_without_the_file_is_told_of(tmp_path: Path, path: Path) -> None:
    """It lets nobody in with the file's keys, and the file may well come before the setting."""
    with started(tmp_path / "gateway") as gateway:
        done = run(tmp_path, "keys", "new", "zoe", KEYS_FILE=str(path), PORT=str(gateway.port))
    assert (done.returncode, "has no KEYS_FILE" in done.stderr) == (0, True), done.stderr


def test_other_file_is_nobody_s_business(tmp_path: Path, path: Path) -> None:
    """A file that is named beside KEYS_FILE may have any names, and no gateway is asked about it."""
    other = tmp_path / "other.yaml"
    done = run(tmp_path, "keys", "new", "team", "--file", str(other), KEYS_FILE=str(path), API_KEYS=TEAM)
    assert (done.returncode, "no gateway was asked" in done.stderr) == (0, True), done.stderr
