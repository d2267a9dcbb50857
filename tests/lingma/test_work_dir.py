"""The work directory: leftovers of an earlier run are ended, strangers spared, and only the child's file believed."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex

import pytest
import trio

from lingma_trio.errors import InstanceDown
from lingma_trio.lingma.leftovers import MARK
from lingma_trio.lingma.work_dir import MAX_READY_FILE, NOTE, forget_child, note_child, prepare, read_ready
from lingma_trio.protocol.ready_file import CANDIDATES, ReadyFile
from tests.lingma.support import ENDLESS, PATIENCE, WITH_GRANDCHILD, Lifeline, open_lifelines, python

NO_PID = 2**22 + 1  # Linux gives out pids below 2**22
STRANGERS_PID = 1


@asynccontextmanager
async def bystander(*, leads_group: bool = True) -> AsyncIterator[tuple[trio.Process, Lifeline]]:
    """A program that runs for the length of the block, or until it is killed."""
    async with open_lifelines() as lifelines:
        process = await trio.lowlevel.open_process(
            python(ENDLESS), env=lifelines.environment, start_new_session=leads_group
        )
        try:
            yield process, (await lifelines.gather(1))["program"]
        finally:
            process.kill()
            with trio.move_on_after(PATIENCE, shield=True):
                await process.wait()


async def end_of(process: trio.Process) -> int:
    """End a program politely; returns what ended it, which is SIGKILL when that came before."""
    process.terminate()
    return await process.wait()


# --- preparing -------------------------------------------------------------------------------------------------------


def test_a_missing_directory_is_made_for_its_owner_only(tmp_path: Path) -> None:
    """It will hold a login."""
    directory = tmp_path / "data" / ".lingma"
    prepare(directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_every_stale_ready_file_is_removed(tmp_path: Path) -> None:
    """A crash leaves it behind, and its port may be anybody's."""
    for name in CANDIDATES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("36510\n1\n")
    prepare(tmp_path)
    assert [name for name in CANDIDATES if (tmp_path / name).exists()] == []


def test_the_login_is_kept(tmp_path: Path) -> None:
    """Whatever else lies in the directory is Lingma's."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "user").write_bytes(b"a login")
    prepare(tmp_path)
    prepare(tmp_path)
    assert (tmp_path / "cache" / "user").read_bytes() == b"a login"


def test_a_directory_that_cannot_be_used_is_told_with_the_remedy(tmp_path: Path) -> None:
    """The operator is told why, what to set, and what shows the path, which is not for everybody to see."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InstanceDown, match=r"cannot be used \(Not a directory\).*LINGMA_WORK_DIR"):
        prepare(tmp_path / "file" / "cache")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device that is full")
def test_full_disk_is_told_as_one(tmp_path: Path) -> None:
    """Who finds the disk full is told to make room, and not to look for the directory's owner."""
    os.mknod(tmp_path / NOTE, stat.S_IFCHR | 0o600, os.makedev(1, 7))
    with pytest.raises(InstanceDown, match=r"^there is no room on the disk .*; make some"):
        note_child(tmp_path, os.getpid())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_another_user_s_directory_is_left_alone(tmp_path: Path) -> None:
    """Its owner could have any process named in the note ended, so it is not even read."""
    (tmp_path / NOTE).write_text("1 1\n")
    os.chown(tmp_path, 12345, -1)
    with pytest.raises(InstanceDown, match=r"cannot be used \(it belongs to the user 12345, .*LINGMA_WORK_DIR"):
        prepare(tmp_path)
    assert (tmp_path / NOTE).exists()


