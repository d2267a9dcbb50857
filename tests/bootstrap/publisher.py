"""A publisher of packages on the loopback address: a gallery and files over real sockets, as bad as a test asks."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import h11
import trio

from lingma_trio.bootstrap.unpack import UnpackBounds

PLATFORM = "x86_64_linux"
SMALL = UnpackBounds(min_program=10, min_helper=10)
PATIENCE = 20.0  # seconds after which a test on a busy machine has failed


def executable(name: str) -> bytes:
    """What stands for an executable: a script, long enough not to be one by accident."""
    return f"#!/bin/sh\necho {name}\n# {hashlib.sha256(name.encode()).hexdigest()}\n".encode()


def zipped(files: Mapping[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def pair(version: str, *, platform: str = PLATFORM, above: str = "") -> dict[str, bytes]:
    """The two executables of a version, as a zip has them."""
    return {f"{above}{platform}/{name}": executable(f"{name} {version}") for name in ("Lingma", "LingmaLocal")}


def package(version: str) -> bytes:
    """A package as the marketplace has it: a zip with the version's zip in it, and in that one two platforms."""
    inner = zipped(pair(version, above=f"{version}/") | pair("mac", platform="aarch64_darwin", above=f"{version}/"))
    return zipped({"extension/package.json": b"{}", f"extension/dist/bin/lingma-{version}.zip": inner})


@dataclass
class File:
    """A file under a path, and how its server behaves.

    `breaks` lists after how many bytes of the body each of the next answers is cut off. `pace` is the seconds between
    two thousand bytes. `tells` is whether the length is told.
    """

    content: bytes
    etag: str = ""
    ranges: bool = True
    breaks: list[int] = field(default_factory=list)
    pace: float = 0.0
    tells: bool = True
    status: int = 200
    headers: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Request:
    """What was asked for."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Publisher:
    """The server's files by their paths, and every request it had."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.files: dict[str, File] = {}
        self.requests: list[Request] = []

    def redirect(self, path: str, location: str) -> None:
        """Send who asks for `path` elsewhere."""
        self.files[path] = File(b"", status=302, headers=[("location", location)])

    def offer(self, version: str, *, path: str = "/package.vsix", target: str = "") -> None:
        """Have the gallery say that the newest package is at `path`."""
        asset = {"assetType": "Microsoft.VisualStudio.Services.VSIXPackage", "source": self.base + path}
        listed = {"version": version, "files": [asset]} | ({"targetPlatform": target} if target else {})
        answer = {"results": [{"extensions": [{"extensionName": "tongyi-lingma", "versions": [listed]}]}]}
        self.files["/gallery/extensionquery"] = File(json.dumps(answer).encode())

    @property
    def asked(self) -> list[str]:
        """The paths that were asked for, in order."""
        return [request.target for request in self.requests]

    async def serve(self, stream: trio.SocketStream) -> None:
        """Answer on one connection until it ends."""
        connection = h11.Connection(h11.SERVER)
        try:
            while (request := await _read(stream, connection)) is not None:
                self.requests.append(request)
                await self._answer(stream, connection, request)
                connection.start_next_cycle()
        except (trio.BrokenResourceError, h11.ProtocolError):
            pass  # a line that broke, on either side, is what this server is there for
        await stream.aclose()

    async def _answer(self, stream: trio.SocketStream, connection: h11.Connection, request: Request) -> None:
        file = self.files.get(request.target.removeprefix("http://lingma.invalid"), File(b"not here", status=404))
        status, headers, body = _response(file, request)
        lengths = [("content-length", str(len(body)))] if file.tells else []
        await stream.send_all(
            connection.send(h11.Response(status_code=status, headers=[*headers, *lengths, *file.headers])) or b""
        )
        if file.breaks and status in {200, 206}:
            body = body[: file.breaks.pop(0)]
            await stream.send_all(connection.send(h11.Data(data=body)) or b"")
            raise trio.BrokenResourceError
        for place in range(0, len(body), 2000 if file.pace else max(1, len(body))):
            await trio.sleep(file.pace)
            chunk = body[place : place + 2000] if file.pace else body
            await stream.send_all(connection.send(h11.Data(data=chunk)) or b"")
        await stream.send_all(connection.send(h11.EndOfMessage()) or b"")


def _response(file: File, request: Request) -> tuple[int, list[tuple[str, str]], bytes]:
    headers = [("etag", file.etag)] if file.etag else []
    if file.status != 200:
        return file.status, headers, file.content
    if file.etag and request.headers.get("if-none-match") == file.etag:
        return 304, headers, b""
    asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
    if asked and file.ranges and request.headers.get("if-range") == file.etag:
        start, size = int(asked[1]), len(file.content)
        if start >= size:
            return 416, [*headers, ("content-range", f"bytes */{size}")], b""
        return 206, [*headers, ("content-range", f"bytes {start}-{size - 1}/{size}")], file.content[start:]
    return 200, headers, file.content


async def _read(stream: trio.SocketStream, connection: h11.Connection) -> Request | None:
    head, body = None, b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await stream.receive_some())
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            headers = {name.decode(): value.decode() for name, value in head.headers}
            return Request(head.method.decode(), head.target.decode(), headers, body)
        else:
            return None


@asynccontextmanager
async def publishing() -> AsyncIterator[Publisher]:
    """A publisher for the length of the block."""
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        publisher = Publisher(listener.socket.getsockname()[1])
        await nursery.start(trio.serve_listeners, publisher.serve, [listener])
        yield publisher
        nursery.cancel_scope.cancel("the test is over")
