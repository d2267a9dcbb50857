"""There is a Lingma to run wherever one can be had, and the one that is there is never lost."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from lingma_trio.bootstrap.binary import BinaryOptions, binary_options, ensure_binary
from lingma_trio.bootstrap.download import DownloadBounds
from lingma_trio.bootstrap.faults import BootstrapFault
from lingma_trio.bootstrap.install import Binary, inspect, scratch
from lingma_trio.bootstrap.platforms import Platform
from lingma_trio.config import Settings
from lingma_trio.policy.backoff import Backoff
from tests.bootstrap.publisher import (
    PATIENCE,
    PLATFORM,
    SMALL,
    File,
    Publisher,
    executable,
    package,
    pair,
    publishing,
    zipped,
)

GALLERY, MARKETPLACE, VSIX = "/gallery/extensionquery", "/package.vsix", "/latest.vsix"


def sha256(version: str) -> str:
    return hashlib.sha256(executable(f"Lingma {version}")).hexdigest()


class Home:
    """A machine that wants a Lingma, and the publisher it asks."""

    def __init__(self, publisher: Publisher, path: Path) -> None:
        self.publisher = publisher
        self.path = path
        self.options = BinaryOptions(
            path=path,
            sources=("marketplace", "vsix"),
            gallery_url=f"{publisher.base}/gallery",
            publisher="Alibaba-Cloud",
            extension="tongyi-lingma",
            vsix_url=publisher.base + VSIX,
            platform=Platform(PLATFORM, "linux-x64"),
            download=DownloadBounds(stall=PATIENCE, fruitless=2),
            unpack=SMALL,
            backoff=lambda: Backoff(first=0.001, cap=0.001),
        )

    def publish(self, version: str, *, file: File | None = None) -> None:
        """Have the marketplace offer a version."""
        path = f"/{version}.vsix"
        self.publisher.offer(version, path=path)
        self.publisher.files[path] = file or File(package(version), etag=f'"{version}"')

    def publish_vsix(self, version: str) -> None:
        """Have a version behind the other source's address."""
        self.publisher.files[VSIX] = File(package(version), etag=f'"vsix {version}"')

    async def ensure(self, **changes: Any) -> Binary:  # noqa: ANN401 - any option
        """The binary, which has to be the one that is there; what was asked for until then is forgotten."""
        self.publisher.requests.clear()
        with trio.fail_after(PATIENCE):
            binary = await ensure_binary(replace(self.options, **changes))
        assert binary == inspect(self.path)
        return binary

    @property
    def version(self) -> str:
        """The version that is there, by what its executable says."""
        return self.path.read_text().split()[3]


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    """A machine without a Lingma, and a publisher with nothing."""
    async with publishing() as publisher:
        yield Home(publisher, tmp_path / "bin/Lingma")


async def test_marketplace_is_asked_and_its_package_installed(home: Home) -> None:
    """The first start fetches the newest version, says how far it is, and logs the digest of what will run."""
    home.publish("2.5.20")
    progress: list[tuple[int, int | None]] = []
    with capture_logs() as logs, trio.fail_after(PATIENCE):
        binary = await ensure_binary(home.options, on_progress=lambda done, total: progress.append((done, total)))
    assert home.version == "2.5.20"
    assert binary.digest == sha256("2.5.20")
    size = len(package("2.5.20"))
    assert progress[-1] == (size, size)
    (line,) = logs
    assert (line["event"], line["sha256"], line["version"]) == ("binary", binary.digest, "2.5.20")


async def test_scratch_is_left_empty(home: Home) -> None:
    """After an installation nothing of the download takes up the disk, nor what a killed process had unpacked."""
    home.publish("1")
    with scratch(home.path) as directory:
        (directory / "staged-leftover").mkdir()
        (directory / "staged-leftover/Lingma").touch()
    await home.ensure()
    assert [each.name for each in (home.path.parent / ".lingma-bootstrap").iterdir()] == ["lock"]


async def test_newest_version_is_not_fetched_again(home: Home) -> None:
    """As long as the marketplace has nothing newer a start costs one question."""
    home.publish("1")
    await home.ensure()
    await home.ensure()
    assert home.publisher.asked == [GALLERY]


async def test_newer_version_is_fetched(home: Home) -> None:
    """What the marketplace has newer replaces what is there, and that stays as the previous one."""
    for version in ("1", "2"):
        home.publish(version)
        await home.ensure()
    assert home.version == "2"
    assert home.path.with_name("Lingma.previous").read_bytes() == executable("Lingma 1")


