"""The picture of a running gateway: complete for who is signed in, and next to nothing for anybody else."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from lingma_trio.errors import QueueFull
from lingma_trio.http.operator_sessions import OperatorSession
from lingma_trio.http.page.places import PLACES
from lingma_trio.http.page.snapshot import take_view
from lingma_trio.logs import Redactor
from lingma_trio.state.link import StoreLink
from tests.http.world import World, open_world
from tests.real_store import Nowhere

SESSION = OperatorSession("name", "c5rf")


async def test_stranger_gets_readiness_alone() -> None:
    """Neither what runs nor that it is play."""
    async with open_world(admin="admin", notice="it is play") as world:
        view = take_view(world.services, None)
    assert (view.readiness, view.open_to_sign_in) == ("ready", True)
    assert (view.panels, view.csrf, view.simulated) == ({}, "", False)


async def test_operator_sees_the_figures_of_the_moment() -> None:
    """Those of the limiter, the sessions and the instances, and the models to choose from."""
    async with open_world(admin="admin", notice="it is play", slots=3, max_queue=0) as world, AsyncExitStack() as held:
        for _ in range(3):
            await held.enter_async_context(world.services.limiter.slot())
        for _ in range(2):
            with pytest.raises(QueueFull):
                await held.enter_async_context(world.services.limiter.slot())
        world.services.sessions.counters.hits = 1
        world.instance.lives.restarts = 4
        view = take_view(world.services, SESSION)
        models = take_view(world.services, SESSION, PLACES["playground"]).panels["playground"]
    numbers = view.panels["numbers"]
    assert (numbers.in_flight, numbers.refused, numbers.hit_rate, numbers.restarts) == (3, 2, "100 %", 4)
    (panel,) = view.panels["instances"]
    assert (panel.name, panel.state, panel.models, panel.wants_login) == ("lingma-0", "ready", 2, False)
    assert models == [("org_auto", "Auto"), ("qwen", "Qwen")]
    assert (view.simulated, view.csrf) == (True, "c5rf")


@pytest.mark.parametrize("readiness", ["ready", "degraded", "not_ready", "draining"])
async def test_readiness_is_that_of_readyz(readiness: str) -> None:
    """The same word for the same state."""

    def bring_about(world: World) -> None:
        if readiness == "not_ready":
            world.instance.standing.drain()
        if readiness == "degraded":
            world.services.link = StoreLink(Nowhere, name="a", boot="1")
        if readiness == "draining":
            world.services.ceiling.drain(10)

    async with open_world() as world:
        bring_about(world)
        assert take_view(world.services, None).readiness == readiness
        assert (await world.call("GET", "/readyz")).json["status"] == readiness


async def test_secrets_are_struck_out() -> None:
    """What Lingma printed is shown without the secrets that the gateway knows, and so is what went wrong."""
    async with open_world(admin="admin") as world:
        world.services.redactor = Redactor(["hush-hush"])
        vars(world.instance.lives).update(
            state="backing_off", reason="failed with hush-hush", detail="printed hush-hush", last_end="hush-hush"
        )
        view = take_view(world.services, SESSION, fault="hush-hush broke")
    assert "hush" not in repr(view)


async def test_login_link_is_a_link() -> None:
    """An address that a browser would run as a program is none."""
    async with open_world(admin="admin") as world:
        for url, shown in (("https://login.example/", "https://login.example/"), ("javascript:alert(1)", "")):
            vars(world.instance.account.login)["_offered"] = (url, 1e9)
            view = take_view(world.services, SESSION)
            assert view.panels["instances"][0].login_url == shown
