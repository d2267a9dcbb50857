"""What is told about the gateway itself: its models, health, readiness, metrics and statistics."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from lingma_trio.errors import QuotaExceeded, RateLimited
from lingma_trio.logs import Redactor
from lingma_trio.protocol.allowance import Allowance
from lingma_trio.protocol.catalogue import Catalogue
from lingma_trio.state.link import StoreLink, kept
from lingma_trio.state.replicas import Replica, Replicas
from tests.http.world import ELSEWHERE, DownLink, open_world
from tests.real_store import Nowhere

OPERATOR = {"authorization": "Bearer admin"}


async def test_models_are_listed() -> None:
    """The list has each model of the account with all fields that clients want."""
    async with open_world() as world:
        listed = (await world.call("GET", "/v1/models")).json
    assert listed["object"] == "list"
    expected: dict[str, object] = {"object": "model", "created": 1_700_000_000, "owned_by": "lingma"}
    expected |= {"max_input_tokens": None, "max_tokens": None}
    assert listed["data"] == [
        {"id": key, **expected, "name": name} for key, name in (("org_auto", "Auto"), ("qwen", "Qwen"))
    ]


@pytest.mark.parametrize("name", ["qwen", "Qwen", "QWEN"])
async def test_model_by_any_of_its_names(name: str) -> None:
    """One model is found by its key or its display name, in any case, and goes by its key."""
    async with open_world() as world:
        assert (await world.call("GET", f"/v1/models/{name}")).json["id"] == "qwen"


async def test_unknown_model() -> None:
    """A model that there is not is a 404 which says where those are that there are."""
    async with open_world() as world:
        visitor = await world.call("GET", "/v1/models/some/other")
    assert (visitor.status, visitor.code) == (404, "model_not_found")
    assert "/v1/models" in visitor.json["error"]["message"]


ALIASES = (("claude-opus-5-5", "Qwen"), ("Nowhere", "gone"), ("ORG_AUTO", "qwen"))


async def test_aliases_are_listed() -> None:
    """An alias stands behind the models, with the name of the one that answers to it."""
    async with open_world(aliases=ALIASES) as world:
        listed = (await world.call("GET", "/v1/models")).json["data"]
        theirs = (await world.call("GET", "/v1/models", headers={"anthropic-version": "2023-06-01"})).json["data"]
    shown = [
        ("org_auto", "Auto"),
        ("qwen", "Qwen"),
        ("claude-opus-5-5", "Qwen"),
        ("Nowhere", "Auto"),
        ("ORG_AUTO", "Qwen"),
    ]
    assert [(model["id"], model["name"]) for model in listed] == shown
    assert [(model["id"], model["display_name"]) for model in theirs] == shown


@pytest.mark.parametrize(
    ("name", "key"), [("Claude-OPUS-5-5", "claude-opus-5-5"), ("x/nowhere", "Nowhere"), ("org_auto", "ORG_AUTO")]
)
async def test_alias_is_shown(name: str, key: str) -> None:
    """An alias is found in any case, goes by its own name, and before a model of that name."""
    async with open_world(aliases=ALIASES) as world:
        assert (await world.call("GET", f"/v1/models/{name}")).json["id"] == key


async def test_models_for_anthropics_clients() -> None:
    """Who names Anthropic's version is given the same models in its form, the list and each one."""
    headers = {"anthropic-version": "2023-06-01"}
    async with open_world() as world:
        listed = (await world.call("GET", "/v1/models", headers=headers)).json
        shown = (await world.call("GET", "/v1/models/QWEN", headers=headers)).json
    expected: dict[str, object] = {"type": "model", "created_at": "2023-11-14T22:13:20Z", "lifecycle": "active"}
    expected |= {"max_input_tokens": None, "max_tokens": None}
    assert listed["data"] == [
        {"id": key, "display_name": name, **expected} for key, name in (("org_auto", "Auto"), ("qwen", "Qwen"))
    ]
    assert (listed["has_more"], listed["first_id"], listed["last_id"]) == (False, "org_auto", "qwen")
    assert shown == listed["data"][1]


