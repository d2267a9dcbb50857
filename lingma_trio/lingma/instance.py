"""One account as the gateway sees it: supervised life after life, with a health and a login that outlive them.

instance
├─ lives                         how far it is, one life after the other: `lives`
│  └─ life                       process and channel: `life`, of a Lingma `lingma_life`, of an agent `acp.life`
├─ health                        what rests, how much it takes at once, whether it answers: `health`
├─ account                       signed in or not, models: `account`, of an agent `acp.watch`
└─ standing                      what all of these come to, and the operator's word: `standing`
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, TypeAlias

import trio

from lingma_trio.errors import GatewayError, LoginRequired
from lingma_trio.lingma.account import AccountWatch
from lingma_trio.lingma.acp.life import AgentLife
from lingma_trio.lingma.acp.watch import AgentWatch
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.health import Asked, Health
from lingma_trio.lingma.lingma_life import LingmaLife
from lingma_trio.lingma.lives import LifeMaker, Lives
from lingma_trio.lingma.options import AgentOptions, Described, LingmaOptions
from lingma_trio.lingma.standing import Standing
from lingma_trio.lingma.watch import Watch
from lingma_trio.policy.backoff import Backoff
from lingma_trio.policy.sequel import Verdict
from lingma_trio.protocol.turn_machine import Dialect
from lingma_trio.sessions.book import Session
from lingma_trio.threads import DISK

Order: TypeAlias = Literal["drain", "resume", "restart"]
"""No new turns, while those under way finish; new ones again; the next life now, in which turns fail or move unseen."""


class Instance:
    """A supervised Lingma, or an agent in its place. `lives.live` is a task of its own; all else is for other tasks.

    `on_change` is called whenever it may be asked more than a moment before, as it is ready, rested, resumed or has
    room, and when it is drained, for then nobody is to wait for it any longer.
    """

    def __init__(self, options: Described, backoff: Backoff) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self.name = options.name
        self.label = options.label
        self.seats = 0
        """Turns that have room here: those under way, and those that are about to be asked."""
        self.elsewhere = 0
        """Turns under way on it that others than this gateway have, as far as is known."""
        self.health = Health(options.name, most=options.most_turns, on_change=self._changed)
        self.account, make = self._furnish(options)
        self.lives = self._lead(make, backoff)
        self.standing = Standing(self.name, self.lives, self.account, self.health, on_change=self._changed)

    def __repr__(self) -> str:
        return f"<Instance {self.name} {self.standing!r} {self.lives!r}>"

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
    def load(self) -> int:
        """Turns that have room here or elsewhere."""
        return self.seats + self.elsewhere

    def has_room(self, model: str = "") -> bool:
        """Whether one more turn fits: by its own limit, what refusals taught, what waits to be written, and, where it
        has rested, with one turn at a time until that helped. False where it cannot be asked at all.
        """
        channel = self.lives.present.channel
        if channel is None or channel.lost or self.lives.present.worn:
            return False
        coming = max(0, self.seats - channel.turns)
        return self.health.has_room(channel, model, coming=coming, elsewhere=self.elsewhere)

    # What turns need, and what they tell.

    def channel(self) -> RpcChannel:
        """The channel to ask on, also for a turn that runs on while it drains. Raises the fault if there is one."""
        if (hindrance := self.standing.hindrance()) is not None:
            raise hindrance
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
            self.standing.drain()
        else:
            self.standing.resume()

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

    def _furnish(self, options: Described) -> tuple[Watch, LifeMaker]:
        """What watches over the account, and what makes its lives."""
        if isinstance(options, LingmaOptions):
            lingma = AccountWatch(options, on_login=self._login_seen, on_other=self._account_begins)
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
            on_change=self._changed,
        )

    def _login_seen(self, logged_in: bool) -> None:
        self.lives.login_seen(logged_in)

    def _account_begins(self) -> None:
        self.health.begin_account()
        self._changed()

    def _changed(self) -> None:
        self.on_change()
