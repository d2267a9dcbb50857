"""The server's socket and its signals."""

from __future__ import annotations

import os
import signal
import socket as sockets
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from lingma_trio.edge.addresses import open_listener
from lingma_trio.edge.bounds import Bounds
from lingma_trio.edge.handover import KIND, HandoverFailed, Predecessor
from lingma_trio.edge.server import GOODBYE, Listening, serve_app
from lingma_trio.edge.succession import knock
from lingma_trio.systemd import ServiceManager
from tests.end_to_end.client import PATIENCE, connected, fetch, until_refused


def listening(port: int = 0, *, host: str = "127.0.0.1", grace: float = 5.0) -> Listening:
    return Listening(host=host, port=port, grace=grace, bounds=Bounds(stall_seconds=7.0))


class App:
    """An app whose requests take as long as the test wants."""

    def __init__(self) -> None:
        self.started = trio.Event()
        self.asked = trio.Event()
        self.may_answer = trio.Event()
        self.draining = trio.Event()
        self.reloaded = trio.Event()
        self.drained: list[float] = []
        self.stopped = False

    def drain(self, seconds: float) -> None:
        """Note for how long requests may go on."""
        self.drained.append(seconds)
        self.draining.set()

    def reload(self) -> None:
        """Note that somebody asked for it."""
        self.reloaded.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's
        """Live, or serve a request."""
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            self.started.set()
            await receive()
            self.stopped = True
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.asked.set()
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


class Running:
    """A server in a nursery, on a port that was free a moment ago."""

    def __init__(self, nursery: trio.Nursery, app: App, grace: float) -> None:
        with sockets.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.ended = trio.Event()
        self.app = app
        nursery.start_soon(self._live, listening(self.port, grace=grace))

    async def _live(self, where: Listening) -> None:
        await serve_app(self.app, where, drain=self.app.drain, reload=self.app.reload)
        self.ended.set()

    async def stop(self, number: signal.Signals) -> None:
        """Send this process a signal, which the server has to take."""
        await self.app.started.wait()
        os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_drains_and_ends(number: signal.Signals) -> None:
    """A signal tells of the time that is left, lets what runs finish, and ends the app before the server."""
    app = App()
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            server = Running(nursery, app, grace=5.0)
            await app.started.wait()
            async with connected(server.port) as client:
                await client.send("GET", "/")
                await app.asked.wait()
                await server.stop(number)
                await app.draining.wait()
                app.may_answer.set()
                assert (await client.answer()).body == b"ok"
            await server.ended.wait()
    assert app.drained == [4.0]
    assert app.stopped


@pytest.mark.parametrize(("grace", "told"), [(30.0, 29.0), (5.0, 4.0), (1.0, 0.5), (0.2, 0.1)])
async def test_drain_ends_ahead_of_the_grace(grace: float, told: float) -> None:
    """Requests have a little less than the grace, so that there is time to tell their clients."""
    app = App()
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            server = Running(nursery, app, grace=grace)
            await server.stop(signal.SIGTERM)
            await server.ended.wait()
    assert app.drained == pytest.approx([told])


async def test_grace_has_an_end() -> None:
    """A request that goes on beyond the grace is ended for it, and the server ends."""
    app = App()
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            server = Running(nursery, app, grace=0.2)
            await app.started.wait()
            async with connected(server.port) as client:
                await client.send("GET", "/")
                await app.asked.wait()
                await server.stop(signal.SIGTERM)
                assert (await client.answer()).status == 500
            await server.ended.wait()
    assert app.stopped


async def test_newcomers_are_refused_during_the_grace() -> None:
    """After the signal nobody else is let in, not even into the kernel's queue."""
    app = App()
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            server = Running(nursery, app, grace=5.0)
            await app.started.wait()
            async with connected(server.port) as client:
                await client.send("GET", "/")
                await app.asked.wait()
                await server.stop(signal.SIGTERM)
                await until_refused(server.port)
                app.may_answer.set()
                await client.answer()
            await server.ended.wait()


