"""Two gateways that share a store, as processes of their own: what one keeps the other has, also without the store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import pytest
import trio
from pydantic_core import to_json

from tests.end_to_end.client import PATIENCE, Answer, Json, fetch
from tests.end_to_end.gateway import ADMIN_TOKEN, OPERATOR, POLL, SERVE, Gateway, poll, started
from tests.real_store import RealServer

KEYS = "ann:sk-of-ann-of-the-tests,bob:sk-of-bob-of-the-tests"
ANN, BOB = ({"x-api-key": f"sk-of-{name}-of-the-tests"} for name in ("ann", "bob"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """The store of both."""
    server = RealServer(tmp_path_factory.mktemp("store"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def pair(store: RealServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Gateway]]:
    """Two gateways, each with a simulator of its own."""
    with sharing(store, tmp_path_factory, "a") as one, sharing(store, tmp_path_factory, "b") as other:
        yield one, other


@contextmanager
def sharing(store: RealServer, paths: pytest.TempPathFactory, name: str) -> Iterator[Gateway]:
    more = {"STATE_URL": store.url, "REPLICA_NAME": name, "API_KEYS": KEYS, "ADMIN_TOKEN": ADMIN_TOKEN}
    with started(paths.mktemp(name), SERVE, **more) as gateway:
        yield gateway


async def respond(gateway: Gateway, headers: dict[str, str] = ANN, **fields: Json) -> Answer:
    """A response."""
    return await fetch(gateway.port, "POST", "/v1/responses", to_json({"input": "Hello.", **fields}), headers=headers)


async def in_time(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """The answer for which the store was in time: it has a quarter of a second, for which a machine may be too busy."""
    with trio.fail_after(PATIENCE):
        while (answer := await ask()).status == 503:
            assert answer.error["code"] == "state_unavailable"
            await trio.sleep(POLL)
        return answer


async def kept(gateway: Gateway, **fields: Json) -> Json:
    """A response that the store took: for what is late on a busy machine an answer is given, and not kept."""
    with trio.fail_after(PATIENCE):
        while True:
            answer = await in_time(partial(respond, gateway, **fields))
            assert answer.status == 200, answer.body
            made = answer.events[-1]["response"] if fields.get("stream") else answer.json
            if (await look(gateway, made["id"])).status == 200:
                return made


async def look(gateway: Gateway, path: str, headers: dict[str, str] = ANN) -> Answer:
    """What is kept there."""
    return await in_time(partial(gateway.fetch, f"/v1/responses/{path}", headers=headers))


@asynccontextmanager
async def frozen(store: RealServer) -> AsyncIterator[None]:
    """The store answers nobody for the length of the block, and is heard again at its end."""
    store.freeze()
    try:
        yield
    finally:
        store.thaw()


async def test_a_response_goes_on_wherever_it_is_asked_for(pair: tuple[Gateway, Gateway]) -> None:
    """With all that led to it, for its own key alone; removed at one it is gone at both, and what follows it stays."""
    one, other = pair
    first = await kept(one, input="Remember the number 4711.")
    again = await look(other, first["id"])
    assert (again.status, again.json) == (200, first)
    assert (await look(other, first["id"], BOB)).status == 404
    assert (await in_time(partial(respond, other, BOB, previous_response_id=first["id"]))).status == 400
    done = await kept(other, previous_response_id=first["id"], stream=True)
    listed = await look(one, f"{done['id']}/input_items?order=asc")
    assert listed.status == 200, listed.body
    items = listed.json["data"]
    assert [item["role"] for item in items] == ["user", "assistant", "user"]
    assert items[0]["content"][0]["text"] == "Remember the number 4711."
    referred = await in_time(partial(respond, one, input=[{"type": "item_reference", "id": items[0]["id"]}]))
    assert referred.status == 200
    removed = await in_time(partial(fetch, one.port, "DELETE", f"/v1/responses/{first['id']}", headers=ANN))
    assert removed.status == 404 or removed.json["deleted"], "unless it had been, and the store was late to say so"
    assert (await look(other, first["id"])).status == 404
    assert (await in_time(partial(respond, one, previous_response_id=done["id"]))).status == 200


async def test_a_thread_goes_on_wherever_it_is_asked_for(pair: tuple[Gateway, Gateway]) -> None:
    """With what it was begun with."""
    one, other = pair
    said = {"model": "auto", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello."}]}

    async def goes_on() -> bool:
        made = await fetch(
            one.port, "POST", "/v1/messages", to_json({**said, "thread": {"type": "create"}}), headers=ANN
        )
        assert made.status == 200, made.body
        on = {"type": "continue", "previous_message_id": made.json["id"]}
        went = await fetch(other.port, "POST", "/v1/messages", to_json({**said, "thread": on}), headers=ANN)
        return went.status == 200

    await poll(goes_on)


async def test_whoever_signs_in_at_one_is_signed_in_at_both(pair: tuple[Gateway, Gateway]) -> None:
    """And signed out of both."""
    one, other = pair
    form = {"content-type": "application/x-www-form-urlencoded"}
    given = await fetch(one.port, "POST", "/page/sign-in", f"token={ADMIN_TOKEN}".encode(), headers=form)
    assert given.status == 303, given.body
    browser = {"cookie": given.headers["set-cookie"].partition(";")[0]}
    page = ""

    async def listed() -> bool:
        nonlocal page
        page = (await other.fetch("/", headers=browser)).body.decode()
        return "<dt>a</dt>" in page

    await poll(listed)
    csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
    assert csrf
    await fetch(other.port, "POST", "/page/sign-out", f"csrf={csrf}".encode(), headers={**form, **browser})

    async def signed_out() -> bool:
        return b'name="csrf"' not in (await one.fetch("/", headers=browser)).body

    await poll(signed_out)


async def test_each_tells_of_both(pair: tuple[Gateway, Gateway]) -> None:
    """Which gateways there are, and what a key has used at all of them, as soon as it was written."""
    for gateway in pair:
        assert (await respond(gateway, BOB)).status == 200

        async def knows_both(gateway: Gateway = gateway) -> bool:
            return [replica["name"] for replica in (await gateway.stats())["replicas"]] == ["a", "b"]

        await poll(knows_both)

        async def knows_what_bob_used(gateway: Gateway = gateway) -> bool:
            usage = (await gateway.fetch("/internal/usage", headers=OPERATOR)).json
            assert usage["period"] == "month"
            (bob,) = [key for key in usage["keys"] if key["name"] == "bob"]
            used: int = bob["outcomes"].get("ok", 0)
            return used >= 1

        await poll(knows_what_bob_used)


async def test_without_the_store_only_what_it_holds_is_missing(
    pair: tuple[Gateway, Gateway], store: RealServer
) -> None:
    """Answers are given; when it is back, so is what it held."""
    one, _ = pair
    made = (await kept(one))["id"]
    async with frozen(store):
        began = trio.current_time()
        assert (await respond(one)).status == 200
        assert trio.current_time() - began < 5
        looked = await one.fetch(f"/v1/responses/{made}", headers=ANN)
        for lost in (looked, await respond(one, previous_response_id=made)):
            assert (lost.status, lost.error["code"]) == (503, "state_unavailable")
            assert lost.headers["retry-after"] == "1"
    for gateway in pair:
        assert (await look(gateway, made)).status == 200
