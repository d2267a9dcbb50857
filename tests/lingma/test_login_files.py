"""A login leaves a work directory as a bundle and enters one whole, private, and only where there is none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from lingma_trio.accounts import Account
from lingma_trio.lingma import bundle
from lingma_trio.lingma.bundle import BundleFault
from lingma_trio.lingma.login_files import (
    export,
    is_logged_in,
    read_bundle,
    restore,
    restore_login,
)

LOGIN = {"cache/id": b"machine", "cache/user": b"planted-user", "cache/quota": b"plan"}


@pytest.fixture
def logged_in(tmp_path: Path) -> Path:
    """A work directory with a login, and with files beside it that are none of a bundle's business."""
    work_dir = tmp_path / "logged-in"
    (work_dir / "cache/db").mkdir(parents=True)
    for name, data in {**LOGIN, "cache/db/local.db": b"history", "cache/machine_token.json": b"{}"}.items():
        (work_dir / name).write_bytes(data)
    return work_dir


@pytest.fixture
def wide_open() -> Iterator[None]:
    """A process whose new files anybody may read, unless it says otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_exported_login_is_the_four_files(logged_in: Path) -> None:
    """An export holds the login and nothing else of the directory, leaves the directory alone, and is logged."""
    with capture_logs() as logs:
        assert bundle.read(export(logged_in)) == LOGIN
    assert is_logged_in(logged_in)
    (line,) = logs
    assert (line["event"], line["work_dir"]) == ("login_exported", str(logged_in))
    assert "planted" not in str(line)


def test_export_needs_a_login(logged_in: Path, tmp_path: Path) -> None:
    """Where nobody is logged in there is nothing to export, and no line in the log."""
    (logged_in / "cache/user").write_bytes(b"")
    for work_dir in (logged_in, tmp_path / "absent"):
        with capture_logs() as logs, pytest.raises(BundleFault, match="is not logged in"):
            export(work_dir)
        assert not logs


def test_export_needs_the_machine_id(logged_in: Path) -> None:
    """A user without the id it is bound to could be restored nowhere."""
    (logged_in / "cache/id").unlink()
    with pytest.raises(BundleFault, match="cache/id is missing"):
        export(logged_in)


def test_unreadable_file_is_told_by_its_path(logged_in: Path) -> None:
    """What stands in the way of an export is named."""
    (logged_in / "cache/quota").unlink()
    (logged_in / "cache/quota").mkdir()
    with pytest.raises(BundleFault, match=r"cache/quota cannot be read \(Is a directory\)"):
        export(logged_in)


def test_restored_login_is_private(logged_in: Path, tmp_path: Path, wide_open: None) -> None:
    """The files arrive as they were, for their owner alone, in directories for their owner alone, and nothing else."""
    work_dir = tmp_path / "new"
    restore(work_dir, export(logged_in))
    modes = {str(path.relative_to(work_dir)): path.stat().st_mode & 0o777 for path in work_dir.rglob("*")}
    assert modes == {"cache": 0o700, **dict.fromkeys(LOGIN, 0o600)}
    assert work_dir.stat().st_mode & 0o777 == 0o700
    assert {name: (work_dir / name).read_bytes() for name in LOGIN} == LOGIN


def test_login_that_is_there_stays(logged_in: Path) -> None:
    """A restore never touches a directory that is logged in."""
    with pytest.raises(BundleFault, match="is logged in already"):
        restore(logged_in, bundle.pack({"cache/id": b"other", "cache/user": b"other"}))
    assert (logged_in / "cache/user").read_bytes() == LOGIN["cache/user"]


def test_leftovers_of_a_logged_out_directory_are_replaced(logged_in: Path) -> None:
    """An id without a user is no login, and gives way to the bundle's."""
    (logged_in / "cache/user").unlink()
    restore(logged_in, bundle.pack({"cache/id": b"other", "cache/user": b"other"}))
    assert (logged_in / "cache/id").read_bytes() == b"other"
    assert (logged_in / "cache/db/local.db").exists()


@pytest.mark.parametrize("blocked", sorted(LOGIN))
def test_restore_that_fails_leaves_no_login(tmp_path: Path, blocked: str) -> None:
    """Whichever file cannot be put in place, the directory does not count as logged in, and no copy is left about."""
    (tmp_path / blocked).mkdir(parents=True)
    (tmp_path / blocked / "in the way").touch()
    with pytest.raises(BundleFault, match=r"the login cannot be written below"):
        restore(tmp_path, bundle.pack(LOGIN))
    assert not (tmp_path / "cache/user").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_bad_bundle_changes_nothing(tmp_path: Path) -> None:
    """A bundle is checked as a whole before the first file is written."""
    with pytest.raises(BundleFault):
        restore(tmp_path / "new", b"no bundle")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("given", ["text", "file", "archive file"])
def test_configured_bundle_is_restored(logged_in: Path, tmp_path: Path, given: str) -> None:
    """An account's bundle makes its directory logged in, from a variable or from a file of either form."""
    packed = export(logged_in)
    text = bundle.as_text(packed)
    file = tmp_path / "bundle"
    file.write_bytes(packed if given == "archive file" else text.encode() + b"\n")
    account = (
        Account("ann", session_bundle=SecretStr(text)) if given == "text" else Account("ann", session_bundle_file=file)
    )
    assert restore_login(tmp_path / "new", account)
    assert (tmp_path / "new/cache/user").read_bytes() == LOGIN["cache/user"]


def test_without_a_bundle_nothing_happens(tmp_path: Path) -> None:
    """No account, or one with a password only, leaves the directory as it is."""
    for account in (None, Account("ann", SecretStr("password"))):
        assert not restore_login(tmp_path / "new", account)
    assert not (tmp_path / "new").exists()


def test_configured_bundle_leaves_a_login_alone(logged_in: Path) -> None:
    """A later start does not look at the bundle again, be it good or bad."""
    assert restore_login(logged_in, Account("ann", session_bundle=SecretStr("no bundle")))
    assert (logged_in / "cache/user").read_bytes() == LOGIN["cache/user"]


@pytest.mark.parametrize("text", ["planted-secret", "planted \udcff"])
def test_bad_configured_bundle_is_logged_and_not_fatal(tmp_path: Path, text: str) -> None:
    """A bundle that will not do leaves signing in to the browser; the log says why, without its content."""
    with capture_logs() as logs:
        assert not restore_login(tmp_path, Account("ann", session_bundle=SecretStr(text)))
        assert not restore_login(tmp_path, Account("ann", session_bundle_file=tmp_path / "absent"))
    assert [line["event"] for line in logs] == ["login_not_restored"] * 2
    assert "planted" not in str(logs)
    assert "absent cannot be read (No such file or directory)" in logs[1]["fault"]


def test_endless_bundle_file_is_not_read_to_its_end() -> None:
    """A file without an end is read as far as the bound, and refused."""
    with pytest.raises(BundleFault, match="longer than"):
        bundle.read(read_bundle(Path("/dev/zero")))


def test_login_of_one_byte_is_one(logged_in: Path) -> None:
    """What is in the file is Lingma's business."""
    (logged_in / "cache/user").write_bytes(b"x")
    assert is_logged_in(logged_in)
