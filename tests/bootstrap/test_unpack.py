"""Out of any package come the two executables of one platform, or a fault, and never anything else."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.bootstrap.faults import BootstrapFault
from lingma_trio.bootstrap.unpack import UnpackBounds, unpack
from tests.bootstrap.publisher import PLATFORM, SMALL, executable, package, pair, zipped


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An empty directory to unpack into, with a canary beside it."""
    (tmp_path / "Lingma").write_text("canary")
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


def unpacked(content: bytes, target: Path, bounds: UnpackBounds = SMALL) -> set[str]:
    """Unpack, and name what came out."""
    path = target.parent / "package.vsix"
    path.write_bytes(content)
    unpack(path, target, platform=PLATFORM, bounds=bounds)
    assert (target.parent / "Lingma").read_text() == "canary"
    return {str(path.relative_to(target)) for path in target.rglob("*")}


BOTH = {"Lingma", "LingmaLocal"}
LAYOUTS = {
    "marketplace, nested": package("2.5.20"),
    "desktop application": zipped(pair("2.5.20", above="Resources/app/resources/bin/")),
    "at the top": zipped(pair("2.5.20")),
    "nested twice": zipped({"a.zip": zipped({"b.ZIP": zipped(pair("2.5.20"))})}),
    "second of two nested": zipped({"a.zip": zipped({"x": b""}), "b.zip": zipped(pair("2.5.20"))}),
    "stored": zipped({"a.zip": zipped(pair("2.5.20"))}, compression=zipfile.ZIP_STORED),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_both_executables_come_out(target: Path, layout: str) -> None:
    """Wherever a package has the platform's directory, its two files come out, and nothing stays beside them."""
    assert unpacked(LAYOUTS[layout], target) == BOTH
    assert (target / "Lingma").read_bytes() == executable("Lingma 2.5.20")
    assert (target / "LingmaLocal").read_bytes() == executable("LingmaLocal 2.5.20")


def test_newest_of_several_versions_comes_out(target: Path) -> None:
    """Versions are compared as numbers."""
    files = {
        name: data
        for version in ("2.5.9", "2.5.20", "2.4.99")
        for name, data in pair(version, above=f"{version}/").items()
    }
    unpacked(zipped(files), target)
    assert (target / "Lingma").read_bytes() == executable("Lingma 2.5.20")


def test_other_platforms_are_named(target: Path) -> None:
    """A package for others says whom it is for."""
    content = zipped({"a.zip": zipped(pair("1", platform="aarch64_darwin") | {"x86_64_windows/Lingma.exe": b"x"})})
    with pytest.raises(BootstrapFault, match=r"no Lingma for x86_64_linux; it has aarch64_darwin, x86_64_windows"):
        unpacked(content, target)


def test_too_deep_is_not_looked_at(target: Path) -> None:
    """A third zip within a zip is not opened."""
    deep = zipped(pair("1"))
    for _ in range(3):
        deep = zipped({"a.zip": deep})
    with pytest.raises(BootstrapFault, match="holds no Lingma"):
        unpacked(deep, target)


@pytest.mark.parametrize(
    "name",
    [
        "../x86_64_linux/Lingma",
        "a/../../x86_64_linux/Lingma",
        "x86_64_linux/../Lingma",
        "x86_64_linux/Lingma/..",
        "x86_64_linux\\Lingma",
        "x86_64_linux/Lingma/",
        "x86_64_linux/Lingma.exe",
        "not_x86_64_linux/Lingma",
        "x86_64_linux/lingma",
        "Lingma",
    ],
)
def test_other_names_are_not_taken(target: Path, name: str) -> None:
    """A name that leads elsewhere, or only looks like the expected one, is neither taken nor written."""
    with pytest.raises(BootstrapFault, match="holds no Lingma"):
        unpacked(zipped({name: b"x" * 100, name.replace("Lingma", "LingmaLocal"): b"x" * 100}), target)
    assert not list(target.iterdir())


@pytest.mark.parametrize("above", ["/", "/etc/", "C:/"])
def test_absolute_names_write_nothing_of_their_own(target: Path, above: str) -> None:
    """Where a file goes is decided here: an absolute name ends up in the target like any other."""
    assert unpacked(zipped(pair("1", above=above)), target) == BOTH


def test_helper_is_needed(target: Path) -> None:
    """Half the pair does not run."""
    with pytest.raises(BootstrapFault, match="without its LingmaLocal"):
        unpacked(zipped({"x86_64_linux/Lingma": b"x" * 100, "other/LingmaLocal": b"x" * 100}), target)


@pytest.mark.parametrize("name", sorted(BOTH))
def test_stand_ins_are_refused(target: Path, name: str) -> None:
    """A file too small to be the real one is refused; how small that is, only a test says otherwise."""
    with pytest.raises(BootstrapFault, match=f"{name} in the package has 10 bytes, too few"):
        unpacked(
            zipped(pair("1") | {f"x86_64_linux/{name}": b"x" * 10}),
            target,
            replace(SMALL, min_program=11, min_helper=11),
        )
    assert (UnpackBounds().min_program, UnpackBounds().min_helper) == (50_000_000, 5_000_000)


def test_bomb_is_refused_before_it_unpacks(target: Path) -> None:
    """A file that grows a thousandfold is not unpacked, neither as an executable nor as a zip on the way to one."""
    zeros = b"\0" * 2_000_000
    for bomb in ({"x86_64_linux/Lingma": zeros, "x86_64_linux/LingmaLocal": zeros}, {"a.zip": zeros}):
        with pytest.raises(BootstrapFault, match="grows more than 100 times"):
            unpacked(zipped(bomb), target)
    assert not list(target.iterdir())


@pytest.mark.parametrize(
    ("bounds", "fault"),
    [
        ({"max_file": 100}, "unpacks to more than"),
        ({"max_total": 500}, "unpacks to more than 500"),
        ({"max_members": 1}, "holds 2 names"),
        ({"max_directory": 50}, "bytes of names"),
    ],
)
def test_sizes_are_bounded(target: Path, bounds: Mapping[str, int], fault: str) -> None:
    """Each file, all of them together, and the list of names have their bounds."""
    with pytest.raises(BootstrapFault, match=fault):
        unpacked(package("1"), target, replace(SMALL, **bounds))


def changed(content: bytes, *, flag: int = 0, method: int | None = None, mode: int = 0) -> bytes:
    """A zip whose members claim to be something else."""
    out = io.BytesIO(content)
    with zipfile.ZipFile(out, "a") as archive:
        for member in archive.infolist():
            member.flag_bits |= flag
            member.external_attr = mode << 16 or member.external_attr
            member.compress_type = member.compress_type if method is None else method
        archive.comment = b"rewritten"
    return out.getvalue()


@pytest.mark.parametrize(
    ("claims", "fault"),
    [
        ({"flag": 1}, "encrypted"),
        ({"method": zipfile.ZIP_BZIP2}, "packed in a way"),
        ({"mode": stat.S_IFLNK | 0o777}, "a link"),
        ({"mode": stat.S_IFIFO | 0o600}, "a link or another thing"),
    ],
)
def test_only_plain_files_are_taken(target: Path, claims: dict[str, int], fault: str) -> None:
    """Links, devices, encrypted files and unusual packings are refused."""
    with pytest.raises(BootstrapFault, match=fault):
        unpacked(changed(zipped(pair("1")), **claims), target)
    assert not list(target.iterdir())


def test_large_form_is_refused(target: Path) -> None:
    """The form for more than 4 GB, whose list of names could be endless, is not read."""
    content = zipped(pair("1"))
    end = content.rindex(b"PK\x05\x06")
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1)
    with pytest.raises(BootstrapFault, match="more than 4 GB"):
        unpacked(content[:end] + locator + content[end:], target)


