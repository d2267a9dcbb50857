"""A bad body gets a 4xx in its surface's own envelope, whatever is bad about it, and is never the gateway's fault."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from pydantic import ValidationError
from pydantic_core import to_json

from lingma_trio.api.openapi.operations import OPERATIONS
from tests.bad_bodies import SURFACES, Surface
from tests.http.world import World, open_world

PATIENCE = 60.0  # seconds of the mock clock, which pass where somebody waits for an answer
ENVELOPES = {operation.path: operation.error for operation in OPERATIONS}


async def refusal(world: World, surface: Surface, body: bytes) -> str:
    """What is wrong with how a bad body is refused; nothing where it is as it should be."""
    visitor = world.visitor("POST", surface.path, body)
    with trio.move_on_after(PATIENCE) as patience:
        await visitor.visit()
    if patience.cancelled_caught:
        return "was taken"
    if not 400 <= visitor.status < 500:
        return f"got {visitor.status}"
    try:
        ENVELOPES[surface.path].model_validate_json(visitor.body)
    except ValidationError as fault:
        return f"got another envelope: {fault}"
    return ""


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.path)
async def test_every_bad_body_is_refused_in_the_surface_s_envelope(
    surface: Surface, autojump_clock: trio.testing.MockClock
) -> None:
    """Each body of the corpus gets a status from 400 to 499 and the error object that the surface's clients read."""
    faults = {}
    async with open_world() as world:
        world.services.pictures.fallback = "placeholder"  # a model without vision is no fault of a body's
        for what, body in surface.corpus():
            if fault := await refusal(world, surface, body):
                faults[what] = fault
    assert faults == {}


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.path)
async def test_what_the_bad_bodies_were_made_from_is_good(surface: Surface) -> None:
    """The body that each of them differs from by one thing is not refused, so the one thing is what is at fault."""
    async with open_world() as world, trio.open_nursery() as nursery:
        world.services.pictures.fallback = "placeholder"
        visitor = world.visitor("POST", surface.path, to_json(surface.good))
        nursery.start_soon(visitor.visit)
        await trio.testing.wait_all_tasks_blocked()
        assert visitor.status in (0, 200), visitor.body
        nursery.cancel_scope.cancel("the test has seen enough")


def test_the_corpus_is_large_and_of_all_surfaces() -> None:
    """There are 300 bad bodies and more, each of them another one on its surface, and no surface is without."""
    assert {surface.path for surface in SURFACES} == {each.path for each in OPERATIONS if each.asked is not None}
    bodies = [(surface.path, body) for surface in SURFACES for _, body in surface.corpus()]
    assert len(set(bodies)) >= 300