def test_note_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """Neither read nor written through: what it leads to stays as it is."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("1 1\n")
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    (work_dir / NOTE).symlink_to(elsewhere)
    for use in (prepare, lambda directory: note_child(directory, os.getpid())):
        with pytest.raises(InstanceDown, match=rf"{NOTE} in it is a symbolic link"):
            use(work_dir)
    assert elsewhere.read_text() == "1 1\n"


# --- the note of what runs here --------------------------------------------------------------------------------------


async def test_what_an_earlier_gateway_left_is_ended(tmp_path: Path) -> None:
    """No keeper survives a SIGKILL to itself, so the next start does its work."""
    async with bystander() as (leftover, line):
        note_child(tmp_path, leftover.pid)
        prepare(tmp_path)
        await line.cut()
        assert await leftover.wait() == -signal.SIGKILL
    assert not (tmp_path / NOTE).exists()


async def test_what_the_leftover_has_started_is_ended_too(tmp_path: Path) -> None:
    """Also in a session of its own, and where the program itself is gone: it is known by the mark in the note."""
    mark = token_hex(16)
    async with open_lifelines() as lifelines:
        environment = {**lifelines.environment, MARK: mark}
        program = await trio.lowlevel.open_process(python(WITH_GRANDCHILD), env=environment, start_new_session=True)
        grandchild = (await lifelines.gather(2))["grandchild"]
        note_child(tmp_path, program.pid, mark)
        program.kill()
        await program.wait()
        prepare(tmp_path)
        await grandchild.cut()
    assert not (tmp_path / NOTE).exists()


async def test_nothing_but_the_leftover_is_ended(tmp_path: Path) -> None:
    """Another program beside it goes on."""
    async with bystander() as (other, _), bystander() as (leftover, line):
        note_child(tmp_path, leftover.pid)
        prepare(tmp_path)
        await line.cut()
        assert await end_of(other) == -signal.SIGTERM


async def test_a_pid_that_is_somebody_elses_by_now_is_left_alone(tmp_path: Path) -> None:
    """The start time tells: the system gives a pid out again."""
    async with bystander() as (other, _):
        note_child(tmp_path, other.pid)
        pid, started = (tmp_path / NOTE).read_text().split()
        assert int(pid) == other.pid
        (tmp_path / NOTE).write_text(f"{pid} {int(started) - 1}\n")
        prepare(tmp_path)
        assert await end_of(other) == -signal.SIGTERM
    assert not (tmp_path / NOTE).exists()


async def test_a_process_that_leads_no_group_is_left_alone(tmp_path: Path) -> None:
    """Each child of ours leads one, so this is none, and no reason not to start."""
    async with bystander(leads_group=False) as (other, _):
        note_child(tmp_path, other.pid)
        prepare(tmp_path)
        assert await end_of(other) == -signal.SIGTERM
    assert not (tmp_path / NOTE).exists()


async def test_a_leftover_that_has_gone_by_itself_is_no_fault(tmp_path: Path) -> None:
    """The usual case after a crash of the whole machine."""
    async with bystander() as (leftover, _):
        note_child(tmp_path, leftover.pid)
        assert await end_of(leftover) == -signal.SIGTERM
    prepare(tmp_path)
    assert not (tmp_path / NOTE).exists()


@pytest.mark.parametrize(
    "note", [b"", b"\n", b"word", b"12", b"0 0\n", b"-1 5\n", b"1 \n", b"9" * 5_000 + b" 1\n", b"\xff\xfe\x00"]
)
def test_a_note_that_says_nothing_is_removed(tmp_path: Path, note: bytes) -> None:
    """A disk that was full may have kept half of it."""
    (tmp_path / NOTE).write_bytes(note)
    prepare(tmp_path)
    assert not (tmp_path / NOTE).exists()


def test_a_process_that_is_gone_is_not_noted(tmp_path: Path) -> None:
    """There is nothing to end, and no start time to know it by."""
    note_child(tmp_path, NO_PID)
    assert not (tmp_path / NOTE).exists()


def test_a_forgotten_child_leaves_no_note(tmp_path: Path) -> None:
    """Forgetting what is not noted, or where there is no directory, is no fault."""
    note_child(tmp_path, os.getpid())
    assert (tmp_path / NOTE).exists()
    forget_child(tmp_path)
    assert not (tmp_path / NOTE).exists()
    forget_child(tmp_path)
    forget_child(tmp_path / "missing")


# --- the ready file --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CANDIDATES)
def test_the_childs_file_is_found_in_every_place(tmp_path: Path, name: str) -> None:
    """Builds differ in where they put it."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("36510\n1234567\n")
    assert read_ready(tmp_path, 1_234_567) == ReadyFile(port=36510, pid=1_234_567)


def test_a_file_of_another_process_is_not_accepted(tmp_path: Path) -> None:
    """Neither a living stranger's nor a dead one's: its port is not ours to dial."""
    for pid in (STRANGERS_PID, NO_PID):
        (tmp_path / ".info").write_text(f"36510\n{pid}\n")
        assert read_ready(tmp_path, os.getpid()) is None


def test_a_strangers_file_does_not_hide_the_childs(tmp_path: Path) -> None:
    """Nor does one that is not complete: the next place is looked into."""
    (tmp_path / "cache").mkdir()
    (tmp_path / ".info").write_text(f"1\n{STRANGERS_PID}\n")
    (tmp_path / ".info.json").write_text('{"websocketPort":')
    (tmp_path / "cache" / ".info").write_text("36510\n1234567\n")
    assert read_ready(tmp_path, 1_234_567) == ReadyFile(port=36510, pid=1_234_567)


async def test_a_file_of_a_process_in_the_childs_session_is_accepted(tmp_path: Path) -> None:
    """The program may be a script that starts the real one."""
    async with bystander(leads_group=False) as (forked, _):
        (tmp_path / ".info").write_text(f"36510\n{forked.pid}\n")
        assert read_ready(tmp_path, os.getsid(0)) == ReadyFile(port=36510, pid=forked.pid)
        assert read_ready(tmp_path, os.getsid(0) + 1) is None


def test_there_is_nothing_before_there_is_a_file(tmp_path: Path) -> None:
    """Neither in an empty directory nor in none at all, nor where a directory has the file's name."""
    assert read_ready(tmp_path, os.getpid()) is None
    assert read_ready(tmp_path / "missing", os.getpid()) is None
    (tmp_path / ".info").mkdir()
    assert read_ready(tmp_path, os.getpid()) is None


def test_a_file_that_is_no_text_is_not_accepted(tmp_path: Path) -> None:
    """And of a large one no more is read than a ready file can have."""
    (tmp_path / ".info").write_bytes(b"\xff\xfe\x00\n\xff")
    assert read_ready(tmp_path, os.getpid()) is None
    (tmp_path / ".info").write_text("\n" * MAX_READY_FILE + f"36510\n{os.getpid()}\n")
    assert read_ready(tmp_path, os.getpid()) is None


def test_note_says_since_when_it_runs(tmp_path: Path) -> None:
    """A pid alone may be somebody else's tomorrow: the time is that of this process, in ticks since the boot."""
    note_child(tmp_path, os.getpid())
    pid, started = map(int, (tmp_path / NOTE).read_text().split())
    up = float(Path("/proc/uptime").read_text().split()[0])
    assert pid == os.getpid()
    assert 0 < up - started / os.sysconf("SC_CLK_TCK") < 24 * 3600
