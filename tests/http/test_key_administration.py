"""Keys made and revoked while the gateway runs: in force at once, and in the file by their digests alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic_core import to_json

from tests.http.keyed_world import with_file
from tests.http.page.browsing import ADMIN, Browser
from tests.http.world import Visitor, World, open_world

OPERATOR = {"authorization": f"Bearer {ADMIN}"}


async def make(world: World, **wishes: object) -> Visitor:
    return await world.call("POST", "/internal/keys", to_json(wishes), headers=OPERATOR)


async def admitted(world: World, key: str) -> bool:
    visitor = await world.call("GET", "/v1/models", headers={"authorization": f"Bearer {key}"})
    return visitor.status == 200


async def test_key_is_in_force_and_out_of_it_at_once(tmp_path: Path) -> None:
    """The file never has the key itself, and a limit holds from the first request."""
    path = tmp_path / "keys.yaml"
    async with with_file(path) as world:
        made = await make(world, name="ann", requests_per_minute="5", models="qwen, org_auto", max_in_flight="")
        key = made.json["key"]
        assert await admitted(world, key)
        assert key not in path.read_text()
        (tenant,) = [each for each in world.services.gatekeeper.tenants if each.name == "ann"]
        assert (tenant.key.requests_per_minute, tenant.key.models) == (5, ("qwen", "org_auto"))
        revoked = await world.call("POST", "/internal/keys/ann/revoke", b"{}", headers=OPERATOR)
        assert revoked.json == {"name": "ann"}
        assert not await admitted(world, key)


async def test_models_may_be_an_array(tmp_path: Path) -> None:
    """As KEYS_FILE has them."""
    async with with_file(tmp_path / "keys.yaml") as world:
        await make(world, name="ann", models=["qwen", " org_auto "])
        (tenant,) = [each for each in world.services.gatekeeper.tenants if each.name == "ann"]
    assert tenant.key.models == ("qwen", "org_auto")


@pytest.mark.parametrize(
    ("wishes", "told"),
    [
        ({}, "a name has 1 to 64"),
        ({"name": "fixed"}, "fixed"),
        ({"name": "ann", "tokens_per_minute": "many"}, "`tokens_per_minute` must be a whole number"),
        ({"name": "ann", "max_in_flight": -1}, "`max_in_flight` must be a whole number"),
        ({"name": "ann", "models": ["qwen", 5]}, "`models` must be names of models"),
        ({"name": "ann", "models": {"qwen": True}}, "`models` must be names of models"),
        ({"name": "ann", "models": []}, "`models` names no model"),
        ({"name": "ann", "models": " ,"}, "`models` names no model"),
        ({"name": "ann", "models": False}, "`models` must be names of models"),
        ({"name": "ann", "expires": "2027-01-31"}, "requests_per_minute, tokens_per_minute, models and nothing else"),
    ],
)
async def test_what_the_file_cannot_take_is_refused(tmp_path: Path, wishes: dict[str, object], told: str) -> None:
    """With what is wrong, and the file as it was."""
    path = tmp_path / "keys.yaml"
    async with with_file(path) as world:
        visitor = await make(world, **wishes)
    assert (visitor.status, visitor.code) == (400, "invalid_request")
    assert told in visitor.json["error"]["message"]
    assert path.read_text() == "keys: []\n"


async def test_fixed_key_is_not_revoked(tmp_path: Path) -> None:
    """It stands in the settings, which nothing here writes."""
    async with with_file(tmp_path / "keys.yaml") as world:
        visitor = await world.call("POST", "/internal/keys/fixed/revoke", b"{}", headers=OPERATOR)
        assert await admitted(world, "fixed-key")
    assert (visitor.status, visitor.code) == (400, "invalid_request")


async def test_without_a_file_it_is_said_what_to_set() -> None:
    """KEYS_FILE, by its name."""
    async with open_world(admin=ADMIN) as world:
        visitor = await make(world, name="ann")
    assert visitor.status == 400
    assert "KEYS_FILE" in visitor.json["error"]["message"]


async def test_form_is_shown_the_key_once(tmp_path: Path) -> None:
    """On the page that answers it, which nobody keeps, and on none after it."""
    async with with_file(tmp_path / "keys.yaml") as world:
        browser = Browser(world)
        await browser.sign_in()
        referer = {"referer": "http://gateway/page/keys"}
        made = await browser.post("/internal/keys", referer, csrf=browser.csrf, name="ann")
        again = await browser.get("/page/keys")
    assert (made.status, made.headers["cache-control"]) == (200, "no-store")
    assert b'id="made-key"' in made.body
    assert b"ann" in again.body
    assert b"sk-" not in again.body


async def test_only_the_operator_makes_keys(tmp_path: Path) -> None:
    """Neither a key nor a form without the page's token."""
    async with with_file(tmp_path / "keys.yaml") as world:
        browser = Browser(world)
        await browser.sign_in()
        assert (await browser.post("/internal/keys", name="ann")).status == 401
        stranger = await world.call("POST", "/internal/keys", b"{}", headers={"authorization": "Bearer fixed-key"})
    assert stranger.status == 404
