"""Files: the forms of the ready file, a login that is kept and never overwritten, and the logs."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest
from pydantic_core import from_json

from lingma_trio.simulator.files import WorkDirectory

if TYPE_CHECKING:
    from pathlib import Path

    from lingma_trio.simulator.knobs import Info

TEXT = f"36510\n{os.getpid()}\n"


@pytest.fixture
def directory(tmp_path: Path) -> WorkDirectory:
    directory = WorkDirectory(tmp_path)
    directory.prepare()
    return directory


def test_the_machine_id_is_made_once(tmp_path: Path) -> None:
    """And found again by every later process."""
    first = WorkDirectory(tmp_path / "new" / "directory").prepare()
    assert str(uuid.UUID(first)) == first
    assert WorkDirectory(tmp_path / "new" / "directory").prepare() == first
    assert (tmp_path / "new" / "directory" / "cache" / "id").read_text() == first


@pytest.mark.parametrize(
    ("form", "place"), [("text", ".info"), ("stale", ".info"), ("shared_dir", "sharedClientCache/.info")]
)
def test_the_ready_file_as_text(directory: WorkDirectory, tmp_path: Path, form: Info, place: str) -> None:
    """Port and pid, a line each."""
    directory.write_info(form, 36510)
    assert (tmp_path / place).read_text() == TEXT


@pytest.mark.parametrize(("form", "place"), [("json", ".info"), ("json_name", ".info.json")])
def test_the_ready_file_as_json(directory: WorkDirectory, tmp_path: Path, form: Info, place: str) -> None:
    """Port and pid by name."""
    directory.write_info(form, 36510)
    assert from_json((tmp_path / place).read_text()) == {
        "websocketPort": 36510,
        "pid": os.getpid(),
        "ipcServerPath": "",
        "isDev": False,
    }


def test_the_ready_file_can_be_missing(directory: WorkDirectory, tmp_path: Path) -> None:
    """Then nothing is written anywhere."""
    before = sorted(tmp_path.rglob("*"))
    directory.write_info("never", 36510)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_ready_file_can_be_half_written(directory: WorkDirectory, tmp_path: Path) -> None:
    """The port alone, then everything."""
    directory.write_first_line(36510)
    assert (tmp_path / ".info").read_text() == "36510\n"
    directory.write_info("one_line_first", 36510)
    assert (tmp_path / ".info").read_text() == TEXT


def test_a_stale_ready_file_names_a_dead_process(directory: WorkDirectory, tmp_path: Path) -> None:
    """As after a crash."""
    directory.write_stale_info()
    _, pid = (tmp_path / ".info").read_text().split()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def test_a_login_is_private_and_can_be_dropped(directory: WorkDirectory, tmp_path: Path) -> None:
    """Only its owner can read it."""
    before = directory.holds_login
    directory.keep_login()
    assert (before, directory.holds_login) == (False, True)
    assert (tmp_path / "cache" / "user").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "cache" / "quota").exists()
    directory.drop_login()
    directory.drop_login()
    assert not (tmp_path / "cache" / "user").exists()


def test_a_login_that_is_there_is_never_overwritten(directory: WorkDirectory, tmp_path: Path) -> None:
    """It might be somebody's real one; an empty file is none."""
    (tmp_path / "cache" / "user").write_bytes(b"")
    assert not directory.holds_login
    (tmp_path / "cache" / "user").write_bytes(b"precious")
    directory.keep_login()
    assert (tmp_path / "cache" / "user").read_bytes() == b"precious"


def test_faults_are_counted_over_processes(directory: WorkDirectory, tmp_path: Path) -> None:
    """Each count is one more than the last, whoever counts."""
    assert [directory.count_fault(), WorkDirectory(tmp_path).count_fault(), directory.count_fault()] == [0, 1, 2]


def test_the_log_has_a_line_for_each_event(directory: WorkDirectory, tmp_path: Path) -> None:
    """With date and time, in order."""
    directory.log("one")
    directory.log("two")
    lines = (tmp_path / "logs" / "lingma.log").read_text().splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == ["one", "two"]
