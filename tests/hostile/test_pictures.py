"""Requests that name many, large or slow pictures: what each costs is bounded, and all of it lies within its slot."""

from __future__ import annotations

import tracemalloc
from base64 import b64decode
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import httpcore2
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import lingma_trio.http.picture_fetching  # noqa: F401 - in a thread otherwise, for which no mock clock waits
from lingma_trio.http.picture_bounds import LARGEST, PictureBounds
from lingma_trio.http.pictures import AT_ONCE, FETCHES_BESIDE, MAX_PICTURES, Pictures
from lingma_trio.keys.key import ApiKey, digest_of
from lingma_trio.protocol.catalogue import Catalogue, Model
from lingma_trio.turns import Message, Prompt
from tests.http.world import Visitor, World, open_world

PNG = b"\x89PNG\r\n\x1a\n"
CHUNK = 10_000


class Picture(httpcore2.AsyncNetworkStream):
    """A connection to a server that sends one picture, piece by piece, each after `pause` seconds."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._left = network.size
        self._pieces: list[bytes] = []

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the library's
        """Be asked."""
        del timeout
        await trio.lowlevel.checkpoint()
        if not buffer:  # the request's body
            return
        self._network.asked[buffer.split()[1].decode()] += 1
        self._pieces = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self._left, PNG]
        self._left -= len(PNG)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - the library's
        """Send the next piece."""
        del max_bytes, timeout
        await trio.sleep(self._network.pause)
        piece = self._pieces.pop(0) if self._pieces else bytes(min(CHUNK, self._left))
        if set(piece) == {0}:
            self._left -= len(piece)
        self._network.sent += len(piece)
        return piece

    async def aclose(self) -> None:
        """Be hung up on."""
        self._network.open -= 1
        await trio.lowlevel.checkpoint()


class Network(httpcore2.AsyncNetworkBackend):
    """Servers of pictures of `size` bytes, and what they saw."""

    def __init__(self, size: int, *, pause: float = 0) -> None:
        self.size = size
        self.pause = pause
        self.in_place: Network | None = None  # whose servers whoever comes now is led to
        self.asked: Counter[str] = Counter()
        self.open = self.most_open = self.sent = 0

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> Picture:
        """Take a connection."""
        del host, port, timeout, local_address, socket_options
        await trio.lowlevel.checkpoint()
        server = self.in_place or self
        server.open += 1
        server.most_open = max(server.most_open, server.open)
        return Picture(server)

    def pictures(self, *, max_size: int) -> Pictures:
        """What is tested."""
        return Pictures(PictureBounds(max_size=max_size, seconds=5), enabled=True, fallback="error", network=self)


def asker(world: World, addresses: Sequence[str], **headers: str) -> Visitor:
    """Somebody who asks about pictures."""
    parts: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": address}} for address in addresses]
    return world.asker(headers=headers, messages=[{"role": "user", "content": parts}])


def show(world: World, network: Network, *, max_size: int, sees: bool = True) -> None:
    """Let the world have pictures, and a model that sees them or not."""
    world.services.pictures = network.pictures(max_size=max_size)
    world.instance.account.catalogue = Catalogue((Model("org_auto", "Auto", sees=sees),))


def many(count: int) -> list[str]:
    """Addresses of so many pictures."""
    return [f"http://pictures.example/{number}" for number in range(count)]


async def test_pictures_are_fetched_within_the_slot() -> None:
    """A key that may have one answer made at once has the pictures of one fetched at once, whatever it asks for."""
    network = Network(1000, pause=1000)
    async with open_world(keys=(ApiKey("busy", digest_of("the-busy-key"), max_in_flight=1),)) as world:
        show(world, network, max_size=1000)
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(asker(world, many(20), authorization="Bearer the-busy-key").visit)
            await wait_all_tasks_blocked()
            assert network.open == AT_ONCE
            assert world.services.limiter.counts.in_flight == 1
            nursery.cancel_scope.cancel("seen")
    assert network.open == 0


async def test_pictures_of_others_keep_none_waiting() -> None:
    """Fetches of all have one bound, and each request that holds a slot has one beside it, so that none waits."""
    slow, quick = Network(1000, pause=1000), Network(20)
    async with open_world(slots=20) as world:
        show(world, slow, max_size=1000)
        async with trio.open_nursery() as nursery:
            for _ in range(15):
                nursery.start_soon(asker(world, many(20)).visit)
            await wait_all_tasks_blocked()
            assert slow.open == 15 + FETCHES_BESIDE
            slow.in_place = quick
            nursery.start_soon(asker(world, many(10)).visit)
            await world.peer.called("image/upload")
            nursery.cancel_scope.cancel("seen")
    assert quick.asked.total() == 10
    assert slow.open == quick.open == 0


async def test_pictures_have_one_budget_of_bytes() -> None:
    """All of a request's take together what a few of the largest may, and nothing is held of a request that is over."""
    network = Network(50_000)
    async with open_world() as world:
        show(world, network, max_size=50_000)
        visitor = asker(world, many(MAX_PICTURES))
        await visitor.visit()
        assert (visitor.status, visitor.code) == (400, "image_unavailable")
        assert "together" in visitor.json["error"]["message"]
        assert network.sent <= LARGEST * 50_000 + AT_ONCE * (CHUNK + 100)
        assert world.services.byte_budget.held == 0


