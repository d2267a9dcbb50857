"""Limits, models and use by key, as clients and the operator see them through the routes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import trio
from trio.testing import MockClock

from lingma_trio.http.use_book import UseBook
from lingma_trio.keys.key import ApiKey, digest_of
from lingma_trio.policy.use import Cell, Tally, Use, together
from lingma_trio.state.replicas import TELL, Replicas
from tests.http.world import asking, open_world
from tests.instant_link import InstantLink

ADMIN = {"authorization": "Bearer admin-token-of-the-tests"}


def key(**more: object) -> ApiKey:
    return ApiKey("ann", digest_of("sk-planted"), **more)  # type: ignore[arg-type]


BEARER = {"authorization": "Bearer sk-planted"}


async def test_limits_are_on_every_response_of_a_key() -> None:
    """Also where nothing is counted, a response says what is left; without limits there is nothing to say."""
    async with open_world(keys=(key(requests_per_minute=60, tokens_per_minute=1000), "plain")) as world:
        answer = await world.call("GET", "/v1/models", headers=BEARER)
        limits = {name: value for name, value in answer.headers.items() if name.startswith("x-ratelimit-")}
        assert limits == {
            "x-ratelimit-limit-requests": "60",
            "x-ratelimit-remaining-requests": "60",
            "x-ratelimit-reset-requests": "0s",
            "x-ratelimit-limit-tokens": "1000",
            "x-ratelimit-remaining-tokens": "1000",
            "x-ratelimit-reset-tokens": "0s",
        }
        other = await world.call("GET", "/v1/models", headers={"x-api-key": "plain"})
        assert not [name for name in other.headers if "ratelimit" in name]


async def test_prompt_beyond_the_limit_is_refused_in_the_envelope() -> None:
    """A limit's refusal is an error like any other, with its headers."""
    async with open_world(keys=(key(tokens_per_minute=5),)) as world:
        visitor = world.asker("x" * 400, BEARER)
        await visitor.visit()
        assert (visitor.status, visitor.code) == (413, "prompt_over_token_limit")
        assert visitor.headers["x-ratelimit-limit-tokens"] == "5"


async def test_other_models_are_neither_listed_nor_answered() -> None:
    """A key sees its own models, gets 404 for others and 403 for a question to one of them."""
    async with open_world(keys=(key(models=("nothing-of-this",)), "plain")) as world:
        listed = await world.call("GET", "/v1/models", headers={"x-api-key": "plain"})
        one = listed.json["data"][0]["id"]
        assert (await world.call("GET", "/v1/models", headers=BEARER)).json["data"] == []
        shown = await world.call("GET", f"/v1/models/{one}", headers=BEARER)
        assert (shown.status, shown.code) == (404, "model_not_found")
        visitor = world.asker("Hello.", BEARER)
        await visitor.visit()
        assert (visitor.status, visitor.code) == (403, "model_not_allowed")
        assert world.services.limiter.counts.in_flight == 0


async def test_expired_key_is_refused() -> None:
    """A key whose time is over opens nothing, and its owner is told why."""
    async with open_world(keys=(key(expires=datetime(2020, 1, 1, tzinfo=UTC)),)) as world:
        answer = await world.call("GET", "/v1/models", headers=BEARER)
        assert (answer.status, answer.code) == (401, "invalid_api_key")
        assert "expired" in answer.json["error"]["message"]
        assert (await world.call("GET", "/metrics", headers=BEARER)).status == 401


async def test_what_is_under_way_at_other_gateways_counts(autojump_clock: MockClock) -> None:
    """Of each key beside what it has here, as they told last."""
    async with open_world(keys=(key(),), admin="admin-token-of-the-tests") as world, trio.open_nursery() as nursery:
        (tenant,) = world.services.gatekeeper.tenants
        link = InstantLink()
        here = world.services.replicas = Replicas(link, "a", world.services.load, world.services.key_loads)
        for each in (here, Replicas(link, "b", lambda: (0.0, 2), lambda: {tenant.id: (2, 5), "another": (9, 9)})):
            nursery.start_soon(each.run)
        await trio.sleep(3 * TELL)
        async with world.services.limiter.slot(tenant.id):
            report = await world.call("GET", "/internal/usage", headers=ADMIN)
            assert world.services.key_loads() == {tenant.id: (1, 0)}
        nursery.cancel_scope.cancel("tested")
    (shown,) = report.json["keys"]
    assert (shown["in_flight"], shown["queued"]) == (3, 5)


async def test_operator_sees_use_by_name() -> None:
    """Requests by outcome, limits and the last use stand under a key's name; the key and its digest nowhere."""
    async with open_world(keys=(key(requests_per_minute=60),), admin="admin-token-of-the-tests") as world:
        await world.call("GET", "/v1/models", headers=BEARER)
        await world.call("GET", "/v1/models/none-of-this", headers=BEARER)
        answer = await world.call("GET", "/internal/usage", headers=ADMIN)
        (ann,) = answer.json["keys"]
        assert (ann["name"], ann["requests"]) == ("ann", 2)
        assert ann["outcomes"] == {"ok": 1, "model_not_found": 1}
        assert ann["per_minute"]["requests"]["limit"] == 60
        assert ann["last_used"] is not None
        assert answer.json["file"] is None
        assert b"planted" not in answer.body
        assert digest_of("sk-planted").hex().encode() not in answer.body
        assert world.sample("key_requests_total", key="ann", outcome="ok") == 1
        assert (await world.call("GET", "/internal/usage", headers=BEARER)).status == 404


class Others:
    """Keeps the use of several gateways."""

    shared = True

    def __init__(self) -> None:
        self.kept = {Cell(7, "ann", "qwen", outcome): Tally(2, 10, 20) for outcome in ("ok", "cancelled")}

    async def add(self, number: int, use: Use) -> None:
        self.kept = together(self.kept, use)

    async def month(self) -> dict[Cell, Tally]:
        return together(self.kept)


async def test_use_of_several_gateways_is_their_sum() -> None:
    """Of the month, what this one has counted and not handed on included; alone it is that of the process."""
    async with open_world(keys=(key(),), admin="admin-token-of-the-tests") as world:

        async def used() -> tuple[str, dict[str, Any]]:
            async with asking(world, world.asker("Hello.", BEARER)) as question:
                await world.peer.text(question, "Hi.")
                await world.peer.finish(question)
            report = (await world.call("GET", "/internal/usage", headers=ADMIN)).json
            return report["period"], report["keys"][0]

        period, alone = await used()
        assert (period, alone["requests"], alone["outcomes"]) == ("process", 1, {"ok": 1})
        world.services.use = UseBook(Others())
        period, shared = await used()
        assert (period, shared["requests"], shared["outcomes"]) == ("month", 5, {"ok": 3, "cancelled": 2})
        assert shared["prompt_tokens"] == 20 + alone["prompt_tokens"]
        assert shared["answer_tokens"] == 40 + alone["answer_tokens"]


async def test_a_key_that_is_used_elsewhere_is_not_taken_for_unused() -> None:
    """Its last use is known to the hour; by its use here to the second."""
    async with open_world(keys=(key(),), admin="admin-token-of-the-tests") as world:
        world.services.use = UseBook(Others())
        for used in (False, True):
            (ann,) = (await world.call("GET", "/internal/usage", headers=ADMIN)).json["keys"]
            assert (ann["last_used"] == "1970-01-01T07:00:00+00:00") is not used
            await world.call("GET", "/v1/models", headers=BEARER)
