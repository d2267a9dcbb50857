"""What only the operator may do over HTTP: sign in by hand and take a login along."""

from __future__ import annotations

import pytest

from tests.http.world import open_world

OPERATOR = {"authorization": "Bearer admin"}
PATHS = ("/internal/login", "/internal/session/export")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("token", ["", "wrong", "key"])
async def test_for_anybody_else_there_is_nothing(path: str, token: str) -> None:
    """Not even for the bearer of an API key."""
    async with open_world(keys=("key",), admin="admin") as world:
        visitor = await world.call("POST", path, headers={"authorization": f"Bearer {token}"}, body=b"{}")
    assert (visitor.status, visitor.code) == (404, "not_found")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", [b"[]", b"{", b"1", b'"text"'])
async def test_bodies_that_are_no_object(path: str, body: bytes) -> None:
    """Get a 400 that says so."""
    async with open_world(keys=("key",), admin="admin") as world:
        visitor = await world.call("POST", path, headers=OPERATOR, body=body)
    assert (visitor.status, visitor.json["error"]["param"]) == (400, "body")


@pytest.mark.parametrize("path", PATHS)
async def test_instances_that_there_are_not(path: str) -> None:
    """Are answered with the names of those that there are."""
    async with open_world(keys=("key",), admin="admin") as world:
        visitor = await world.call("POST", path, headers=OPERATOR, body=b'{"instance": "nobody"}')
        assert visitor.status == 400
        assert world.instance.name in visitor.json["error"]["message"]


async def test_login_report_of_an_instance_that_is_signed_in() -> None:
    """There is nothing to do, and no link."""
    async with open_world(keys=("key",), admin="admin") as world:
        report = (await world.call("POST", "/internal/login", headers=OPERATOR, body=b"{}")).json
    assert (report["state"], report["login_url"]) == ("ready", "")


async def test_callbacks_that_are_none() -> None:
    """Are a 400 that repeats nothing of what was pasted."""
    async with open_world(keys=("key",), admin="admin") as world:
        body = b'{"callback": "http://127.0.0.1/auth/callback?token=tok-secret"}'
        visitor = await world.call("POST", "/internal/login", headers=OPERATOR, body=body)
    assert (visitor.status, visitor.json["error"]["param"]) == (400, "callback")
    assert "tok-secret" not in visitor.json["error"]["message"]
