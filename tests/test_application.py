"""The app as a server sees it: a life that starts, serves and ends, or says why not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio

from lingma_trio.application import Application
from lingma_trio.config import Settings, load_settings
from lingma_trio.errors import ConfigurationFault

PATIENCE = 20.0
Message = MutableMapping[str, Any]


@pytest.fixture(autouse=True)
def keep_to_our_own_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the app makes, it makes here."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    """The app configures the process's logging; leave it as it was found."""
    root, ours = logging.getLogger(), logging.getLogger("lingma_trio")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


class Server:
    """The server's side of an app's life."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self.state: dict[str, Any] = {"shared": True}
        self._tell, self._told = trio.open_memory_channel[Message](2)
        self._say, self._said = trio.open_memory_channel[Message](2)

    async def live(self) -> None:
        """Run the app's life."""
        await self.app({"type": "lifespan", "state": self.state}, self._told.receive, self._say.send)

    async def start(self) -> Message:
        """Ask the app to start; returns what it said to that."""
        await self._tell.send({"type": "lifespan.startup"})
        return await self.heard()

    async def stop(self) -> Message:
        """Ask the app to stop; returns what it said to that."""
        await self._tell.send({"type": "lifespan.shutdown"})
        return await self.heard()

    async def heard(self) -> Message:
        """What the app says next."""
        with trio.fail_after(PATIENCE):
            return await self._said.receive()

    async def request(self, path: str) -> list[Message]:
        """Send one request; returns all that came back."""
        sent: list[Message] = []

        async def receive() -> Message:
            await trio.sleep_forever()
            raise AssertionError

        async def send(message: Message) -> None:
            await trio.lowlevel.checkpoint()
            sent.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "headers": [],
            "client": ("127.0.0.1", 1),
            "root_path": "",
        }
        await self.app(scope, receive, send)
        return sent


@asynccontextmanager
async def living(app: Application) -> AsyncIterator[Server]:
    """An app whose life runs, and has to end by itself."""
    server = Server(app)
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.live)
            yield server


def simulated(**settings: Any) -> Settings:  # noqa: ANN401 - any setting
    return Settings(lingma_upstream="simulator", log_level="ERROR", **settings)


def bad_settings() -> Settings:
    return load_settings({"PORT": "many", "LOG_LEVEL": "LOUD"}, None)


@pytest.mark.slow
async def test_life() -> None:
    """The app starts, serves while it lives, and stops when it is asked to."""
    async with living(Application(simulated)) as server:
        assert await server.start() == {"type": "lifespan.startup.complete"}
        start, body = await server.request("/healthz")
        assert (start["status"], body["body"]) == (200, b'{"status":"ok"}')
        assert await server.stop() == {"type": "lifespan.shutdown.complete"}


async def test_bad_settings_refuse_the_start() -> None:
    """Settings that do not fit are told to the server, all of them, and nothing is started."""
    async with living(Application(bad_settings)) as server:
        failed = await server.start()
    assert failed["type"] == "lifespan.startup.failed"
    assert "PORT: " in failed["message"]
    assert "LOG_LEVEL: " in failed["message"]


async def test_start_is_examined() -> None:
    """Whoever makes the app may look at the settings and the server's state, and refuse the start."""

    def examine(settings: Settings, state: dict[str, Any]) -> None:
        raise ConfigurationFault(f"{settings.log_level} in {sorted(state)}")

    async with living(Application(simulated, examine=examine)) as server:
        failed = await server.start()
    assert failed == {"type": "lifespan.startup.failed", "message": "ERROR in ['shared']"}


def test_other_loop_is_refused() -> None:
    """A server that does not run on Trio is told what to start instead."""
    said: list[Message] = []

    async def receive() -> Message:
        await asyncio.sleep(0)
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        await asyncio.sleep(0)
        said.append(message)

    asyncio.run(Application(simulated)({"type": "lifespan", "state": {}}, receive, send))
    assert said[0]["type"] == "lifespan.startup.failed"
    assert "lingma-trio serve" in said[0]["message"]


@pytest.mark.slow
async def test_crash_in_the_tree_stops_the_server(capsys: pytest.CaptureFixture[str]) -> None:
    """A bug below the root ends the life with the one message that stops a server; the log has the traceback."""
    # No address has a zero in it, and none that came as text could; a program cannot be started with it.
    async with living(Application(lambda: simulated(dedicated_domain_url="http://host/\0"))) as server:
        assert await server.start() == {"type": "lifespan.startup.complete"}
        assert (await server.heard())["type"] == "lifespan.shutdown.failed"
    log = capsys.readouterr().err
    assert '"gateway_failed"' in log
    assert "embedded null byte" in log


async def test_request_outside_a_life() -> None:
    """An app that a server never started refuses requests in the envelope; so does one whose life is over."""
    server = Server(Application(bad_settings))
    start, body = await server.request("/healthz")
    assert start["status"] == 503
    assert b'"code":"not_started"' in body["body"]


@pytest.mark.slow
async def test_drain_reaches_the_requests() -> None:
    """A drain before, in and after a life harms nobody; within it readiness shows it."""
    app = Application(simulated)
    app.drain(1)
    async with living(app) as server:
        await server.start()
        app.drain(60)
        _, body = await server.request("/readyz")
        assert b'"status":"draining"' in body["body"]
        await server.stop()
    app.drain(1)


def test_settings_are_read_when_the_server_starts() -> None:
    """Making the app reads nothing: what is wrong with the settings is told at the start, to the server."""

    def fail() -> Settings:
        raise ConfigurationFault("read too soon")

    Application(fail)
