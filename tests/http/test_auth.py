"""Who is let in, by what, and what somebody is told who is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import trio

from lingma_trio.errors import NotFound, Overloaded, Unauthorized
from lingma_trio.http.auth import Gatekeeper
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.tenants import ANONYMOUS, Tenants
from lingma_trio.keys.key import parse_api_keys
from lingma_trio.policy.attempts import LIMIT

KEY, OTHER = "key-of-one-client", "key-of-another"


async def nothing_more(*_: object) -> Any:  # noqa: ANN401 - stands in for both of ASGI's callables
    await trio.lowlevel.checkpoint()


async def exchange(headers: Mapping[str, str] | None = None, address: str | None = "127.0.0.1") -> Exchange:
    """A request as it arrives; within Trio, because it begins at a moment of Trio's clock."""
    await trio.lowlevel.checkpoint()
    lines = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    client = None if address is None else (address, 50000)
    return Exchange("chat", {"type": "http", "headers": lines, "client": client}, nothing_more, nothing_more)


def gatekeeper(*keys: str, anonymous: bool = False, admin: str = "", metrics: str = "") -> Gatekeeper:
    tenants = Tenants(key for text in keys for key in parse_api_keys(text))
    return Gatekeeper(tenants, anonymous=anonymous, admin_token=admin, metrics_token=metrics)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    "headers",
    [bearer(KEY), {"authorization": f"bearer   {KEY} "}, {"x-api-key": KEY}, {"x-api-key": f" {KEY} "}],
    ids=["bearer", "loose bearer", "x-api-key", "loose x-api-key"],
)
async def test_key_opens_in_either_header(headers: dict[str, str]) -> None:
    """A key counts as a bearer token or in `x-api-key`, whatever the case of the scheme and the blanks around it."""
    one = gatekeeper(KEY, OTHER).admit(await exchange(headers))
    assert one.id == gatekeeper(KEY).admit(await exchange(bearer(KEY))).id


async def test_each_key_is_a_tenant_of_its_own() -> None:
    """Two keys are two tenants, each the same at every request and after a restart; no tenant shows its key."""
    keeper = gatekeeper(KEY, OTHER)
    one, two = keeper.admit(await exchange(bearer(KEY))).id, keeper.admit(await exchange(bearer(OTHER))).id
    assert one != two
    assert one == gatekeeper(OTHER, KEY).admit(await exchange(bearer(KEY))).id
    assert KEY not in one
    assert ANONYMOUS not in {one, two}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer(""),
        bearer("wrong"),
        bearer(KEY[:-1]),
        bearer(KEY + "x"),
        bearer("ключ"),
        {"authorization": KEY},
        {"authorization": f"Basic {KEY}"},
        {"x-api-key": OTHER},
    ],
    ids=repr,
)
async def test_anything_else_is_refused(headers: dict[str, str]) -> None:
    """Without the key itself nobody is let in, not even this machine, and nobody is told how a key was wrong."""
    with pytest.raises(Unauthorized, match="missing or wrong API key") as refused:
        gatekeeper(KEY).admit(await exchange(headers))
    assert KEY not in str(refused.value)


async def test_bearer_goes_before_the_other_header() -> None:
    """With both headers the bearer token decides."""
    with pytest.raises(Unauthorized):
        gatekeeper(KEY).admit(await exchange({**bearer("wrong"), "x-api-key": KEY}))


async def test_without_keys_this_machine_is_served() -> None:
    """With no keys configured, programs of this machine are served; who they are, `locality` knows."""
    assert gatekeeper().admit(await exchange({"host": "localhost:8317"})).id == ANONYMOUS


@pytest.mark.parametrize("host", ["localhost", "rebound.example"])
async def test_without_keys_others_are_told_what_to_set(host: str) -> None:
    """Everybody else gets a 401 that names the variables."""
    address = "203.0.113.7" if host == "localhost" else "127.0.0.1"
    with pytest.raises(Unauthorized, match=r"API_KEYS.*ALLOW_ANONYMOUS"):
        gatekeeper().admit(await exchange({"host": host}, address))


@pytest.mark.parametrize("headers", [{}, {"x-forwarded-for": "203.0.113.7"}, {"origin": "https://example.org"}])
async def test_anonymous_gateway_serves_everybody(headers: dict[str, str]) -> None:
    """ALLOW_ANONYMOUS opens the gateway to whoever comes, by whatever way."""
    assert gatekeeper(anonymous=True).admit(await exchange(headers, "203.0.113.7")).id == ANONYMOUS


async def test_anonymous_gateway_with_keys_wants_them() -> None:
    """Keys that are configured are asked for, whatever else is allowed."""
    with pytest.raises(Unauthorized):
        gatekeeper(KEY, anonymous=True).admit(await exchange())


async def test_operator_has_a_token() -> None:
    """The admin token opens what is internal, in either header."""
    keeper = gatekeeper(KEY, admin="admin")
    await keeper.admit_operator(await exchange(bearer("admin")))
    await keeper.admit_operator(await exchange({"x-api-key": "admin"}))


async def test_wrong_tokens_are_slowed_down() -> None:
    """Those for the operator and for the metrics count together; none at all is no try, and the right one gets in."""
    keeper = gatekeeper(KEY, admin="admin", metrics="scrape")
    for _ in range(LIMIT):
        with pytest.raises(NotFound):
            await keeper.admit_operator(await exchange())
    for _ in range(LIMIT):
        with pytest.raises(NotFound):
            await keeper.admit_operator(await exchange(bearer("wrong")))
    with pytest.raises(Overloaded):
        await keeper.admit_operator(await exchange(bearer("wrong")))
    with pytest.raises(Overloaded):
        await keeper.admit_scraper(await exchange(bearer("wrong")))
    await keeper.admit_operator(await exchange(bearer("admin")))
    await keeper.admit_scraper(await exchange(bearer("scrape")))


@pytest.mark.parametrize("admin", ["", "admin"])
@pytest.mark.parametrize("token", ["", "wrong", KEY])
async def test_for_others_there_is_nothing_internal(admin: str, token: str) -> None:
    """Without the token, or without one configured, there is no such path; an API key never stands in for it."""
    with pytest.raises(NotFound):
        await gatekeeper(KEY, admin=admin, anonymous=True).admit_operator(await exchange(bearer(token)))


@pytest.mark.parametrize(
    ("keys", "metrics", "token", "passes"),
    [
        ((), "", "", True),
        ((KEY,), "", "", False),
        ((KEY,), "", KEY, True),
        ((KEY,), "scrape", "scrape", True),
        ((KEY,), "scrape", KEY, False),
        ((), "scrape", "", False),
        ((), "scrape", "scrape", True),
    ],
)
async def test_metrics_have_rules_of_their_own(
    *, keys: tuple[str, ...], metrics: str, token: str, passes: bool
) -> None:
    """METRICS_TOKEN opens the metrics; without one any API key does; without keys either they are public."""
    keeper = gatekeeper(*keys, metrics=metrics)
    caller = await exchange(bearer(token), "203.0.113.7")
    if passes:
        await keeper.admit_scraper(caller)
    else:
        with pytest.raises(Unauthorized):
            await keeper.admit_scraper(caller)


def test_gatekeeper_shows_no_key() -> None:
    """What a log or a debugger shows of it holds no key."""
    assert KEY not in repr(gatekeeper(KEY, admin="admin"))
    assert repr(gatekeeper(KEY)) == "<Gatekeeper keys=1 anonymous=False>"
