"""The link that signs in once: looking at it uses nothing up, its button does, and nothing else gets in."""

from __future__ import annotations

import re

import pytest
import trio
from trio.testing import MockClock

from lingma_trio.http.page.link import FIELD, PATH, WORDS
from lingma_trio.state.operators import LINK_LIFETIME
from tests.http.page.browsing import ADMIN, Browser
from tests.http.world import open_world


async def test_button_signs_in_once() -> None:
    """However often the link was looked at before; afterwards it is over, for the same browser as for another."""
    async with open_world(admin=ADMIN) as world:
        link = await world.services.operators.offer_link()
        browser = Browser(world)
        for _ in range(3):
            shown = await browser.get(PATH, f"{FIELD}={link}")
            assert re.findall(rb'name="once" value="([^"]+)"', shown.body) == [link.encode()]
            assert "set-cookie" not in shown.headers
            assert shown.headers["cache-control"] == "no-store"
        done = await browser.post(PATH, once=link)
        assert (done.status, done.headers["location"]) == (303, "/")
        browser.cookie = done.headers["set-cookie"].partition(";")[0]
        assert b"lingma-0" in (await browser.get()).body
        again = await Browser(world).post(PATH, once=link)
        assert (again.status, "set-cookie" in again.headers) == (401, False)
        assert b"<form" not in (await Browser(world).get(PATH, f"{FIELD}={link}")).body


async def test_link_is_good_for_a_while(autojump_clock: MockClock) -> None:
    """For ten minutes, and not a moment longer."""
    async with open_world(admin=ADMIN) as world:
        link = await world.services.operators.offer_link()
        await trio.sleep(LINK_LIFETIME / 2)
        assert b"<form" in (await Browser(world).get(PATH, f"{FIELD}={link}")).body
        await trio.sleep(LINK_LIFETIME / 2)
        assert b"<form" not in (await Browser(world).get(PATH, f"{FIELD}={link}")).body
        assert (await Browser(world).post(PATH, once=link)).status == 401
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("link", ["", "planted", "x" * 5000], ids=["none", "another", "long"])
async def test_other_words_open_nothing(link: str) -> None:
    """Nor are they shown."""
    async with open_world(admin=ADMIN) as world:
        await world.services.operators.offer_link()
        shown = await Browser(world).get(PATH, f"{FIELD}={link}")
        refused = await Browser(world).post(PATH, once=link)
    assert b"<form" not in shown.body
    assert b"planted" not in shown.body + refused.body
    assert (refused.status, "set-cookie" in refused.headers) == (401, False)


async def test_form_of_another_site_uses_nothing_up() -> None:
    """It is refused, and the link goes on to be good."""
    async with open_world(admin=ADMIN) as world:
        link = await world.services.operators.offer_link()
        refused = await Browser(world).post(PATH, headers={"sec-fetch-site": "cross-site"}, once=link)
        assert refused.status == 401
        assert await world.services.operators.is_offered(link)


async def test_without_an_admin_token_there_is_no_link() -> None:
    """Nobody can sign in then, by whatever way."""
    async with open_world() as world:
        assert await world.services.operators.offer_link() == ""
        assert not await world.services.operators.is_offered("")
        assert (await Browser(world).get(PATH, f"{FIELD}=")).status == 404


async def test_new_link_takes_the_place_of_the_old() -> None:
    """There is one at a time."""
    async with open_world(admin=ADMIN) as world:
        old, new = [await world.services.operators.offer_link() for _ in range(2)]
        assert not await world.services.operators.is_offered(old)
        assert await world.services.operators.is_offered(new)


def test_both_languages_say_the_same() -> None:
    """Each word of the one is in the other."""
    assert WORDS["en"].keys() == WORDS["zh"].keys()
