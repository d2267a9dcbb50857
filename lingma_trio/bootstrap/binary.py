"""Sees to it that there is a Lingma to run: finds the newest package, and falls back as far as it has to.

The order is the configured source, the other source, and what is there already.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeAlias, TypeVar

import httpx2
import structlog
import trio

from lingma_trio.bootstrap.download import Download, DownloadBounds, Progress, open_client
from lingma_trio.bootstrap.faults import BootstrapFault
from lingma_trio.bootstrap.install import Binary, Origin, inspect, install, scratch
from lingma_trio.bootstrap.marketplace import Package, newest_package
from lingma_trio.bootstrap.platforms import Platform, this_platform
from lingma_trio.bootstrap.unpack import UnpackBounds, unpack
from lingma_trio.config import Settings
from lingma_trio.policy.backoff import Backoff

Source: TypeAlias = Literal["marketplace", "vsix"]
Result = TypeVar("Result")

log = structlog.get_logger("lingma_trio.bootstrap")


@dataclass(frozen=True, slots=True)
class BinaryOptions:
    """Which binary to have at `path`, and how far to go for it.

    `digest` is the SHA-256 that the binary must have, or empty; `force` fetches it although it is there. `deadline` is
    in seconds for each source, and `patience` takes its place where there is something to run meanwhile: what was
    downloaded by then is kept, and the next time goes on from there.
    """

    path: Path
    sources: tuple[Source, ...]
    gallery_url: str
    publisher: str
    extension: str
    vsix_url: str
    digest: str = ""
    force: bool = False
    deadline: float = 1800.0
    patience: float = 60.0
    platform: Platform | None = None
    """None is the one of this machine."""
    download: DownloadBounds = field(default_factory=DownloadBounds)
    unpack: UnpackBounds = field(default_factory=UnpackBounds)
    backoff: Callable[[], Backoff] = field(default=Backoff, repr=False)


def binary_options(settings: Settings) -> BinaryOptions:
    """What the settings say about the binary."""
    first = settings.lingma_source_type
    return BinaryOptions(
        path=settings.lingma_bin,
        sources=(first, "vsix" if first == "marketplace" else "marketplace"),
        gallery_url=settings.lingma_gallery_url,
        publisher=settings.lingma_marketplace_publisher,
        extension=settings.lingma_marketplace_extension,
        vsix_url=settings.lingma_vsix_url,
        digest=settings.lingma_sha256,
        force=settings.lingma_force_refresh,
    )


async def ensure_binary(options: BinaryOptions, *, on_progress: Progress | None = None) -> Binary:
    """The binary to run, fetched or as it is; its digest is logged.

    Nothing is fetched where the binary has the digest asked for, or where somebody else put it there: it is replaced
    only when forced. A source that fails is logged, and a binary that is there is then good enough, if no digest says
    otherwise. Raises `BootstrapFault` where nothing is left to run. Cancelling keeps what was there, and the part that
    was downloaded.
    """
    current = await _look(options.path)
    if current is None or _is_wanted(current, options):
        current = await _refreshed(current, options, on_progress)
    origin = current.origin or Origin("put there by hand")
    log.info("binary", path=str(current.path), sha256=current.digest, version=origin.version, origin=origin.url)
    return current


async def _look(path: Path) -> Binary | None:
    try:
        return await trio.to_thread.run_sync(inspect, path)
    except OSError as fault:
        raise BootstrapFault(f"{path} cannot be read ({fault.strerror})") from fault


def _is_wanted(current: Binary, options: BinaryOptions) -> bool:
    """Whether to look for another binary than the one that is there."""
    if options.force:
        return True
    if options.digest:
        return current.digest != options.digest
    return current.origin is not None


async def _refreshed(current: Binary | None, options: BinaryOptions, on_progress: Progress | None) -> Binary:
    faults = []
    try:
        with scratch(options.path) as directory:
            platform = options.platform or this_platform()
            async with open_client(options.download) as client:
                fetch = _Fetch(options, platform, client, directory, on_progress)
                for source in options.sources:
                    try:
                        return await fetch.fetch_from(source, current)
                    except BootstrapFault as fault:
                        log.warning("source_failed", source=source, fault=str(fault))
                        faults.append(f"{source}: {fault}")
    except BootstrapFault as fault:
        faults.append(str(fault))
    if current is None or (options.digest and current.digest != options.digest):
        lacking = (
            "there is no Lingma" if current is None else "the Lingma that is there has not the digest LINGMA_SHA256"
        )
        raise BootstrapFault(f"{lacking}, and none can be fetched: {'; '.join(faults)}")
    log.warning("binary_kept", path=str(current.path), faults=faults)
    return current


class _Fetch:
    """What it takes to fetch a binary from one source after the other."""

    def __init__(
        self,
        options: BinaryOptions,
        platform: Platform,
        client: httpx2.AsyncClient,
        directory: Path,
        on_progress: Progress | None,
    ) -> None:
        self._options = options
        self._platform = platform
        self._client = client
        self._directory = directory
        self._on_progress = on_progress

    async def fetch_from(self, source: Source, current: Binary | None) -> Binary:
        """The newest binary of one source, which may be `current`. Raises `BootstrapFault`, also at the deadline."""
        deadline = self._options.deadline if current is None else self._options.patience
        with trio.move_on_after(deadline):
            package = await self._locate(source)
            known = self._known(package, current)
            if known is not None and package.version and current is not None:
                return current
            download = Download(
                self._client, self._part(source), self._options.download, backoff=self._options.backoff()
            )
            downloaded = await download.run(
                package.url, unless=known.etag if known is not None else "", on_progress=self._on_progress
            )
            if downloaded is None:
                assert current is not None
                return current
            origin = Origin(package.url, package.version, downloaded.etag)
            try:
                return await self._unpack_and_install(downloaded.path, origin)
            except BootstrapFault:
                download.discard()
                raise
        raise BootstrapFault(f"it took longer than {deadline:g} s")

    def _part(self, source: Source) -> Path:
        return self._directory / f"{source}.part"

    async def _locate(self, source: Source) -> Package:
        if source == "vsix":
            return Package(self._options.vsix_url)
        return await newest_package(
            self._client,
            self._options.gallery_url,
            publisher=self._options.publisher,
            extension=self._options.extension,
            platform=self._platform.gallery,
        )

    def _known(self, package: Package, current: Binary | None) -> Origin | None:
        """The origin of the current binary, if the package may be the very one it was taken from."""
        if (
            current is None
            or current.origin is None
            or not current.intact
            or self._options.force
            or self._options.digest
        ):
            return None
        origin = current.origin
        return origin if (origin.url, origin.version) == (package.url, package.version) else None

    async def _unpack_and_install(self, package: Path, origin: Origin) -> Binary:
        work = partial(self._unpack_and_install_blocking, package, origin)
        try:
            return await trio.to_thread.run_sync(work)
        except OSError as fault:
            raise BootstrapFault(f"the binary cannot be written ({fault.strerror})") from fault

    def _unpack_and_install_blocking(self, package: Path, origin: Origin) -> Binary:
        options = self._options
        for leftover in self._directory.glob("staged-*"):  # of a process that was killed over it
            shutil.rmtree(leftover, ignore_errors=True)
        with TemporaryDirectory(prefix="staged-", dir=self._directory) as directory:
            staged = Path(directory)
            unpack(
                package,
                staged,
                platform=self._platform.directory,
                bounds=options.unpack,
                tick=trio.from_thread.check_cancelled,
            )
            binary = install(staged, options.path, origin, expected=options.digest)
        for leftover in self._directory.glob("*.part*"):
            leftover.unlink()
        return binary
