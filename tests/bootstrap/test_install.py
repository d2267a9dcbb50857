"""Executables are replaced whole, the last good ones stay, and what is there says where it came from."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from lingma_trio.bootstrap.faults import BootstrapFault
from lingma_trio.bootstrap.install import RECORD, Binary, Origin, digest_of, inspect, install, scratch
from tests.bootstrap.publisher import executable

OLD, NEW = Origin("http://a/1", "1"), Origin("http://a/2", "2", '"etag"')
FOUR = {"Lingma", "LingmaLocal", "Lingma.previous", "LingmaLocal.previous"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the binary is to be."""
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin/Lingma"


def put(path: Path, origin: Origin, *, expected: str = "") -> Binary:
    """Install the executables of a version."""
    with scratch(path) as directory:
        staged = directory / "staged"
        staged.mkdir(exist_ok=True)
        for name in ("Lingma", "LingmaLocal"):
            (staged / name).write_bytes(executable(f"{name} {origin.version}"))
        return install(staged, path, origin, expected=expected)


def test_record_is_the_owner_s_alone(path: Path) -> None:
    """The address that it was fetched from can have a password in it."""
    put(path, OLD)
    assert path.with_name(RECORD).stat().st_mode & 0o777 == 0o600


def visible(path: Path) -> set[str]:
    """The names beside the binary that are not hidden."""
    return {each.name for each in path.parent.iterdir() if not each.name.startswith(".")}


def sha256(version: str) -> str:
    return hashlib.sha256(executable(f"Lingma {version}")).hexdigest()


def test_installed_binary_runs(path: Path) -> None:
    """Both executables may be run, and the digest is that of the one that is."""
    assert put(path, NEW) == inspect(path) == Binary(path, sha256("2"), NEW)
    assert subprocess.check_output([path]) == b"Lingma 2\n"
    assert subprocess.check_output([path.with_name("LingmaLocal")]) == b"LingmaLocal 2\n"
    assert visible(path) == {"Lingma", "LingmaLocal"}


def test_last_good_one_stays(path: Path) -> None:
    """What was there before keeps its content under another name; of two generations the older one goes."""
    for origin in (Origin(version="0"), OLD, NEW):
        put(path, origin)
    assert visible(path) == FOUR
    assert path.read_bytes() == executable("Lingma 2")
    assert path.with_name("Lingma.previous").read_bytes() == executable("Lingma 1")
    assert path.with_name("LingmaLocal.previous").read_bytes() == executable("LingmaLocal 1")


def test_same_one_again_does_not_push_out_the_last(path: Path) -> None:
    """Installing what is there already keeps what was there before it."""
    for origin in (OLD, NEW, NEW):
        put(path, origin)
    assert path.with_name("Lingma.previous").read_bytes() == executable("Lingma 1")


def test_installation_cut_short_can_be_repeated(path: Path) -> None:
    """After an attempt that ended just before the switch, the next one leaves nothing of it behind."""
    put(path, OLD)
    path.with_name("Lingma.previous").hardlink_to(path)
    put(path, NEW)
    assert visible(path) == FOUR
    assert path.with_name("Lingma.previous").read_bytes() == executable("Lingma 1")
    assert not [each for each in path.parent.rglob("*.previous") if each.parent != path.parent]


def test_running_binary_can_be_replaced(path: Path) -> None:
    """A program that runs goes on as it was."""
    put(path, OLD)
    with path.open("rb") as running:
        put(path, NEW)
        assert running.read() == executable("Lingma 1")


def test_wrong_digest_changes_nothing(path: Path) -> None:
    """A binary with another digest than the one asked for is named by its own, and not installed."""
    put(path, OLD)
    with pytest.raises(BootstrapFault, match=f"has the SHA-256 {sha256('2')}, and LINGMA_SHA256 is 0000"):
        put(path, NEW, expected="0" * 64)
    assert inspect(path) == Binary(path, sha256("1"), OLD)
    assert put(path, NEW, expected=sha256("2")).digest == sha256("2")


def test_other_name_is_possible(path: Path) -> None:
    """LINGMA_BIN may have any name; the helper's is fixed."""
    put(path.with_name("lingma-server"), NEW)
    assert visible(path) == {"lingma-server", "LingmaLocal"}


def test_nothing_there_is_none(path: Path) -> None:
    """Neither a missing file nor a directory is a binary."""
    assert inspect(path) is None
    path.mkdir()
    assert inspect(path) is None


def test_binary_of_somebody_else_has_no_origin(path: Path) -> None:
    """Without a record beside it a binary is somebody's own."""
    path.write_bytes(executable("own"))
    assert inspect(path) == Binary(path, digest_of(path))


@pytest.mark.parametrize("name", ["Lingma", "LingmaLocal"])
def test_half_an_installation_shows(path: Path, name: str) -> None:
    """Where one of the two is not what was installed with the other, or is gone, the binary is not intact."""
    put(path, OLD)
    path.with_name(name).write_bytes(b"changed")
    changed = inspect(path)
    path.with_name("LingmaLocal").unlink()
    for found in (changed, inspect(path)):
        assert found is not None
        assert (found.origin, found.intact) == (OLD, False)


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"url": 1, "Lingma": null}', "\udcff"])
def test_damaged_record_is_like_no_other(path: Path, record: str) -> None:
    """A record that says nothing makes a binary of ours that has to be fetched again."""
    put(path, OLD)
    path.with_name(RECORD).write_text(record, encoding="utf-8", errors="surrogateescape")
    assert inspect(path) == Binary(path, sha256("1"), Origin(), intact=False)


def test_scratch_is_for_one_process(path: Path) -> None:
    """Two cannot fetch the same binary at once, and the second one is told so instead of waiting."""
    with scratch(path) as directory:
        (directory / "kept").touch()
        with pytest.raises(BootstrapFault, match="another process fetches"), scratch(path):
            pass
    with scratch(path) as directory:
        assert (directory / "kept").exists()


def test_scratch_needs_a_directory(tmp_path: Path) -> None:
    """Where no directory can be made, the setting to change is named."""
    (tmp_path / "file").touch()
    fault = r"cannot be written to \(Not a directory\); set LINGMA_BIN"
    with pytest.raises(BootstrapFault, match=fault), scratch(tmp_path / "file/Lingma"):
        pass


def test_scratch_is_made_with_what_is_above_it(tmp_path: Path) -> None:
    """The directory of the binary need not be there yet."""
    with scratch(tmp_path / "a/b/Lingma") as directory:
        assert directory.stat().st_mode & 0o777 == 0o700
        assert list(directory.parent.iterdir()) == [directory]