async def test_address_is_asked_whether_it_changed(home: Home) -> None:
    """A package by address is fetched again when the server has another one under it, and only then."""
    home.publish_vsix("1")
    for _ in range(2):
        await home.ensure(sources=("vsix",))
    assert home.publisher.requests[0].headers["if-none-match"] == '"vsix 1"'
    home.publish_vsix("2")
    await home.ensure(sources=("vsix",))
    assert home.version == "2"


@pytest.mark.parametrize("version", ["1", "2"])
async def test_damaged_installation_is_fetched_again(home: Home, version: str) -> None:
    """Where the two executables are not what was installed together, not even the newest version will do."""
    home.publish("1")
    await home.ensure()
    home.path.with_name("LingmaLocal").write_bytes(b"of another version")
    home.publish(version)
    assert (await home.ensure()).intact
    assert home.version == version


BAD = {
    "not in the gallery": None,
    "corrupt": File(package("2")[:-10] + bytes(10)),
    "no zip": File(b"<html>Sign in to the network</html>"),
    "for another platform": File(zipped(pair("2", platform="aarch64_darwin"))),
    "names that lead elsewhere": File(zipped(pair("2", above="../../"))),
    "bomb": File(zipped({"x86_64_linux/Lingma": b"\0" * 2_000_000, "x86_64_linux/LingmaLocal": b"\0"})),
    "gone": File(b"", status=404),
    "cut off": File(package("2"), breaks=[100] * 9),
    "sent elsewhere": File(b"", status=302, headers=[("location", "ftp://elsewhere/")]),
}


@pytest.mark.parametrize("bad", BAD)
async def test_other_source_is_the_fallback(home: Home, bad: str) -> None:
    """Whatever is wrong with the configured source, the other one is tried, and the log says why."""
    file = BAD[bad]
    if file is not None:
        home.publish("2", file=replace(file, breaks=list(file.breaks)))
    home.publish_vsix("1")
    with capture_logs() as logs:
        await home.ensure()
    assert home.version == "1"
    (failed,) = [line for line in logs if line["event"] == "source_failed"]
    assert failed["source"] == "marketplace"


@pytest.mark.parametrize("bad", BAD)
async def test_failed_refresh_keeps_what_is_there(home: Home, bad: str) -> None:
    """Where no source has a package that will do, the binary that is there is good enough, and is as it was."""
    home.publish("1")
    before = await home.ensure()
    home.publisher.files.clear()
    file = BAD[bad]
    if file is not None:
        home.publish("2", file=replace(file, breaks=list(file.breaks)))
        home.publisher.files[VSIX] = replace(file, breaks=list(file.breaks))
    with capture_logs() as logs:
        assert await home.ensure() == before
    assert home.version == "1"
    (kept,) = [line for line in logs if line["event"] == "binary_kept"]
    assert [fault.partition(":")[0] for fault in kept["faults"]] == ["marketplace", "vsix"]


async def test_nothing_to_run_is_a_fault(home: Home) -> None:
    """Without a binary and without a source that works, each source's reason is told, and nothing is left behind."""
    with pytest.raises(BootstrapFault, match=r"there is no Lingma.*: marketplace: .* 404; vsix: .* 404"):
        await home.ensure()
    assert inspect(home.path) is None


async def test_broken_download_is_resumed_by_the_next_start(home: Home) -> None:
    """What came before a start was given up does not come again."""
    home.publish("1", file=File(package("1"), etag='"1"', breaks=[500, 0, 0]))
    with pytest.raises(BootstrapFault):
        await home.ensure(sources=("marketplace",))
    await home.ensure()
    assert home.version == "1"
    assert home.publisher.requests[-1].headers["range"] == "bytes=500-"


async def test_damaged_package_is_not_resumed(home: Home) -> None:
    """A package that came whole and will not do is fetched anew, and not from its end."""
    home.publish("1", file=File(b"no zip", etag='"1"'))
    with pytest.raises(BootstrapFault):
        await home.ensure(sources=("marketplace",))
    home.publish("1")
    await home.ensure()
    assert "range" not in home.publisher.requests[-1].headers


