"""Fetches the pictures that a conversation names by address, from public addresses only.

Knows HTTP and names. Must not know the surfaces, the models, or what becomes of a picture.

Whoever may name an address may make this machine ask for it, so the check sits where a connection is made: each name
is resolved once, every address it has must be public, and the connection goes to an address that was checked. A
redirect is a new connection and is checked like the first.

Fetching is work for one request, done while it holds its slot: few pictures at a time, within one number of bytes and
of seconds for all of them.

What cannot be shown of the last message is a fault of the request. What cannot be shown of older ones is said in its
place, or else one picture would end its conversation for good.
"""

from __future__ import annotations

import socket
import ssl
from binascii import b2a_base64
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from typing import Literal, TypeAlias
from urllib.parse import urljoin

import httpcore2
import httpx2
import trio

from lingma_trio import __version__
from lingma_trio.api.picture_kind import BEGINNING, picture_kind
from lingma_trio.errors import GatewayError, ImageUnavailable, InvalidRequest
from lingma_trio.http.own_addresses import is_public_elsewhere
from lingma_trio.policy.addresses import is_web_port
from lingma_trio.threads import NAMES
from lingma_trio.turns import Message, Prompt

MAX_REDIRECTS = 3
MAX_PICTURES = 50  # by address in one conversation
AT_ONCE = 4  # of one conversation's pictures under way at once, so that many small ones do not take long
FETCHES_BESIDE = 32  # under way for all beside one for each slot, which waits for nobody
LARGEST = 2  # how many pictures of the largest size, or seconds for pictures that take longest, one conversation has
MAX_ADDRESS = 4096  # characters
_MOVED = frozenset({301, 302, 303, 307, 308})
_OK = 200
_HEADERS: tuple[tuple[bytes | str, bytes | str], ...] = (
    ("accept", "image/png,image/jpeg,image/webp,image/gif"),
    ("user-agent", f"lingma-trio/{__version__}"),
)

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""A host's name and port to its addresses, as text; raises OSError where there are none."""
_Found: TypeAlias = dict[str, str | GatewayError]
Fallback: TypeAlias = Literal["error", "placeholder"]


@dataclass(frozen=True, slots=True)
class PictureBounds:
    """What one picture may take: bytes, and seconds from the first look-up of its name to its last byte.

    Those of one conversation may take together what LARGEST of them may.
    """

    max_size: int
    seconds: float

    @property
    def all_size(self) -> int:
        """Bytes of all pictures of one conversation."""
        return self.max_size * LARGEST

    @property
    def all_seconds(self) -> float:
        """Seconds for them, from the first to the last."""
        return self.seconds * LARGEST