@pytest.mark.parametrize("headers", [{}, {"anthropic-version": "2023-06-01"}])
async def test_context_sizes_are_told(headers: dict[str, str]) -> None:
    """How much a model reads is told on both surfaces, of an alias as well, and how much it writes of none."""
    async with open_world(aliases=(("claude-opus-5-5", "org_auto"),)) as world:
        models = {"chat": [{"key": "org_auto", "displayName": "Auto", "maxInputTokens": 131_072}]}
        world.instance.account.catalogue = Catalogue.read(models)
        listed = (await world.call("GET", "/v1/models", headers=headers)).json["data"]
    assert [(model["max_input_tokens"], model["max_tokens"]) for model in listed] == [(131_072, None)] * 2


async def test_name_that_fits_a_pattern_is_shown_as_who_answers() -> None:
    """A pattern is in no list, and a name that fits it is that of the model behind it."""
    async with open_world(aliases=(("claude-*", "qwen"), ("*", "org_auto"))) as world:
        listed = (await world.call("GET", "/v1/models")).json["data"]
        shown = [
            (await world.call("GET", f"/v1/models/{name}")).json["id"] for name in ("claude-haiku-4-5", "gpt-6", "Qwen")
        ]
    assert [model["id"] for model in listed] == ["org_auto", "qwen"]
    assert shown == ["qwen", "org_auto", "qwen"]


async def test_simulator_is_the_owner_of_its_models() -> None:
    """While the simulator answers, every model says so."""
    async with open_world(notice="it is play") as world:
        assert {model["owned_by"] for model in (await world.call("GET", "/v1/models")).json["data"]} == {
            "lingma-simulator"
        }


async def test_models_outlive_their_instance() -> None:
    """The list stays while Lingma is gone, so that clients keep theirs."""
    async with open_world() as world:
        world.instance.lives.state = "backing_off"
        assert (await world.call("GET", "/v1/models")).status == 200


async def test_models_that_nobody_knows_yet() -> None:
    """Before Lingma has told its models there is a 503 and a time to come again."""
    async with open_world() as world:
        world.instance.tell_models()
        visitor = await world.call("GET", "/v1/models")
    assert (visitor.status, visitor.code) == (503, "upstream_unavailable")
    assert int(visitor.headers["retry-after"]) >= 1


async def test_health_depends_on_nothing() -> None:
    """The process is alive whatever became of Lingma, whoever asks."""
    async with open_world(keys=("key",)) as world:
        world.instance.lives.state = "needs_login"
        visitor = await world.call("GET", "/healthz", client=ELSEWHERE)
    assert (visitor.status, visitor.json) == (200, {"status": "ok"})


async def test_ready() -> None:
    """A gateway whose Lingma can be asked is ready, and anybody may know."""
    async with open_world(keys=("key",)) as world:
        world.instance.lives.reason = ""
        visitor = await world.call("GET", "/readyz", client=ELSEWHERE)
    assert visitor.status == 200
    assert visitor.json == {
        "status": "ready",
        "upstream": "lingma",
        "instances": [{"name": "lingma-0", "state": "ready", "reason": ""}],
    }


@pytest.mark.parametrize("state", ["starting", "needs_login", "backing_off", "stopped"])
async def test_not_ready_says_why(state: str) -> None:
    """Without a usable instance readiness is a 503 with each one's state and reason."""
    async with open_world() as world:
        vars(world.instance.lives).update(state=state, reason="because")
        visitor = await world.call("GET", "/readyz")
    assert visitor.status == 503
    assert visitor.json["status"] == "not_ready"
    assert visitor.json["instances"] == [{"name": "lingma-0", "state": state, "reason": "because"}]


