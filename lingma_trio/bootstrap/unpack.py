"""Takes the two executables for one platform out of a package, whatever else is in it.

A package is a zip that may hold further zips (protocol reference, 1.1). Knows archives and believes nothing they say:
names are only compared, never written to. Waits for the disk, so a Trio task calls it in a thread.
"""

from __future__ import annotations

import errno
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lingma_trio.bootstrap.faults import BootstrapFault

PROGRAM = "Lingma"
HELPER = "LingmaLocal"

_CHUNK = 1024 * 1024
_MALFORMED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    struct.error,
    ValueError,
    OverflowError,
    NotImplementedError,
)
_ENCRYPTED = 0x1
_ANY_PLATFORM = re.compile(rf"(?:.*/)?(?P<platform>\w+_(?:linux|darwin|windows))/{PROGRAM}(?:\.exe)?", re.ASCII)
_END = b"PK\x05\x06"
_END_SIZE = 22
_ZIP64_LOCATOR = b"PK\x06\x07"
_ZIP64_LOCATOR_SIZE = 20
_LONGEST_COMMENT = 0xFFFF


@dataclass(frozen=True, slots=True)
class UnpackBounds:
    """What a package may be; sizes are in bytes. The minima tell a program from a stand-in or an error page."""

    min_program: int = 50_000_000
    """Of `Lingma`, which has about 100 MB (protocol reference, 1.1)."""
    min_helper: int = 5_000_000
    """Of `LingmaLocal`, which has a little over that."""
    max_file: int = 1024**3
    """Of one file as it is unpacked, be it an executable or a zip within the zip."""
    max_total: int = 3 * 1024**3
    """Of everything that is unpacked on the way to the executables."""
    max_ratio: int = 100
    """Times that a file may grow as it is unpacked; executables grow threefold, bombs a thousandfold."""
    max_members: int = 50_000
    """Names in one zip."""
    max_directory: int = 16 * 1024**2
    """Of a zip's list of names, which is read into memory as a whole."""
    max_depth: int = 2
    """Zips within zips."""


def unpack(
    package: Path, target: Path, *, platform: str, bounds: UnpackBounds, tick: Callable[[], object] = lambda: None
) -> None:
    """Write `Lingma` and `LingmaLocal` of `package` for `platform` (a package's directory name) into `target`.

    `target` is an empty directory, in which a failed attempt leaves what it had. `tick` is called again and again and
    may raise to end it. Raises `BootstrapFault` for a package that is damaged, out of bounds, or lacks the two, and
    `OSError` when the disk fails.
    """
    search = _Search(target, platform, bounds, tick)
    if not search.extract_from(package, depth=0):
        others = f"; it has {', '.join(sorted(search.platforms))}" if search.platforms else ""
        raise BootstrapFault(f"the package holds no {PROGRAM} for {platform}{others}")
    for name, least in ((PROGRAM, bounds.min_program), (HELPER, bounds.min_helper)):
        size = (target / name).stat().st_size
        if size < least:
            raise BootstrapFault(f"{name} in the package has {size} bytes, too few for the real one")


