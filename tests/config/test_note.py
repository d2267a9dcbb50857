"""The note of a running gateway: found in its folder, as long as it runs, and by nobody else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lingma_trio.config.note import Note, door_of, find_note, leave_note

NOTE = Note(pid=7, env_file="/folder/.env", overrides={"PORT": "9000"})


def test_note_is_found_while_the_gateway_runs(tmp_path: Path) -> None:
    """In its own folder by whatever name, and not in another; afterwards it is not found."""
    environ = {"HOME": str(tmp_path / "home")}
    (tmp_path / "linked").symlink_to(tmp_path)
    with leave_note(tmp_path, NOTE, environ):
        assert find_note(tmp_path, environ) == NOTE
        assert find_note(tmp_path / "linked", environ) == NOTE
        assert find_note(tmp_path / "other", environ) is None
        (file,) = (tmp_path / "home/.local/state/lingma-trio/gateways").iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert find_note(tmp_path, environ) is None


def test_note_that_nobody_holds_counts_for_nothing(tmp_path: Path) -> None:
    """A gateway that was killed may have left one."""
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    with leave_note(tmp_path, NOTE, environ):
        (file,) = (tmp_path / "lingma-trio/gateways").iterdir()
    file.write_text(NOTE.model_dump_json())
    assert find_note(tmp_path, environ) is None


def test_first_gateway_of_a_folder_is_the_one_that_is_found(tmp_path: Path) -> None:
    """A second one leaves its note alone."""
    environ = {"HOME": str(tmp_path)}
    with leave_note(tmp_path, NOTE, environ), leave_note(tmp_path, NOTE.model_copy(update={"pid": 8}), environ):
        found = find_note(tmp_path, environ)
    assert found is not None
    assert found.pid == NOTE.pid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device that is full")
def test_full_disk_has_no_note(tmp_path: Path) -> None:
    """The gateway runs all the same, and is not found."""
    environ = {"HOME": str(tmp_path)}
    with leave_note(tmp_path, NOTE, environ):
        (file,) = (tmp_path / ".local/state/lingma-trio/gateways").iterdir()
    file.unlink()
    os.mknod(file, stat.S_IFCHR | 0o600, os.makedev(1, 7))
    with leave_note(tmp_path, NOTE, environ):
        assert find_note(tmp_path, environ) is None


def test_half_a_note_is_none(tmp_path: Path) -> None:
    """A disk that fills up may cut one within a letter."""
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    with leave_note(tmp_path, NOTE.model_copy(update={"env_file": "/文/.env"}), environ):
        (file,) = (tmp_path / "lingma-trio/gateways").iterdir()
        whole = file.read_bytes()
        file.write_bytes(whole[: whole.index("文".encode()) + 1])
        assert find_note(tmp_path, environ) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_note_in_a_strangers_directory_is_not_believed(tmp_path: Path) -> None:
    """It would name another gateway, to which tokens are then sent."""
    environ = {"HOME": str(tmp_path)}
    with leave_note(tmp_path, NOTE, environ):
        os.chown(tmp_path / ".local/state/lingma-trio/gateways", 12345, -1)
        assert find_note(tmp_path, environ) is None


def test_door_is_beside_the_note(tmp_path: Path) -> None:
    """One for each folder, where there is a place for it."""
    environ = {"HOME": str(tmp_path)}
    with leave_note(tmp_path, NOTE, environ):
        (file,) = (tmp_path / ".local/state/lingma-trio/gateways").iterdir()
    assert door_of(tmp_path, environ) == file.with_suffix(".sock")
    assert door_of(tmp_path, {}) is None


@pytest.mark.parametrize("environ", [{}, {"HOME": "/"}, {"HOME": "/proc"}], ids=["none", "root", "not writable"])
def test_without_a_place_there_is_none(tmp_path: Path, environ: dict[str, str]) -> None:
    """And the gateway runs all the same."""
    with leave_note(tmp_path, NOTE, environ):
        assert find_note(tmp_path, environ) is None


def test_what_is_no_note_is_none(tmp_path: Path) -> None:
    """Nor is a link followed."""
    environ = {"HOME": str(tmp_path)}
    with leave_note(tmp_path, NOTE, environ):
        (file,) = (tmp_path / ".local/state/lingma-trio/gateways").iterdir()
        file.write_text("{")
        assert find_note(tmp_path, environ) is None
        file.rename(tmp_path / "moved")
        file.symlink_to(tmp_path / "moved")
        assert find_note(tmp_path, environ) is None
