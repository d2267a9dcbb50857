"""One picture by its address: fetched where anybody could fetch it, within bounds, and from nowhere else."""

from __future__ import annotations

from base64 import b64encode

import pytest
import trio

from lingma_trio.errors import ImageUnavailable
from lingma_trio.http.picture_bounds import PictureBounds, Ration
from lingma_trio.http.picture_fetching import CheckedNetwork, PictureFetcher
from tests.http.site import PNG, moved, open_site, page

BOUNDS = PictureBounds(max_size=1000, seconds=5)


async def fetched(network: CheckedNetwork, address: str) -> str:
    """One picture."""
    return await PictureFetcher(BOUNDS, network).fetch(address, Ration(BOUNDS, lambda _: None))


@pytest.mark.parametrize("more", [0, 1, 2, 40_000, 200_001])
async def test_picture_is_held_as_it_came_and_counted(more: int) -> None:
    """Whatever its length and the pieces in which it comes; what it takes as base64 is told on the way."""
    picture = PNG + bytes(range(251)) * (more // 251) + b"x" * (more % 251)
    bounds = PictureBounds(max_size=1_000_000, seconds=5)
    taken: list[int] = []
    async with open_site(a=page(picture)) as site:
        fetched = await PictureFetcher(bounds, site.network()).fetch(site.url("/a"), Ration(bounds, taken.append))
    assert fetched == "data:image/png;base64," + b64encode(picture).decode()
    assert sum(taken) >= len(picture) * 4 // 3


async def test_redirect_is_followed_and_checked() -> None:
    """One that leads to a public address is followed; one that leads into somebody's network asks nobody there."""
    async with open_site(a=moved("/b"), b=page(PNG)) as site:
        assert (await fetched(site.network(), site.url("/a"))).startswith("data:image/png")
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
                await fetched(site.network(), site.url("/a"))
    assert site.asked == ["/a", "/b", "/a", "/a", "/a", "/a"]


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["127.0.0.2"], ["127.0.0.1", "192.168.0.1"], ["::1"], []])
async def test_name_that_leads_inside_is_refused(addresses: list[str]) -> None:
    """One address of a name that is not public is enough, since the next look-up may give that one alone."""
    async with open_site(a=page(PNG)) as site:
        site.names["pictures.example"] = addresses
        with pytest.raises(ImageUnavailable, match="public"):
            await fetched(site.network(), site.url("/a"))
    assert site.asked == []


async def test_loopback_is_not_public_by_default() -> None:
    """Without a test's own rule nothing on this machine is ever asked, by name or by number."""
    async with open_site(a=page(PNG)) as site:
        for host in ("127.0.0.1", "localhost", "[::1]"):
            with pytest.raises(ImageUnavailable):
                await fetched(CheckedNetwork(), site.url("/a", host))
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
            await fetched(site.network(), site.url("/a"))


@pytest.mark.parametrize(
    "address",
    ["file:///etc/passwd", "ftp://pictures.example/a", "//pictures.example/a", "http://", "http://[", "http://a b/", "http:///x",
     "http://unknown.example/a", "http://pictures.example:99999/", "http://pictures.example/" + "a" * 5000, "http://é\u2028.example/"],
)  # fmt: skip
async def test_address_that_is_none_is_refused(address: str) -> None:
    """Other schemes, broken addresses and names that nobody has are the request's fault, and nothing worse."""
    async with open_site() as site:
        with pytest.raises(ImageUnavailable):
            await fetched(site.network(), address)


async def test_port_of_another_service_is_not_asked() -> None:
    """Only where web servers listen: the name is not even looked up."""
    async with open_site(a=page(PNG)) as site:
        for port in (22, 25, 6379):
            with pytest.raises(ImageUnavailable, match=f"port {port}"):
                await fetched(site.network(), f"http://pictures.example:{port}/a")


async def test_slow_server_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    """A picture has so many seconds, however its server spends them."""

    async def never(host: str, port: int) -> list[str]:
        del host, port
        await trio.sleep_forever()
        raise AssertionError

    with pytest.raises(ImageUnavailable, match="5 s"):
        await fetched(CheckedNetwork(resolve=never), "http://pictures.example/a")
    assert autojump_clock.current_time() == pytest.approx(5)
