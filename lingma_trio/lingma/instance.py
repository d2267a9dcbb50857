"""One account as the gateway sees it: supervised life after life, with a health and a login that outlive them.

supervise(instance)
└─ life                          process and channel: `life`, of a Lingma `lingma_life`, of an agent `acp.life`
   health                        what rests, how much it takes at once, whether it answers: `health`
   account                       signed in or not, models: `account`, of an agent `acp.watch`
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Literal, NoReturn, TypeAlias

import structlog
import trio

from lingma_trio.errors import (
    GatewayError,
    InstanceDown,
    LoginRequired,
    NotSignedIn,
    QuotaExceeded,
    RateLimited,
    ShuttingDown,
    Unavailable,
)
from lingma_trio.lingma.account import AccountWatch
from lingma_trio.lingma.acp.life import AgentLife
from lingma_trio.lingma.acp.watch import AgentWatch
from lingma_trio.lingma.bundle import BundleFault
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.health import Asked, Health
from lingma_trio.lingma.life import Life
from lingma_trio.lingma.lingma_life import LingmaLife
from lingma_trio.lingma.login import LoginKeeper
from lingma_trio.lingma.login_files import export
from lingma_trio.lingma.options import AgentOptions, InstanceOptions, LingmaOptions
from lingma_trio.lingma.supervisor import ON_PURPOSE, Turnover, supervise
from lingma_trio.policy.backoff import Backoff
from lingma_trio.policy.sequel import Verdict
from lingma_trio.protocol.catalogue import Catalogue
from lingma_trio.protocol.turn_machine import Dialect
from lingma_trio.sessions.book import Session

State: TypeAlias = Literal["starting", "ready", "needs_login", "backing_off", "stopped"]
Standing: TypeAlias = State | Literal["drained", "resting"]

START_SECONDS = 5.0  # a start takes about so long, as long as none has been seen
LOST = "the connection to {} was lost"
DRAINED = "drained by the operator: takes no new turns"
DRAINED_RETRY = 30.0  # seconds a client is asked to wait for somebody to resume the instance

log = structlog.get_logger("lingma_trio.instance")


class Instance:
    """A supervised Lingma. `live` is its whole life; everything else can be read or called from other tasks.

    `on_change` is called whenever it may be asked more than a moment before, as it is ready, rested, resumed or has
    room, and when it is drained, for then nobody is to wait for it any longer.
    """

    def __init__(self, options: InstanceOptions, backoff: Backoff) -> None:
        self._options = options
        self._backoff = backoff
        self._turnover = Turnover()
        self._retry_at = 0.0
        self._start_took = START_SECONDS
        self.on_change: Callable[[], None] = lambda: None
        self.name = options.name
        self.label = options.label
        self.state: State = "starting"
        self.reason = ""
        self.detail = ""
        self.last_end = ""
        self.generation = 0
        self.restarts = 0
        self.drained = False
        self.seats = 0
        """Turns that have room here: those under way, and those that are about to be asked."""
        self.rpc_errors: dict[str, int] = {}
        self.health = Health(options.name, most=options.most_turns, on_change=self._changed)
        self.account: AccountWatch | AgentWatch
        self._make_life: Callable[..., Life]
        if isinstance(options, LingmaOptions):
            lingma = self.account = AccountWatch(options, on_login=self._login_seen)
            self._make_life = partial(LingmaLife, options, lingma, self.health)
        elif isinstance(options, AgentOptions):
            agent = self.account = AgentWatch(options, on_login=self._login_seen)
            self._make_life = partial(AgentLife, options, agent, self.health)
        else:
            raise TypeError(options)
        self._life = self._new_life()
        self.reason = f"{self._life.what} is starting"

    def __repr__(self) -> str:
        return f"<Instance {self.name} {self.state} generation={self.generation} {self._life!r}>"

    # What it is at this moment.

    @property
    def life(self) -> str:
        """The present life's own id, or nothing where there is none to ask: what a session was made in."""
        return self._life.id if self._life.channel is not None else ""

    @property
    def turns(self) -> int:
        """Turns under way on this instance."""
        channel = self._life.channel
        return channel.turns if channel is not None else 0

    @property
    def dialect(self) -> Dialect | None:
        """The dialect that this life's Lingma is asked in, or None while nobody knows."""
        channel = self._life.channel
        return channel.terms.dialect if channel is not None else None

    @property
    def catalogue(self) -> Catalogue:
        """The account's models, as far as they are known; they outlive a restart."""
        return self.account.catalogue

    @property
    def about(self) -> tuple[str, ...]:
        """What there is to tell of the account, each thing for itself; of an agent, who that is."""
        if self.agent is not None:
            return tuple(filter(None, (self.agent.agent.name, self.agent.agent.version)))
        return self.account.allowance.words

    @property
    def login(self) -> LoginKeeper | None:
        """Who signs it in; None where nobody can, since it has its account from the settings."""
        return self.account.login

    @property
    def agent(self) -> AgentWatch | None:
        """What is known of the agent; None where it is a Lingma."""
        return self.account if isinstance(self.account, AgentWatch) else None

    @property
    def silent(self) -> bool:
        """Whether it left a question without any answer and has answered none since: better ask another."""
        return self.health.silent

    def fault(self, model: str = "") -> GatewayError | None:
        """Why it takes no new turn at this moment, and in how many seconds it may, if that is known; or None.

        Without a `model` that is why it takes none for any. Want of room is no fault: see `has_room`.
        """
        if self.drained and self.state != "stopped":
            return Unavailable(f"the Lingma instance {self.name} is {DRAINED}", retry_after=DRAINED_RETRY)
        return self._fault(model)

    def has_room(self, model: str = "") -> bool:
        """Whether one more turn fits: by its own limit, what refusals taught, what waits to be written, and, where it
        has rested, with one turn at a time until that helped. False where it cannot be asked at all.
        """
        channel = self._life.channel
        if channel is None or channel.lost or self._life.worn:
            return False
        return self.health.has_room(channel, model, coming=max(0, self.seats - channel.turns))

    def expected_in(self, model: str = "") -> float | None:
        """Seconds until it can be asked, as far as can be told, 0 for now; None where somebody has to do something."""
        if self.drained or self.state in {"needs_login", "stopped"}:
            return None
        rest = self._rest(model)
        if self._connected:
            return rest
        return max(rest, self._retry_at + self._start_took - trio.current_time(), 1.0)

    def standing(self) -> tuple[Standing, str]:
        """Its state and the reason for it as people are told them.

        One that is ready rests while its account's limit is hit, or that of all its models, and backs off from the
        moment in which its channel is lost. One that is drained says so first, and what else is the matter after it.
        """
        fault = self._fault()
        if self.drained and self.state != "stopped":
            return "drained", DRAINED if fault is None else f"{DRAINED} ({self.reason or fault.message})"
        if self.state == "ready" and isinstance(fault, QuotaExceeded):
            return "resting", f"rests for {math.ceil(fault.retry_after or 0)} s: {fault.message}"
        if self.state == "ready" and fault is not None:
            return "backing_off", self._lost
        if fault is None:
            remarks = (
                self._life.worn,
                self.agent.oddities.remark if self.agent is not None else "",
                self.health.remark,
            )
            return self.state, self.reason or "; ".join(filter(None, remarks))
        return self.state, fault.message if self.state == "needs_login" else self.reason

    # What turns need, and what they tell.

    def channel(self) -> RpcChannel:
        """The channel to ask on, also for a turn that runs on while it drains. Raises the fault if there is one."""
        fault = self._fault()
        if fault is not None:
            raise fault
        assert self._life.channel is not None
        return self._life.channel

    def asking(self, model: str) -> Asked:
        """What is to be remembered of a question that is about to be asked, for `failed` and `answered`."""
        return Asked(model, trio.current_time(), self.turns)

    def failed(self, failure: GatewayError, asked: Asked) -> Verdict:
        """Take note of a turn that failed; returns what may be done about it while nothing was shown."""
        if isinstance(failure, LoginRequired):
            self.account.recheck()
        return self.health.failed(failure, asked)

    def answered(self, asked: Asked) -> None:
        """Take note of a turn whose first words have come."""
        self.health.answered(asked, under_way=self.turns)

    def discard(self, session: Session) -> None:
        """Take note that nobody will go on with a session. Never waits."""
        if session.life == self._life.id:
            self._life.discard(session.session_id)

    # What the operator asks for.

    def export_login(self) -> bytes:
        """Its login as a bundle. Waits for the disk, so it belongs into a thread. Raises `BundleFault`."""
        if self.agent is not None:
            raise BundleFault("an agent signs in with its token, from ACP_TOKENS; it has no login to be taken along")
        return export(self._options.work_dir)

    def restart(self) -> None:
        """End this life, with its turns, or the pause before the next one, which then begins at once. Never waits."""
        log.info("instance_restart", instance=self.name, turns=self.turns)
        self._turnover.ask(ON_PURPOSE)

    def drain(self) -> None:
        """Take no new turns until `resume`, over all lives; those under way finish."""
        self.drained = True
        log.info("instance_drained", instance=self.name, turns=self.turns)
        self._changed()

    def resume(self) -> None:
        """Take new turns again."""
        self.drained = False
        log.info("instance_resumed", instance=self.name)
        self._changed()

    # Its lives.

    async def live(self) -> NoReturn:
        """Live, back off, live again. Never returns; cancelling ends the process and everything it started."""
        try:
            await supervise(
                self._live_once, self._backoff, on_end=self._ended, stood=self._stood, turnover=self._turnover
            )
        finally:
            self._enter("stopped", "the gateway is stopping")

    async def _live_once(self) -> None:
        self.generation += 1
        self._life = self._new_life()
        self._retry_at = trio.current_time()
        self.health.begin_life()
        self._enter("starting", f"{self._life.what} is starting")
        await self._life.live()

    def _new_life(self) -> Life:
        return self._make_life(on_step=self._waits_for, on_error=self._count_error, on_room=self._changed)

    def _fault(self, model: str = "") -> GatewayError | None:
        """Why it cannot be asked at all, not even for a turn that is under way."""
        if self.state == "needs_login":
            why = self.login.reason if self.login is not None else ""
            return LoginRequired(f"{self.reason} ({why})" if why else self.reason)
        if self.state == "stopped":
            return ShuttingDown("the gateway is stopping")
        if not self._connected:
            wait = max(1.0, self._retry_at - trio.current_time())
            lost = f"{self._lost}, and it is being started again"
            what = f"{self._life.what} is starting" if self.state == "starting" else lost
            return Unavailable(
                f"no Lingma instance is ready: {what}; try again soon, GET /readyz has more", retry_after=wait
            )
        if rest := self._rest(model):
            if self.health.rest():
                return RateLimited("the account's rate limit is reached; ask again later", retry_after=rest)
            which = f"the model {model}" if model else "each of its models"
            what = f"the account's quota for {which} is used up, or its plan does not cover it"
            return QuotaExceeded(f"{what}; ask for another model, or later", retry_after=rest)
        return None

    def _rest(self, model: str) -> float:
        """Seconds until it may be asked for this model, or without one for any of those there are."""
        rest = self.health.rest(model)
        if rest or model or self.health.untouched:
            return rest
        return min((self.health.rest(each.key) for each in self.catalogue.models), default=0.0)

    @property
    def _lost(self) -> str:
        return LOST.format(self._life.what)

    @property
    def _connected(self) -> bool:
        channel = self._life.channel
        return self.state == "ready" and channel is not None and not channel.lost

    def _stood(self) -> float:
        return self._life.stood

    def _ended(self, cause: Exception, pause: float) -> None:
        self.restarts += 1
        self._start_took = self._life.start_took or self._start_took
        self.last_end = str(cause)
        self._retry_at = trio.current_time() + pause
        self.detail = cause.detail if isinstance(cause, InstanceDown) else ""
        self._enter("needs_login" if isinstance(cause, NotSignedIn) else "backing_off", str(cause))
        log.warning(
            "instance_ended", instance=self.name, cause=str(cause), output=self.detail, next_start_in=round(pause, 2)
        )

    def _login_seen(self, logged_in: bool) -> None:
        if logged_in:
            self._enter("ready", "")
        else:
            self._enter("needs_login", self._life.login_remedy.format(self.name))

    def _waits_for(self, reason: str) -> None:
        self.reason = reason

    def _count_error(self, method: str) -> None:
        self.rpc_errors[method] = self.rpc_errors.get(method, 0) + 1

    def _changed(self) -> None:
        self.on_change()

    def _enter(self, state: State, reason: str) -> None:
        changed = state != self.state
        if changed:
            log.info("instance_state", instance=self.name, state=state, reason=reason, generation=self.generation)
        self.state = state
        self.reason = reason
        if changed and state == "ready":
            self._changed()
