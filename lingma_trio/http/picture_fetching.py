"""Fetches one picture by its address, from public addresses only.

Knows HTTP and names. Must not know conversations, the surfaces, the models, or what becomes of a picture.

Whoever may name an address may make this machine ask for it, so the check sits where a connection is made: each name
is resolved once, every address it has must be public, and the connection goes to an address that was checked. A
redirect is a new connection and is checked like the first.
"""

from __future__ import annotations

import socket
import ssl
from binascii import b2a_base64
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from functools import partial
from typing import TypeAlias
from urllib.parse import urljoin

import httpcore2
import httpx2
import trio

from lingma_trio import __version__
from lingma_trio.api.picture_kind import BEGINNING, picture_kind
from lingma_trio.errors import ImageUnavailable
from lingma_trio.http.own_addresses import is_public_elsewhere
from lingma_trio.http.picture_bounds import PictureBounds, Ration
from lingma_trio.policy.addresses import is_web_port
from lingma_trio.threads import NAMES

MAX_REDIRECTS = 3
MAX_ADDRESS = 4096  # characters
_MOVED = frozenset({301, 302, 303, 307, 308})
_OK = 200
_HEADERS: tuple[tuple[bytes | str, bytes | str], ...] = (
    ("accept", "image/png,image/jpeg,image/webp,image/gif"),
    ("user-agent", f"lingma-trio/{__version__}"),
)

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""A host's name and port to its addresses, as text; raises OSError where there are none."""


async def look_up(host: str, port: int) -> list[str]:
    """Every address of `host`. Raises OSError where it has none."""
    found = await NAMES.run(partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM), leave=True)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class CheckedNetwork(httpcore2.AsyncNetworkBackend):
    """Connections to ports of the web at public addresses other than this host's own, and to no others."""

    def __init__(self, *, resolve: Resolve = look_up, allows: Callable[[str], bool] = is_public_elsewhere) -> None:
        self._resolve = resolve
        self._allows = allows
        self._network = httpcore2.TrioBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface is the library's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address of `host`. Raises `ImageUnavailable` where any of them is not public."""
        if not is_web_port(port):
            raise ImageUnavailable(f"images are not fetched from port {port}; use 443, or send this one as a data: URL")
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as fault:
            raise ImageUnavailable("an image's host name cannot be resolved; check its address") from fault
        if not addresses or not all(map(self._allows, addresses)):
            raise ImageUnavailable("images are fetched from public addresses only; send this one as a data: URL")
        return await self._network.connect_tcp(addresses[0], port, timeout, local_address, socket_options)


class PictureFetcher:
    """Fetches pictures, one a call, each over a connection of its own that ends with the call."""

    def __init__(self, bounds: PictureBounds, network: httpcore2.AsyncNetworkBackend | None = None) -> None:
        self._bounds = bounds
        self._network = network or CheckedNetwork()
        self._certificates: ssl.SSLContext | None = None

    async def fetch(self, address: str, ration: Ration) -> str:
        """The picture at an `http(s):` address, as a `data:` address.

        Raises `ImageUnavailable` for what is no picture, is too large, takes too long or is not public, and what
        `ration` raises.
        """
        ration.use(0)
        with trio.move_on_after(self._bounds.seconds):
            try:
                return await self._fetch(address, ration)
            except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException) as fault:
                raise ImageUnavailable(
                    "an image's server cannot be reached, or broke off; check its address"
                ) from fault
        raise ImageUnavailable(f"an image did not arrive within {self._bounds.seconds:g} s")

    async def _fetch(self, address: str, ration: Ration) -> str:
        async with httpcore2.AsyncConnectionPool(
            ssl_context=self._trusted(), max_keepalive_connections=0, network_backend=self._network
        ) as pool:
            for _ in range(MAX_REDIRECTS + 1):
                async with pool.stream("GET", on_the_wire(address), headers=_HEADERS) as response:
                    if response.status not in _MOVED:
                        return await self._read(response, ration)
                    address = urljoin(address, _header(response, b"location"))
        raise ImageUnavailable(f"an image's address leads on more than {MAX_REDIRECTS} times")

    async def _read(self, response: httpcore2.Response, ration: Ration) -> str:
        """The picture, turned into base64 as it comes: held twice it would take twice the room."""
        if response.status != _OK:
            raise ImageUnavailable(f"an image's server answered {response.status}")
        text, rest, size = bytearray(), b"", 0
        async with aclosing(response.aiter_stream()) as chunks:
            async for chunk in chunks:
                size += len(chunk)
                if size > self._bounds.max_size:
                    raise ImageUnavailable(f"an image is over {self._bounds.max_size} bytes (MAX_IMAGE_BYTES)")
                ration.use(len(chunk))
                rest += chunk
                if len(rest) >= BEGINNING:
                    whole = len(rest) - len(rest) % 3
                    text = text or _head(rest)
                    text += b2a_base64(rest[:whole], newline=False)
                    rest = rest[whole:]
        text = text or _head(rest)
        text += b2a_base64(rest, newline=False)
        return text.decode()

    def _trusted(self) -> ssl.SSLContext:
        if self._certificates is None:
            self._certificates = httpcore2.default_ssl_context()
        return self._certificates


def on_the_wire(address: str) -> str:
    """The address as it goes on the wire, the same for all ways to write it. Raises `ImageUnavailable`."""
    try:
        if len(address) <= MAX_ADDRESS and (url := httpx2.URL(address)).scheme in {"http", "https"} and url.host:
            normal = str(url.copy_with(fragment=None))  # which no server is told of
            httpcore2.URL(normal)
            return normal
    except (httpx2.InvalidURL, ValueError):
        pass
    raise ImageUnavailable("an image's address is no http:// or https:// address, or is too long")


def _head(data: bytes) -> bytearray:
    """What the `data:` address begins with of a picture that begins with `data`."""
    if not (kind := picture_kind(data)):
        raise ImageUnavailable("what stands at an image's address is no PNG, JPEG, GIF or WebP picture")
    return bytearray(f"data:{kind};base64,".encode())


def _header(response: httpcore2.Response, name: bytes) -> str:
    found = next((value for key, value in response.headers if key.lower() == name), None)
    if found is None:
        raise ImageUnavailable("an image's server redirects to nowhere")
    return found.decode("latin-1")
