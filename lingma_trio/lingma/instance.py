"""One Lingma account: its process, channel and login, life after life.

supervise(instance)
└─ live_once
   └─ open_process               drained, ended with SIGTERM, grace, SIGKILL
      ├─ exit watch              the process ended: so does the life
      └─ LIFE NURSERY
         ├─ websocket reader     of trio-websocket
         ├─ channel              pump and writer; says goodbye on the way out
         ├─ login watch          heartbeat, login state, model list
         └─ login keeper         signs in where it can, offers a link where it cannot
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import randbelow
from typing import Any, Literal, NoReturn, TypeAlias

import structlog
import trio

from lingma_trio import __version__
from lingma_trio.accounts import Account
from lingma_trio.errors import (
    ChannelLost,
    GatewayError,
    InstanceDown,
    LoginRequired,
    QuotaExceeded,
    RpcError,
    ShuttingDown,
    Unavailable,
    UpstreamTimeout,
)
from lingma_trio.lingma import work_dir
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.login import LoginKeeper, LoginOptions
from lingma_trio.lingma.login_files import export, restore_login
from lingma_trio.lingma.process import LingmaProcess, open_process
from lingma_trio.lingma.supervisor import ON_PURPOSE, Turnover, supervise
from lingma_trio.lingma.websocket import connect
from lingma_trio.policy.backoff import Backoff
from lingma_trio.policy.cooldown import Cooldown
from lingma_trio.protocol.catalogue import Catalogue
from lingma_trio.protocol.messages import initialize_params, read_login, stop_params
from lingma_trio.protocol.turn_machine import Dialect, Terms

State: TypeAlias = Literal["starting", "ready", "needs_login", "backing_off", "stopped"]
Standing: TypeAlias = State | Literal["drained", "resting"]

READY_POLL = 0.05  # seconds between looks at the ready file; Lingma offers no other signal
EXIT_GRACE = 0.5  # seconds a lost channel waits for the end of the process that would explain it
PORTS = range(20000, 32768)  # below those the kernel gives out by itself
PROBE = "lingma-trio-probe"  # a request id that no turn has
PROBE_SECONDS = 2.0  # a Lingma that leaves the probe unanswered knows the method, or else it would have said so
METHOD_NOT_FOUND = -32601
WORKSPACE = "workspace"  # below the work directory: an empty place for a session to work in, with nothing to find
LOGIN_REMEDY = "Lingma is not logged in; sign in with an account, or put a logged-in cache/ into LINGMA_WORK_DIR"
LOST = "the connection to Lingma was lost"
DRAINED = "drained by the operator: takes no new turns"
DRAINED_RETRY = 30.0  # seconds a client is asked to wait for somebody to resume the instance

log = structlog.get_logger("lingma_trio.instance")


@dataclass(frozen=True, slots=True)
class InstanceOptions:
    """How to run one Lingma. `command` is complete but for the arguments every start has; times are in seconds.

    `heartbeat` separates two questions for the login state, which also prove that Lingma still answers.
    `dialect` is the protocol to ask in, with `auto` the one that Lingma knows; `allowed_tools` are the names of its own
    tools that it may run where it stands.
    `prepare` is awaited before every life and told how to report what it waits for; it raises `InstanceDown`.
    `port` is its WebSocket's; 0 lets Lingma choose, and None takes another one at random for every life: where it
    collides with somebody else's the life fails and the next one has a new port.
    """

    name: str
    command: tuple[str, ...]
    work_dir: Path
    port: int | None
    startup_timeout: float
    rpc_timeout: float
    heartbeat: float = 30.0
    dialect: Literal["auto", "chat", "session"] = "chat"
    allowed_tools: frozenset[str] = frozenset()
    endpoint: str = ""
    environment: Mapping[str, str] | None = field(default=None, repr=False)
    account: Account | None = None
    login: LoginOptions = field(default_factory=LoginOptions)
    prepare: Callable[[Callable[[str], None]], Awaitable[None]] | None = None

    def start_command(self) -> list[str]:
        """The command line, in the form the real binary takes (protocol reference, 1.2)."""
        port = PORTS.start + randbelow(len(PORTS)) if self.port is None else self.port
        line = [*self.command, "start", f"--workDir={self.work_dir}", f"--socketPort={port}"]
        return [*line, f"--endpoint={self.endpoint}"] if self.endpoint else line


class Instance:
    """A supervised Lingma. `live` is its whole life; everything else can be read or called from other tasks."""

    def __init__(self, options: InstanceOptions, backoff: Backoff) -> None:
        self._options = options
        self._backoff = backoff
        self._channel: RpcChannel | None = None
        self._nudge = trio.Event()
        self._turnover = Turnover()
        self._retry_at = 0.0
        self._models_stale = True
        self.name = options.name
        self.state: State = "starting"
        self.reason = "Lingma is starting"
        self.detail = ""
        self.last_end = ""
        self.generation = 0
        self.restarts = 0
        self.drained = False
        self.rpc_errors: dict[str, int] = {}
        self.cooldown = Cooldown()
        self.login = LoginKeeper(options.name, options.account, options.login, call=self._call)
        self.catalogue = Catalogue.read({})

    def __repr__(self) -> str:
        return f"<Instance {self.name} {self.state} generation={self.generation} {self._channel!r}>"

    @property
    def turns(self) -> int:
        """Turns under way on this instance."""
        return self._channel.turns if self._channel is not None else 0

    def fault(self) -> GatewayError | None:
        """Why it takes no new turn at this moment, and in how many seconds it may, if that is known; or None."""
        if self.drained and self.state != "stopped":
            return Unavailable(f"the Lingma instance {self.name} is {DRAINED}", retry_after=DRAINED_RETRY)
        return self._fault()

    def _fault(self) -> GatewayError | None:
        """Why it cannot be asked at all, not even for a turn that is under way."""
        now = trio.current_time()
        if self.state == "needs_login":
            return LoginRequired(f"{self.reason} ({self.login.reason})" if self.login.reason else self.reason)
        if self.state == "stopped":
            return ShuttingDown("the gateway is stopping")
        if self.state != "ready" or self._channel is None or self._channel.lost:
            wait = max(1.0, self._retry_at - now)
            return Unavailable(f"no Lingma instance is ready: {self.reason or LOST}", retry_after=wait)
        if rest := self.cooldown.remaining(now):
            return QuotaExceeded("the account's quota or rate limit is used up; ask again later", retry_after=rest)
        return None

    def standing(self) -> tuple[Standing, str]:
        """Its state and the reason for it as people are told them.

        One that is ready rests while its limit is hit, and backs off from the moment in which its channel is lost. One
        that is drained says so first, and what else is the matter after it.
        """
        fault = self._fault()
        if self.drained and self.state != "stopped":
            return "drained", DRAINED if fault is None else f"{DRAINED} ({self.reason or fault.message})"
        if self.state == "ready" and isinstance(fault, QuotaExceeded):
            return "resting", f"rests for {math.ceil(fault.retry_after or 0)} s: {fault.message}"
        if self.state == "ready" and fault is not None:
            return "backing_off", LOST
        return self.state, fault.message if fault and self.state == "needs_login" else self.reason

    @property
    def dialect(self) -> Dialect | None:
        """The dialect that this life's Lingma is asked in, or None while nobody knows."""
        return self._channel.terms.dialect if self._channel is not None else None

    def channel(self) -> RpcChannel:
        """The channel to ask on, also for a turn that runs on while it drains. Raises the fault if there is one."""
        fault = self._fault()
        if fault is not None:
            raise fault
        assert self._channel is not None
        return self._channel

    def failed(self, failure: GatewayError) -> bool:
        """Take note of a turn that failed; returns whether it was for the instance's sake, so that another may do."""
        if isinstance(failure, QuotaExceeded):
            rest = self.cooldown.hit(trio.current_time(), retry_after=failure.retry_after)
            log.warning("instance_rests", instance=self.name, seconds=round(rest, 1))
        elif isinstance(failure, LoginRequired):
            self.recheck()
        return isinstance(failure, QuotaExceeded | LoginRequired | ChannelLost)

    def export_login(self) -> bytes:
        """Its login as a bundle. Waits for the disk, so it belongs into a thread. Raises `BundleFault`."""
        return export(self._options.work_dir)

    def recheck(self) -> None:
        """Look at login state and models now and not at the next heartbeat."""
        self._nudge.set()

    async def look(self) -> None:
        """Look at login state and models and return when it is done. Raises `ChannelLost`, `UpstreamTimeout`."""
        if self._channel is not None:
            await self._refresh(self._channel)

    def restart(self) -> None:
        """End this life, with its turns, or the pause before the next one, which then begins at once. Never waits."""
        log.info("instance_restart", instance=self.name, turns=self.turns)
        self._turnover.ask(ON_PURPOSE)

    def drain(self) -> None:
        """Take no new turns until `resume`, over all lives; those under way finish."""
        self.drained = True
        log.info("instance_drained", instance=self.name, turns=self.turns)

    def resume(self) -> None:
        """Take new turns again."""
        self.drained = False
        log.info("instance_resumed", instance=self.name)

    async def live(self) -> NoReturn:
        """Live, back off, live again. Never returns; cancelling ends the process and everything it started."""
        try:
            await supervise(self.live_once, self._backoff, on_end=self._ended, turnover=self._turnover)
        finally:
            self._enter("stopped", "the gateway is stopping")

    async def live_once(self) -> None:
        """One life: from an empty work directory to whatever ends it, which leaves as an exception group."""
        self.generation += 1
        self._enter("starting", "Lingma is starting")
        directory = self._options.work_dir
        if self._options.prepare is not None:
            await self._options.prepare(self._report)
        await trio.to_thread.run_sync(work_dir.prepare, directory)
        await trio.to_thread.run_sync(restore_login, directory, self._options.account)
        try:
            async with open_process(
                self._options.start_command(), directory=directory, environment=self._options.environment
            ) as process:
                work_dir.note_child(directory, process.pid)
                await self._serve(process)
        finally:
            self._channel = None
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
                    f"Lingma was not ready within {self._options.startup_timeout:g} s: {self.reason}; "
                    "see its log in the work directory, or raise LINGMA_STARTUP_TIMEOUT"
                )
            life.start_soon(self.login.keep, name="login keeper")
            life.start_soon(self._watch_login, channel, name="login watch")

    async def _watch_exit(self, process: LingmaProcess) -> NoReturn:
        status = await process.wait()
        raise InstanceDown(f"Lingma ended with status {status}", detail=process.tail)

    async def _wait_ready(self, process: LingmaProcess) -> int:
        """The port of the ready file that this very process wrote."""
        self.reason = ".info not ready"
        while True:
            ready = work_dir.read_ready(self._options.work_dir, process.pid)
            if ready is not None:
                return ready.port
            await trio.sleep(READY_POLL)

    async def _open_channel(self, life: trio.Nursery, port: int) -> RpcChannel:
        """Connect, again and again until the port answers: the ready file may come a moment before it does."""
        self.reason = f"port {port} does not answer"
        while True:
            try:
                socket = await connect(life, port)
            except ChannelLost:
                await trio.sleep(READY_POLL)
                continue
            channel = RpcChannel(
                rpc_timeout=self._options.rpc_timeout, on_push=self._pushed, on_error=self._count_error
            )
            await life.start(channel.run, socket, name="RPC channel")
            return channel

    async def _shake_hands(self, channel: RpcChannel) -> None:
        self.reason = "Lingma does not answer initialize"
        await channel.call("initialize", initialize_params(name="lingma-trio", version=__version__))
        channel.terms = await self._agree(channel)
        self._models_stale = True
        self._channel = channel
        await self._refresh(channel)

    async def _agree(self, channel: RpcChannel) -> Terms:
        """What turns go by in this life: above all the dialect that this Lingma speaks."""
        dialect = self._options.dialect
        if dialect == "auto":
            dialect = await self._probe(channel)
        directory = self._options.work_dir / WORKSPACE
        if dialect == "session":
            await trio.Path(directory).mkdir(exist_ok=True)
        log.info("instance_dialect", instance=self.name, dialect=dialect)
        return Terms(dialect=dialect, allowed_tools=self._options.allowed_tools, directory=str(directory))

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

    async def _watch_login(self, channel: RpcChannel) -> NoReturn:
        while True:
            with trio.move_on_after(self._options.heartbeat):
                await self._nudge.wait()
            self._nudge = trio.Event()
            await self._refresh(channel)

    async def _refresh(self, channel: RpcChannel) -> None:
        """Ask for the login state and, where it may have changed, the models; a silent Lingma ends the life."""
        login = read_login(await channel.call("auth/status", {}))
        self.login.note(logged_in=login.logged_in)
        if not login.logged_in:
            self._models_stale = True
            self._enter("needs_login", LOGIN_REMEDY)
            return
        if self._models_stale:
            try:
                self.catalogue = Catalogue.read(await channel.call("config/queryModels", {}))
            except RpcError as error:
                log.warning("models_unknown", instance=self.name, error=str(error))
            self._models_stale = not self.catalogue.models
        self._enter("ready", "")

    def _pushed(self, method: str, params: dict[str, Any]) -> None:
        """A push that belongs to no turn: some of them say that login or models changed."""
        del params
        if method == "config/refreshModels":
            self._models_stale = True
        if method in {"config/refreshModels", "auth/report", "auth/syncTokenUpdate"}:
            self.recheck()

    async def _call(self, method: str, params: dict[str, Any]) -> object:
        """Call Lingma whether it is signed in or not. Raises `ChannelLost` between two lives."""
        if self._channel is None:
            raise ChannelLost("Lingma is not running; see /readyz")
        return await self._channel.call(method, params)

    def _report(self, reason: str) -> None:
        """What this life is waiting for, as /readyz shows it."""
        self.reason = reason

    def _count_error(self, method: str) -> None:
        self.rpc_errors[method] = self.rpc_errors.get(method, 0) + 1

    def _ended(self, cause: Exception, pause: float) -> None:
        self.restarts += 1
        self.last_end = str(cause)
        self._retry_at = trio.current_time() + pause
        self.detail = cause.detail if isinstance(cause, InstanceDown) else ""
        self._enter("backing_off", str(cause))
        log.warning(
            "instance_ended", instance=self.name, cause=str(cause), output=self.detail, next_start_in=round(pause, 2)
        )

    def _enter(self, state: State, reason: str) -> None:
        if state != self.state:
            log.info("instance_state", instance=self.name, state=state, reason=reason, generation=self.generation)
        self.state = state
        self.reason = reason
