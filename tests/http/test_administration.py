"""What only the operator may do over HTTP: sign in by hand and take a login along."""

from __future__ import annotations

import pytest

from lingma_trio.sessions.book import Session
from tests.conversations import held
from tests.http.world import DownLink, open_world

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


# --- restarting, draining, clearing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["instances/lingma-0/restart", "instances/lingma-0/drain", "sessions/clear"])
async def test_actions_are_the_operator_s(action: str) -> None:
    """Anybody else finds nothing, and nothing happens."""
    async with open_world(keys=("key",), admin="admin") as world:
        visitor = await world.call("POST", f"/internal/{action}", headers={"authorization": "Bearer key"})
        assert world.instance.standing.told() == ("ready", "Lingma is starting")
    assert (visitor.status, visitor.code) == (404, "not_found")


async def test_drain_and_resume() -> None:
    """A drained instance takes no chats, and readiness says so; resumed, it takes them again."""
    async with open_world(admin="admin") as world:
        drained = await world.call("POST", "/internal/instances/lingma-0/drain", headers=OPERATOR)
        refused = world.asker()
        await refused.visit()
        ready = await world.call("GET", "/readyz")
        assert world.sample("instance_state", instance="lingma-0", state="drained") == 1
        resumed = await world.call("POST", "/internal/instances/lingma-0/resume", headers=OPERATOR)
        assert world.instance.standing.fault() is None
    assert (drained.status, drained.json["state"]) == (200, "drained")
    assert (refused.status, refused.code) == (503, "upstream_unavailable")
    assert (ready.status, ready.json["instances"][0]["state"]) == (503, "drained")
    assert (resumed.status, resumed.json["state"]) == (200, "ready")


async def test_restart_is_asked_of_the_instance() -> None:
    """The answer does not wait for the next life."""
    asked: list[str] = []
    async with open_world(admin="admin") as world:
        vars(world.instance.lives)["restart"] = lambda: asked.append(world.instance.name)
        visitor = await world.call("POST", "/internal/instances/lingma-0/restart", headers=OPERATOR)
    assert (visitor.status, visitor.json["instance"], asked) == (200, "lingma-0", ["lingma-0"])


@pytest.mark.parametrize("action", ["restart", "drain", "resume"])
async def test_instance_of_the_path_has_to_be_there(action: str) -> None:
    """Another name is a 404 with the names that there are."""
    async with open_world(admin="admin") as world:
        visitor = await world.call("POST", f"/internal/instances/nobody/{action}", headers=OPERATOR)
    assert (visitor.status, visitor.code) == (404, "not_found")
    assert "lingma-0" in visitor.json["error"]["message"]


async def test_sessions_are_cleared() -> None:
    """All that could be continued is forgotten, and its number told."""
    async with open_world(admin="admin") as world:
        for number in range(3):
            session = Session(f"s-{number}", "lingma-0", "life")
            await world.services.sessions.commit(held(f"q{number}", "a"), session, "kept", now=0)
        visitor = await world.call("POST", "/internal/sessions/clear", headers=OPERATOR)
        assert len(world.services.sessions) == 0
    assert (visitor.status, visitor.json) == (200, {"cleared": 3})


async def test_shared_sessions_that_cannot_be_reached_are_not_said_to_be_cleared() -> None:
    """The operator is told that the store is away, and may order it again."""
    async with open_world(admin="admin", store=DownLink()) as world:
        visitor = await world.call("POST", "/internal/sessions/clear", headers=OPERATOR)
    assert (visitor.status, visitor.code) == (503, "state_unavailable")
