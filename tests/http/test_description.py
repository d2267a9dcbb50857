"""What the gateway says of itself is true: its routes, its answers and what it can do."""

from __future__ import annotations

import re

import pytest
from pydantic import BaseModel
from starlette.routing import Route

from lingma_trio import __version__
from lingma_trio.api.openai.asked import ChatCompletionRequest
from lingma_trio.api.openapi.about import Capabilities, Error, Health, Model, ModelList, Readiness
from lingma_trio.api.openapi.operations import OPERATIONS
from lingma_trio.api.openapi.page import build_page
from lingma_trio.http import documents
from lingma_trio.http.routes import build_router
from tests.http.world import ELSEWHERE, ROUTER, open_world

KEY = {"authorization": "Bearer a-key-of-the-tests"}
NOT_FOR_CLIENTS = re.compile(r"/$|/page/|/internal/")
"""The operator's own: a page, what it is made of, and what it does."""


def test_every_path_of_a_client_s_is_described() -> None:
    """The description has each path that the router has, with its methods, and no other."""
    served = {
        (route.path.replace(":path", ""), method.lower())
        for route in ROUTER.routes
        if isinstance(route, Route) and not NOT_FOR_CLIENTS.match(route.path)
        for method in route.app.methods  # type: ignore[attr-defined]
        if method != "HEAD"
    }
    described = {(operation.path, operation.method) for operation in OPERATIONS}
    assert {(path, method) for path, method in served if ("/v1" + path, method) not in served} == described


async def test_the_document_and_its_page_are_open() -> None:
    """Anybody may read the description, also where the API asks for a key."""
    async with open_world(keys=("a-key-of-the-tests",)) as world:
        document = await world.call("GET", "/openapi.json", client=ELSEWHERE)
        page = await world.call("GET", "/docs", client=ELSEWHERE)
    assert document.status == page.status == 200
    assert document.json["info"]["version"] == __version__
    assert document.headers["content-type"] == "application/json"
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert b"</html>" in page.body


async def test_the_page_is_in_the_visitor_s_language() -> None:
    """By what the browser asks for, which a cache is told."""
    async with open_world() as world:
        page = await world.call("GET", "/docs", headers={"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"})
        english = await world.call("GET", "/docs", headers={"accept-language": "de, en;q=0.5"})
    assert page.headers["vary"] == "accept-language"
    assert '<html lang="zh-CN">' in page.body.decode()
    assert "此刻提问是否会得到回答" in page.body.decode()
    assert '<html lang="en">' in english.body.decode()


def test_every_text_of_the_page_is_there_in_chinese() -> None:
    """And nothing that is on it no more."""
    asked: set[str] = set()

    def note(text: str) -> str:
        asked.add(text)
        return text

    build_page(documents.document(), note, language="en", style="", scripts=())
    assert asked == set(documents.chinese())


async def test_capabilities_ask_for_a_key() -> None:
    """Which models an account has is told to whom the models are told."""
    async with open_world(keys=("a-key-of-the-tests",)) as world:
        refused = await world.call("GET", "/v1/capabilities")
        told = await world.call("GET", "/v1/capabilities", headers=KEY)
    assert refused.code == "invalid_api_key"
    assert told.status == 200


async def test_capabilities_are_those_of_the_running_gateway() -> None:
    """Limits, models and surfaces are the gateway's own."""
    async with open_world(slots=3, max_queue=7, max_request=1234, request_timeout=77) as world:
        told = await world.call("GET", "/v1/capabilities")
    capabilities = Capabilities.model_validate(told.json)
    assert capabilities.model_fields_set == set(Capabilities.model_fields)
    assert capabilities.upstream == "lingma"
    assert capabilities.dialect == "chat"
    assert "/v1/chat/completions" in [surface.path for surface in capabilities.surfaces if surface.streaming]
    assert capabilities.limits.model_dump() == {
        "max_in_flight": 3,
        "max_queue": 7,
        "queue_timeout_seconds": 30.0,
        "request_timeout_seconds": 77.0,
        "max_request_bytes": 1234,
    }
    assert [(model.id, model.default) for model in capabilities.models] == [("org_auto", True), ("qwen", False)]
    assert capabilities.images.sources == ["data"]
    assert capabilities.tools.emulated
    assert not capabilities.tools.native
    assert "json_schema" in capabilities.formats


async def test_without_a_limit_there_is_none() -> None:
    """An unlimited gateway does not claim to take no answers at once."""
    async with open_world(slots=0) as world:
        told = await world.call("GET", "/v1/capabilities")
    assert told.json["limits"]["max_in_flight"] is None


async def test_capabilities_are_told_without_a_ready_lingma() -> None:
    """A gateway whose Lingma is away still says what it is."""
    async with open_world(notice="The simulator answers.") as world:
        world.instance.lives.state = "needs_login"
        told = await world.call("GET", "/v1/capabilities")
    capabilities = Capabilities.model_validate(told.json)
    assert capabilities.upstream == "simulator"
    assert capabilities.dialect is None


@pytest.mark.parametrize(
    ("path", "status", "description"),
    [
        ("/v1/models", 200, ModelList),
        ("/v1/models/org_auto", 200, Model),
        ("/v1/models/nobody", 404, Error),
        ("/healthz", 200, Health),
        ("/readyz", 200, Readiness),
    ],
)
async def test_answers_are_as_described(path: str, status: int, description: type[BaseModel]) -> None:
    """What is answered has the described fields, all of them and no others; without agents nothing is said of them."""
    async with open_world(notice="The simulator answers.") as world:
        answer = await world.call("GET", path)
    assert answer.status == status
    assert description.model_validate(answer.json).model_fields_set == set(description.model_fields) - {"agents"}


async def test_a_lingma_that_is_away_is_described_too() -> None:
    """The 503 of `/readyz` is a readiness and no fault."""
    async with open_world() as world:
        world.instance.lives.state = "needs_login"
        answer = await world.call("GET", "/readyz")
    assert answer.status == 503
    assert Readiness.model_validate(answer.json).status == "not_ready"


def test_router_is_the_one_that_is_served() -> None:
    """Each surface takes what its description says, under both of its paths."""
    served = [route.path for route in build_router().routes if isinstance(route, Route)]
    surfaces = [operation for operation in OPERATIONS if operation.asked is not None]
    assert ChatCompletionRequest in [surface.asked for surface in surfaces]
    for surface in surfaces:
        assert surface.path in served
        assert surface.path.removeprefix("/v1") in served
