"""A login as bytes that can be carried to another machine: a gzipped tar archive of the four files that make it up.

Knows the archive and what may be in it. Does not know the disk, and never looks into a file: a login is opaque.
"""

from __future__ import annotations

import base64
import binascii
import io
import zlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tarfile

MEMBERS = ("cache/config.json", "cache/quota", "cache/id", "cache/user")
"""Every file of a login (protocol reference, 7.6), in the order in which they may appear on disk: `cache/user` makes a
directory count as logged in, and cannot be read without its `cache/id`."""

REQUIRED = frozenset({"cache/id", "cache/user"})

MAX_MEMBER = 1024 * 1024
"""Bytes of one file. The real ones have a few hundred; a client's configuration may have grown."""

MAX_CONTENT = 2 * MAX_MEMBER
"""Bytes of the unpacked archive with its headers; what unpacks to more is refused before it is in memory."""

MAX_BUNDLE = 2 * MAX_MEMBER
"""Bytes of a bundle as it is carried, base64 included."""

_GZIP_MAGIC = b"\x1f\x8b"


class BundleFault(Exception):
    """A bundle cannot be made, read or restored. The message says why and holds nothing of its content."""


def pack(files: Mapping[str, bytes]) -> bytes:
    """The bundle of a login's `files`, by their names in `MEMBERS`. The same files give the same bytes.

    Raises `BundleFault` when `read` would refuse the result.
    """
    import gzip  # noqa: PLC0415 - few gateways are asked for a bundle or given one
    import tarfile  # noqa: PLC0415 - as above

    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in _checked(files).items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            member.mode = 0o600
            archive.addfile(member, io.BytesIO(data))
    return gzip.compress(content.getvalue(), mtime=0)


def read(bundle: bytes) -> dict[str, bytes]:
    """The files in a bundle, which may come as the archive itself or as its base64 text.

    Raises `BundleFault` for whatever is no bundle: another name than those in `MEMBERS` (and with it every path that
    leads elsewhere), a link, a device, the same name twice, a size over its bound, a login without its two files.
    """
    import tarfile  # noqa: PLC0415 - as for `pack`

    content = io.BytesIO(_unzip(bundle if bundle.startswith(_GZIP_MAGIC) else _from_base64(bundle)))
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=content, mode="r:") as archive:
            for name, data in _members(archive):
                if name in files:
                    raise BundleFault(f"the bundle holds {name} twice")
                files[name] = data
    # Beside its own errors the archive reader lets those of its number parsing out, and it recurses from header to
    # header; the content is in memory, so neither means anything but a malformed archive.
    except (tarfile.TarError, ValueError, OverflowError, RecursionError, EOFError) as fault:
        raise BundleFault(f"the bundle is no intact tar archive ({type(fault).__name__})") from None
    return _checked(files)


def as_text(bundle: bytes) -> str:
    """A bundle as one line of base64, as a variable of the environment can hold it."""
    return base64.b64encode(bundle).decode("ascii")


def _from_base64(text: bytes) -> bytes:
    if len(text) > MAX_BUNDLE:
        raise BundleFault(f"the bundle is longer than {MAX_BUNDLE} bytes")
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error:
        raise BundleFault("the bundle is neither a tar.gz archive nor the base64 text of one") from None


def _unzip(data: bytes) -> bytes:
    """Unpack one gzip stream to `MAX_CONTENT` bytes at most, however much it would grow to."""
    if len(data) > MAX_BUNDLE:
        raise BundleFault(f"the bundle is longer than {MAX_BUNDLE} bytes")
    unzip = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        content = unzip.decompress(data, MAX_CONTENT + 1)
    except zlib.error:
        raise BundleFault("the bundle is no intact gzip stream") from None
    if len(content) > MAX_CONTENT:
        raise BundleFault(f"the bundle unpacks to more than {MAX_CONTENT} bytes")
    if not unzip.eof:
        raise BundleFault("the bundle ends in the middle of its gzip stream")
    return content


def _members(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    """Each member that is what it may be, as its name and content."""
    import tarfile  # noqa: PLC0415 - as for `pack`

    while (member := archive.next()) is not None:
        if member.name not in MEMBERS:
            raise BundleFault(f"the bundle holds a name that is none of {', '.join(MEMBERS)}")
        if member.type not in {tarfile.REGTYPE, tarfile.AREGTYPE} or member.issparse():
            raise BundleFault(f"{member.name} in the bundle is a link, a device or another thing that is no plain file")
        if not 0 <= member.size <= MAX_MEMBER:
            raise BundleFault(f"{member.name} in the bundle has more than {MAX_MEMBER} bytes")
        file = archive.extractfile(member)
        yield member.name, file.read() if file is not None else b""


def _checked(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files in the order of `MEMBERS`, if they are a login."""
    if not files.keys() <= set(MEMBERS):
        raise BundleFault(f"a bundle holds {', '.join(MEMBERS)} and nothing else")
    for name in MEMBERS:
        if len(files.get(name, b"")) > MAX_MEMBER:
            raise BundleFault(f"{name} has more than {MAX_MEMBER} bytes")
        if name in REQUIRED and not files.get(name):
            raise BundleFault(f"{name} is missing or empty, and without it there is no login")
    return {name: files[name] for name in MEMBERS if name in files}
