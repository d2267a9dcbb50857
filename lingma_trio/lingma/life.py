"""One life of one Lingma: its process and its channel, from an empty work directory to whatever ends it.

Life.live
└─ open_process               drained, ended with SIGTERM, grace, SIGKILL
   ├─ exit watch              the process ended: so does the life
   └─ LIFE NURSERY
      ├─ websocket reader     of trio-websocket
      ├─ channel              pump and writer; says goodbye on the way out
      ├─ login keeper         signs in where it can, offers a link where it cannot
      ├─ login watch          heartbeat, login state, model list
      └─ rest watch           tells when what rested may be asked again, or one question more than fitted
"""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_hex
from typing import NoReturn

import structlog
import trio

from lingma_trio import __version__
from lingma_trio.errors import ChannelLost, InstanceDown, RpcError, UpstreamTimeout
from lingma_trio.lingma import work_dir
from lingma_trio.lingma.account import AccountWatch
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.health import Health
from lingma_trio.lingma.login_files import restore_login
from lingma_trio.lingma.options import InstanceOptions
from lingma_trio.lingma.process import LingmaProcess, open_process
from lingma_trio.lingma.websocket import connect
from lingma_trio.protocol.jsonrpc import METHOD_NOT_FOUND
from lingma_trio.protocol.messages import initialize_params, stop_params
from lingma_trio.protocol.turn_machine import Dialect, Terms
from lingma_trio.threads import DISK

READY_POLL = 0.05  # seconds between looks at the ready file; Lingma offers no other signal
EXIT_GRACE = 0.5  # seconds a lost channel waits for the end of the process that would explain it
PROBE = "lingma-trio-probe"  # a request id that no turn has
PROBE_SECONDS = 2.0  # a Lingma that leaves the probe unanswered knows the method, or else it would have said so
MOST_CHANGES = 2  # of the dialect in one life: to the other one, and back where that is not known either
WORKSPACE = "workspace"  # below the work directory: an empty place for a session to work in, with nothing to find

log = structlog.get_logger("lingma_trio.instance")


