"""Downloads one large file over a line that may break, and goes on where it broke.

Knows HTTP and the part file. Does not know what is downloaded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TypeAlias

import httpx2
import structlog
import trio
from pydantic_core import from_json, to_json

from lingma_trio import __version__
from lingma_trio.bootstrap.body import read_body
from lingma_trio.bootstrap.faults import BootstrapFault
from lingma_trio.policy.backoff import Backoff

Progress: TypeAlias = Callable[[int, int | None], None]
"""Called with the bytes that are there and the bytes of the whole, None where the server does not tell."""

MAX_REDIRECTS = 5
_CONTENT_RANGE = re.compile(r"bytes (?:(?P<start>\d{1,18})-\d{1,18}|\*)/(?P<total>\d{1,18}|\*)")
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_FILE = frozenset({200, 206, 416})

log = structlog.get_logger("lingma_trio.bootstrap")


@dataclass(frozen=True, slots=True)
class DownloadBounds:
    """How much of a download is too much. A package of Lingma has about 100 MB per platform in it."""

    max_size: int = 2 * 1024**3
    """Bytes of the file."""
    stall: float = 30.0
    """Seconds without a byte, or without a connection, after which an attempt has failed."""
    fruitless: int = 4
    """Attempts in a row that may bring nothing new."""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A whole file at `path`; `etag` is what the server calls this state of it, or empty."""

    path: Path
    etag: str


class _Interrupted(Exception):
    """An attempt failed in a way that another one may not."""


def open_client(bounds: DownloadBounds) -> httpx2.AsyncClient:
    """A client that honours the environment's proxies and certificates. The caller closes it with `async with`.

    Raises `BootstrapFault` for a proxy that it cannot speak to.
    """
    try:
        return httpx2.AsyncClient(timeout=bounds.stall, headers={"user-agent": f"lingma-trio/{__version__}"})
    except (ValueError, ImportError, httpx2.InvalidURL) as fault:
        raise BootstrapFault(f"the environment names a proxy that cannot be used ({fault})") from fault