@pytest.mark.parametrize("size", [0, 10, 300, -30, -1])
def test_truncated_package_is_refused(target: Path, size: int) -> None:
    """A package that was cut anywhere is no package."""
    with pytest.raises(BootstrapFault, match=r"no zip archive|no intact zip"):
        unpacked(package("1")[:size], target)


def test_corrupt_file_is_refused(target: Path) -> None:
    """A changed byte in an executable shows."""
    content = bytearray(zipped(pair("1"), compression=zipfile.ZIP_STORED))
    content[content.index(b"echo")] ^= 1
    with pytest.raises(BootstrapFault, match=r"no intact zip archive \(BadZipFile: Bad CRC-32"):
        unpacked(bytes(content), target)


def test_archive_that_starts_before_itself_is_refused(target: Path) -> None:
    """A list of names that lies where no file reaches is no way out of the archive reader."""
    content = bytearray(zipped(pair("1")))
    place = content.rindex(b"PK\x05\x06") + 16
    (offset,) = struct.unpack_from("<L", content, place)
    struct.pack_into("<L", content, place, offset + 2)
    with pytest.raises(BootstrapFault, match="no intact zip"):
        unpacked(bytes(content), target)


def test_unpacking_can_be_ended(target: Path) -> None:
    """What the caller is told again and again may end the work."""

    def end() -> None:
        raise InterruptedError

    (target.parent / "package.vsix").write_bytes(package("1"))
    with pytest.raises(InterruptedError):
        unpack(target.parent / "package.vsix", target, platform=PLATFORM, bounds=SMALL, tick=end)


@given(st.data())
def test_damaged_package_is_a_fault_or_whole(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whichever bytes of a package are changed, the executables come out as they were or not at all."""
    directory = tmp_path_factory.mktemp("damaged")
    content = bytearray(LAYOUTS["stored"])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    (directory / "package.vsix").write_bytes(content)
    (directory / "target").mkdir()
    try:
        unpack(directory / "package.vsix", directory / "target", platform=PLATFORM, bounds=SMALL)
    except BootstrapFault:
        return
    assert (directory / "target/Lingma").read_bytes() == executable("Lingma 2.5.20")
