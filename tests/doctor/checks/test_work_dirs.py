"""A work directory is there or can be made, is writable, private and this user's; who uses it is told."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lingma_trio.doctor.checks.work_dirs import check_work_dirs, stranger
from lingma_trio.doctor.findings import Finding
from lingma_trio.fleet import LOCK, lock_holder
from tests.doctor.support import AS_ROOT, only, settings_of, site_of

SOMEBODY = 12345
not_as_root = pytest.mark.skipif(AS_ROOT, reason="root may write everywhere")
only_as_root = pytest.mark.skipif(not AS_ROOT, reason="only root can give a directory away")


@pytest.fixture
def work_dir(tmp_path: Path) -> Iterator[Path]:
    """A good work directory."""
    path = tmp_path / "work"
    path.mkdir(mode=0o700)
    yield path
    path.chmod(0o700)


def examined(directory: Path, **values: object) -> list[Finding]:
    return list(check_work_dirs(site_of(settings_of(directory, **values))))


def test_good_directory_is_fine(tmp_path: Path, work_dir: Path) -> None:
    """And free."""
    (finding,) = examined(tmp_path)
    assert (finding.level, finding.what) == ("fine", f"{work_dir} is writable, private and free")


def test_directory_that_can_be_made_is_fine_and_not_made(tmp_path: Path) -> None:
    """An examination leaves no directory behind that belongs to whoever ran it."""
    (finding,) = examined(tmp_path, lingma_work_dir=tmp_path / "a/b/c")
    assert finding.level == "fine"
    assert list(tmp_path.iterdir()) == []


def test_every_instance_has_a_finding(tmp_path: Path) -> None:
    """Each has a directory of its own."""
    assert len({finding.what for finding in examined(tmp_path, lingma_instance_count=3)}) == 3


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_file_in_the_way_is_a_fault(tmp_path: Path, place: str) -> None:
    """In the directory's place, or above it."""
    (tmp_path / "file").write_bytes(b"")
    (finding,) = examined(tmp_path, lingma_work_dir=tmp_path / place)
    assert finding.level == "fault"
    assert "LINGMA_WORK_DIR" in finding.remedy


def test_directory_that_others_can_read_is_a_warning(tmp_path: Path, work_dir: Path) -> None:
    """It holds a login."""
    work_dir.chmod(0o755)
    (finding,) = examined(tmp_path)
    assert (finding.level, finding.remedy) == ("warning", f"chmod 700 {work_dir}")


@not_as_root
def test_directory_that_cannot_be_written_is_a_fault(tmp_path: Path, work_dir: Path) -> None:
    """Nor one that cannot be made."""
    work_dir.chmod(0o500)
    assert only(examined(tmp_path), "fault").remedy.startswith("chown")
    assert "install -d" in only(examined(tmp_path, lingma_work_dir=work_dir / "deeper"), "fault").remedy


@only_as_root
def test_directory_of_another_user_is_a_warning(tmp_path: Path, work_dir: Path) -> None:
    """Root may write there, and what it writes the other one cannot change."""
    os.chown(work_dir, SOMEBODY, SOMEBODY)
    finding = only(examined(tmp_path), "warning")
    assert f"user {SOMEBODY}" in finding.what
    assert stranger(work_dir) == f"user {SOMEBODY}"
    assert stranger(work_dir / "to/be/made") == f"user {SOMEBODY}"


def test_own_directory_has_no_stranger(work_dir: Path) -> None:
    """Nor has one that is yet to be made below it."""
    assert stranger(work_dir) is None
    assert stranger(work_dir / "to/be/made") is None


def test_holder_of_the_lock_is_told(tmp_path: Path, work_dir: Path) -> None:
    """With the pid that the gateway left there."""
    source = (
        "import fcntl, os, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX); "
        "file.write(f'{os.getpid()}\\n'); file.flush(); print(flush=True); sys.stdin.read()"
    )
    assert lock_holder(work_dir) is None
    command = [sys.executable, "-c", source, str(work_dir / LOCK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert lock_holder(work_dir) == str(holder.pid)
        site = site_of(settings_of(tmp_path), holders={"lingma-0": str(holder.pid)})
        (finding,) = check_work_dirs(site)
        assert finding.what.endswith(f"in use by the gateway with pid {holder.pid}")
        assert holder.stdin is not None
        holder.stdin.close()
    assert lock_holder(work_dir) is None


def test_holder_that_left_no_pid_is_unknown(work_dir: Path) -> None:
    """The lock counts, whatever the file says."""
    source = (
        "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX); "
        "print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", source, str(work_dir / LOCK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert lock_holder(work_dir) == "unknown"
        assert holder.stdin is not None
        holder.stdin.close()


def test_simulator_has_no_directory(tmp_path: Path) -> None:
    """Its play data comes and goes with each run."""
    assert examined(tmp_path, lingma_upstream="simulator") == []