class Ration:
    """What the pictures of one conversation still may take; `take` is told of the bytes that they are held as.

    `take` may raise a `GatewayError`, which then ends the fetching.
    """

    def __init__(self, bounds: PictureBounds, take: Callable[[int], None]) -> None:
        self._bounds = bounds
        self._left = bounds.all_size
        self._take = take

    def use(self, size: int) -> None:
        """Count bytes that have come. Raises `ImageUnavailable` where they are too many."""
        self._left -= size
        if self._left < 0:
            raise ImageUnavailable(
                f"the images are over {self._bounds.all_size} bytes together, which is {LARGEST} times MAX_IMAGE_BYTES;"
                " send fewer or smaller ones"
            )
        self._take(-(-size * 4 // 3))  # as base64


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
    """Makes sure that every picture of a conversation is at hand before it is asked: `check`, then `fetch_all`.

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
        self._beside = trio.CapacityLimiter(FETCHES_BESIDE)
        self._certificates: ssl.SSLContext | None = None

    def check(self, prompt: Prompt, *, blind: str = "") -> Prompt:
        """The conversation with those of its pictures that may be shown; of the others it says why they are not.

        `blind` names the model where it takes no pictures. Refuses at once what needs no fetching for it: raises
        `InvalidRequest` for pictures of the last message that the model does not see, unless the fallback is a
        placeholder, or that are kept elsewhere, and `ImageUnavailable` for addresses in it that are too many, or none.
        """
        if not any(message.images for message in prompt.messages):
            return prompt
        known: set[str] = set()

        def find(address: str, field: str) -> str | GatewayError:
            return self._refusal(address, field, blind, known) or address

        messages = list(prompt.messages)
        for at in reversed(range(len(messages))):  # so that the newest are those that are not too many
            strict = at == prompt.last and not (blind and self.fallback == "placeholder")
            messages[at] = _shown(messages[at], find, strict=strict)
        return replace(prompt, messages=tuple(messages))

    async def fetch_all(self, prompt: Prompt, take: Callable[[int], None]) -> Prompt:
        """The checked conversation with every picture in it as a `data:` address; each is fetched once.

        `take` counts bytes as they come and may raise a `GatewayError`. Raises that, and `ImageUnavailable` for a
        picture of the last message that cannot be fetched. Cancelling closes every connection.
        """
        newest, older = _wanted(prompt.messages[prompt.last :]), _wanted(reversed(prompt.messages[: prompt.last]))
        if not (newest or older):
            return prompt
        wanted = {**older, **newest}
        ration, found = Ration(self.bounds, take), _Found()
        with trio.move_on_after(self.bounds.all_seconds):
            needed = {
                newest[address]: field for address, field in _places(prompt.messages[prompt.last]) if address in newest
            }
            await self._fetch_each(deque(needed), ration, found, needed)
            left = dict.fromkeys(address for address in older.values() if address not in found)
            await self._fetch_each(deque(left), ration, found, {})
        late = ImageUnavailable(f"the images did not arrive within {self.bounds.all_seconds:g} s; send fewer")

        def find(address: str, field: str) -> str | GatewayError:
            del field
            return found.get(wanted[address], late) if address in wanted else address

        messages = (_shown(message, find, strict=at == prompt.last) for at, message in enumerate(prompt.messages))
        return replace(prompt, messages=tuple(messages))

    async def _fetch_each(self, left: deque[str], ration: Ration, found: _Found, needed: Mapping[str, str]) -> None:
        """Fetch these, and note what came of each.

        Raises what came of the first that fails of those that are `needed`, in these fields.
        """
        faults: list[GatewayError] = []
        async with trio.open_nursery() as nursery:

            async def fetch_some() -> None:
                while left:
                    address = left.popleft()
                    try:
                        found[address] = await self.fetch(address, ration)
                    except GatewayError as fault:
                        found[address] = fault
                        if address in needed or not isinstance(fault, ImageUnavailable):
                            fault.param = needed.get(address)
                            faults.append(fault)
                            nursery.cancel_scope.cancel("one picture is lacking")

            async def fetch_beside() -> None:
                try:
                    self._beside.acquire_nowait()
                except trio.WouldBlock:
                    return
                try:
                    await fetch_some()
                finally:
                    self._beside.release()

            for number in range(min(AT_ONCE, len(left))):
                nursery.start_soon(fetch_beside if number else fetch_some, name="picture")
        if faults:
            raise faults[0]

    def _refusal(self, address: str, field: str, blind: str, known: set[str]) -> GatewayError | None:
        """Why a picture cannot be asked for, or None; `known` are those found so far that have to be fetched."""
        if blind:
            return InvalidRequest(
                f"the model {blind} takes no images; leave {field} out, choose one that does (GET /v1/models), or have"
                " the operator set IMAGE_FALLBACK=placeholder",
                param=field,
            )
        if not address:
            return InvalidRequest(
                f"an image is not in the request, and no files are kept here; send a data: URL instead of {field}",
                param=field,
            )
        if _is_data(address):
            return None
        if not self.enabled:
            return ImageUnavailable(
                "images are not fetched here (IMAGE_FETCH=false); send them as data: URLs", param=field
            )
        try:
            known.add(_normal(address))
        except ImageUnavailable as fault:
            fault.param = field
            return fault
        return (
            ImageUnavailable(f"more than {MAX_PICTURES} images by address; send fewer")
            if len(known) > MAX_PICTURES
            else None
        )

    async def fetch(self, address: str, ration: Ration) -> str:
        """The picture at an `http(s):` address, as a `data:` address.

        Raises `ImageUnavailable` for what is no picture, is too large, takes too long or is not public, and what
        `ration` raises.
        """
        ration.use(0)
        with trio.move_on_after(self.bounds.seconds):
            try:
                return await self._fetch(address, ration)
            except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException) as fault:
                raise ImageUnavailable(
                    "an image's server cannot be reached, or broke off; check its address"
                ) from fault
        raise ImageUnavailable(f"an image did not arrive within {self.bounds.seconds:g} s")

    async def _fetch(self, address: str, ration: Ration) -> str:
        async with httpcore2.AsyncConnectionPool(
            ssl_context=self._trusted(), max_keepalive_connections=0, network_backend=self._network
        ) as pool:
            for _ in range(MAX_REDIRECTS + 1):
                async with pool.stream("GET", _normal(address), headers=_HEADERS) as response:
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
                if size > self.bounds.max_size:
                    raise ImageUnavailable(f"an image is over {self.bounds.max_size} bytes (MAX_IMAGE_BYTES)")
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


def _wanted(messages: Iterable[Message]) -> dict[str, str]:
    """The pictures that have to be fetched, in order: each by its address as it is given, with that on the wire."""
    given = (address for message in messages for address in message.images if not _is_data(address))
    return {address: _normal(address) for address in given}


def _places(message: Message) -> Iterable[tuple[str, str]]:
    """Each picture with the field that it stands in."""
    return zip_longest(message.images, message.image_fields, fillvalue="messages")


def _shown(message: Message, find: Callable[[str, str], str | GatewayError], *, strict: bool) -> Message:
    """The message with what `find` returns for each picture and its field: its address, or why it is not shown.

    Raises that where it is `strict`, and notes it in the message otherwise.
    """
    if not message.images:
        return message
    images: list[tuple[str, str]] = []
    unseen = list(message.unseen)
    for address, field in _places(message):
        found = find(address, field)
        if isinstance(found, str):
            images.append((found, field))
        elif strict:
            raise found
        else:
            unseen.append(str(found).partition(";")[0])  # behind it stands what its sender could do
    return replace(
        message,
        images=tuple(address for address, _ in images),
        image_fields=tuple(field for _, field in images),
        unseen=tuple(unseen),
    )


def _head(data: bytes) -> bytearray:
    """What the `data:` address begins with of a picture that begins with `data`."""
    if not (kind := picture_kind(data)):
        raise ImageUnavailable("what stands at an image's address is no PNG, JPEG, GIF or WebP picture")
    return bytearray(f"data:{kind};base64,".encode())


def _normal(address: str) -> str:
    """The address as it goes on the wire, the same for all ways to write it."""
    try:
        if len(address) <= MAX_ADDRESS and (url := httpx2.URL(address)).scheme in {"http", "https"} and url.host:
            normal = str(url.copy_with(fragment=None))  # which no server is told of
            httpcore2.URL(normal)
            return normal
    except (httpx2.InvalidURL, ValueError):
        pass
    raise ImageUnavailable("an image's address is no http:// or https:// address, or is too long")


def _is_data(address: str) -> bool:
    return address[:5].lower() == "data:"


def _header(response: httpcore2.Response, name: bytes) -> str:
    found = next((value for key, value in response.headers if key.lower() == name), None)
    if found is None:
        raise ImageUnavailable("an image's server redirects to nowhere")
    return found.decode("latin-1")
