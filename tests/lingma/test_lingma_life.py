"""A life of a Lingma: found by its ready file, talked to over a real WebSocket, in the dialect that it speaks."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import trio
from pydantic import SecretStr
from trio.testing import MockClock, wait_all_tasks_blocked
from trio_websocket import WebSocketConnection, wrap_server_stream

from lingma_trio import __version__
from lingma_trio.accounts import Account
from lingma_trio.errors import InstanceDown, RpcError
from lingma_trio.lingma import bundle
from lingma_trio.lingma.account import AccountWatch
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.health import Health
from lingma_trio.lingma.life import LifeListener
from lingma_trio.lingma.lingma_life import MOST_CHANGES, PROBE_SECONDS, READY_POLL, WORKSPACE, LingmaLife
from lingma_trio.lingma.options import LingmaOptions
from lingma_trio.lingma.process import LingmaProcess
from lingma_trio.protocol.jsonrpc import METHOD_NOT_FOUND
from lingma_trio.protocol.opening import Spare
from lingma_trio.protocol.turn_machine import Terms
from tests.lingma.played import Program
from tests.lingma.support import python
from tests.peers import MODELS, LingmaPeer, leaves

PATIENCE = 20.0  # seconds after which a test on a busy machine has failed
SIGNED_IN = {"status": 2, "name": "ann", "id": "1"}


class Led(LingmaLife):
    """A life of a played program, whose ready file and port are the test's."""

    def __init__(self, options: LingmaOptions) -> None:
        self.logins: list[bool] = []
        self.steps: list[str] = []
        self.errors: list[str] = []
        self.rooms = 0
        self.program = Program()
        self.account = AccountWatch(options, on_login=self.logins.append)
        health = Health("lingma-0", most=0, on_change=lambda: None)
        super().__init__(options, self.account, health, LifeListener(self.steps.append, self.errors.append, self._room))

    def _open_process(self) -> AbstractAsyncContextManager[LingmaProcess]:
        return self.program.run()

    def _room(self) -> None:
        self.rooms += 1


def options_in(place: Path, **more: Any) -> LingmaOptions:  # noqa: ANN401 - the fields' own types
    """How to run it, but for what is said otherwise."""
    options = LingmaOptions(
        name="lingma-0", command=("lingma",), work_dir=place, port=0, startup_timeout=PATIENCE, rpc_timeout=PATIENCE
    )
    return replace(options, **more)


@dataclass
class World:
    """A life that is led, and the place where its Lingma is looked for."""

    life: Led
    place: Path
    nursery: trio.Nursery

    async def step(self, words: str) -> None:
        """Wait until the life waits for that."""
        with trio.fail_after(PATIENCE):
            while not any(words in step for step in self.life.steps):  # noqa: ASYNC110 - a list tells nobody
                await trio.sleep(0.001)

    def write_ready_file(self, port: int, pid: int | None = None) -> None:
        """Write what Lingma writes once it listens."""
        (self.place / ".info").write_text(f"{port}\n{self.life.program.pid if pid is None else pid}\n")

    async def come(self) -> LingmaPeer:
        """Listen, say so in the ready file, and take the life's connection."""
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await self.step(".info not ready")
        self.write_ready_file(listener.socket.getsockname()[1])
        return await self.accept(listener)

    async def accept(self, listener: trio.SocketListener) -> LingmaPeer:
        """Take the life's connection."""
        async with listener:
            stream = await listener.accept()
        request = await wrap_server_stream(self.nursery, stream, message_queue_size=100, max_message_size=2**20)
        connection: WebSocketConnection = await request.accept()
        return LingmaPeer(connection)

    async def begin(self) -> LingmaPeer:
        """Be there, and have answered the first call."""
        peer = await self.come()
        await peer.answer(await peer.called("initialize"), {})
        return peer

    async def ready(self, peer: LingmaPeer) -> RpcChannel:
        """Answer the first look at the account; returns the channel of the life, which can be asked now."""
        await peer.answer(await peer.called("auth/status"), SIGNED_IN)
        await peer.answer(await peer.called("config/queryModels"), MODELS)
        await peer.answer(await peer.called("user/plan"), {})  # the first thing that the login watch asks
        assert self.life.channel is not None
        return self.life.channel


