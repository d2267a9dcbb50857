"""One life of one agent, which is talked to over its stdin and stdout.

Life.live
└─ …
   └─ LIFE NURSERY
      ├─ channel              pump and writer
      ├─ session keeper       closes what was left, and ends the life of an agent that is worn
      └─ rest watch
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
import trio

from lingma_trio import __version__
from lingma_trio.errors import InstanceDown, InstanceRefused, NotSignedIn, RpcError
from lingma_trio.lingma import work_dir
from lingma_trio.lingma.acp.pipes import PipeTransport
from lingma_trio.lingma.acp.place import WORK, find_program, furnish
from lingma_trio.lingma.acp.sessions import AgentSessions
from lingma_trio.lingma.acp.watch import AgentWatch
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.health import Health
from lingma_trio.lingma.life import LifeListener
from lingma_trio.lingma.options import AgentOptions
from lingma_trio.lingma.process import OUTPUT_TAIL, LingmaProcess, open_process
from lingma_trio.lingma.process_life import ProcessLife
from lingma_trio.logs import Redactor
from lingma_trio.protocol.acp.messages import NEW, AcpTerms, Agent, initialize_params, new_params
from lingma_trio.protocol.acp.opened import Opened
from lingma_trio.protocol.failures import AUTH_REQUIRED, SIGN_IN, failure_of, presentable
from lingma_trio.protocol.jsonrpc import Junk
from lingma_trio.protocol.manners import ACP
from lingma_trio.protocol.turn_machine import Terms
from lingma_trio.threads import DISK

log = structlog.get_logger("lingma_trio.instance")


class AgentLife(ProcessLife):
    """One life of one agent. `account` is the instance's, which has many lives; for the rest see `ProcessLife`."""

    what = "the agent"
    login_remedy = str(failure_of(SIGN_IN, ""))

    def __init__(
        self,
        options: AgentOptions,
        account: AgentWatch,
        health: Health,
        listener: LifeListener,
    ) -> None:
        super().__init__(options, health, listener)
        self._options = options
        self._account = account
        self._token = options.account.token.get_secret_value()
        self._redactor = Redactor({self._token} - {""})
        self._sessions: AgentSessions | None = None
        self._heard_junk = False

    @property
    def worn(self) -> str:
        """Why it gets no further turn, although it is ready; empty where it does."""
        return "" if self._sessions is None else self._sessions.worn

    async def _prepare(self) -> None:
        await DISK.run(work_dir.prepare, self._place)
        await DISK.run(furnish, self._place)

    @asynccontextmanager
    async def _open_process(self) -> AsyncIterator[LingmaProcess]:
        environment = self._options.environment or {}
        command = await DISK.run(find_program, self._options.command, environment)
        async with open_process(command, directory=self._place / WORK, environment=environment, talks=True) as process:
            yield process

    async def _begin(self, life: trio.Nursery, process: LingmaProcess) -> None:
        assert process.pipes is not None
        channel = RpcChannel(
            rpc_timeout=self._options.rpc_timeout,
            on_push=_ignore,
            on_error=self._listener.on_error,
            manners=ACP,
            redact=self._redactor.text,
            on_junk=self._junk,
        )
        channel.terms = Terms("acp")
        await life.start(channel.run, PipeTransport(process.pipes), name="RPC channel")
        try:
            self._step("it does not answer initialize")
            agent = Agent.read(
                await channel.call("initialize", initialize_params(name="lingma-trio", version=__version__))
            )
            self._step("it opens no session")
            opened = Opened.read(await channel.call(NEW, new_params(str(self._place / WORK))))
        except RpcError as error:
            detail = "\n".join(filter(None, (error.data, self._tail(process))))
            if error.code == AUTH_REQUIRED:
                raise NotSignedIn(str(failure_of(SIGN_IN, error.message)), detail=detail) from error
            raise InstanceDown(
                f"the agent refused {error.method}: {presentable(error.message)}", detail=detail
            ) from error
        self._check(opened)
        log.info("instance_agent", instance=self._options.name, agent=agent.name, version=agent.version)
        channel.terms = Terms("acp", directory=str(self._place / WORK), acp=AcpTerms(agent, self._options.mode))
        sessions = AgentSessions(
            self._options.name,
            channel,
            agent,
            most=self._options.sessions_per_life,
            most_open=self._options.sessions_open,
            oddities=self._account.oddities,
        )
        sessions.made(opened)
        channel.sessions = self._sessions = sessions
        channel.on_room = self._room
        self.channel = channel
        self._account.on_refused = self._refused
        self._account.begin_life(agent, opened)

    def _keep(self, life: trio.Nursery) -> None:
        assert self._sessions is not None
        life.start_soon(self._sessions.run, name="session keeper")

    def _end(self) -> None:
        self._sessions = None

    def _where_to_look(self) -> str:
        return "see its last words on the status page"

    def _tail(self, process: LingmaProcess) -> str:
        """The end of what it wrote to stderr; of a token that the beginning has cut in two nothing is left."""
        kept = len(process.tail) < OUTPUT_TAIL - len(self._token)
        return self._redactor.text(process.tail if kept else process.tail[len(self._token) :])

    def _check(self, opened: Opened) -> None:
        """See that a first session is there, and can have the mode that the operator wants. Raises `InstanceDown`."""
        if not opened.session_id:
            raise InstanceDown("the agent opened no session")
        if fault := opened.mode_fault(self._options.mode):
            raise InstanceRefused(fault)

    def _room(self) -> None:
        if self._sessions is not None:
            self._sessions.look()
        self._listener.on_room()

    def _refused(self) -> None:
        if self._sessions is not None:
            self._sessions.wear(NotSignedIn(self.login_remedy))

    def _junk(self, junk: Junk) -> None:
        """Log the first of a life; an agent that prints much of it would fill the log."""
        oddities = self._account.oddities
        oddities.junk += 1
        level = log.warning if not self._heard_junk else log.debug
        self._heard_junk = True
        level("agent_junk", instance=self._options.name, why=junk.why, text=junk.text)


def _ignore(method: str, params: dict[str, Any]) -> None:
    """Agents tell many things that belong to no turn; none of them matters here."""
    del method, params