async def test_lost_channel_is_not_ready(autojump_clock: MockClock) -> None:
    """An instance whose channel just broke cannot be asked, and says so before its life has ended."""
    async with open_world() as world:
        world.instance.lives.reason = ""
        await world.link.vanish()
        await world.link.ended.wait()
        visitor = await world.call("GET", "/readyz")
        chat = world.asker()
        await chat.visit()
    assert visitor.status == 503
    assert visitor.json["instances"] == [
        {"name": "lingma-0", "state": "backing_off", "reason": "the connection to Lingma was lost"}
    ]
    assert (chat.status, chat.code) == (503, "upstream_unavailable")
    assert "the connection to Lingma was lost" in chat.json["error"]["message"]


async def test_resting_instance_is_not_ready() -> None:
    """An account at its limit rests, which is told as such and with the time."""
    async with open_world() as world:
        world.instance.failed(RateLimited("used up"), world.instance.asking(""))
        visitor = await world.call("GET", "/readyz")
    assert visitor.status == 503
    assert visitor.json["instances"][0]["state"] == "resting"


async def test_one_resting_model_keeps_nobody_from_the_others() -> None:
    """A 403, which may mean that the plan does not cover a model, leaves the gateway ready and says what is known."""
    async with open_world(admin="admin") as world:
        world.instance.lives.reason = ""
        world.instance.failed(QuotaExceeded("not covered"), world.instance.asking("qwen"))
        ready = await world.call("GET", "/readyz")
        stats = await world.call("GET", "/internal/stats", headers={"authorization": "Bearer admin"})
    assert ready.status == 200
    assert ready.json["instances"] == [{"name": "lingma-0", "state": "ready", "reason": "one of its models rests"}]
    (instance,) = stats.json["instances"]
    assert (instance["resting_models"].keys(), instance["most_turns"], instance["silent"]) == ({"qwen"}, None, False)


async def test_where_every_model_rests_nobody_can_be_asked() -> None:
    """Then the instance as a whole is said to rest."""
    async with open_world() as world:
        for model in world.instance.account.catalogue.models:
            world.instance.failed(QuotaExceeded("not covered"), world.instance.asking(model.key))
        visitor = await world.call("GET", "/readyz")
    assert visitor.status == 503
    assert visitor.json["instances"][0]["state"] == "resting"


async def test_draining_is_not_ready() -> None:
    """From the first signal on nobody should send more, though what is there is still served."""
    async with open_world() as world:
        world.services.ceiling.drain(10)
        visitor = await world.call("GET", "/readyz")
    assert (visitor.status, visitor.json["status"]) == (503, "draining")


async def test_gateway_without_its_store_is_degraded() -> None:
    """It answers chats, so a balancer keeps it; why it is so only the operator sees, for that names a machine."""
    async with open_world(admin="admin") as world:
        assert (await world.call("GET", "/internal/stats", headers=OPERATOR)).json["store"] is None
        world.services.link = StoreLink(Nowhere, name="gateway-a", boot="1")
        async with kept(world.services.link):
            visitor = await world.call("GET", "/readyz")
            stats = await world.call("GET", "/internal/stats", headers=OPERATOR)
    assert (visitor.status, visitor.json["status"]) == (200, "degraded")
    assert b"10.0.0.1" not in visitor.body
    assert stats.json["store"] == {"up": False, "reason": "10.0.0.1: refused", "replica": "gateway-a", "replicas": 0}
    assert stats.json["metrics"]["lingma_gateway_store_up"] == 0


async def test_gateways_that_share_a_store_are_listed() -> None:
    """To the operator, as they told of themselves; a gateway that is alone lists none."""
    async with open_world(admin="admin") as world:
        assert (await world.call("GET", "/internal/stats", headers=OPERATOR)).json["replicas"] == []
        world.services.replicas = Replicas(DownLink(), "gateway-a", world.services.load)
        world.services.replicas.seen = (Replica("gateway-a", 61, 2),)
        stats = await world.call("GET", "/internal/stats", headers=OPERATOR)
        assert world.services.load()[1] == 0
    assert stats.json["replicas"] == [{"name": "gateway-a", "age": 61, "in_flight": 2}]