@asynccontextmanager
async def led(options: LingmaOptions) -> AsyncIterator[World]:
    """A life, for the length of the block."""
    async with trio.open_nursery() as peers, trio.open_nursery() as nursery:
        world = World(Led(options), options.work_dir, peers)
        nursery.start_soon(world.life.live)
        yield world
        nursery.cancel_scope.cancel("the test is over")  # before the peer, which answers the goodbye


async def test_life_begins_with_what_lingma_wants_to_know(tmp_path: Path) -> None:
    """Each thing that it waits for is told; afterwards it can be asked, and somebody sees to its login."""
    async with led(options_in(tmp_path / "work")) as world:
        peer = await world.come()
        call = await peer.called("initialize")
        assert call.params["clientInfo"] == {"name": "lingma-trio", "version": __version__}
        await peer.answer(call, {})
        await peer.answer(await peer.called("auth/status"), {"status": 1})
        await peer.called("login/generateUrl")  # for somebody to sign in
        assert world.life.logins == [False]
        assert world.life.start_took is not None
        channel = world.life.channel
        assert channel is not None
        assert channel.terms == Terms("chat", directory=str(tmp_path / "work" / WORKSPACE))
        first, second, third = world.life.steps
        assert first == ".info not ready"
        assert second.startswith("port ")
        assert second.endswith(" does not answer")
        assert third == "Lingma does not answer initialize"
        assert not (tmp_path / "work" / WORKSPACE).exists()
    await world.life.account.look()  # of nobody: the channel is let go of


async def test_only_the_ready_file_of_this_very_process_counts(tmp_path: Path) -> None:
    """What an earlier one left is removed, and what another one writes is passed over."""
    (tmp_path / ".info").write_text(f"1\n{Program().pid}\n")
    async with led(options_in(tmp_path)) as world:
        await world.step(".info not ready")
        assert not (tmp_path / ".info").exists()
        world.write_ready_file(1, pid=1)
        peer = await world.come()
        await peer.called("initialize")
        assert len(world.life.steps) == 3


