"""An app's own life, as a server leads it."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from lingma_trio.edge.lifespan import Lifespan, LifespanFailed

PATIENCE = 5.0


def app_that(*said: dict[str, Any], until_the_end: bool = True) -> Any:  # noqa: ANN401 - an app
    """An app that says that, and lives to its end or not."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's
        assert scope["type"] == "lifespan"
        assert (await receive())["type"] == "lifespan.startup"
        scope["state"]["here"] = True
        for message in said:
            await send(message)
        if until_the_end:
            assert (await receive())["type"] == "lifespan.shutdown"
            await send({"type": "lifespan.shutdown.complete"})

    return app


async def test_app_lives_until_the_end() -> None:
    """It is started before anything else, and has ended when its task has."""
    state: dict[str, Any] = {}
    lifespan = Lifespan(app_that({"type": "lifespan.startup.complete"}), state)
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            await nursery.start(lifespan.run)
            assert state == {"here": True}
            lifespan.end()


@pytest.mark.parametrize(
    "said",
    [
        [{"type": "lifespan.startup.failed", "message": "no"}],
        [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.failed", "message": "no"}],
        [{"type": "lifespan.startup.complete"}],
    ],
    ids=["does not start", "fails", "ends by itself"],
)
async def test_app_that_fails_ends_the_server(said: list[dict[str, Any]]) -> None:
    """Whenever that is, and with its reason where it gives one."""
    lifespan = Lifespan(app_that(*said, until_the_end=False), {})
    with trio.fail_after(PATIENCE), pytest.RaisesGroup(LifespanFailed, flatten_subgroups=True, allow_unwrapped=True):
        async with trio.open_nursery() as nursery:
            await nursery.start(lifespan.run)
            await trio.sleep_forever()
