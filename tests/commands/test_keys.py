"""`lingma-trio keys`: a key is shown once, its digest kept, and the rest of the file left alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydantic_core import from_json

from lingma_trio.cli import cli
from lingma_trio.keys.file import read_keys
from lingma_trio.keys.key import digest_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.yaml"


def run(path: Path, *arguments: str) -> Result:
    """The command, as a shell starts it."""
    settings = {"KEYS_FILE": str(path), "API_KEYS": "", "ADMIN_TOKEN": ""}
    return CliRunner().invoke(cli, ["keys", *arguments], env=settings)


def test_new_key_is_printed_once_and_only_its_digest_kept(path: Path) -> None:
    """Standard output is the key and nothing else; the file has what it may do, for its owner's eyes alone."""
    options = ["--rpm", "60", "--tpm", "1000", "--max-in-flight", "2", "--models", "a, b", "--expires", "2027-01-31"]
    made = run(path, "new", "ann", *options)
    assert made.exit_code == 0, made.output
    key = made.stdout.strip()
    assert key.startswith("sk-")
    assert key not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    (ann,) = read_keys(path).keys
    assert (ann.name, ann.digest) == ("ann", digest_of(key))
    assert (ann.max_in_flight, ann.requests_per_minute, ann.tokens_per_minute) == (2, 60, 1000)
    assert (ann.models, ann.expires) == (("a", "b"), datetime(2027, 1, 31, tzinfo=UTC))


def test_days_are_counted_from_now(path: Path) -> None:
    """`90d` is ninety days from now."""
    assert run(path, "new", "ann", "--expires", "90d").exit_code == 0
    (ann,) = read_keys(path).keys
    assert ann.expires is not None
    assert 89 <= (ann.expires - datetime.now(UTC)).days <= 90


def test_list_shows_names_and_limits(path: Path) -> None:
    """The table and the JSON object have every key by its name, and no digest."""
    run(path, "new", "ann", "--rpm", "60")
    run(path, "new", "bob", "--expires", "2020-01-01")
    shown = run(path, "list").stdout
    assert "ann" in shown
    assert "2020-01-01T00:00:00+00:00 (over)" in shown
    listed = from_json(run(path, "list", "--json").stdout)["keys"]
    assert [(key["name"], key["requests_per_minute"], key["expired"]) for key in listed] == [
        ("ann", 60, False),
        ("bob", None, True),
    ]
    assert "sha256" not in shown + str(listed)


def test_revoke_takes_the_entry_out(path: Path) -> None:
    """A revoked key is gone from the file, and the others stay."""
    run(path, "new", "ann")
    run(path, "new", "bob")
    assert run(path, "revoke", "ann").exit_code == 0
    assert [key.name for key in read_keys(path).keys] == ["bob"]


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (["new", "ann"], 1, "two keys have the name ann"),
        (["new", "a name"], 1, "a name has 1 to 64"),
        (["new", "zoe", "--rpm", "0"], 2, "rpm"),
        (["new", "zoe", "--expires", "soon"], 2, "no date or time"),
        (["new", "zoe", "--models", " ,"], 2, "names no model"),
        (["revoke", "zoe"], 1, "no key of the name zoe"),
        (["list", "--file", "absent.yaml"], 1, "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said(path: Path, arguments: list[str], status: int, reason: str) -> None:
    """The reason is on standard error, and the file stays as it was."""
    run(path, "new", "ann")
    before = path.read_text()
    result = run(path, *arguments)
    assert result.exit_code == status
    assert reason in result.stderr
    assert path.read_text() == before


def test_file_has_to_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without KEYS_FILE and --file nobody knows where."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["keys", "list"], env={"KEYS_FILE": ""})
    assert (result.exit_code, "KEYS_FILE is not set" in result.stderr) == (1, True)
