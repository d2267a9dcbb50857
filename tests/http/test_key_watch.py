"""Keys follow their file: within seconds, at once when asked, and never to a faulty one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from lingma_trio.errors import ConfigurationFault
from lingma_trio.http import key_watch
from lingma_trio.http.key_watch import KeyWatch
from lingma_trio.http.tenants import Tenants
from lingma_trio.keys.key import ApiKey
from lingma_trio.threads import DISK


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.yaml"


def write(path: Path, *names: str) -> None:
    """A file of keys by these names, put in place as an editor does it."""
    fresh = path.with_name("fresh")
    fresh.write_text("keys:\n" + "".join(f"  - {{name: {name}, key: sk-{name}}}\n" for name in names))
    fresh.chmod(0o600)
    fresh.replace(path)


def write_text(path: Path, text: str) -> None:
    path.write_text(text)


def remove(path: Path) -> None:
    path.unlink()


def open_to_all(path: Path) -> None:
    path.chmod(0o644)


def names(tenants: Tenants) -> list[str]:
    return [tenant.name for tenant in tenants]


@asynccontextmanager
async def watched(path: Path, *fixed: ApiKey) -> AsyncIterator[tuple[KeyWatch, Tenants]]:
    """A watch that runs for the length of the block, beside keys of the settings."""
    tenants = Tenants(fixed, required=True)
    watch = KeyWatch(path, tenants)
    await watch.load()
    async with trio.open_nursery() as nursery:
        await nursery.start(watch.run)
        yield watch, tenants
        nursery.cancel_scope.cancel("seen enough")


async def until(condition: Callable[[], bool]) -> None:
    """Look again and again: another thread reads the disk."""
    with trio.fail_after(20):
        while True:
            if condition():
                return
            await trio.sleep(0.005)


async def test_change_is_taken_up_by_itself(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was replaced has its keys in force soon, and is read once for it."""
    monkeypatch.setattr(key_watch, "POLL", 0.01)
    write(path, "ann")
    async with watched(path) as (watch, tenants):
        write(path, "ann", "bob")
        await until(lambda: names(tenants) == ["ann", "bob"])
        await trio.sleep(0.05)
        assert watch.loads == 2


async def test_file_is_read_at_once_when_asked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks does not wait for the next look."""
    monkeypatch.setattr(key_watch, "POLL", 3600.0)
    write(path, "ann")
    async with watched(path) as (watch, tenants):
        write(path, "bob")
        watch.look()
        await until(lambda: names(tenants) == ["bob"])
        watch.look()
        await until(lambda: watch.loads == 3)


async def test_faulty_file_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys before stay, the fault is logged once and shown, and a mended file is taken up."""
    monkeypatch.setattr(key_watch, "POLL", 0.01)
    write(path, "ann")
    with capture_logs() as logs:
        async with watched(path) as (watch, tenants):
            write(path, "bob", "bob")
            await until(lambda: watch.failures == 1)
            await trio.sleep(0.05)
            assert (names(tenants), watch.failures) == (["ann"], 1)
            assert "two keys have the name bob" in watch.fault
            remove(path)
            await until(lambda: "No such file" in watch.fault)
            assert names(tenants) == ["ann"]
            write(path, "bob")
            await until(lambda: names(tenants) == ["bob"])
            assert watch.fault == ""
    faulty = [line for line in logs if line["event"] == "keys_file_faulty"]
    assert len(faulty) == 2
    assert "sk-bob" not in str(logs)


async def test_name_of_the_settings_in_the_file_changes_nothing(path: Path) -> None:
    """It is told as any fault of the file, and ends nothing."""
    write(path, "ann")
    async with watched(path, ApiKey("team", b"digest")) as (watch, tenants):
        write(path, "bob", "team")
        await watch.take_up()
        assert names(tenants) == ["team", "ann"]
        assert "team" in watch.fault
        write(path, "bob")
        await watch.take_up()
        assert (names(tenants), watch.fault) == (["team", "bob"], "")


@pytest.mark.parametrize("before", ["keys: [{name: ann, key: sk-ann}]", "no keys at all"])
async def test_what_is_read_late_is_not_taken_up_over_what_is_newer(path: Path, before: str) -> None:
    """A disk may keep one read waiting and not the next; a key that was revoked meanwhile stays so."""
    write(path, "ann")
    async with watched(path) as (watch, tenants):
        slow = path.with_name("slow")
        os.mkfifo(slow)
        slow.replace(path)
        watch.look()
        late = await trio.to_thread.run_sync(partial(os.open, path, os.O_WRONLY))  # once it is being read
        write(path, "bob")
        await watch.take_up()
        assert names(tenants) == ["bob"]
        os.write(late, before.encode())
        os.close(late)
        await until(lambda: DISK.limiter.borrowed_tokens == 0)
        await wait_all_tasks_blocked()
        assert (names(tenants), watch.fault) == (["bob"], "")


async def test_faulty_file_at_the_start_is_a_fault_of_the_configuration(path: Path) -> None:
    """All faults are told, each with the variable's name."""
    write_text(path, "keys: [{name: ann}, {key: x}]")
    with pytest.raises(ConfigurationFault) as told:
        await KeyWatch(path, Tenants(required=True)).load()
    assert [line.partition(": ")[0] for line in str(told.value).splitlines()] == ["KEYS_FILE"] * 2


async def test_file_that_others_can_read_is_warned_of(path: Path) -> None:
    """The log names the file and the remedy."""
    write(path, "ann")
    open_to_all(path)
    with capture_logs() as logs:
        await KeyWatch(path, Tenants(required=True)).load()
    assert [line["event"] for line in logs] == ["keys_loaded", "keys_file_exposed"]
