"""One life of one Lingma, which is found by its ready file and talked to over a WebSocket.

Life.live
└─ …
   └─ LIFE NURSERY
      ├─ channel              pump and writer; says goodbye on the way out
      ├─ login keeper         signs in where it can, offers a link where it cannot
      ├─ login watch          heartbeat, login state, model list
      └─ rest watch
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import structlog
import trio

from lingma_trio import __version__
from lingma_trio.errors import ChannelLost, RpcError, UpstreamTimeout
from lingma_trio.lingma import work_dir
from lingma_trio.lingma.account import AccountWatch
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.health import Health
from lingma_trio.lingma.life import LifeListener
from lingma_trio.lingma.login_files import restore_login
from lingma_trio.lingma.options import LingmaOptions
from lingma_trio.lingma.process import LingmaProcess, open_process
from lingma_trio.lingma.process_life import ProcessLife
from lingma_trio.lingma.sessions_ahead import SessionsAhead
from lingma_trio.lingma.websocket import connect
from lingma_trio.protocol.jsonrpc import METHOD_NOT_FOUND
from lingma_trio.protocol.messages import initialize_params, stop_params
from lingma_trio.protocol.turn_machine import LingmaDialect, Terms
from lingma_trio.threads import DISK

READY_POLL = 0.05  # seconds between looks at the ready file; Lingma offers no other signal
PROBE = "lingma-trio-probe"  # a request id that no turn has
PROBE_SECONDS = 2.0  # a Lingma that leaves the probe unanswered knows the method, or else it would have said so
MOST_CHANGES = 2  # of the dialect in one life: to the other one, and back where that is not known either
WORKSPACE = "workspace"  # below the work directory: an empty place for a session to work in, with nothing to find

log = structlog.get_logger("lingma_trio.instance")


class LingmaLife(ProcessLife):
    """One life of one Lingma. `account` is the instance's, which has many lives; for the rest see `ProcessLife`."""

    def __init__(
        self,
        options: LingmaOptions,
        account: AccountWatch,
        health: Health,
        listener: LifeListener,
    ) -> None:
        super().__init__(options, health, listener)
        self._options = options
        self._account = account

    async def _prepare(self) -> None:
        await DISK.run(work_dir.prepare, self._place)
        await DISK.run(restore_login, self._place, self._options.account)

    def _open_process(self) -> AbstractAsyncContextManager[LingmaProcess]:
        return open_process(self._options.start_command(), directory=self._place, environment=self._options.environment)

    async def _begin(self, life: trio.Nursery, process: LingmaProcess) -> None:
        port = await self._wait_ready(process)
        channel = await self._open_channel(life, port)
        self._step("Lingma does not answer initialize")
        await channel.call("initialize", initialize_params(name="lingma-trio", version=__version__))
        channel.terms = await self._agree(channel)
        channel.ahead = SessionsAhead(
            channel, self._account.ahead, most=self._options.sessions_ahead, whose=lambda: self._account.name
        )
        self.channel = channel
        await self._account.begin_life(channel)

    def _keep(self, life: trio.Nursery) -> None:
        life.start_soon(self._account.login.keep, name="login keeper")
        life.start_soon(self._account.watch, name="login watch")

    def _where_to_look(self) -> str:
        return "see its log in the work directory"

    def _end(self) -> None:
        self._account.end_life()

    async def _wait_ready(self, process: LingmaProcess) -> int:
        """The port of the ready file that this very process wrote."""
        self._step(".info not ready")
        while True:
            ready = work_dir.read_ready(self._place, process.pid)
            if ready is not None:
                return ready.port
            await trio.sleep(READY_POLL)

    async def _open_channel(self, life: trio.Nursery, port: int) -> RpcChannel:
        """Connect, again and again until the port answers: the ready file may come a moment before it does."""
        self._step(f"port {port} does not answer")
        while True:
            try:
                socket = await connect(port)
            except ChannelLost:
                await trio.sleep(READY_POLL)
                continue
            channel = RpcChannel(
                rpc_timeout=self._options.rpc_timeout, on_push=self._account.pushed, on_error=self._listener.on_error
            )
            channel.on_room = self._listener.on_room
            await life.start(channel.run, socket, name="RPC channel")
            return channel

    async def _agree(self, channel: RpcChannel) -> Terms:
        """What turns go by in this life: above all the dialect that this Lingma speaks."""
        dialect = self._options.dialect
        changes = 0
        if dialect == "auto":
            dialect, changes = await self._probe(channel), MOST_CHANGES
        directory = self._place / WORKSPACE
        if changes or dialect == "session":
            await self._make_workspace(directory)
        log.info("instance_dialect", instance=self._options.name, dialect=dialect)
        return Terms(dialect, self._options.allowed_tools, str(directory), changes)

    async def _make_workspace(self, directory: Path) -> None:
        """Make the directory that a session works in. Raises `InstanceDown`."""
        await DISK.run(work_dir.make_workspace, directory)

    async def _probe(self, channel: RpcChannel) -> LingmaDialect:
        """`chat`, unless Lingma says that it does not know the method that stops a turn; there is none to stop."""
        with trio.move_on_after(PROBE_SECONDS):
            try:
                await channel.call("chat/stop", stop_params(PROBE, ""))
            except RpcError as error:
                return "session" if error.code == METHOD_NOT_FOUND else "chat"
            except UpstreamTimeout:
                return "chat"
        return "chat"
