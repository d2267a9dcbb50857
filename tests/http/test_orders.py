"""Orders: by whom they are, and what their bodies hold."""

from __future__ import annotations

import pytest

from lingma_trio.errors import BodyTooLarge, InvalidRequest, NotFound, Unauthorized
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.orders import MAX_BODY, MAX_FIELDS, Order, take_order
from tests.http.page.browsing import ADMIN, FORM, Browser
from tests.http.world import World, open_world

BEARER = {"authorization": f"Bearer {ADMIN}"}


async def order(world: World, body: bytes, headers: dict[str, str]) -> Order:
    """Take an order out of a request."""
    visitor = world.visitor("POST", "/internal/anything", body, headers)
    return await take_order(Exchange("order", visitor.scope, visitor.receive, visitor.send), world.services)


async def test_program_orders_by_token() -> None:
    """Its wishes are a JSON object."""
    async with open_world(admin=ADMIN) as world:
        taken = await order(world, b'{"instance": "a"}', BEARER)
        assert taken == Order({"instance": "a"}, by_form=False)
        with pytest.raises(NotFound):
            await order(world, b"{}", {"authorization": "Bearer wrong"})
        with pytest.raises(InvalidRequest):
            await order(world, b"[]", BEARER)


async def test_page_orders_by_session_and_token() -> None:
    """As a form, or as JSON from its script; ADMIN_TOKEN takes no form, since no program sends one."""
    async with open_world(admin=ADMIN) as world:
        browser = Browser(world)
        await browser.sign_in()
        form = f"csrf={browser.csrf}&instance=a".encode()
        taken = await order(world, form, {**FORM, **browser.headers})
        assert (taken.wishes["instance"], taken.by_form) == ("a", True)
        scripted = await order(world, form, {**FORM, **browser.headers, "accept": "application/json"})
        assert not scripted.by_form
        json = await order(world, b'{"instance": "a"}', {**browser.headers, "x-csrf-token": browser.csrf})
        assert json == Order({"instance": "a"}, by_form=False)
        with pytest.raises(Unauthorized):
            await order(world, b"instance=a", {**FORM, **BEARER})


async def test_form_is_bounded() -> None:
    """A form with more fields than any of the page's is refused."""
    async with open_world(admin=ADMIN) as world:
        with pytest.raises(InvalidRequest, match="too many fields"):
            await order(world, b"&".join(b"a=1" for _ in range(MAX_FIELDS + 1)), FORM)


async def test_too_large_an_order_is_told_what_helps() -> None:
    """No setting does: its bound is of the gateway's own."""
    async with open_world(admin=ADMIN) as world:
        with pytest.raises(BodyTooLarge, match=r"is larger than 65536 bytes; send less$"):
            await order(world, b'{"instance": "%s"}' % (b"a" * MAX_BODY), BEARER)
