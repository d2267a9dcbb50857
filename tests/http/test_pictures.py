"""Pictures by address: fetched where anybody could fetch them, within bounds, and from nowhere else."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest
import trio

from lingma_trio.errors import ImageUnavailable, InvalidRequest
from lingma_trio.http.pictures import MAX_PICTURES, CheckedNetwork, PictureBounds, Pictures
from lingma_trio.policy.addresses import is_public
from lingma_trio.turns import Message, Prompt

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100
BOUNDS = PictureBounds(max_size=1000, seconds=5)
INLINE = "data:image/png;base64,AAAA"


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

    def pictures(self, bounds: PictureBounds = BOUNDS) -> Pictures:
        """What is tested; loopback, where the site is, counts as public, and the rest as it always does."""
        network = CheckedNetwork(
            resolve=self.resolve, allows=lambda address: address == "127.0.0.1" or is_public(address)
        )
        return Pictures(bounds, enabled=True, fallback="error", network=network)


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


def asking(*images: str) -> Prompt:
    """A conversation whose newest message holds pictures."""
    fields = tuple(f"input[{place}]" for place in range(len(images)))
    return Prompt(
        (Message("user", "What is it? [image]", attachments=("digest",), images=images, image_fields=fields),)
    )


def going_on(*images: str, last: Message | None = None, begun: bool = False) -> Prompt:
    """A conversation with pictures in an older message than its last."""
    last = last or Message("user", "And in words?")
    beginning = (Message("assistant", "It is"),) if begun else ()
    return Prompt((*asking(*images).messages, Message("assistant", "A cat."), last, *beginning))


async def prepared(pictures: Pictures, prompt: Prompt, *, sees: bool = True) -> Prompt:
    """The conversation as it is asked."""
    return await pictures.fetch_all(pictures.check(prompt, blind="" if sees else "kmodel"), lambda _: None)


async def fetched(pictures: Pictures, address: str) -> str:
    """One picture, as it is asked about."""
    return (await prepared(pictures, asking(address))).messages[0].images[0]


async def test_picture_is_fetched_once_and_is_at_hand() -> None:
    """Each address becomes a data: address of the picture's own kind; what is at hand already stays."""
    async with open_site(a=page(PNG)) as site:
        address = site.url("/a")
        prompt = await prepared(site.pictures(), asking(address, INLINE, address), sees=True)
    fetched, inline, again = prompt.messages[0].images
    assert fetched.startswith("data:image/png;base64,")
    assert b64decode(fetched.partition(",")[2]) == PNG
    assert (inline, again, site.asked) == (INLINE, fetched, ["/a"])


async def test_redirect_is_followed_and_checked() -> None:
    """One that leads to a public address is followed; one that leads into somebody's network asks nobody there."""
    async with open_site(a=moved("/b"), b=page(PNG)) as site:
        assert (await fetched(site.pictures(), site.url("/a"))).startswith("data:image/png")
        site.names["inside.example"] = ["10.0.0.1"]
        for location in (
            site.url("/b", "inside.example"),
            "http://169.254.169.254/latest",
            "http://[::1]/",
            "file:///etc/passwd",
        ):
            site.names.setdefault("169.254.169.254", ["169.254.169.254"])
            site.names.setdefault("::1", ["::1"])
            site.pages["/a"] = moved(location)
            with pytest.raises(ImageUnavailable):
                await fetched(site.pictures(), site.url("/a"))
    assert site.asked == ["/a", "/b", "/a", "/a", "/a", "/a"]


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["127.0.0.2"], ["127.0.0.1", "192.168.0.1"], ["::1"], []])
async def test_name_that_leads_inside_is_refused(addresses: list[str]) -> None:
    """One address of a name that is not public is enough, since the next look-up may give that one alone."""
    async with open_site(a=page(PNG)) as site:
        site.names["pictures.example"] = addresses
        with pytest.raises(ImageUnavailable, match="public"):
            await fetched(site.pictures(), site.url("/a"))
    assert site.asked == []


