"""Has every picture of a conversation at hand before it is asked, or says why it is not shown.

Knows which pictures count. Must not know how one is fetched, the surfaces, or what becomes of a picture.

Fetching is work for one request, done while it holds its slot: few pictures at a time, within one number of bytes and
of seconds for all of them.

What cannot be shown of the last message is a fault of the request. What cannot be shown of older ones is said in its
place, or else one picture would end its conversation for good.
"""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from importlib import import_module
from itertools import zip_longest
from typing import TYPE_CHECKING, Literal, TypeAlias

import trio

from lingma_trio.errors import GatewayError, ImageUnavailable, InvalidRequest
from lingma_trio.http.picture_bounds import PictureBounds, Ration
from lingma_trio.threads import DISK
from lingma_trio.turns import Message, Prompt

if TYPE_CHECKING:
    import httpcore2

    from lingma_trio.http.picture_fetching import PictureFetcher

MAX_PICTURES = 50  # by address in one conversation
AT_ONCE = 4  # of one conversation's pictures under way at once, so that many small ones do not take long
FETCHES_BESIDE = 32  # under way for all beside one for each slot, which waits for nobody

_BASE64 = re.compile(r"data:[^,]{0,256};\s{0,4}base64,\s{0,4}[A-Za-z0-9+/_-]{4}", re.IGNORECASE)  # its beginning alone
_FETCHING = "lingma_trio.http.picture_fetching"

_Found: TypeAlias = dict[str, str | GatewayError]
Fallback: TypeAlias = Literal["error", "placeholder"]


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
        self._network = network
        self._made: PictureFetcher | None = None
        self._beside = trio.CapacityLimiter(FETCHES_BESIDE)

    async def prepare(self, prompts: Iterable[Prompt]) -> None:
        """Have at hand what fetches pictures, where one is to be fetched.

        It brings an HTTP client along, which is read in a thread the first time: that takes longer than others should
        wait, and a gateway that is sent no addresses never holds it. Cancelling waits for that. Raises
        `ImageUnavailable` where no more files can be opened.
        """
        for prompt in prompts:
            for message in prompt.messages:
                if message.images and not all(map(_is_data, message.images)) and not _is_loaded():
                    await _load()

    @property
    def _fetcher(self) -> PictureFetcher:
        from lingma_trio.http.picture_fetching import PictureFetcher  # noqa: PLC0415 - see `prepare`

        self._made = self._made or PictureFetcher(self.bounds, self._network)
        return self._made

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
        if not any([message.images for message in prompt.messages]):  # noqa: C419 - a generator costs more than the list
            return prompt
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
                        found[address] = await self._fetcher.fetch(address, ration)
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
            return (
                None
                if _BASE64.match(address)
                else InvalidRequest(
                    f"{field} holds no picture; send it as base64: data:image/png;base64,iVBORw0…", param=field
                )
            )
        if not self.enabled:
            return ImageUnavailable(
                "images are not fetched here (IMAGE_FETCH=false); send them as data: URLs", param=field
            )
        try:
            known.add(_on_the_wire(address))
        except ImageUnavailable as fault:
            fault.param = field
            return fault
        return (
            ImageUnavailable(f"more than {MAX_PICTURES} images by address; send fewer")
            if len(known) > MAX_PICTURES
            else None
        )


def _is_loaded() -> bool:
    """Whether it is there to its end. A module is known from the beginning of its reading on, and whoever imports it
    until the end waits for that, be it the loop.
    """
    return hasattr(sys.modules.get(_FETCHING), "on_the_wire")


async def _load() -> None:
    try:
        await DISK.run(import_module, _FETCHING)
    except OSError as fault:  # where no more files can be opened
        raise ImageUnavailable("images cannot be fetched at this moment; send them as data: URLs") from fault


def _wanted(messages: Iterable[Message]) -> dict[str, str]:
    """The pictures that have to be fetched, in order: each by its address as it is given, with that on the wire."""
    given = (address for message in messages for address in message.images if not _is_data(address))
    return {address: _on_the_wire(address) for address in given}


def _on_the_wire(address: str) -> str:
    from lingma_trio.http.picture_fetching import on_the_wire  # noqa: PLC0415 - see `Pictures.prepare`

    return on_the_wire(address)


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


def _is_data(address: str) -> bool:
    return address[:5].lower() == "data:"
