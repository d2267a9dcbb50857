"""Files for their owner alone: whole, private whatever stood there, and the owner's who had them."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from lingma_trio.private_files import check_owner, open_unlinked, write_new, write_private


@pytest.fixture(autouse=True)
def wide_open() -> Iterator[None]:
    """A process whose new files anybody may read, unless it says otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_private_file_replaces_what_anybody_could_read(tmp_path: Path) -> None:
    """Over a file with other permissions the content is written with ours, and nothing is left beside it."""
    path = tmp_path / "bundle.txt"
    path.write_text("older")
    write_private(path, b"newer")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"newer", 0o600)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_owner_is_kept_where_asked_for(tmp_path: Path) -> None:
    """An operator who edits another user's file leaves it that user's."""
    path = tmp_path / "keys.yaml"
    path.write_text("older")
    os.chown(path, 12345, 12345)
    write_private(path, b"newer", keep_owner=True)
    assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (12345, 0o600)
    write_private(path, b"newest")
    assert path.stat().st_uid == os.getuid()


def test_file_that_a_full_disk_cut_is_not_left(tmp_path: Path) -> None:
    """It would pass for one that was written, and so for settings."""
    path = tmp_path / "file"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_new(path, b"content")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not path.exists()


def test_new_file_is_never_an_old_one(tmp_path: Path) -> None:
    """Where something stands already nothing is written."""
    path = tmp_path / "file"
    write_new(path, b"first")
    with pytest.raises(FileExistsError):
        write_new(path, b"second")
    assert path.read_bytes() == b"first"


def test_own_directory_is_one_s_own(tmp_path: Path) -> None:
    """And root's is nobody's to fear."""
    check_owner(tmp_path)
    check_owner(Path("/"))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_another_user_s_directory_is_refused(tmp_path: Path) -> None:
    """With whose it is."""
    os.chown(tmp_path, 12345, 12345)
    with pytest.raises(PermissionError, match="belongs to the user 12345"):
        check_owner(tmp_path)


def test_link_is_not_opened(tmp_path: Path) -> None:
    """Neither to read nor to write; a file is, and a new one is for its owner alone."""
    path = tmp_path / "file"
    os.close(open_unlinked(path, os.O_WRONLY | os.O_CREAT))
    assert path.stat().st_mode & 0o777 == 0o600
    (tmp_path / "link").symlink_to(path)
    for flags in (os.O_RDONLY, os.O_WRONLY | os.O_CREAT):
        with pytest.raises(OSError, match="link in it is a symbolic link"):
            open_unlinked(tmp_path / "link", flags)
    with pytest.raises(FileNotFoundError):
        open_unlinked(tmp_path / "none", os.O_RDONLY)