async def test_loopback_is_not_public_by_default() -> None:
    """Without a test's own rule nothing on this machine is ever asked, by name or by number."""
    async with open_site(a=page(PNG)) as site:
        pictures = Pictures(BOUNDS, enabled=True, fallback="error")
        for host in ("127.0.0.1", "localhost", "[::1]"):
            with pytest.raises(ImageUnavailable):
                await fetched(pictures, site.url("/a", host))
    assert site.asked == []


@pytest.mark.parametrize(
    "response",
    [
        page(b"<html>no picture</html>"),
        page(b""),
        page(PNG + b"\0" * 1000),
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + PNG,
        b"HTTP/1.1 500 Fault\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
        moved("/a"),
        b"nonsense\r\n\r\n",
        b"",
    ],
    ids=["text", "empty", "too large", "cut off", "fault", "to nowhere", "in circles", "no HTTP", "nothing"],
)
async def test_what_is_no_picture_is_refused(response: bytes) -> None:
    """Whatever a server sends instead of one whole picture of a size is told as what it is: the request's fault."""
    async with open_site(a=response) as site:
        with pytest.raises(ImageUnavailable):
            await fetched(site.pictures(), site.url("/a"))


@pytest.mark.parametrize(
    "address",
    ["file:///etc/passwd", "ftp://pictures.example/a", "//pictures.example/a", "http://", "http://[", "http://a b/", "http:///x",
     "http://unknown.example/a", "http://pictures.example:99999/", "http://pictures.example/" + "a" * 5000, "http://é\u2028.example/"],
)  # fmt: skip
async def test_address_that_is_none_is_refused(address: str) -> None:
    """Other schemes, broken addresses and names that nobody has are the request's fault, and nothing worse."""
    async with open_site() as site:
        with pytest.raises(ImageUnavailable):
            await fetched(site.pictures(), address)


async def test_port_of_another_service_is_not_asked() -> None:
    """Only where web servers listen: the name is not even looked up."""
    async with open_site(a=page(PNG)) as site:
        for port in (22, 25, 6379):
            with pytest.raises(ImageUnavailable, match=f"port {port}"):
                await fetched(site.pictures(), f"http://pictures.example:{port}/a")


async def test_slow_server_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    """A picture has so many seconds, however its server spends them."""

    async def never(host: str, port: int) -> list[str]:
        del host, port
        await trio.sleep_forever()
        raise AssertionError

    pictures = Pictures(BOUNDS, enabled=True, fallback="error", network=CheckedNetwork(resolve=never))
    with pytest.raises(ImageUnavailable, match="5 s"):
        await fetched(pictures, "http://pictures.example/a")
    assert autojump_clock.current_time() == pytest.approx(5)


async def test_pictures_by_address_can_be_turned_off() -> None:
    """Then they are refused with what to do instead, and pictures at hand still work."""
    pictures = Pictures(BOUNDS, enabled=False, fallback="error")
    assert (await prepared(pictures, asking(INLINE), sees=True)).messages[0].images == (INLINE,)
    with pytest.raises(ImageUnavailable, match="IMAGE_FETCH"):
        await prepared(pictures, asking("http://pictures.example/a"), sees=True)


async def test_too_many_pictures_are_refused_before_any_is_fetched() -> None:
    """Their number is bounded."""
    async with open_site() as site:
        addresses = [site.url(f"/{number}") for number in range(MAX_PICTURES + 1)]
        with pytest.raises(ImageUnavailable, match="fewer"):
            await prepared(site.pictures(), asking(*addresses), sees=True)
    assert site.asked == []


async def test_model_that_sees_nothing_gets_none() -> None:
    """The client is told, or the placeholder stays in the text, as the setting says; nothing is fetched."""
    async with open_site(a=page(PNG)) as site:
        with pytest.raises(InvalidRequest, match=r"kmodel takes no images; leave input\[0\] out") as told:
            await prepared(site.pictures(), asking(site.url("/a")), sees=False)
        assert told.value.param == "input[0]"
        lenient = Pictures(BOUNDS, enabled=True, fallback="placeholder")
        prompt = await prepared(lenient, asking(site.url("/a")), sees=False)
    why = "the model kmodel takes no images"
    assert prompt.messages == (Message("user", "What is it? [image]", attachments=("digest",), unseen=(why,)),)
    assert site.asked == []


