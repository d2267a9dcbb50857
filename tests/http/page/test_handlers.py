"""The page over HTTP: who sees what, signing in and out, live figures, and the playground's way to an answer."""

from __future__ import annotations

import pytest
import trio
from pydantic_core import from_json, to_json
from trio.testing import MockClock

from lingma_trio.http.operator_sessions import MOST_WATCHERS
from lingma_trio.http.page.handlers import LOOK_EVERY, QUIET_SECONDS
from lingma_trio.http.page.places import PLACES, Place
from lingma_trio.http.tenants import Tenants
from lingma_trio.policy.attempts import LIMIT
from lingma_trio.state.operators import LIFETIME
from tests.http.page.browsing import ADMIN, FORM, Browser
from tests.http.world import Visitor, open_world


def told(visitor: Visitor) -> list[dict[str, str]]:
    """The news in an event stream, in order."""
    blocks = visitor.body.split(b"\n\n")[:-1]
    return [from_json(block.removeprefix(b"data: ")) for block in blocks if block.startswith(b"data: ")]


# --- the page --------------------------------------------------------------------------------------------------------


async def test_page_may_load_nothing_but_itself() -> None:
    """Its policy forbids everything inline and everything from elsewhere, and no other site may frame it."""
    async with open_world(admin=ADMIN) as world:
        visitor = await Browser(world).get()
    assert (visitor.status, visitor.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = dict(part.split(" ", 1) for part in visitor.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert set(policy.values()) == {"'none'", "'self'"}
    assert visitor.headers["cache-control"] == "no-store"


async def test_page_speaks_the_browser_s_language() -> None:
    """Chinese where it is wished for."""
    async with open_world(admin=ADMIN) as world:
        visitor = await Browser(world).get(**{"accept-language": "zh-CN,zh;q=0.9"})
    assert "登录" in visitor.body.decode()
    assert 'lang="zh-CN"' in visitor.body.decode()


@pytest.mark.parametrize("admin", ["", ADMIN])
async def test_stranger_sees_no_instance(admin: str) -> None:
    """Without a session the page says whether the gateway is ready, and nothing else of it."""
    async with open_world(admin=admin, notice="it is play") as world:
        visitor = await Browser(world).get()
    assert b"Ready" in visitor.body
    assert b"lingma-0" not in visitor.body
    assert (b"<form" in visitor.body) is bool(admin)


@pytest.mark.parametrize(("name", "kind"), [("style.css", "text/css"), ("script.js", "text/javascript")])
async def test_files_of_the_page(name: str, kind: str) -> None:
    """They carry nothing of the gateway's, so anybody gets them, and may keep them."""
    async with open_world() as world:
        visitor = await Browser(world).get(f"/page/{name}")
        missing = await Browser(world).get("/page/page.html")
    assert visitor.headers["content-type"].startswith(kind)
    assert "immutable" in visitor.headers["cache-control"]
    assert (missing.status, missing.code) == (404, "not_found")


@pytest.mark.parametrize("place", PLACES.values(), ids=lambda place: place.name)
async def test_each_place_is_the_operator_s(place: Place) -> None:
    """A stranger sees the way in and nothing else; signing in there leads back there."""
    async with open_world(admin=ADMIN) as world:
        browser = Browser(world)
        assert b'name="token"' in (await browser.get(place.path)).body
        signed_in = await browser.post("/page/sign-in", {"referer": f"http://gateway{place.path}?done=x"}, token=ADMIN)
        assert signed_in.headers["location"] == place.path
        await browser.sign_in()
        shown = (await browser.get(place.path)).body.decode()
    assert all(f'id="region-{section}"' in shown for section in place.sections)
    assert 'name="token"' not in shown


async def test_form_from_nowhere_leads_to_the_first_place() -> None:
    """What a browser, or a proxy, says of where it was sent from need be no address."""
    async with open_world(admin=ADMIN) as world:
        signed_in = await Browser(world).post("/page/sign-in", {"referer": "http://[gateway"}, token=ADMIN)
    assert (signed_in.status, signed_in.headers["location"]) == (303, "/")


async def test_news_of_a_place_is_of_that_place() -> None:
    """No more is drawn than is looked at; a place that there is not is the first."""
    async with open_world(admin=ADMIN) as world, trio.open_nursery() as nursery:
        browser = Browser(world)
        await browser.sign_in()
        for asked, place in (("requests", "requests"), ("playground", "playground"), ("nowhere", "live")):
            watcher = world.visitor("GET", "/internal/events", headers=browser.headers, query=f"place={asked}")
            nursery.start_soon(watcher.visit)
            await watcher.until(b"\n\n")
            assert tuple(told(watcher)[0]) == PLACES[place].regions
            watcher.leave()


async def test_words_of_an_address_do_not_reach_the_page() -> None:
    """Only what the page knows to say can be asked of it."""
    async with open_world(admin=ADMIN) as world:
        browser = Browser(world)
        await browser.sign_in()
        assert b"The restart is under way." in (await browser.get(query="done=restart")).body
        assert b"planted" not in (await browser.get(query="done=planted")).body


# --- signing in and out ----------------------------------------------------------------------------------------------


async def test_signing_in_and_out() -> None:
    """The token opens the page, which shows the instance; signing out closes it."""
    async with open_world(admin=ADMIN) as world:
        browser = Browser(world)
        visitor = await browser.sign_in()
        assert (visitor.status, visitor.headers["location"]) == (303, "/")
        assert b"lingma-0" in (await browser.get()).body
        left = await browser.post("/page/sign-out", csrf=browser.csrf)
        assert (left.status, left.headers["set-cookie"].partition(";")[0]) == (303, "lingma_operator=")
        assert b"lingma-0" not in (await browser.get()).body


async def test_signing_out_is_the_page_s_own_doing() -> None:
    """Another site's form signs nobody out."""
    async with open_world(admin=ADMIN) as world:
        browser = Browser(world)
        await browser.sign_in()
        await browser.post("/page/sign-out", csrf="guess")
        assert b"lingma-0" in (await browser.get()).body


async def test_wrong_token_leads_back_to_the_form() -> None:
    """With the reason, with no cookie, and counted under its code."""
    async with open_world(admin=ADMIN) as world:
        visitor = await Browser(world).sign_in("wrong")
        assert world.sample("requests_total", route="sign_in", outcome="invalid_api_key") == 1
    assert visitor.status == 401
    assert "set-cookie" not in visitor.headers
    assert b"That is not the ADMIN_TOKEN" in visitor.body


async def test_too_many_wrong_tokens_have_to_wait() -> None:
    """The page says so, and for how long; the right one gets in all the same."""
    async with open_world(admin=ADMIN) as world:
        for _ in range(LIMIT):
            await Browser(world).sign_in("wrong")
        visitor = await Browser(world).sign_in("wrong")
        assert (await Browser(world).sign_in()).status == 303
    assert (visitor.status, visitor.headers["retry-after"]) == (429, "60")
    assert b"Too many wrong tokens" in visitor.body
    assert "set-cookie" not in visitor.headers


async def test_other_site_signs_nobody_in() -> None:
    """A form that a browser says came from elsewhere is not taken, even with the right token."""
    async with open_world(admin=ADMIN) as world:
        visitor = await Browser(world).post("/page/sign-in", {"sec-fetch-site": "cross-site"}, token=ADMIN)
    assert visitor.status == 403
    assert "set-cookie" not in visitor.headers


async def test_without_an_admin_token_there_is_no_signing_in() -> None:
    """Not with an empty one either."""
    async with open_world() as world:
        visitor = await Browser(world).post("/page/sign-in", token="")
    assert (visitor.status, visitor.code) == (404, "not_found")


# --- live figures ----------------------------------------------------------------------------------------------------


async def test_news_is_what_changed(autojump_clock: MockClock) -> None:
    """All regions at first, then the ones that are not as they were, and a sign of life when nothing happens."""
    async with open_world(admin=ADMIN) as world, trio.open_nursery() as nursery:
        browser = Browser(world)
        await browser.sign_in()
        watcher = world.visitor("GET", "/internal/events", headers=browser.headers)
        nursery.start_soon(watcher.visit)
        await watcher.until(b"\n\n")
        assert tuple(told(watcher)[0]) == PLACES["live"].regions
        world.instance.standing.drain()
        await trio.sleep(2 * LOOK_EVERY)
        changed = {name: html for news in told(watcher)[1:] for name, html in news.items()}
        assert set(changed) == {"readiness", "instances"}
        assert "drained" in changed["instances"]
        await trio.sleep(QUIET_SECONDS + 2 * LOOK_EVERY)
        assert b"\n\n: nothing new\n\n" in watcher.body
        watcher.leave()
        await watcher.done.wait()
        assert world.sample("requests_total", route="events", outcome="ok") == 1
        assert world.sample("cancellations_total", stage="streaming") == 0


async def test_slow_watcher_gets_the_newest_picture(autojump_clock: MockClock) -> None:
    """While one picture is being written others pass, and the next is of the moment."""
    async with open_world(admin=ADMIN) as world, trio.open_nursery() as nursery:
        browser = Browser(world)
        await browser.sign_in()
        watcher = world.visitor("GET", "/internal/events", headers=browser.headers)
        plain, taken = watcher.send, trio.Event()

        async def slow(message: dict[str, object]) -> None:
            if message["type"] == "http.response.body" and not taken.is_set():
                await taken.wait()
            await plain(message)

        vars(watcher)["send"] = slow
        nursery.start_soon(watcher.visit)
        for number in range(5):
            world.instance.lives.restarts = number + 1
            await trio.sleep(LOOK_EVERY)
        taken.set()
        await trio.sleep(1.5 * LOOK_EVERY)
        assert len(told(watcher)) == 2
        assert "restarts 5" in told(watcher)[1]["instances"]
        watcher.leave()


@pytest.mark.parametrize("end", ["session", "gateway", "lifetime"])
async def test_news_ends_with_the_session_and_the_gateway(end: str, autojump_clock: MockClock) -> None:
    """A page that is signed out of is told nothing more, and no page holds up a shutdown."""
    async with open_world(admin=ADMIN) as world, trio.open_nursery() as nursery:
        browser = Browser(world)
        await browser.sign_in()
        last = 3 * LOOK_EVERY
        if end == "lifetime":
            await trio.sleep(LIFETIME - last)
        watcher = world.visitor("GET", "/internal/events", headers=browser.headers)
        nursery.start_soon(watcher.visit)
        await watcher.until(b"\n\n")
        if end == "session":
            await browser.post("/page/sign-out", csrf=browser.csrf)
        elif end == "gateway":
            world.services.ceiling.drain(30)
        with trio.fail_after(last + 2 * LOOK_EVERY if end == "lifetime" else 2 * LOOK_EVERY):
            await watcher.done.wait()
        assert watcher.complete


async def test_news_is_the_operator_s() -> None:
    """Nobody else gets any, and no more pages than there are seats for."""
    async with open_world(admin=ADMIN) as world, trio.open_nursery() as nursery:
        browser = Browser(world)
        stranger = await browser.get("/internal/events")
        assert (stranger.status, stranger.code) == (401, "invalid_api_key")
        await browser.sign_in()
        watchers = [world.visitor("GET", "/internal/events", headers=browser.headers) for _ in range(MOST_WATCHERS)]
        for watcher in watchers:
            nursery.start_soon(watcher.visit)
            await watcher.until(b"\n\n")
        refused = await browser.get("/internal/events")
        assert (refused.status, refused.code) == (429, "gateway_overloaded")
        watchers[0].leave()
        await watchers[0].done.wait()
        again = world.visitor("GET", "/internal/events", headers=browser.headers)
        nursery.start_soon(again.visit)
        await again.until(b"\n\n")
        for watcher in (*watchers, again):
            watcher.leave()


# --- the playground --------------------------------------------------------------------------------------------------

QUESTION = to_json({"model": "qwen", "stream": True, "messages": [{"role": "user", "content": "Hello."}]})


async def test_playground_asks_as_every_client_does() -> None:
    """The answer streams through limiter and pool, is remembered as the operator's, and is a line without its text."""
    async with open_world(keys=("key",), admin=ADMIN) as world, trio.open_nursery() as nursery:
        browser = Browser(world)
        await browser.sign_in()
        headers = {**browser.headers, "x-csrf-token": browser.csrf}
        visitor = world.visitor("POST", "/internal/playground", QUESTION, headers)
        nursery.start_soon(visitor.visit)
        question = await world.peer.called("chat/ask")
        assert world.services.limiter.counts.in_flight == 1
        await world.peer.text(question, "A secret answer.")
        await world.peer.finish(question)
        await visitor.done.wait()
        assert b"A secret answer." in visitor.body
        assert visitor.body.endswith(b"data: [DONE]\n\n")
        (line,) = world.services.recent.lines
        assert (line.route, line.model, line.instance, line.session, line.outcome) == (
            "playground",
            "qwen",
            "lingma-0",
            "opening",
            "ok",
        )
        assert line.answer_tokens > 0
        assert "secret" not in repr(world.services.recent.lines)
        assert len(world.services.sessions) == 1
        assert len(world.services.pace.waits(trio.current_time())) == 1


async def test_playground_that_is_left_stops_upstream() -> None:
    """Aborting in the browser ends the turn like any client's departure."""
    async with open_world(admin=ADMIN) as world, trio.open_nursery() as nursery:
        browser = Browser(world)
        await browser.sign_in()
        headers = {**browser.headers, "x-csrf-token": browser.csrf}
        visitor = world.visitor("POST", "/internal/playground", QUESTION, headers)
        nursery.start_soon(visitor.visit)
        question = await world.peer.called("chat/ask")
        await world.peer.text(question, "A beginning")
        await visitor.until(b"A beginning")
        visitor.leave()
        await world.peer.called("chat/stop")
        await visitor.done.wait()
        assert world.services.limiter.counts.in_flight == 0
        assert world.services.recent.lines[0].outcome == "cancelled"


async def test_playground_is_the_operator_s() -> None:
    """Neither a key nor a cookie without the page's token asks anything."""
    async with open_world(keys=("key",), admin=ADMIN) as world:
        browser = Browser(world)
        await browser.sign_in()
        for headers in ({}, browser.headers, {"authorization": "Bearer key"}, {**FORM, **browser.headers}):
            visitor = await world.call("POST", "/internal/playground", QUESTION, headers=headers)
            assert (visitor.status, visitor.code) == (401, "invalid_api_key")


def test_playground_s_tenant_is_nobody_else_s() -> None:
    """A key's tenant is a digest in hexadecimal, which this is not."""
    tenants = Tenants()
    assert tenants.operator.id != tenants.anonymous.id
    with pytest.raises(ValueError, match="hex"):
        bytes.fromhex(tenants.operator.id)
