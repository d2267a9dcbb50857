"""How one instance stands: whether it takes a turn at this moment, why not, and what people are told of that.

Reads its lives, its account and its health, and holds the operator's word. Must not know turns, or who chooses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

import structlog

from lingma_trio.errors import GatewayError, LoginRequired, QuotaExceeded, RateLimited, ShuttingDown, Unavailable
from lingma_trio.lingma.health import Health
from lingma_trio.lingma.lives import Lives, State
from lingma_trio.lingma.watch import Watch

ToldState: TypeAlias = State | Literal["drained", "resting"]

DRAINED = "drained by the operator: takes no new turns"
DRAINED_RETRY = 30.0  # seconds a client is asked to wait for somebody to resume the instance

log = structlog.get_logger("lingma_trio.instance")


class Standing:
    """Of the instance `name`. `on_change` is called when it is drained or resumed."""

    def __init__(
        self, name: str, lives: Lives, account: Watch, health: Health, *, on_change: Callable[[], None]
    ) -> None:
        self._name = name
        self._lives = lives
        self._account = account
        self._health = health
        self._on_change = on_change
        self.drained = False
        """Whether the operator wants no new turns on it."""

    def __repr__(self) -> str:
        return f"<Standing {self._name} drained={self.drained}>"

    def drain(self) -> None:
        """Take no new turns until `resume`, over all lives; those under way finish."""
        self.drained = True
        channel = self._lives.present.channel
        log.info("instance_drained", instance=self._name, turns=channel.turns if channel is not None else 0)
        self._on_change()

    def resume(self) -> None:
        """Take new turns again."""
        self.drained = False
        log.info("instance_resumed", instance=self._name)
        self._on_change()

    def fault(self, model: str = "") -> GatewayError | None:
        """Why it takes no new turn at this moment, and in how many seconds it may, if that is known; or None.

        Without a `model` that is why it takes none for any. Want of room is no fault: see `Instance.has_room`.
        """
        if self.drained and self._lives.state != "stopped":
            return Unavailable(f"the Lingma instance {self._name} is {DRAINED}", retry_after=DRAINED_RETRY)
        return self.hindrance(model)

    def hindrance(self, model: str = "") -> GatewayError | None:
        """Why it cannot be asked at all, not even for a turn that is under way; or None."""
        lives = self._lives
        if lives.state == "needs_login":
            login = self._account.login
            why = login.reason if login is not None else ""
            return LoginRequired(f"{lives.reason} ({why})" if why else lives.reason)
        if lives.state == "stopped":
            return ShuttingDown("the gateway is stopping")
        if not lives.connected:
            who = "Lingma instance" if self._account.program is None else "agent"
            return Unavailable(
                f"no {who} is ready: {lives.wait}; try again soon, GET /readyz has more", retry_after=lives.begins_in
            )
        if rest := self._rest(model):
            if self._health.rest():
                return RateLimited("the account's rate limit is reached; ask again later", retry_after=rest)
            which = f"the model {model}" if model else "each of its models"
            what = f"the account's quota for {which} is used up, or its plan does not cover it"
            return QuotaExceeded(f"{what}; ask for another model, or later", retry_after=rest)
        return None

    def expected_in(self, model: str = "") -> float | None:
        """Seconds until it can be asked, as far as can be told, 0 for now; None where somebody has to do something."""
        if self.drained or self._lives.state in {"needs_login", "stopped"}:
            return None
        rest = self._rest(model)
        return rest if self._lives.connected else max(rest, self._lives.ready_in)

    def told(self) -> tuple[ToldState, str]:
        """Its state and the reason for it as people are told them.

        One that is ready rests while its account's limit is hit, or that of all its models, and backs off from the
        moment in which its channel is lost. One that is drained says so first, and what else is the matter after it.
        """
        fault, lives = self.hindrance(), self._lives
        state = lives.state
        if self.drained and state != "stopped":
            return "drained", DRAINED if fault is None else f"{DRAINED} ({lives.reason or fault.message})"
        if state == "ready" and isinstance(fault, QuotaExceeded):
            return "resting", f"rests for {math.ceil(fault.retry_after or 0)} s: {fault.message}"
        if state == "ready" and fault is not None:
            return "backing_off", lives.lost
        if fault is None:
            remarks = (lives.present.worn, self._account.remark, self._health.remark)
            return state, lives.reason or "; ".join(filter(None, remarks))
        return state, fault.message if state == "needs_login" else lives.reason

    def _rest(self, model: str) -> float:
        """Seconds until it may be asked for this model, or without one for any of those there are."""
        rest = self._health.rest(model)
        if rest or model or self._health.untouched:
            return rest
        return min((self._health.rest(each.key) for each in self._account.catalogue.models), default=0.0)
