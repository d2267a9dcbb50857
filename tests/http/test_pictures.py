"""Which pictures of a conversation are fetched, and what is said of those that are not shown."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64decode

import pytest
import trio

from lingma_trio.errors import ImageUnavailable, InvalidRequest
from lingma_trio.http.picture_bounds import PictureBounds
from lingma_trio.http.picture_fetching import CheckedNetwork
from lingma_trio.http.pictures import MAX_PICTURES, Pictures
from lingma_trio.turns import Message, Prompt
from tests.http.site import PNG, Site, open_site, page

BOUNDS = PictureBounds(max_size=1000, seconds=5)
INLINE = "data:image/png;base64,AAAA"


def pictures_at(site: Site) -> Pictures:
    """What is tested, where the site counts as public."""
    return Pictures(BOUNDS, enabled=True, fallback="error", network=site.network())


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


async def test_picture_is_fetched_once_and_is_at_hand() -> None:
    """Each address becomes a data: address of the picture's own kind; what is at hand already stays."""
    async with open_site(a=page(PNG)) as site:
        address = site.url("/a")
        prompt = await prepared(pictures_at(site), asking(address, INLINE, address), sees=True)
    fetched, inline, again = prompt.messages[0].images
    assert fetched.startswith("data:image/png;base64,")
    assert b64decode(fetched.partition(",")[2]) == PNG
    assert (inline, again, site.asked) == (INLINE, fetched, ["/a"])


@pytest.mark.parametrize("data", ["", "!!!!", "A"])
@pytest.mark.parametrize("kind", ["data:image/png;base64,", "data:image/svg+xml,", "DATA:image/png,"])
def test_data_that_is_no_base64_is_refused_and_not_put_to_lingma(kind: str, data: str) -> None:
    """It is the request that is wrong: an error of Lingma's would have clients ask again, in vain."""
    pictures = Pictures(BOUNDS, enabled=True, fallback="error")
    with pytest.raises(InvalidRequest, match="send it as base64") as caught:
        pictures.check(asking(INLINE, kind + data))
    assert caught.value.param == "input[1]"
    told = pictures.check(going_on(kind + data)).messages[0]
    assert (told.images, told.unseen) == ((), ("input[0] holds no picture",))


@pytest.mark.parametrize(
    "kind", ["data:image/png; base64,", "data:image/png;base64, ", "data:;BASE64,", "data:;a=b;base64,\r\n"]
)
def test_base64_is_told_as_a_browser_tells_it(kind: str) -> None:
    """Spaces before the word are none to it, whatever RFC 2397 says."""
    asked = asking(kind + "/9j/4AAQSkZJRg==")
    checked = Pictures(BOUNDS, enabled=True, fallback="error").check(asked)
    assert checked.messages[0].images == asked.messages[0].images


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
            await prepared(pictures_at(site), asking(*addresses), sees=True)
    assert site.asked == []


async def test_model_that_sees_nothing_gets_none() -> None:
    """The client is told, or the placeholder stays in the text, as the setting says; nothing is fetched."""
    async with open_site(a=page(PNG)) as site:
        with pytest.raises(InvalidRequest, match=r"kmodel takes no images; leave input\[0\] out") as told:
            await prepared(pictures_at(site), asking(site.url("/a")), sees=False)
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
        prompt = await prepared(pictures_at(site), going_on(*addresses, begun=begun))
        blind = await prepared(pictures_at(site), going_on(INLINE, begun=begun), sees=False)
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
                    await prepared(pictures_at(site), prompt)
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
        prompt = await prepared(pictures_at(site), going_on(*(site.url(f"/n{n}") for n in range(5)), last=last))
    assert len(prompt.messages[2].images) == 1
    assert (len(prompt.messages[0].images), len(prompt.messages[0].unseen)) == (1, 4)


@pytest.mark.parametrize(("address", "held"), [("data:image/png;base64,", False), ("http://a.example/b.png", True)])
def test_what_fetches_is_read_for_whoever_needs_it(address: str, *, held: bool) -> None:
    """A gateway that is sent no addresses never holds an HTTP client; it is there before one is looked at."""
    code = (
        "import sys, trio\n"
        "from lingma_trio.http.pictures import Pictures, PictureBounds\n"
        "from lingma_trio.turns import Message, Prompt\n"
        f"prompt = Prompt((Message('user', '[image]', images=({address!r},)),))\n"
        "async def prepare(): await Pictures(PictureBounds(1, 1), enabled=True, fallback='error').prepare([prompt])\n"
        "trio.run(prepare)\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert ("httpcore2" in done.stdout.split()) is held


def test_what_fetches_is_waited_for_by_everybody() -> None:
    """Who comes while it is being read waits beside the loop as well, and not in it."""
    code = (
        "import sys, trio\n"
        "from lingma_trio.http import pictures\n"
        "from lingma_trio.turns import Message, Prompt\n"
        "prompt = Prompt((Message('user', '[image]', images=('http://a.example/b.png',)),))\n"
        "own = pictures.Pictures(pictures.PictureBounds(1, 1), enabled=True, fallback='error')\n"
        "name = 'lingma_trio.http.picture_fetching'\n"
        "async def main():\n"
        "    async with trio.open_nursery() as nursery:\n"
        "        nursery.start_soon(own.prepare, [prompt])\n"
        "        while name not in sys.modules:\n"
        "            await trio.lowlevel.checkpoint()\n"
        "        print(hasattr(sys.modules[name], 'on_the_wire'))\n"
        "        await own.prepare([prompt])\n"
        "        print(hasattr(sys.modules[name], 'on_the_wire'))\n"
        "trio.run(main)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split()[-1] == "True"
