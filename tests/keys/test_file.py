"""KEYS_FILE on the disk: what tells one state from another, who may read it, and edits that do not lose each other."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Thread

import pytest

from lingma_trio.keys.document import Form, KeysFault
from lingma_trio.keys.editing import with_entry
from lingma_trio.keys.file import LARGEST, edit, form_of, mark_of, read_keys

TEXT = "keys:\n  - name: ann\n    key: sk-1\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "keys.yaml"
    file.write_text(TEXT)
    file.chmod(0o600)
    return file


def add(path: Path, name: str) -> None:
    """One more key."""

    def change(text: str, form: Form) -> str:
        return with_entry(text, {"name": name, "key": f"sk-{name}"}, form)

    edit(path, change)


def test_file_is_read_with_its_state(path: Path) -> None:
    """What was read has the state that the file had, so that a later one is told apart."""
    found = read_keys(path)
    assert [key.name for key in found.keys] == ["ann"]
    assert found.mark == mark_of(path)
    os.utime(path, ns=(1, 1))
    assert found.mark != mark_of(path)


@pytest.mark.parametrize(("mode", "exposed"), [(0o600, False), (0o400, False), (0o640, True), (0o644, True)])
def test_file_that_others_can_read_is_told(path: Path, mode: int, *, exposed: bool) -> None:
    """Whoever keeps keys in a file that others can read is to hear of it."""
    path.chmod(mode)
    assert read_keys(path).exposed == exposed


def test_faults_name_the_file(tmp_path: Path) -> None:
    """A file that is missing, too large or no text is a fault, and has no state or its own."""
    path = tmp_path / "keys.yaml"
    assert mark_of(path) == ()
    with pytest.raises(KeysFault, match=r"keys.yaml cannot be read \(No such file"):
        read_keys(path)
    path.write_bytes(b"#" * (LARGEST + 1))
    with pytest.raises(KeysFault, match="larger than"):
        read_keys(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(KeysFault, match="no UTF-8"):
        read_keys(path)


def test_form_follows_the_name() -> None:
    """JSON is what ends so, and everything else is YAML."""
    assert [form_of(Path(name)) for name in ("a.json", "a.JSON", "a.yaml", "a")] == ["json", "json", "yaml", "yaml"]


def test_edit_leaves_a_private_file_and_nothing_else(path: Path) -> None:
    """The file is its owner's alone after an edit, whatever it was, and nothing stays beside it."""
    path.chmod(0o644)
    add(path, "bob")
    assert [key.name for key in read_keys(path).keys] == ["ann", "bob"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_missing_file_is_made_and_link_is_followed(path: Path) -> None:
    """The first key makes the file; a link goes on leading to what it led to."""
    other = path.with_name("other.json")
    add(other, "ann")
    link = path.with_name("link.json")
    link.symlink_to(other)
    add(link, "bob")
    assert link.is_symlink()
    assert [key.name for key in read_keys(other).keys] == ["ann", "bob"]


def test_faulty_outcome_is_not_written(path: Path) -> None:
    """A name that is there already leaves the file as it was."""
    with pytest.raises(KeysFault, match="two keys have the name ann"):
        add(path, "ann")
    assert path.read_text() == TEXT


def test_edits_at_once_lose_nothing(path: Path) -> None:
    """Several people who add keys at the same moment each have theirs."""
    threads = [Thread(target=add, args=(path, f"key{number}")) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key.name for key in read_keys(path).keys} == {"ann", *(f"key{number}" for number in range(8))}
