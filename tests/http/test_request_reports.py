"""What became of a request: by its id, under way and ended, for the operator alone."""

from __future__ import annotations

import trio

from tests.http.page.browsing import ADMIN, Browser
from tests.http.world import open_world

OPERATOR = {"authorization": f"Bearer {ADMIN}"}
NAMED = {"x-request-id": "req_mine", "user-agent": "curl/8.5 (x86_64)\x7f"}


async def test_request_is_found_while_it_runs_and_when_it_is_over() -> None:
    """With whose it is, from where, how far it came, and in the end its times; never with its text."""
    async with open_world(admin=ADMIN, keys=("key",)) as world, trio.open_nursery() as nursery:
        visitor = world.asker("A secret.", {**NAMED, "authorization": "Bearer key"}, stream=True)
        nursery.start_soon(visitor.visit)
        question = await world.peer.called("chat/ask")
        await world.peer.text(question, "A secret answer.")
        await visitor.until(b"A secret answer.")
        running = await world.call("GET", "/internal/requests/req_mine", headers=OPERATOR)
        listed = await world.call("GET", "/internal/requests", headers=OPERATOR)
        await world.peer.finish(question)
        await visitor.done.wait()
        ended = await world.call("GET", "/internal/requests/req_mine", headers=OPERATOR)
    assert listed.json["under_way"] == [{**running.json, "seconds": listed.json["under_way"][0]["seconds"]}]
    assert (running.json["stage"], running.json["deltas"], running.json["model"]) == ("streaming", 1, "org_auto")
    assert (ended.json["outcome"], ended.json["key"]) == ("ok", running.json["key"])
    assert ended.json["client"] == running.json["client"] == "curl/8.5 · 127.0.0.1"
    assert list(ended.json["spans"]) == ["receiving", "queued", "waiting", "streaming", "delivering", "sent"]
    assert abs(sum(ended.json["spans"].values()) - ended.json["seconds"]) < 0.1
    assert b"secret" not in ended.body + listed.body


async def test_request_is_the_operator_s() -> None:
    """By token or by the page's sign-in; others learn nothing, and an id that nobody knows is not found."""
    async with open_world(admin=ADMIN, keys=("key",)) as world:
        browser = Browser(world)
        await browser.sign_in()
        for path in ("/internal/requests", "/internal/requests/x"):
            assert (await world.call("GET", path, headers={"authorization": "Bearer key"})).status == 404
        assert (await browser.get("/internal/requests")).json == {"under_way": [], "ended": []}
        missing = await browser.get("/internal/requests/x")
    assert (missing.status, missing.code) == (404, "not_found")