class Download:
    """One file's download into `part`, whose neighbour `<part>.json` says what it is a part of.

    Both stay behind an attempt that failed or was cancelled, and the next `run` goes on from there if the server still
    has the same file; `discard` removes them.
    """

    def __init__(self, client: httpx2.AsyncClient, part: Path, bounds: DownloadBounds, *, backoff: Backoff) -> None:
        self._client = client
        self._part = part
        self._note = part.with_name(f"{part.name}.json")
        self._bounds = bounds
        self._backoff = backoff
        self._on_progress: Progress = _ignore

    async def run(self, url: str, *, unless: str = "", on_progress: Progress | None = None) -> Downloaded | None:
        """Download `url`, attempt after attempt; None if what is there still has the ETag `unless`.

        Raises `BootstrapFault` when the server refuses, sends too much, redirects to where it should not, or attempts
        bring nothing new. Cancelling closes the connection and keeps the part.
        """
        self._on_progress = on_progress or _ignore
        fruitless, best = 0, self._resumable(url)[0]
        while True:
            started = trio.current_time()
            try:
                return await self._attempt(url, unless)
            except _Interrupted as fault:
                size = self._size()
                fruitless = 0 if size > best else fruitless + 1
                best = max(best, size)
                if fruitless >= self._bounds.fruitless:
                    raise BootstrapFault(f"{url} cannot be downloaded: {fault}") from fault
                pause = self._backoff.next_delay(trio.current_time() - started)
                log.warning(
                    "download_interrupted", url=url, fault=str(fault), size=size, next_attempt_in=round(pause, 2)
                )
            except OSError as fault:
                raise BootstrapFault(f"{self._part} cannot be written ({fault.strerror})") from fault
            await trio.sleep(pause)

    def discard(self) -> None:
        """Remove the part and its note: what is in them is of no use. Raises `OSError`."""
        self._note.unlink(missing_ok=True)
        self._part.unlink(missing_ok=True)

    async def _attempt(self, url: str, unless: str) -> Downloaded | None:
        have, validator = self._resumable(url)
        headers = {"accept-encoding": "identity"}
        if have:
            headers |= {"range": f"bytes={have}-", "if-range": validator}
        elif unless:
            headers |= {"if-none-match": unless}
        place = url
        try:
            for _ in range(MAX_REDIRECTS + 1):
                async with self._client.stream("GET", place, headers=headers) as response:
                    target = redirect_target(response)
                    if target is None:
                        return await self._receive(response, url, have=have)
                    place = target
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as fault:
            raise BootstrapFault(f"{place} is no address to download from") from fault
        except httpx2.HTTPError as fault:
            raise _Interrupted(f"{type(fault).__name__}: {fault}") from fault
        raise BootstrapFault(f"{url} redirects more than {MAX_REDIRECTS} times")

    async def _receive(self, response: httpx2.Response, url: str, *, have: int) -> Downloaded | None:
        status, etag = response.status_code, response.headers.get("etag", "")
        start, total = _extent(response)
        if status == HTTPStatus.NOT_MODIFIED:
            return None
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have and total == have:
            return Downloaded(self._part, etag)
        _check_answer(response, url)
        if total is not None and total > self._bounds.max_size:
            raise BootstrapFault(f"{url} has {total} bytes, and {self._bounds.max_size} are the most that is taken")
        if status == HTTPStatus.OK:
            have = 0
            self._begin(url, response)
        elif not have or start != have:
            self.discard()
            raise _Interrupted(f"the server answers {status} to a part that is here, and does not go on from it")
        size = await self._write(response, url, have=have, total=total)
        if total is not None and size != total:
            raise _Interrupted(f"{size} of {total} bytes came")
        return Downloaded(self._part, etag)

    async def _write(self, response: httpx2.Response, url: str, *, have: int, total: int | None) -> int:
        size = have
        self._on_progress(size, total)
        async with await trio.open_file(self._part, "ab") as file:

            async def take(chunk: bytes) -> None:
                nonlocal size
                size += len(chunk)
                if size > self._bounds.max_size:
                    raise BootstrapFault(f"{url} has more than {self._bounds.max_size} bytes")
                await file.write(chunk)
                self._on_progress(size, total)

            await read_body(response, take)
        return size

    def _size(self) -> int:
        try:
            return self._part.stat().st_size
        except OSError:
            return 0

    def _resumable(self, url: str) -> tuple[int, str]:
        """The bytes of this very file that are here, with what proves to the server that they are of it; or none."""
        try:
            note = from_json(self._note.read_bytes())
        except (OSError, ValueError):
            return 0, ""
        if not isinstance(note, dict) or note.get("url") != url or not isinstance(note.get("validator"), str):
            return 0, ""
        return (self._size(), note["validator"]) if note["validator"].isascii() else (0, "")

    def _begin(self, url: str, response: httpx2.Response) -> None:
        """Make the part empty and, where the server's file can be recognised later on, note whose part it will be."""
        self.discard()
        self._part.touch(mode=0o600)
        etag = response.headers.get("etag", "")
        # A weak ETag does not promise the same bytes.
        validator = response.headers.get("last-modified", "") if etag.startswith("W/") or not etag else etag
        if validator:
            self._note.write_bytes(to_json({"url": url, "validator": validator}))


def redirect_target(response: httpx2.Response) -> str | None:
    """Where a response sends its reader, or None if it is the answer itself.

    Raises `BootstrapFault` for a way that leads from https to http, or out of both.
    """
    if not response.has_redirect_location:
        return None
    origin = response.url
    try:
        target = origin.join(response.headers["location"])
    except httpx2.InvalidURL as fault:
        raise BootstrapFault(f"{origin} redirects to what is no address") from fault
    if target.scheme not in {origin.scheme, "https"} or not target.host:
        raise BootstrapFault(f"{origin} redirects to {target}, which is no safe way")
    return str(target)


def _check_answer(response: httpx2.Response, url: str) -> None:
    """Raise unless a response holds a file or a part of it, or is to be looked at as a refusal to go on."""
    status = response.status_code
    if status in _PASSING:
        raise _Interrupted(f"the server answers {status}")
    if status not in _FILE:
        raise BootstrapFault(f"{url} answers {status}")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise BootstrapFault(f"{url} comes in an encoding that was not asked for")


def _extent(response: httpx2.Response) -> tuple[int | None, int | None]:
    """At which byte the body starts and how many the whole file has, as far as the response tells."""
    if response.status_code == HTTPStatus.OK:
        length = response.headers.get("content-length", "")
        return 0, int(length) if re.fullmatch(r"\d{1,18}", length) else None
    told = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    if told is None:
        return None, None
    start, total = told["start"], told["total"]
    return int(start) if start else None, None if total == "*" else int(total)


def _ignore(_done: int, _total: int | None) -> None:
    """Report nothing."""
