"""A web site with pictures, on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import trio

from lingma_trio.http.picture_fetching import CheckedNetwork
from lingma_trio.policy.addresses import is_public

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100


@dataclass
class Site:
    """A web server on loopback, and the names that lead to it. It answers each path with `pages`."""

    port: int = 0
    pages: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)

    async def serve(self, stream: trio.SocketStream) -> None:
        """Answer one request."""
        async with stream:
            head = b""
            while b"\r\n\r\n" not in head:
                head += await stream.receive_some() or b"\r\n\r\n"
            path = head.split()[1].decode()
            self.asked.append(path)
            await stream.send_all(self.pages.get(path, b"HTTP/1.1 404 None\r\nContent-Length: 0\r\n\r\n"))

    async def resolve(self, host: str, port: int) -> list[str]:
        """What a name server would say."""
        del port
        await trio.lowlevel.checkpoint()
        if host not in self.names:
            raise OSError("no such name")
        return self.names[host]

    def url(self, path: str, host: str = "pictures.example") -> str:
        """An address of this site."""
        return f"http://{host}:{self.port}{path}"

    def network(self) -> CheckedNetwork:
        """Leads to loopback, where the site is, as to a public address, and judges all others as it always does."""
        return CheckedNetwork(resolve=self.resolve, allows=lambda address: address == "127.0.0.1" or is_public(address))


@asynccontextmanager
async def open_site(**pages: bytes) -> AsyncIterator[Site]:
    """A site for the length of the block; a page's name is its path without the slash."""
    site = Site(pages={f"/{name}": page for name, page in pages.items()}, names={"pictures.example": ["127.0.0.1"]})
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, site.serve, 0, host="127.0.0.1"))
        site.port = listeners[0].socket.getsockname()[1]
        yield site
        nursery.cancel_scope.cancel()


def page(body: bytes) -> bytes:
    """A whole response."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def moved(location: str) -> bytes:
    """A response that leads elsewhere."""
    return f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