class _Search:
    """One way through a package, with what it has unpacked so far."""

    def __init__(self, target: Path, platform: str, bounds: UnpackBounds, tick: Callable[[], object]) -> None:
        self._target = target
        self._platform = platform
        self._bounds = bounds
        self._tick = tick
        self._unpacked = 0
        self.platforms: set[str] = set()

    def extract_from(self, path: Path, *, depth: int) -> bool:
        """Extract the two executables of this zip, or else of the first zip in it that has them; whether it did."""
        with _readable(), path.open("rb") as file:
            _check_end(file, self._bounds)
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                if len(members) > self._bounds.max_members:
                    raise BootstrapFault(f"a zip in the package holds {len(members)} names")
                return self._extract_pair(archive, members) or self._extract_nested(archive, members, depth)

    def _extract_pair(self, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> bool:
        named = {member.filename: member for member in members}
        found = [match for name in named if (match := _ANY_PLATFORM.fullmatch(name)) and ".." not in name.split("/")]
        self.platforms.update(match["platform"] for match in found)
        ours = [match[0] for match in found if match["platform"] == self._platform and match[0].endswith(PROGRAM)]
        if not ours:
            return False
        program = max(ours, key=_version_key)
        helper = program.removesuffix(PROGRAM) + HELPER
        if helper not in named:
            raise BootstrapFault(f"the package holds {PROGRAM} for {self._platform} without its {HELPER}")
        self._extract(archive, named[program], self._target / PROGRAM)
        self._extract(archive, named[helper], self._target / HELPER)
        return True

    def _extract_nested(self, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], depth: int) -> bool:
        if depth >= self._bounds.max_depth:
            return False
        for member in members:
            if member.filename.lower().endswith(".zip"):
                nested = self._target / f"nested-{depth}.zip"
                self._extract(archive, member, nested)
                found = self.extract_from(nested, depth=depth + 1)
                nested.unlink()
                if found:
                    return True
        return False

    def _extract(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
        self._check(member)
        with archive.open(member) as source, target.open("xb") as sink:
            while chunk := source.read(_CHUNK):
                sink.write(chunk)
                self._tick()
        if target.stat().st_size != member.file_size:
            raise BootstrapFault("a file in the package ends early")

    def _check(self, member: zipfile.ZipInfo) -> None:
        """Raise for a member whose unpacking could do harm; its size is what zipfile reads of it at most."""
        mode = member.external_attr >> 16
        if member.flag_bits & _ENCRYPTED or member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise BootstrapFault("a file in the package is encrypted, or packed in a way that packages are not")
        if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
            raise BootstrapFault("a file in the package is a link or another thing that is no plain file")
        self._unpacked += member.file_size
        if member.file_size > self._bounds.max_file or self._unpacked > self._bounds.max_total:
            raise BootstrapFault(
                f"the package unpacks to more than {self._bounds.max_total} bytes, or a file in it to "
                f"more than {self._bounds.max_file}"
            )
        if member.file_size > self._bounds.max_ratio * max(1, member.compress_size):
            raise BootstrapFault(
                f"a file in the package grows more than {self._bounds.max_ratio} times as it is unpacked"
            )


@contextmanager
def _readable() -> Iterator[None]:
    """Turn what the archive reader lets out for malformed archives into the fault that they are."""
    try:
        yield
    except _MALFORMED as fault:
        reason: Exception = fault
    except OSError as fault:
        if fault.errno != errno.EINVAL:  # which is where an archive sends its reader before its own start
            raise
        reason = fault
    else:
        return
    raise BootstrapFault(f"the package is no intact zip archive ({type(reason).__name__}: {reason})") from reason


def _check_end(file: BinaryIO, bounds: UnpackBounds) -> None:
    """Look at the end record before zipfile does, which reads as long a list of names as the record says."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END_SIZE - _LONGEST_COMMENT - _ZIP64_LOCATOR_SIZE))
    tail = file.read()
    place = tail.rfind(_END)
    if place < 0 or len(tail) - place < _END_SIZE:
        raise BootstrapFault("the package is no zip archive, or its end is missing")
    if tail[:place][-_ZIP64_LOCATOR_SIZE:].startswith(_ZIP64_LOCATOR):
        raise BootstrapFault("a zip in the package is of the form for more than 4 GB")
    (directory_size,) = struct.unpack_from("<L", tail, place + 12)
    if directory_size > bounds.max_directory:
        raise BootstrapFault(f"a zip in the package has {directory_size} bytes of names")


def _version_key(name: str) -> list[int]:
    """Orders `…/2.5.20/x86_64_linux/Lingma` behind `…/2.5.9/x86_64_linux/Lingma`."""
    *_, version, _platform, _program = ["", *name.split("/")]
    return [int(number) for number in re.findall(r"\d{1,9}", version)]
