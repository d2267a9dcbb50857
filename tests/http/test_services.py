"""The parts of a gateway, as the metrics see them."""

from __future__ import annotations

from tests.http.world import open_world


async def test_views_are_of_the_moment() -> None:
    """What the metrics are told is what the parts say now."""
    async with open_world(slots=1) as world:
        async with world.services.limiter.slot():
            assert world.services.limiter_view().in_flight == 1
        assert world.services.limiter_view().in_flight == 0
        assert [view.state for view in world.services.instance_views()] == ["ready"]
        world.instance.lives.state = "needs_login"
        assert [view.state for view in world.services.instance_views()] == ["needs_login"]
        assert world.services.sessions_view().size == 0
