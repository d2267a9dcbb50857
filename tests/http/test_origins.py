"""CORS: which web pages may use the API, what their browsers are told, and what stays closed to all of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from pydantic_core import to_json

from lingma_trio.api.rate_limits import anthropic_headers, openai_headers
from lingma_trio.http.origins import EXPOSED, Origins
from lingma_trio.http.tenants import utc_now
from lingma_trio.policy.rate_limit import Allowance
from tests.http.world import Visitor, World, asking, open_world

PAGE = "https://chat.example.com"
ASKS = {
    "origin": PAGE,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-stainless-lang,x-stainless-retry-count",
}
CLOSED = ["/", "/docs", "/openapi.json", "/healthz", "/readyz", "/metrics", "/internal/stats", "/internal/none"]


def permitted(visitor: Visitor) -> str | None:
    """The origin that the browser lets read this response."""
    return visitor.headers.get("access-control-allow-origin")


def allow(world: World, origins: Sequence[str]) -> None:
    """Set CORS_ORIGINS."""
    world.services.origins = Origins(origins)


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/responses/resp_1", "/api/chat", "/api/tags"]
)
async def test_preflight_is_answered_with_what_was_asked_for(path: str) -> None:
    """A browser that asks whether a page may send a request needs no key, and every header it names is allowed."""
    async with open_world(keys=("key",)) as world:
        allow(world, [PAGE])
        visitor = await world.call("OPTIONS", path, headers=ASKS)
    assert visitor.status == 200
    assert visitor.body == b""
    assert permitted(visitor) == PAGE
    assert visitor.headers["access-control-allow-headers"] == ASKS["access-control-request-headers"]
    assert {"GET", "POST", "DELETE"} <= set(visitor.headers["access-control-allow-methods"].split(", "))
    assert visitor.headers["vary"] == "origin"
    assert "access-control-allow-credentials" not in visitor.headers


@pytest.mark.parametrize("origins", [(), ("https://other.example",), ("https://chat.example.com:8443",)])
async def test_other_pages_are_told_nothing(origins: Sequence[str]) -> None:
    """Without CORS_ORIGINS no page may use the API, and with it no other one."""
    async with open_world() as world:
        allow(world, origins)
        preflight = await world.call("OPTIONS", "/v1/models", headers=ASKS)
        answer = await world.call("GET", "/v1/models", headers={"origin": PAGE})
    assert preflight.status == 405
    for visitor in (preflight, answer):
        assert not any(name.startswith("access-control") for name in visitor.headers)
        assert ("vary" in visitor.headers) == bool(origins)


async def test_errors_can_be_read_by_the_page() -> None:
    """A page reads each refusal as it reads an answer: a key, a path, a model, a method, a body at fault."""
    async with open_world(keys=("key",), max_request=10) as world:
        allow(world, [PAGE])
        right = {"origin": PAGE, "x-api-key": "key"}
        refusals = [
            await world.call("POST", "/v1/chat/completions", b"{}", headers={"origin": PAGE}),
            await world.call("POST", "/v1/none", b"{}", headers=right),
            await world.call("POST", "/v1/embeddings", b"{}", headers=right),
            await world.call("GET", "/v1/models/none", headers=right),
            await world.call("PUT", "/v1/models", headers=right),
            await world.call("POST", "/v1/messages", b"{" * 11, headers=right),
            await world.call("POST", "/v1/completions", b'{"n":1}', headers=right),
        ]
    assert [visitor.status for visitor in refusals] == [401, 404, 404, 404, 405, 413, 400]
    assert {permitted(visitor) for visitor in refusals} == {PAGE}


async def test_drained_gateway_can_be_read_by_the_page() -> None:
    """Neither is the wait that a 503 asks for withheld."""
    async with open_world(keys=("key",)) as world:
        allow(world, ["*"])
        world.instance.standing.drain()
        visitor = world.asker(headers={"origin": PAGE, "x-api-key": "key"}, stream=True)
        await visitor.visit()
    assert (visitor.status, permitted(visitor)) == (503, "*")
    assert "retry-after" in visitor.headers["access-control-expose-headers"]


async def test_stream_can_be_read_by_the_page() -> None:
    """A stream's head says so, and which of its headers scripts may read."""
    async with open_world(keys=("key",)) as world:
        allow(world, [PAGE])
        visitor = world.asker(headers={"origin": PAGE, "authorization": "Bearer key"}, stream=True)
        async with asking(world, visitor) as question:
            await world.peer.text(question, "Hi.")
            await world.peer.finish(question)
    assert (visitor.status, permitted(visitor)) == (200, PAGE)
    assert "x-request-id" in visitor.headers["access-control-expose-headers"]


async def test_any_page() -> None:
    """`*` allows all of them, and needs no word to caches."""
    async with open_world(keys=("key",)) as world:
        allow(world, ["*"])
        visitor = await world.call("GET", "/v1/models", headers={"origin": "null", "x-api-key": "key"})
    assert (visitor.status, permitted(visitor)) == (200, "*")
    assert "vary" not in visitor.headers


@pytest.mark.parametrize("path", CLOSED)
async def test_pages_and_the_operators_paths_stay_closed(path: str) -> None:
    """Whatever CORS_ORIGINS allows, nothing but the API can be read from elsewhere."""
    async with open_world(admin="a-long-token") as world:
        allow(world, ["*"])
        headers = {"origin": PAGE, "authorization": "Bearer a-long-token"}
        visitors = [await world.call("GET", path, headers=headers), await world.call("OPTIONS", path, headers=ASKS)]
    for visitor in visitors:
        assert not any(name.startswith("access-control") for name in visitor.headers)


async def test_origin_alone_opens_nothing() -> None:
    """Who may read is one question, who may ask another: without keys a page from elsewhere is refused as before."""
    async with open_world() as world:
        allow(world, [PAGE])
        headers = {"origin": PAGE, "host": "localhost:8317"}
        visitor = await world.call("POST", "/v1/chat/completions", to_json({}), headers=headers)
    assert (visitor.status, permitted(visitor)) == (401, PAGE)


def test_limits_and_ignored_fields_can_be_read() -> None:
    """Every header about limits is among those that scripts may read, and what was without effect."""
    exposed = set(EXPOSED.split(b", "))
    assert b"x-ignored-fields" in exposed
    allowance = Allowance(limit=1, remaining=1, reset=1.0)
    for kind in ("requests", "tokens"):
        for name, _ in (*openai_headers(kind, allowance), *anthropic_headers(kind, allowance, utc_now())):
            assert name in exposed


@pytest.mark.parametrize("wanted", [b"a\r\nset-cookie: x", b"a" * 5000, b"", b"a:b"])
def test_what_is_no_list_of_names_is_not_repeated(wanted: bytes) -> None:
    """What is said of headers comes from the request, so only names are repeated."""
    headers = {b"origin": PAGE.encode(), b"access-control-request-method": b"POST"}
    permission = Origins([PAGE]).preflight({**headers, b"access-control-request-headers": wanted})
    assert permission is not None
    assert b"access-control-allow-headers" not in dict(permission)