async def test_simulator_is_said_loudly() -> None:
    """While the simulator answers, readiness says so and why."""
    async with open_world(notice="it is play") as world:
        report = (await world.call("GET", "/readyz")).json
    assert (report["upstream"], report["notice"]) == ("simulator", "it is play")


async def test_metrics_page() -> None:
    """The page is Prometheus' text, under the token of its own."""
    async with open_world(keys=("key",), metrics="scrape") as world:
        visitor = await world.call("GET", "/metrics", headers={"authorization": "Bearer scrape"})
        assert (await world.call("GET", "/metrics", headers={"x-api-key": "key"})).status == 401
    assert visitor.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b'lingma_gateway_instance_state{instance="lingma-0",state="ready"} 1.0' in visitor.body


@pytest.mark.parametrize("path", ["/internal/stats", "/internal/tree"])
@pytest.mark.parametrize(("admin", "headers"), [("", OPERATOR), ("admin", {}), ("admin", {"x-api-key": "key"})])
async def test_internals_are_not_there_for_everybody(path: str, admin: str, headers: dict[str, str]) -> None:
    """Without the admin token, or a token at all, there is no such path, also for who has an API key."""
    async with open_world(keys=("key",), admin=admin) as world:
        visitor = await world.call("GET", path, headers=headers)
    assert (visitor.status, visitor.code) == (404, "not_found")


async def test_statistics() -> None:
    """The operator sees limiter, sessions, instances and every metric's value."""
    async with open_world(admin="admin") as world:
        world.instance.account.allowance = Allowance("personal_standard", 0, {"left": 7})
        stats = (await world.call("GET", "/internal/stats", headers=OPERATOR)).json
    assert stats["limiter"] == {"in_flight": 0, "queued": 0, "refused_full": 0, "refused_late": 0}
    assert set(stats["sessions"]) == {"size", "hits", "misses", "commits", "evictions", "expiries"}
    (instance,) = stats["instances"]
    assert (instance["generation"], instance["turns"], instance["models"]) == (1, 0, ["org_auto", "qwen"])
    assert instance["account"] == {"kind": "personal_standard", "quota": 0, "plan": {"left": 7}}
    assert stats["metrics"]["lingma_gateway_account_allowance{instance=lingma-0,name=left}"] == 7
    assert stats["metrics"]["lingma_gateway_in_flight_requests"] == 0
    assert (stats["upstream"], stats["draining"]) == ("lingma", False)
    assert stats["uptime_seconds"] >= 0


async def test_tree_shows_who_is_asked_for_what() -> None:
    """The operator sees every task, and each request with its route and how far it has come; secrets are taken out."""
    async with open_world(admin="admin") as world:
        world.services.redactor = Redactor(["hush-hush"])
        headers = {**OPERATOR, "x-request-id": "hush-hush-1"}
        drawn = (await world.call("GET", "/internal/tree", headers=headers)).json
    assert drawn["states"] == {"tree, receiving": 1}
    assert drawn["root"]["name"] == "trio.run"
    assert "request ***-1" in str(drawn)


async def test_known_secrets_show_nowhere() -> None:
    """What Lingma printed is shown without the secrets that the gateway knows."""
    async with open_world(admin="admin") as world:
        world.services.redactor = Redactor(["hush-hush"])
        said = {"reason": "failed with hush-hush", "detail": "printed hush-hush"}
        vars(world.instance.lives).update(state="backing_off", **said)
        ready = await world.call("GET", "/readyz")
        stats = await world.call("GET", "/internal/stats", headers=OPERATOR)
    assert ready.json["instances"][0]["reason"] == "failed with ***"
    assert stats.json["instances"][0]["detail"] == "printed ***"
    assert b"hush" not in ready.body + stats.body
