"""Files that somebody gives us: a login's bundle, a package with Lingma in it, KEYS_FILE. Read, or refused in words.

An input is the file, from its second byte on; the first says which it is.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from fuzz.target import Target
from lingma_trio.bootstrap.faults import BootstrapFault
from lingma_trio.bootstrap.unpack import UnpackBounds, unpack
from lingma_trio.keys.document import Form, KeysFault
from lingma_trio.keys.document import read as read_keys
from lingma_trio.lingma.bundle import MEMBERS, BundleFault, as_text, pack
from lingma_trio.lingma.bundle import read as read_bundle

BOUNDS = UnpackBounds(
    min_program=4, min_helper=2, max_file=1 << 16, max_total=1 << 18, max_members=50, max_directory=1 << 14
)


def _bundle(data: bytes) -> None:
    try:
        files = read_bundle(data)
    except BundleFault:
        return
    assert files.keys() <= set(MEMBERS)
    assert read_bundle(pack(files)) == files == read_bundle(as_text(pack(files)).encode())


def _package(data: bytes) -> None:
    with TemporaryDirectory() as place:
        package, target = Path(place, "package.vsix"), Path(place, "target")
        package.write_bytes(data)
        target.mkdir()
        with suppress(BootstrapFault):
            unpack(package, target, platform="x86_64_linux", bounds=BOUNDS)
        assert set(Path(place).iterdir()) == {package, target}
        assert all(file.suffix == ".zip" or file.name in {"Lingma", "LingmaLocal"} for file in target.iterdir())


def _keys(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    forms: tuple[Form, ...] = ("yaml", "json")
    for form in forms:
        try:
            keys = read_keys(text, form)
        except KeysFault:
            continue
        assert len({key.name for key in keys}) == len(keys)


FILES: tuple[Callable[[bytes], None], ...] = (_bundle, _package, _keys)


def check(data: bytes) -> None:
    """Read it."""
    FILES[int.from_bytes(data[:1]) % len(FILES)](data[1:])


TARGET = Target("files", check, size=4096, calls=4000, calls_per_byte=150)
