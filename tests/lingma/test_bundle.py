"""What a login bundle may hold, and that nothing else comes out of one or takes the memory to find out."""

from __future__ import annotations

import base64
import gzip
import io
import tarfile
import zlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.lingma.bundle import MAX_BUNDLE, MAX_CONTENT, MAX_MEMBER, MEMBERS, BundleFault, as_text, pack, read

LOGIN = {"cache/id": b"11111111-2222-3333-4444-555555555555", "cache/user": b"opaque"}

logins = st.fixed_dictionaries(
    {"cache/id": st.binary(min_size=1, max_size=99), "cache/user": st.binary(min_size=1, max_size=999)},
    optional={"cache/quota": st.binary(max_size=99), "cache/config.json": st.binary(max_size=99)},
)


def member(name: str, data: bytes = b"x", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def bundle_of(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:  # noqa: A002
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=format) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(content.getvalue())


def login_members() -> Iterable[tuple[tarfile.TarInfo, bytes]]:
    return (member(name, data) for name, data in LOGIN.items())


@given(logins)
def test_what_is_packed_is_read(files: dict[str, bytes]) -> None:
    """Archive and base64 text give back the files, `cache/user` last, and the same files are the same bytes."""
    packed = pack(files)
    assert read(packed) == read(as_text(packed).encode()) == files
    assert list(read(packed)) == [name for name in MEMBERS if name in files]
    assert packed == pack(dict(reversed(files.items())))


def test_archive_has_nothing_of_the_machine_that_made_it() -> None:
    """Owner, group and time stay at home; the files are for their owner alone."""
    with tarfile.open(fileobj=io.BytesIO(pack(LOGIN))) as archive:
        facts = {(each.uid, each.gid, each.uname, each.gname, each.mtime, each.mode) for each in archive.getmembers()}
    assert facts == {(0, 0, "", "", 0, 0o600)}


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_bundles_of_other_makers_are_read(form: int) -> None:
    """Every common tar format will do, with times to the microsecond, and base64 may have line breaks."""
    bundle = bundle_of(*(member(name, data, mtime=1.5 if form else 1) for name, data in LOGIN.items()), format=form)
    assert read(bundle) == LOGIN
    assert read(base64.encodebytes(bundle)) == LOGIN


FOREIGN = [
    "cache/other",
    "user",
    "cache",
    "cache/",
    "./cache/user",
    "cache//user",
    "../cache/user",
    "cache/../cache/user",
    "cache/../../etc/passwd",
    "/cache/user",
    "/etc/passwd",
    "cache\\user",
    "cache/user\n",
    "CACHE/USER",
]


@pytest.mark.parametrize("name", FOREIGN)
def test_every_other_name_is_refused(name: str) -> None:
    """A path that leads elsewhere, or spells one of the four differently, is none of the four."""
    with pytest.raises(BundleFault, match=r"a name that is none of cache/config\.json, "):
        read(bundle_of(*login_members(), member(name)))


KINDS = {
    "symbolic link": tarfile.SYMTYPE,
    "hard link": tarfile.LNKTYPE,
    "character device": tarfile.CHRTYPE,
    "block device": tarfile.BLKTYPE,
    "pipe": tarfile.FIFOTYPE,
    "directory": tarfile.DIRTYPE,
    "contiguous file": tarfile.CONTTYPE,
    "sparse file": tarfile.GNUTYPE_SPARSE,
}


@pytest.mark.parametrize("kind", KINDS)
def test_only_plain_files_are_taken(kind: str) -> None:
    """A link, a device or a directory under one of the four names is refused, wherever it points."""
    odd = member("cache/quota", b"", type=KINDS[kind], linkname="../../etc/passwd")
    with pytest.raises(BundleFault, match=r"cache/quota in the bundle is a link, a device|no intact tar"):
        read(bundle_of(*login_members(), odd, format=tarfile.GNU_FORMAT))


def test_sparse_file_of_a_header_is_refused() -> None:
    """A few bytes that declare themselves a file of terabytes never become one."""
    headers = {"GNU.sparse.size": str(2**40), "GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,1"}
    with pytest.raises(BundleFault, match=r"cache/quota in the bundle"):
        read(bundle_of(*login_members(), member("cache/quota", pax_headers=headers)))


def test_duplicate_is_refused() -> None:
    """The second of two files with one name cannot replace what was checked."""
    with pytest.raises(BundleFault, match=r"cache/user twice"):
        read(bundle_of(*login_members(), member("cache/user")))


@pytest.mark.parametrize("missing", sorted(LOGIN))
@pytest.mark.parametrize("left", [None, b""])
def test_half_a_login_is_refused(missing: str, left: bytes | None) -> None:
    """Without machine id or user, or with an empty one, there is no login: neither to make nor to read."""
    files = {name: data for name, data in (LOGIN | {missing: left}).items() if data is not None}
    with pytest.raises(BundleFault, match=f"{missing} is missing or empty"):
        read(bundle_of(*(member(name, data) for name, data in files.items())))
    with pytest.raises(BundleFault, match=f"{missing} is missing or empty"):
        pack(files)


def test_sizes_are_bounded() -> None:
    """A file, the unpacked whole and the bundle itself each have their bound, on the way in and on the way out."""
    large = b"\0" * (MAX_MEMBER + 1)
    with pytest.raises(BundleFault, match=f"cache/quota .* more than {MAX_MEMBER} bytes"):
        read(bundle_of(*login_members(), member("cache/quota", large)))
    with pytest.raises(BundleFault, match=f"cache/quota has more than {MAX_MEMBER} bytes"):
        pack(LOGIN | {"cache/quota": large})
    with pytest.raises(BundleFault, match=f"unpacks to more than {MAX_CONTENT} bytes"):
        read(gzip.compress(b"\0" * (MAX_CONTENT + 1)))
    with pytest.raises(BundleFault, match=r"^(?!.*unpacks to more)"):
        read(gzip.compress(b"\0" * MAX_CONTENT))
    for wrapped in (b"\x1f\x8b" + b"\0" * MAX_BUNDLE, b"A" * (MAX_BUNDLE + 1)):
        with pytest.raises(BundleFault, match=f"longer than {MAX_BUNDLE} bytes"):
            read(wrapped)


def test_bomb_is_refused_before_it_unpacks() -> None:
    """A gigabyte of zeros in a megabyte of archive costs the memory of the bound."""
    compressor = zlib.compressobj(wbits=31)
    head = compressor.compress(b"") + compressor.flush(zlib.Z_FULL_FLUSH)
    # A full flush forgets what came before, so that the same bytes may follow again and again.
    mebibyte = compressor.compress(b"\0" * 2**20) + compressor.flush(zlib.Z_FULL_FLUSH)
    bomb = head + mebibyte * 1024
    assert len(bomb) < MAX_BUNDLE
    assert zlib.decompressobj(wbits=31).decompress(bomb, 2**24) == b"\0" * 2**24
    with pytest.raises(BundleFault, match="unpacks to more than"):
        read(bomb)


def test_header_chains_are_refused() -> None:
    """Thousands of extension headers in a row, which the archive reader follows by recursion, end in a fault."""
    header = tarfile.TarInfo("cache/user")
    header.type = tarfile.XHDTYPE
    with pytest.raises(BundleFault, match=r"no intact tar archive \(RecursionError\)"):
        read(gzip.compress(header.tobuf() * 4000))


def test_negative_size_is_refused() -> None:
    """A size below zero cannot send the reader back over what it has read, again and again."""
    header = bytearray(tarfile.TarInfo("cache/user").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = (256**12 - 1024).to_bytes(12, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(BundleFault, match=r"cache/user .* bytes|no intact tar archive"):
        read(gzip.compress(bytes(header) + b"\0" * 1024))


@pytest.mark.parametrize("end", [20, -9, -1])
def test_truncated_bundle_is_refused(end: int) -> None:
    """A bundle that was cut anywhere is no bundle."""
    with pytest.raises(BundleFault, match="ends in the middle"):
        read(pack(LOGIN)[:end])


def test_truncated_archive_is_refused() -> None:
    """An archive that was cut before it was compressed is no bundle either."""
    content = gzip.decompress(bundle_of(member("cache/id", b"x" * 2000)))
    with pytest.raises(BundleFault, match="no intact tar archive"):
        read(gzip.compress(content[:1024]))


@given(st.binary())
def test_anything_else_is_a_fault(data: bytes) -> None:
    """Arbitrary bytes, and arbitrary bytes as gzip's content, raise `BundleFault` and nothing else."""
    for bundle in (data, b"\x1f\x8b" + data, gzip.compress(data), base64.b64encode(data)):
        with pytest.raises(BundleFault):
            read(bundle)


@given(st.data())
def test_damaged_bundle_is_a_fault_or_a_login(data: st.DataObject) -> None:
    """Whichever bytes of an archive are changed, what comes out is refused or has the four names only."""
    content = bytearray(gzip.decompress(bundle_of(*(member(n, d, mtime=1.5) for n, d in LOGIN.items()))))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    try:
        files = read(gzip.compress(bytes(content)))
    except BundleFault:
        return
    assert files.keys() <= set(MEMBERS)


def test_fault_repeats_no_content() -> None:
    """What was in a bundle, names included, is in no message and in no cause."""
    planted = "planted-secret"
    for bundle in (planted.encode(), bundle_of(member(planted)), bundle_of(member("cache/id", planted.encode()))):
        with pytest.raises(BundleFault) as caught:
            read(bundle)
        assert planted not in str(caught.value)
        assert caught.value.__cause__ is None


def test_file_may_have_as_much_as_is_allowed() -> None:
    """To the last byte."""
    files = {**LOGIN, "cache/quota": b"\0" * MAX_MEMBER}
    assert read(pack(files)) == files
