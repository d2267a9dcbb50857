"""The lines for clients on the page: with the address that the browser has, and a key that was just made."""

from __future__ import annotations

from pathlib import Path

import pytest

from lingma_trio.http.page.connect import PLACEHOLDER
from tests.http.keyed_world import with_file
from tests.http.page.browsing import ADMIN, Browser
from tests.http.world import open_world

REFERER = {"referer": "http://gateway/page/connect"}


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ({"host": "lingma.example:8443", "x-forwarded-proto": "https"}, "https://lingma.example:8443/v1"),
        ({"host": "[::1]:8317"}, "http://[::1]:8317/v1"),
        ({"host": 'x"; rm -rf ~ #'}, "http://127.0.0.1:8317/v1"),
        ({}, "http://127.0.0.1:8317/v1"),
    ],
    ids=["proxy", "IPv6", "hostile", "none"],
)
async def test_address_is_the_browser_s(headers: dict[str, str], address: str) -> None:
    """Whatever is no name of a host is in no line: people paste them into a shell."""
    async with open_world(admin=ADMIN) as world:
        browser = Browser(world)
        await browser.sign_in()
        shown = (await browser.get("/page/connect", **headers)).body.decode()
    assert f"base_url = &#34;{address}&#34;" in shown
    assert PLACEHOLDER in shown
    assert "rm -rf" not in shown


async def test_key_made_on_the_spot_is_in_the_lines(tmp_path: Path) -> None:
    """Of every client, and in force; the next look has a word in its place."""
    async with with_file(tmp_path / "keys.yaml") as world:
        browser = Browser(world)
        await browser.sign_in()
        made = (await browser.post("/internal/keys", REFERER, csrf=browser.csrf, name="laptop")).body.decode()
        key = made.partition('<pre id="made-key" tabindex="0">')[2].partition("<")[0]
        assert key.startswith("sk-")
        assert made.count(key) > 5
        assert PLACEHOLDER not in made
        listed = await world.call("GET", "/v1/models", headers={"authorization": f"Bearer {key}"})
        assert listed.status == 200
        assert key not in (await browser.get("/page/connect")).body.decode()


async def test_fault_of_a_name_stands_where_the_key_was_asked_for(tmp_path: Path) -> None:
    """With the form, to try again."""
    async with with_file(tmp_path / "keys.yaml") as world:
        browser = Browser(world)
        await browser.sign_in()
        refused = await browser.post("/internal/keys", REFERER, csrf=browser.csrf, name="no name")
    assert refused.status == 400
    assert b"a name has 1 to 64" in refused.body
    assert b'id="tab-codex"' in refused.body