async def test_signals_are_let_go_of() -> None:
    """When the server has ended, signals mean what they meant before."""
    before = signal.getsignal(signal.SIGTERM)
    app = App()
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            server = Running(nursery, app, grace=1.0)
            await server.stop(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


async def test_plain_requests_are_served() -> None:
    """What comes is answered, without a word about the server's make."""
    app = App()
    app.may_answer.set()
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            server = Running(nursery, app, grace=1.0)
            await app.started.wait()
            answer = await fetch(server.port, "GET", "/")
            await server.stop(signal.SIGTERM)
    assert (answer.status, answer.body) == (200, b"ok")
    assert "server" not in answer.headers


async def test_systemd_hears_when_serving_begins_and_ends(tmp_path: Path) -> None:
    """Readiness is told once a client is let in, and not before the app has started; the end with its grace."""
    with closing(sockets.socket(sockets.AF_UNIX, sockets.SOCK_DGRAM)) as ear:
        ear.bind(str(tmp_path / "notify"))
        heard = trio.socket.from_stdlib_socket(ear)
        app = App()
        app.may_answer.set()
        manager = ServiceManager(str(tmp_path / "notify"))
        with trio.fail_after(PATIENCE), open_listener("127.0.0.1", 0) as listener:
            port = listener.getsockname()[1]
            where = Listening("", 0, grace=5.0, bounds=Bounds(stall_seconds=7.0), inherited=(listener,))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(serve_app, app, where, drain=app.drain, reload=app.reload, manager=manager))
                ready = (await heard.recv(1000)).decode().splitlines()
                assert app.started.is_set()
                assert ready == ["READY=1", f"STATUS=serving on http://127.0.0.1:{port}"]
                assert (await fetch(port, "GET", "/")).body == b"ok"
                os.kill(os.getpid(), signal.SIGTERM)
                stopping = (await heard.recv(1000)).decode().splitlines()
    assert stopping[:2] == ["STOPPING=1", f"EXTEND_TIMEOUT_USEC={round((5.0 + GOODBYE) * 1e6)}"]


async def test_every_inherited_socket_is_served_and_let_go_of() -> None:
    """Sockets that were open already are served, all of them, and closed when the server ends."""
    app = App()
    app.may_answer.set()
    listeners = [sockets.create_server(("127.0.0.1", 0)) for _ in range(2)]
    where = Listening("host.invalid", 1, grace=1.0, bounds=Bounds(stall_seconds=7.0), inherited=listeners)
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(serve_app, app, where, drain=app.drain, reload=app.reload))
            await app.started.wait()
            for listener in listeners:
                assert (await fetch(listener.getsockname()[1], "GET", "/")).body == b"ok"
            os.kill(os.getpid(), signal.SIGTERM)
    assert [listener.fileno() for listener in listeners] == [-1, -1]


async def test_socket_that_systemd_keeps_takes_in_who_comes_between_two_starts() -> None:
    """While the server is away newcomers wait at the socket that systemd holds, and the next server answers them."""
    with sockets.create_server(("127.0.0.1", 0)) as held, trio.fail_after(PATIENCE):
        port = held.getsockname()[1]
        for _ in range(2):
            app = App()
            app.may_answer.set()
            async with connected(port) as client:
                await client.send("GET", "/")
                where = Listening("", 0, grace=1.0, bounds=Bounds(stall_seconds=7.0), inherited=(held.dup(),))
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(partial(serve_app, app, where, drain=app.drain, reload=app.reload))
                    assert (await client.answer()).body == b"ok"
                    os.kill(os.getpid(), signal.SIGTERM)


# --- one after another ----------------------------------------------------------------------------------------------


def succeeding(predecessor: sockets.socket, listener: sockets.socket) -> Listening:
    """A server on that socket, which its predecessor is yet to let go of."""
    return Listening(
        "",
        0,
        grace=1.0,
        bounds=Bounds(stall_seconds=7.0),
        inherited=(listener,),
        predecessor=Predecessor(predecessor, ()),
    )


