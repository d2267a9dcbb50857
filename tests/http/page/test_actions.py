"""Actions: a program, the page's script and a plain form each are told the outcome in their own way."""

from __future__ import annotations

import pytest

from tests.http.page.browsing import ADMIN, Browser
from tests.http.world import open_world

DRAIN = "/internal/instances/lingma-0/drain"


async def test_form_comes_back_to_the_page() -> None:
    """Which then says what was done; reloading it does nothing again."""
    async with open_world(admin=ADMIN) as world:
        browser = Browser(world)
        await browser.sign_in()
        visitor = await browser.post(DRAIN, csrf=browser.csrf)
        assert (visitor.status, visitor.headers["location"]) == (303, "/?done=drain")
        assert world.instance.standing.drained
        assert b"The instance takes no new turns." in (await browser.get(query="done=drain")).body


async def test_script_gets_the_report() -> None:
    """As JSON, with the token in a header."""
    async with open_world(admin=ADMIN) as world:
        browser = Browser(world)
        await browser.sign_in()
        visitor = await browser.post(DRAIN, {"accept": "application/json", "x-csrf-token": browser.csrf})
    assert (visitor.status, visitor.json["state"]) == (200, "drained")


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
async def test_form_of_another_site_does_nothing(accept: str) -> None:
    """The browser's cookie alone is no order."""
    async with open_world(admin=ADMIN) as world:
        browser = Browser(world)
        await browser.sign_in()
        visitor = await browser.post(DRAIN, {"accept": accept})
        assert not world.instance.standing.drained
        assert world.sample("requests_total", route="drain", outcome="invalid_api_key") == 1
    assert visitor.status == 401
    assert b"did not come from the page" in visitor.body


async def test_form_after_the_session_leads_to_the_sign_in() -> None:
    """With the reason, and with nothing of the gateway's."""
    async with open_world(admin=ADMIN) as world:
        visitor = await Browser(world).post(DRAIN, csrf="old")
        assert not world.instance.standing.drained
    assert visitor.status == 401
    assert b'name="token"' in visitor.body
    assert b"lingma-0" not in visitor.body


async def test_fault_of_an_action_stands_on_the_page() -> None:
    """Where a form asked for it, the fault is told in place; the pasted secret is not repeated."""
    async with open_world(admin=ADMIN) as world:
        browser = Browser(world)
        await browser.sign_in()
        pasted = "http://127.0.0.1/auth/callback?token=tok-secret"
        visitor = await browser.post("/internal/login", csrf=browser.csrf, callback=pasted)
        scripted = await browser.post(
            "/internal/login", {"accept": "application/json"}, csrf=browser.csrf, callback=pasted
        )
    assert visitor.status == 400
    assert b"That did not work" in visitor.body
    assert b"tok-secret" not in visitor.body
    assert (scripted.status, scripted.code) == (400, "invalid_request")


async def test_bearer_needs_no_session() -> None:
    """A program acts with ADMIN_TOKEN alone, with or without a body."""
    async with open_world(admin=ADMIN) as world:
        for body in (b"", b"{}"):
            visitor = await world.call("POST", DRAIN, body, headers={"authorization": f"Bearer {ADMIN}"})
            assert (visitor.status, visitor.json["state"]) == (200, "drained")