async def test_conversation_without_pictures_is_left_alone() -> None:
    """It is the very same one, whatever the model sees."""
    prompt = Prompt((Message("user", "Hello"),))
    assert await prepared(Pictures(BOUNDS, enabled=True, fallback="error"), prompt, sees=False) is prompt


@pytest.mark.parametrize("begun", [False, True])
async def test_older_picture_does_not_block_its_conversation(begun: bool) -> None:
    """What cannot be shown of it is said in its place, whatever the reason, and what can be is shown."""
    async with open_site(a=page(PNG), b=page(b"no picture")) as site:
        addresses = (INLINE, site.url("/a"), site.url("/b"), site.url("/a", "unknown.example"), "ftp://a/b", "")
        prompt = await prepared(site.pictures(), going_on(*addresses, begun=begun))
        blind = await prepared(site.pictures(), going_on(INLINE, begun=begun), sees=False)
        closed = Pictures(BOUNDS, enabled=False, fallback="error")
        unfetched = await prepared(closed, going_on(INLINE, site.url("/a"), begun=begun))
    first = prompt.messages[0]
    assert [image[:15] for image in first.images] == ["data:image/png;"] * 2
    assert first.unseen == (
        "an image's address is no http:// or https:// address, or is too long",
        "an image is not in the request, and no files are kept here",
        "what stands at an image's address is no PNG, JPEG, GIF or WebP picture",
        "an image's host name cannot be resolved",
    )
    assert (blind.messages[0].images, blind.messages[0].unseen) == ((), ("the model kmodel takes no images",))
    assert unfetched.messages[0].images == (INLINE,)
    assert len(unfetched.messages[0].unseen) == 1
    assert prompt.messages[1:] == going_on(begun=begun).messages[1:]


async def test_picture_of_the_last_message_is_needed() -> None:
    """What becomes of older ones changes nothing about it: the fault names its field."""
    async with open_site(a=page(PNG)) as site:
        for address in (site.url("/b"), "ftp://a/b", "", site.url("/a", "unknown.example")):
            last = Message("user", "[image]", images=(site.url("/a"), address), image_fields=("one", "other"))
            for prompt in (
                Prompt((last,)),
                going_on(site.url("/c"), last=last),
                going_on(address, last=last, begun=True),
            ):
                with pytest.raises(InvalidRequest) as told:
                    await prepared(site.pictures(), prompt)
                assert told.value.param == "other"
        assert "/c" not in site.asked


async def test_last_message_has_its_pictures_before_all_others(autojump_clock: trio.testing.MockClock) -> None:
    """Older ones that are too many, too slow or too large together are left out for its sake."""
    del autojump_clock
    asked: list[str] = []

    async def never(host: str, port: int) -> list[str]:
        del port
        asked.append(host)
        await trio.sleep_forever()
        raise AssertionError

    pictures = Pictures(BOUNDS, enabled=True, fallback="error", network=CheckedNetwork(resolve=never))
    older = [f"http://{number}.example/" for number in range(MAX_PICTURES + 5)]
    prompt = await prepared(pictures, going_on(*older, last=Message("user", "[image]", images=(INLINE,))))
    assert prompt.messages[2].images == (INLINE,)
    assert len(prompt.messages[0].unseen) == len(older)
    assert sum(why.startswith("more than 50") for why in prompt.messages[0].unseen) == 5
    assert len(asked) == 8  # four at once, twice within the seconds that all have
    async with open_site(new=page(PNG + b"\0" * 800), **{f"n{n}": page(PNG + b"\0" * 800) for n in range(5)}) as site:
        last = Message("user", "[image]", images=(site.url("/new"),))
        prompt = await prepared(site.pictures(), going_on(*(site.url(f"/n{n}") for n in range(5)), last=last))
    assert len(prompt.messages[2].images) == 1
    assert (len(prompt.messages[0].images), len(prompt.messages[0].unseen)) == (1, 4)
