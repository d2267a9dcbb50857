"""One account as the gateway sees it: supervised life after life, with a health and a login that outlive them.

instance
├─ lives                         how far it is, one life after the other: `lives`
│  └─ life                       process and channel: `life`, of a Lingma `lingma_life`, of an agent `acp.life`
├─ health                        what rests, how much it takes at once, whether it answers: `health`
└─ account                       signed in or not, models: `account`, of an agent `acp.watch`
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, TypeAlias

import structlog
import trio

from lingma_trio.errors import (
    GatewayError,
    LoginRequired,
    QuotaExceeded,
    RateLimited,
    ShuttingDown,
    Unavailable,
)
from lingma_trio.lingma.account import AccountWatch
from lingma_trio.lingma.acp.life import AgentLife
from lingma_trio.lingma.acp.watch import AgentWatch
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.health import Asked, Health
from lingma_trio.lingma.lingma_life import LingmaLife
from lingma_trio.lingma.lives import LifeMaker, Lives, State
from lingma_trio.lingma.options import AgentOptions, Described, LingmaOptions
from lingma_trio.lingma.watch import Login, Program, Watch
from lingma_trio.policy.backoff import Backoff
from lingma_trio.policy.sequel import Verdict
from lingma_trio.protocol.catalogue import Catalogue
from lingma_trio.protocol.turn_machine import Dialect
from lingma_trio.sessions.book import Session
from lingma_trio.threads import DISK

Standing: TypeAlias = State | Literal["drained", "resting"]
Order: TypeAlias = Literal["drain", "resume", "restart"]

DRAINED = "drained by the operator: takes no new turns"
DRAINED_RETRY = 30.0  # seconds a client is asked to wait for somebody to resume the instance

log = structlog.get_logger("lingma_trio.instance")


class Instance:
    """A supervised Lingma, or an agent in its place. `lives.live` is a task of its own; all else is for other tasks.

    `on_change` is called whenever it may be asked more than a moment before, as it is ready, rested, resumed or has
    room, and when it is drained, for then nobody is to wait for it any longer.
    """

    def __init__(self, options: Described, backoff: Backoff) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self.name = options.name
        self.label = options.label
        self.drained = False
        self.seats = 0
        """Turns that have room here: those under way, and those that are about to be asked."""
        self.elsewhere = 0
        """Turns under way on it that others than this gateway have, as far as is known."""
        self.health = Health(options.name, most=options.most_turns, on_change=self._changed)
        self.account, make = self._furnish(options)
        self.lives = self._lead(make, backoff)

    def __repr__(self) -> str:
        return f"<Instance {self.name} drained={self.drained} {self.lives!r}>"

    # What it is at this moment.

    @property
    def life(self) -> str:
        """The present life's own id, or nothing where there is none to ask: what a session was made in."""
        life = self.lives.present
        return life.id if life.channel is not None else ""

    @property
    def turns(self) -> int:
        """Turns under way on this instance."""
        channel = self.lives.present.channel
        return channel.turns if channel is not None else 0

    @property
    def dialect(self) -> Dialect | None:
        """The dialect that this life's Lingma is asked in, or None while nobody knows."""
        channel = self.lives.present.channel
        return channel.terms.dialect if channel is not None else None

    @property
    def catalogue(self) -> Catalogue:
        """The account's models, as far as they are known; they outlive a restart."""
        return self.account.catalogue

    @property
    def login(self) -> Login | None:
        """How far signing in has come; None where nobody can, since it has its account from the settings."""
        return self.account.login

    @property
    def agent(self) -> Program | None:
        """What is known of the agent; None where it is a Lingma."""
        return self.account.program

    @property
    def load(self) -> int:
        """Turns that have room here or elsewhere."""
        return self.seats + self.elsewhere

    @property
    def silent(self) -> bool:
        """Whether it left a question without any answer and has answered none since: better ask another."""
        return self.health.silent

    def fault(self, model: str = "") -> GatewayError | None:
        """Why it takes no new turn at this moment, and in how many seconds it may, if that is known; or None.

        Without a `model` that is why it takes none for any. Want of room is no fault: see `has_room`.
        """
        if self.drained and self.lives.state != "stopped":
            return Unavailable(f"the Lingma instance {self.name} is {DRAINED}", retry_after=DRAINED_RETRY)
        return self._fault(model)

    def has_room(self, model: str = "") -> bool:
        """Whether one more turn fits: by its own limit, what refusals taught, what waits to be written, and, where it
        has rested, with one turn at a time until that helped. False where it cannot be asked at all.
        """
        channel = self.lives.present.channel
        if channel is None or channel.lost or self.lives.present.worn:
            return False
        coming = max(0, self.seats - channel.turns)
        return self.health.has_room(channel, model, coming=coming, elsewhere=self.elsewhere)

    def expected_in(self, model: str = "") -> float | None:
        """Seconds until it can be asked, as far as can be told, 0 for now; None where somebody has to do something."""
        if self.drained or self.lives.state in {"needs_login", "stopped"}:
            return None
        rest = self._rest(model)
        return rest if self.lives.connected else max(rest, self.lives.ready_in)

    def standing(self) -> tuple[Standing, str]:
        """Its state and the reason for it as people are told them.

        One that is ready rests while its account's limit is hit, or that of all its models, and backs off from the
        moment in which its channel is lost. One that is drained says so first, and what else is the matter after it.
        """
        fault, state = self._fault(), self.lives.state
        if self.drained and state != "stopped":
            return "drained", DRAINED if fault is None else f"{DRAINED} ({self.lives.reason or fault.message})"
        if state == "ready" and isinstance(fault, QuotaExceeded):
            return "resting", f"rests for {math.ceil(fault.retry_after or 0)} s: {fault.message}"
        if state == "ready" and fault is not None:
            return "backing_off", self.lives.lost
        if fault is None:
            remarks = (self.lives.present.worn, self.account.remark, self.health.remark)
            return state, self.lives.reason or "; ".join(filter(None, remarks))
        return state, fault.message if state == "needs_login" else self.lives.reason

    @property
    def sessions_ahead(self) -> Mapping[str, int]:
        """What became of the sessions that were opened before anybody needed them, since the start."""
        return self.account.ahead if isinstance(self.account, AccountWatch) else {}

    # What turns need, and what they tell.

    def channel(self) -> RpcChannel:
        """The channel to ask on, also for a turn that runs on while it drains. Raises the fault if there is one."""
        fault = self._fault()
        if fault is not None:
            raise fault
        assert self.lives.present.channel is not None
        return self.lives.present.channel

    def asking(self, model: str) -> Asked:
        """What is to be remembered of a question that is about to be asked, for `failed` and `answered`."""
        return Asked(model, trio.current_time(), self.turns + self.elsewhere)

    def failed(self, failure: GatewayError, asked: Asked) -> Verdict:
        """Take note of a turn that failed; returns what may be done about it while nothing was shown."""
        if isinstance(failure, LoginRequired):
            self.account.recheck()
        return self.health.failed(failure, asked)

    def answered(self, asked: Asked) -> None:
        """Take note of a turn whose first words have come."""
        self.health.answered(asked, under_way=self.turns + self.elsewhere)

    def discard(self, session: Session) -> None:
        """Take note that nobody will go on with a session. Never waits."""
        channel = self.lives.present.channel
        if session.life == self.lives.present.id and channel is not None and channel.sessions is not None:
            channel.sessions.discard(session.session_id)

    # What the operator asks for.

    async def take_order(self, order: Order) -> None:
        """Do as the operator wants, and return once it is done. Raises `Unavailable` where that cannot be brought
        about.
        """
        if order == "restart":
            self.lives.restart()
        elif order == "drain":
            self.drain()
        else:
            self.resume()

    async def sign_in(self, *, callback: str = "", retry: bool = False) -> None:
        """Sign it in: complete a login with the address that a browser ended at, have the automatic one tried again, or
        have a link ready for a person where it needs one. Raises as `LoginKeeper`.
        """
        assert isinstance(self.account, AccountWatch)
        if callback:
            await self.account.login.take_callback(callback)
            await self.account.look()
        elif retry:
            self.account.login.retry()
        elif self.lives.state == "needs_login":
            await self.account.login.link()

    async def export_login(self) -> bytes:
        """Its login as a bundle. Raises `BundleFault`."""
        assert isinstance(self.account, AccountWatch | AgentWatch)
        return await DISK.run(self.account.export_login)

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

    def _furnish(self, options: Described) -> tuple[Watch, LifeMaker]:
        """What watches over the account, and what makes its lives."""
        if isinstance(options, LingmaOptions):
            lingma = AccountWatch(options, on_login=self._login_seen)
            return lingma, partial(LingmaLife, options, lingma, self.health)
        if isinstance(options, AgentOptions):
            agent = AgentWatch(options, on_login=self._login_seen)
            return agent, partial(AgentLife, options, agent, self.health)
        raise TypeError(options)

    def _lead(self, make: LifeMaker, backoff: Backoff) -> Lives:
        """The lives that are made so."""
        return Lives(
            self.name,
            make,
            backoff,
            on_begin=self.health.begin_life,
            on_enter=self._entered,
            on_room=self._changed,
        )

    def _fault(self, model: str = "") -> GatewayError | None:
        """Why it cannot be asked at all, not even for a turn that is under way."""
        lives = self.lives
        if lives.state == "needs_login":
            why = self.login.reason if self.login is not None else ""
            return LoginRequired(f"{lives.reason} ({why})" if why else lives.reason)
        if lives.state == "stopped":
            return ShuttingDown("the gateway is stopping")
        if not lives.connected:
            who = "Lingma instance" if self.agent is None else "agent"
            return Unavailable(
                f"no {who} is ready: {lives.wait}; try again soon, GET /readyz has more", retry_after=lives.begins_in
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

    def _login_seen(self, logged_in: bool) -> None:
        self.lives.login_seen(logged_in)

    def _changed(self) -> None:
        self.on_change()

    def _entered(self, state: State, before: State) -> None:
        if state != before:
            self._changed()