class Life:
    """One life, led by `live`. `account` and `health` are the instance's, which has many lives.

    `on_step` is told what it waits for, `on_error` the method of each call that failed, and `on_room` that a turn ended
    or that what waited to be written has left.
    """

    def __init__(
        self,
        options: InstanceOptions,
        account: AccountWatch,
        health: Health,
        *,
        on_step: Callable[[str], None],
        on_error: Callable[[str], None],
        on_room: Callable[[], None],
    ) -> None:
        self._options = options
        self._account = account
        self._health = health
        self._on_step = on_step
        self._on_error = on_error
        self._on_room = on_room
        self._waiting_for = ""
        self._began = trio.current_time()
        self._ready_at: float | None = None
        self._last_sign = 0.0
        self.id = token_hex(8)
        """No other life has it, of this process or another: who holds it knows what holds a session."""
        self.channel: RpcChannel | None = None
        """Where to ask, from the handshake to the end of the life."""

    def __repr__(self) -> str:
        return f"<Life {self.id} {self.channel!r}>"

    @property
    def stood(self) -> float:
        """Seconds from when it was ready to its last sign of life; 0 for one that never was."""
        if self._ready_at is None:
            return 0.0
        last = self.channel.read_at if self.channel is not None else self._last_sign
        return max(0.0, last - self._ready_at)

    @property
    def start_took(self) -> float | None:
        """Seconds from its beginning to when it was ready; None as long as it was not."""
        return None if self._ready_at is None else self._ready_at - self._began

    async def live(self) -> None:
        """Live until something ends it, which leaves as an exception group. Cancelling ends process and channel."""
        directory = self._options.work_dir
        if self._options.prepare is not None:
            await self._options.prepare(self._step)
        await DISK.run(work_dir.prepare, directory)
        await DISK.run(restore_login, directory, self._options.account)
        try:
            async with open_process(
                self._options.start_command(), directory=directory, environment=self._options.environment
            ) as process:
                work_dir.note_child(directory, process.pid, process.mark)
                await self._serve(process)
        finally:
            if self.channel is not None:
                self._last_sign = self.channel.read_at
            self.channel = None
            self._account.end_life()
            work_dir.forget_child(directory)

    async def _serve(self, process: LingmaProcess) -> None:
        async with trio.open_nursery() as watch:
            watch.start_soon(self._watch_exit, process, name="exit watch")
            loss: ExceptionGroup[ChannelLost] | None = None
            try:
                await self._converse(process)
            except* ChannelLost as group:
                loss = group
            if loss is not None:
                # A program that dies takes its socket along, and its end says more than the loss of the channel.
                with trio.move_on_after(EXIT_GRACE):
                    await process.wait()
                raise loss

    async def _converse(self, process: LingmaProcess) -> None:
        async with trio.open_nursery() as life:
            with trio.move_on_after(self._options.startup_timeout) as startup:
                port = await self._wait_ready(process)
                channel = await self._open_channel(life, port)
                await self._shake_hands(channel)
            if startup.cancelled_caught:
                raise InstanceDown(
                    f"Lingma was not ready within {self._options.startup_timeout:g} s: {self._waiting_for}; "
                    "see its log in the work directory, or raise LINGMA_STARTUP_TIMEOUT"
                )
            life.start_soon(self._account.login.keep, name="login keeper")
            life.start_soon(self._account.watch, name="login watch")
            life.start_soon(self._health.watch, name="rest watch")

    async def _watch_exit(self, process: LingmaProcess) -> NoReturn:
        status = await process.wait()
        raise InstanceDown(f"Lingma ended with status {status}", detail=process.tail)

    async def _wait_ready(self, process: LingmaProcess) -> int:
        """The port of the ready file that this very process wrote."""
        self._step(".info not ready")
        while True:
            ready = work_dir.read_ready(self._options.work_dir, process.pid)
            if ready is not None:
                return ready.port
            await trio.sleep(READY_POLL)

    async def _open_channel(self, life: trio.Nursery, port: int) -> RpcChannel:
        """Connect, again and again until the port answers: the ready file may come a moment before it does."""
        self._step(f"port {port} does not answer")
        while True:
            try:
                socket = await connect(life, port)
            except ChannelLost:
                await trio.sleep(READY_POLL)
                continue
            channel = RpcChannel(
                rpc_timeout=self._options.rpc_timeout, on_push=self._account.pushed, on_error=self._on_error
            )
            channel.on_room = self._on_room
            await life.start(channel.run, socket, name="RPC channel")
            return channel

    async def _shake_hands(self, channel: RpcChannel) -> None:
        self._step("Lingma does not answer initialize")
        await channel.call("initialize", initialize_params(name="lingma-trio", version=__version__))
        channel.terms = await self._agree(channel)
        self.channel = channel
        await self._account.begin_life(channel)
        self._ready_at = trio.current_time()

    async def _agree(self, channel: RpcChannel) -> Terms:
        """What turns go by in this life: above all the dialect that this Lingma speaks."""
        dialect = self._options.dialect
        changes = 0
        if dialect == "auto":
            dialect, changes = await self._probe(channel), MOST_CHANGES
        directory = self._options.work_dir / WORKSPACE
        if changes or dialect == "session":
            await trio.Path(directory).mkdir(exist_ok=True)
        log.info("instance_dialect", instance=self._options.name, dialect=dialect)
        return Terms(dialect, self._options.allowed_tools, str(directory), changes)

    async def _probe(self, channel: RpcChannel) -> Dialect:
        """`chat`, unless Lingma says that it does not know the method that stops a turn; there is none to stop."""
        with trio.move_on_after(PROBE_SECONDS):
            try:
                await channel.call("chat/stop", stop_params(PROBE, ""))
            except RpcError as error:
                return "session" if error.code == METHOD_NOT_FOUND else "chat"
            except UpstreamTimeout:
                return "chat"
        return "chat"

    def _step(self, reason: str) -> None:
        self._waiting_for = reason
        self._on_step(reason)