async def test_pictures_count_against_the_bytes_under_way() -> None:
    """They are held as the body is, as what they are sent on as, and given back with the end of the turn."""
    network = Network(30_000)
    async with open_world() as world:
        show(world, network, max_size=30_000)
        visitor = asker(world, many(2))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visitor.visit)
            await world.peer.called("image/upload")
            assert 80_000 < world.services.byte_budget.held < 85_000
            nursery.cancel_scope.cancel("seen")
        assert world.services.byte_budget.held == 0


async def test_pictures_have_one_budget_of_time(autojump_clock: MockClock) -> None:
    """However many there are and however slowly each comes, the slot is free again after a few times the longest."""
    network = Network(20, pause=1)
    async with open_world(slots=1) as world:
        show(world, network, max_size=1000)
        visitor = asker(world, many(MAX_PICTURES))
        began = trio.current_time()
        await visitor.visit()
        assert trio.current_time() - began == pytest.approx(LARGEST * 5, abs=0.5)
        assert (visitor.status, visitor.code) == (400, "image_unavailable")
        assert world.services.limiter.counts.in_flight == 0


async def test_picture_is_fetched_once_however_it_is_named() -> None:
    """Spelling, the port that goes without saying and what stands behind a hash make no other picture."""
    network = Network(1000)
    addresses = ["http://pictures.example/a", "HTTP://Pictures.Example:80/a", "http://pictures.example/a#corner"]
    prompt = Prompt(tuple(Message("user", "[image]", images=(address,)) for address in addresses))
    done = await network.pictures(max_size=1000).fetch_all(prompt, lambda _: None)
    assert network.asked == {"/a": 1}
    assert len({message.images for message in done.messages}) == 1


async def test_what_needs_no_picture_to_be_refused_waits_for_no_slot() -> None:
    """While all slots are taken, pictures that would be refused anyway are refused at once."""
    network = Network(1000)
    async with open_world(slots=1) as world, trio.open_nursery() as nursery:
        show(world, network, max_size=1000)
        nursery.start_soon(world.asker().visit)
        await world.peer.called("chat/ask")
        too_many = asker(world, many(MAX_PICTURES + 1))
        await too_many.visit()
        show(world, network, max_size=1000, sees=False)
        unseen = asker(world, many(1))
        await unseen.visit()
        nursery.cancel_scope.cancel("seen")
    assert (too_many.status, unseen.status) == (400, 400)
    assert not network.asked


async def test_picture_is_not_held_many_times_over() -> None:
    """While it comes and is turned into text it takes little more than twice the room of that text."""
    size = 3_000_000
    pictures = Network(size).pictures(max_size=size)
    prompt = Prompt((Message("user", "[image]", images=("http://pictures.example/a",)),))
    tracemalloc.start()
    try:
        done = await pictures.fetch_all(prompt, lambda _: None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    text = done.messages[0].images[0]
    assert b64decode(text.partition(",")[2]) == PNG + bytes(size - len(PNG))
    assert peak < 2.5 * len(text)