async def test_port_is_tried_until_it_answers(tmp_path: Path) -> None:
    """The ready file may come a moment before it does; there is a pause between two attempts."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    async with led(options_in(tmp_path)) as world:
        await world.step(".info not ready")
        world.write_ready_file(port)
        await (await listener.accept()).aclose()
        left = trio.current_time()
        peer = await world.accept(listener)
        assert trio.current_time() >= left + READY_POLL / 2
        await peer.called("initialize")
        assert world.life.steps.count(f"port {port} does not answer") == 1


REFUSED = "no"


@pytest.mark.parametrize(
    ("code", "dialect"),
    [(None, "chat"), (METHOD_NOT_FOUND, "session"), (-32603, "chat")],
    ids=["known", "not", "fault"],
)
async def test_dialect_is_found_out(code: int | None, dialect: str, tmp_path: Path) -> None:
    """By a call that stops nothing; whichever it is, it may be changed, and a session has a place to work in."""
    async with led(options_in(tmp_path, dialect="auto", allowed_tools=frozenset({"read_file"}))) as world:
        peer = await world.begin()
        probe = await peer.called("chat/stop")
        assert probe.params == {"requestId": "lingma-trio-probe"}
        await peer.send(peer.rpc.answer(probe.id, None) if code is None else peer.rpc.refuse(probe.id, code, REFUSED))
        channel = await world.ready(peer)
        where = tmp_path / WORKSPACE
        assert channel.terms == Terms(dialect, frozenset({"read_file"}), str(where), MOST_CHANGES)  # type: ignore[arg-type] # one of the two
        assert [*where.iterdir()] == []
        assert world.life.errors == ([] if code is None else ["chat/stop"])


@pytest.mark.parametrize("rpc_timeout", [PATIENCE, PROBE_SECONDS / 2], ids=["probe", "call"])
async def test_probe_that_is_not_answered_is_known(rpc_timeout: float, tmp_path: Path, mock_clock: MockClock) -> None:
    """Who does not know a method says so. It holds up the start no longer than it or any call may take."""
    mock_clock.rate = 1
    (tmp_path / WORKSPACE).mkdir()
    async with led(options_in(tmp_path, dialect="auto", rpc_timeout=rpc_timeout)) as world:
        peer = await world.come()
        call = await peer.called("initialize")
        mock_clock.rate = 0
        await peer.answer(call, {})
        await peer.called("chat/stop")
        mock_clock.jump(min(rpc_timeout, PROBE_SECONDS))
        channel = await world.ready(peer)
        assert channel.terms.dialect == "chat"


async def test_dialect_of_the_settings_is_not_asked_after(tmp_path: Path) -> None:
    """Nor ever changed."""
    async with led(options_in(tmp_path, dialect="session")) as world:
        peer = await world.begin()
        channel = await world.ready(peer)
        assert channel.terms == Terms("session", directory=str(tmp_path / WORKSPACE))
        assert (tmp_path / WORKSPACE).is_dir()


async def test_what_comes_of_a_channel_is_told(tmp_path: Path) -> None:
    """Pushes to the account, calls that failed and room for more to whoever listens."""
    async with led(options_in(tmp_path)) as world:
        peer = await world.begin()
        channel = await world.ready(peer)
        await peer.push("auth/report", name="eve", id="2")
        await peer.called("auth/status")  # at once, as somebody else may be signed in
        before = world.life.rooms
        channel.on_room()
        assert world.life.rooms == before + 1
        async with trio.open_nursery() as nursery:

            async def call() -> None:
                with pytest.raises(RpcError):
                    await channel.call("config/queryModels", {})

            nursery.start_soon(call)
            request = await peer.called("config/queryModels")
            await peer.send(peer.rpc.refuse(request.id, -32603, REFUSED))
        assert world.life.errors == ["config/queryModels"]


async def open_ahead(peer: LingmaPeer, session_id: str) -> None:
    """Open the session that is ordered."""
    await peer.answer(await peer.called("session/new"), {"sessionId": session_id})
    await peer.answer(await peer.called("session/set_model"), {})
    await wait_all_tasks_blocked(0.01)


async def test_sessions_ahead_are_the_account_s(tmp_path: Path) -> None:
    """As many as the settings say; one that was opened for somebody else is not used, and all are counted."""
    async with led(options_in(tmp_path, dialect="session", sessions_ahead=1)) as world:
        peer = await world.begin()
        channel = await world.ready(peer)
        ahead = channel.ahead
        assert ahead is not None
        ahead.order("org_auto")
        ahead.order("org_auto")
        await open_ahead(peer, "s-1")
        assert ahead.take() == Spare("s-1", "org_auto")
        ahead.order("org_auto")
        await open_ahead(peer, "s-2")
        world.life.account.pushed("auth/report", {"name": "eve", "id": "2"})
        assert ahead.take() is None
        assert world.life.account.ahead == {"taken": 1, "expired": 1}


async def test_login_of_the_settings_is_there_before_the_start(tmp_path: Path) -> None:
    """So that Lingma finds itself signed in."""
    login = {"cache/id": b"machine", "cache/user": b"planted-user", "cache/quota": b"plan"}
    account = Account("ann", session_bundle=SecretStr(b64encode(bundle.pack(login)).decode()))
    async with led(options_in(tmp_path, account=account)) as world:
        await world.step(".info not ready")
        assert (tmp_path / "cache/user").read_bytes() == b"planted-user"


async def test_start_that_takes_too_long_says_where_to_look(tmp_path: Path) -> None:
    """In its log."""
    with pytest.RaisesGroup(InstanceDown, flatten_subgroups=True) as ended:
        await Led(options_in(tmp_path, startup_timeout=0.1)).live()
    (cause,) = leaves(ended.value)
    assert "Lingma was not ready within 0.1 s: .info not ready; see its log in the work directory" in str(cause)


async def test_program_is_run_where_its_place_is(tmp_path: Path) -> None:
    """With the command line of a start, and in the environment that was chosen."""
    source = "open('seen', 'w').write(repr((os.getcwd(), os.environ['CHOSEN'], sys.argv[1:]))); sys.exit(3)"
    options = options_in(tmp_path, command=tuple(python(source)), environment={"CHOSEN": "so"}, port=4711)
    account = AccountWatch(options, on_login=lambda _: None)
    health = Health("lingma-0", most=0, on_change=lambda: None)
    life = LingmaLife(options, account, health, LifeListener(lambda _: None, lambda _: None, lambda: None))
    with pytest.RaisesGroup(pytest.RaisesExc(InstanceDown, match="ended with status 3"), flatten_subgroups=True):
        await life.live()
    arguments = ["start", f"--workDir={tmp_path}", "--socketPort=4711"]
    assert (tmp_path / "seen").read_text() == repr((str(tmp_path), "so", arguments))
