"""Fetches the pictures that a conversation names by address, from public addresses only.

Knows HTTP and names. Must not know the surfaces, the models, or what becomes of a picture.

Whoever may name an address may make this machine ask for it, so the check sits where a connection is made: each name
is resolved once, every address it has must be public, and the connection goes to an address that was checked. A
redirect is a new connection and is checked like the first.
"""

from __future__ import annotations

import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeAlias
from urllib.parse import urljoin

import httpcore2
import httpx2
import trio

from lingma_trio import __version__
from lingma_trio.errors import ImageUnavailable, InvalidRequest
from lingma_trio.http.own_addresses import is_public_elsewhere
from lingma_trio.policy.addresses import is_web_port
from lingma_trio.threads import NAMES
from lingma_trio.turns import Message, Prompt

MAX_REDIRECTS = 3
MAX_PICTURES = 50  # by address in one conversation
MAX_ADDRESS = 4096  # characters
_MOVED = frozenset({301, 302, 303, 307, 308})
_OK = 200
_HEADERS: tuple[tuple[bytes | str, bytes | str], ...] = (
    ("accept", "image/png,image/jpeg,image/webp,image/gif"),
    ("user-agent", f"lingma-trio/{__version__}"),
)
_KINDS = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
)

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""A host's name and port to its addresses, as text; raises OSError where there are none."""
Fallback: TypeAlias = Literal["error", "placeholder"]


@dataclass(frozen=True, slots=True)
class PictureBounds:
    """What one picture may take: bytes, and seconds from the first look-up of its name to its last byte."""

    max_size: int
    seconds: float


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


class Pictures:
    """Makes sure that every picture of a conversation is at hand before it is asked.

    `enabled` says whether pictures may be named by address at all; `fallback` what becomes of pictures that the model
    cannot see.
    """

    def __init__(
        self,
        bounds: PictureBounds,
        *,
        enabled: bool,
        fallback: Fallback,
        network: httpcore2.AsyncNetworkBackend | None = None,
    ) -> None:
        self.bounds = bounds
        self.enabled = enabled
        self.fallback = fallback
        self._network = network or CheckedNetwork()
        self._certificates: ssl.SSLContext | None = None

    async def prepare(self, prompt: Prompt, *, sees: bool) -> Prompt:
        """The conversation with every picture in it as a `data:` address; where none is, at once and as it is.

        `sees` says whether the model takes pictures. Raises `InvalidRequest` where it does not and the fallback is an
        error, and `ImageUnavailable` for a picture that cannot be fetched. Cancelling closes every connection.
        """
        if not any(message.images for message in prompt.messages):
            return prompt
        if not sees:
            return self._without(prompt)
        wanted = {address for message in prompt.messages for address in message.images if not _is_data(address)}
        if not wanted:
            return prompt
        if not self.enabled:
            raise ImageUnavailable("images are not fetched here (IMAGE_FETCH=false); send them as data: URLs")
        if len(wanted) > MAX_PICTURES:
            raise ImageUnavailable(f"more than {MAX_PICTURES} images by address; send fewer")
        fetched = {address: await self.fetch(address) for address in sorted(wanted)}
        return replace(prompt, messages=tuple(_with_pictures(message, fetched) for message in prompt.messages))

    async def fetch(self, address: str) -> str:
        """The picture at an `http(s):` address, as a `data:` address.

        Raises `ImageUnavailable` for what is no picture, is too large, takes too long or is not public.
        """
        with trio.move_on_after(self.bounds.seconds):
            try:
                return await self._fetch(address)
            except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException) as fault:
                raise ImageUnavailable(
                    "an image's server cannot be reached, or broke off; check its address"
                ) from fault
        raise ImageUnavailable(f"an image did not arrive within {self.bounds.seconds:g} s")

    async def _fetch(self, address: str) -> str:
        async with httpcore2.AsyncConnectionPool(
            ssl_context=self._trusted(), max_keepalive_connections=0, network_backend=self._network
        ) as pool:
            for _ in range(MAX_REDIRECTS + 1):
                async with pool.stream("GET", _checked(address), headers=_HEADERS) as response:
                    if response.status not in _MOVED:
                        return await self._read(response)
                    address = urljoin(address, _header(response, b"location"))
        raise ImageUnavailable(f"an image's address leads on more than {MAX_REDIRECTS} times")

    async def _read(self, response: httpcore2.Response) -> str:
        if response.status != _OK:
            raise ImageUnavailable(f"an image's server answered {response.status}")
        data = bytearray()
        async with aclosing(response.aiter_stream()) as chunks:
            async for chunk in chunks:
                data += chunk
                if len(data) > self.bounds.max_size:
                    raise ImageUnavailable(f"an image is over {self.bounds.max_size} bytes (MAX_IMAGE_BYTES)")
        kind = next((kind for beginning, kind in _KINDS if beginning.match(data)), None)
        if kind is None:
            raise ImageUnavailable("what stands at an image's address is no PNG, JPEG, GIF or WebP picture")
        return f"data:{kind};base64,{b64encode(data).decode()}"

    def _without(self, prompt: Prompt) -> Prompt:
        if self.fallback == "error":
            raise InvalidRequest(
                "this model takes no images; choose one that does (GET /v1/models), leave them out, or have the"
                " operator set IMAGE_FALLBACK=placeholder",
                param="messages",
            )
        return replace(prompt, messages=tuple(replace(message, images=()) for message in prompt.messages))

    def _trusted(self) -> ssl.SSLContext:
        if self._certificates is None:
            self._certificates = httpcore2.default_ssl_context()
        return self._certificates


def _checked(address: str) -> httpcore2.URL:
    """The address as it goes on the wire."""
    try:
        if len(address) <= MAX_ADDRESS and (url := httpx2.URL(address)).scheme in {"http", "https"} and url.host:
            return httpcore2.URL(str(url))
    except (httpx2.InvalidURL, ValueError):
        pass
    raise ImageUnavailable("an image's address is no http:// or https:// address, or is too long")


def _is_data(address: str) -> bool:
    return address[:5].lower() == "data:"


def _with_pictures(message: Message, fetched: dict[str, str]) -> Message:
    if not message.images:
        return message
    return replace(message, images=tuple(fetched.get(address, address) for address in message.images))


def _header(response: httpcore2.Response, name: bytes) -> str:
    found = next((value for key, value in response.headers if key.lower() == name), None)
    if found is None:
        raise ImageUnavailable("an image's server redirects to nowhere")
    return found.decode("latin-1")