async def test_slow_source_has_a_deadline(home: Home) -> None:
    """A source that takes too long is left for the other one; where something can run meanwhile that is sooner."""
    slow = File(package("1") * 100, pace=0.05)
    home.publish("1", file=slow)
    home.publish_vsix("1")
    await home.ensure(deadline=1.0)
    assert home.version == "1"
    home.publish("2", file=slow)
    home.publisher.files[VSIX] = slow
    with capture_logs() as logs:
        await home.ensure(patience=0.2)
    assert [line["fault"] for line in logs if line["event"] == "source_failed"] == ["it took longer than 0.2 s"] * 2


async def test_binary_of_somebody_else_is_left_alone(home: Home) -> None:
    """What was put there by hand is run as it is, without a question to anybody."""
    home.publish("2")
    home.path.parent.mkdir()
    home.path.write_bytes(executable("Lingma own"))
    with capture_logs() as logs:
        assert (await home.ensure()).digest == sha256("own")
    assert (home.version, home.publisher.asked) == ("own", [])
    assert logs[0]["sha256"] == sha256("own")


async def test_force_fetches_what_is_there(home: Home) -> None:
    """A forced refresh fetches the newest version again, and replaces what was put there by hand."""
    home.publish("1")
    await home.ensure()
    await home.ensure(force=True)
    assert home.publisher.asked == [GALLERY, "/1.vsix"]
    home.path.parent.joinpath(".lingma-install.json").unlink()
    home.publish("2")
    await home.ensure(force=True)
    assert home.version == "2"


async def test_digest_is_reason_enough(home: Home) -> None:
    """A binary with the digest asked for is run without a question; any other one is replaced."""
    home.publish("1")
    await home.ensure()
    home.publish("2")
    await home.ensure(digest=sha256("1"))
    assert (home.version, home.publisher.asked) == ("1", [])
    await home.ensure(digest=sha256("2"))
    assert home.version == "2"


async def test_wrong_digest_goes_on_to_the_other_source(home: Home) -> None:
    """The digest decides which source has the right one."""
    home.publish("2")
    home.publish_vsix("1")
    await home.ensure(digest=sha256("1"))
    assert home.version == "1"


async def test_without_the_right_digest_nothing_is_run(home: Home) -> None:
    """A binary that is there is no way round the digest: the fault names the one that could be had."""
    home.publish("1")
    await home.ensure()
    with pytest.raises(BootstrapFault, match=f"has not the digest LINGMA_SHA256.*{sha256('1')}"):
        await home.ensure(digest="0" * 64)
    assert home.version == "1"


async def test_other_process_at_work_is_not_waited_for(home: Home) -> None:
    """Where another process fetches the binary, the one that is there is run."""
    home.publish("1")
    before = await home.ensure()
    home.publish("2")
    with scratch(home.path):
        assert await home.ensure() == before
    await home.ensure()
    assert home.version == "2"


async def test_directory_that_cannot_be_written_keeps_what_is_there(home: Home, tmp_path: Path) -> None:
    """A place where nothing can be put is told with the setting to change."""
    (tmp_path / "file").touch()
    with pytest.raises(BootstrapFault, match="set LINGMA_BIN elsewhere"):
        await ensure_binary(replace(home.options, path=tmp_path / "file/Lingma"))


async def test_cancelled_fetch_leaves_what_is_there(home: Home) -> None:
    """A gateway that is stopped while it downloads has the binary it had, and lets go of the directory."""
    home.publish("1")
    before = await home.ensure()
    home.publish("2", file=File(package("2"), etag='"2"', pace=60))
    with trio.fail_after(PATIENCE), trio.CancelScope() as scope:
        await ensure_binary(home.options, on_progress=lambda _done, _total: scope.cancel("the test is over"))
    assert scope.cancelled_caught
    assert inspect(home.path) == before
    home.publish("2")
    await home.ensure()
    assert home.version == "2"


def test_settings_say_it_all() -> None:
    """Every setting about the binary arrives, and the source that is not configured is the fallback."""
    settings = Settings(
        lingma_bin=Path("/opt/Lingma"),
        lingma_source_type="vsix",
        lingma_vsix_url="http://a/vsix",
        lingma_gallery_url="http://a/gallery",
        lingma_marketplace_publisher="p",
        lingma_marketplace_extension="e",
        lingma_sha256="0" * 64,
        lingma_force_refresh=True,
    )
    assert binary_options(settings) == BinaryOptions(
        path=Path("/opt/Lingma"),
        sources=("vsix", "marketplace"),
        gallery_url="http://a/gallery",
        publisher="p",
        extension="e",
        vsix_url="http://a/vsix",
        digest="0" * 64,
        force=True,
    )
    assert binary_options(Settings()).sources == ("marketplace", "vsix")