@pytest.fixture
def talk() -> Iterator[tuple[sockets.socket, sockets.socket]]:
    """The predecessor's end, and the successor's."""
    ours, theirs = sockets.socketpair(sockets.AF_UNIX, KIND)
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


async def test_successor_lets_nobody_in_before_it_may(talk: tuple[sockets.socket, sockets.socket]) -> None:
    """It starts its app, says that it is ready, and serves who has come meanwhile once it alone has the socket."""
    app = App()
    app.may_answer.set()
    with sockets.create_server(("127.0.0.1", 0)) as listener, trio.fail_after(PATIENCE):
        async with connected(listener.getsockname()[1]) as client:
            await client.send("GET", "/")
            async with trio.open_nursery() as nursery:
                where = succeeding(talk[1], listener)
                nursery.start_soon(partial(serve_app, app, where, drain=app.drain, reload=app.reload))
                await trio.lowlevel.wait_readable(talk[0])
                assert app.started.is_set()
                assert talk[0].recv(100) == b"ready"
                await trio.sleep(0.1)
                assert not app.asked.is_set()
                talk[0].send(b"released")
                assert (await client.answer()).body == b"ok"
                os.kill(os.getpid(), signal.SIGTERM)


async def test_successor_that_is_refused_ends_in_order(talk: tuple[sockets.socket, sockets.socket]) -> None:
    """Its app ends, and the reason is told to whoever started it."""
    app = App()
    talk[0].send(b"refused it goes on by itself")
    with (
        sockets.create_server(("127.0.0.1", 0)) as listener,
        trio.fail_after(PATIENCE),
        pytest.RaisesGroup(HandoverFailed, flatten_subgroups=True),
    ):
        await serve_app(app, succeeding(talk[1], listener), drain=app.drain, reload=app.reload)
    assert not app.asked.is_set()


async def test_successor_that_is_stopped_before_it_serves(talk: tuple[sockets.socket, sockets.socket]) -> None:
    """It hangs up without having served, and the predecessor sees that."""
    app = App()
    with sockets.create_server(("127.0.0.1", 0)) as listener, trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            where = succeeding(talk[1], listener)
            nursery.start_soon(partial(serve_app, app, where, drain=app.drain, reload=app.reload))
            await trio.lowlevel.wait_readable(talk[0])
            os.kill(os.getpid(), signal.SIGTERM)
        assert [talk[0].recv(100), talk[0].recv(100)] == [b"ready", b""]
    assert app.stopped


async def test_server_that_is_followed_is_not_found_any_more(tmp_path: Path) -> None:
    """Its greeting ends before its successor begins, what runs finishes, and the next request of a client that waits
    on its connection is answered with the last word.
    """
    app = App()
    greeted: list[str] = []

    async def greet(places: Sequence[str]) -> None:
        try:
            greeted.append(places[0])
            await trio.sleep_forever()
        finally:
            greeted.append("gone")

    with sockets.create_server(("127.0.0.1", 0)) as listener, trio.fail_after(PATIENCE):
        port = listener.getsockname()[1]
        where = Listening("", 0, grace=5.0, inherited=(listener,), door=tmp_path / "door")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(serve_app, app, where, drain=app.drain, reload=app.reload, welcome=greet))
            await app.started.wait()
            async with connected(port) as busy, connected(port) as idle:
                await busy.send("GET", "/")
                await app.asked.wait()
                predecessor = await trio.to_thread.run_sync(lambda: Predecessor.ask(knock(tmp_path / "door")))
                await predecessor.succeed()
                assert greeted == [f"http://127.0.0.1:{port}", "gone"]
                assert app.drained == [4.0]
                app.may_answer.set()
                for client in (busy, idle):
                    if client is idle:
                        await client.send("GET", "/")
                    answer = await client.answer()
                    assert (answer.body, answer.headers["connection"]) == (b"ok", "close")
        assert predecessor.gone
        predecessor.close()
        predecessor.listeners[0].close()
