"""One instance that an agent runs elsewhere: how it stands is told by the agent, and turns go through that.

Which gateway has how many turns on it only its agent knows, and so that alone refuses one too many: the question is
asked elsewhere, or here again once the agent has told that there is room.
"""

from __future__ import annotations

from base64 import b64decode
from functools import partial

import structlog
import trio

from lingma_trio.errors import GatewayError, InstanceBusy, InvalidRequest
from lingma_trio.lingma.bundle import BundleFault
from lingma_trio.lingma.health import NEWS_SECONDS, Asked
from lingma_trio.lingma.instance import Instance, Order
from lingma_trio.lingma.listeners import AnswerListener
from lingma_trio.lingma.lives import LifeMaker
from lingma_trio.lingma.options import Described
from lingma_trio.lingma.remote.discards import Discards
from lingma_trio.lingma.remote.life import RemoteLife, Way
from lingma_trio.lingma.remote.link import AgentLink
from lingma_trio.lingma.remote.lives import RemoteLives
from lingma_trio.lingma.remote.watch import RemoteWatch
from lingma_trio.lingma.websocket import WebSocket
from lingma_trio.policy.backoff import Backoff
from lingma_trio.policy.sequel import Verdict
from lingma_trio.protocol.fleet_messages import (
    DRAIN,
    EXPORT,
    LOGIN,
    RECHECK,
    REST,
    RESTART,
    RESUME,
    InstanceReport,
)
from lingma_trio.protocol.request import Notice, Request
from lingma_trio.sessions.book import Session

METHODS: dict[Order, str] = {"drain": DRAIN, "resume": RESUME, "restart": RESTART}

log = structlog.get_logger("lingma_trio.instance")


class RemoteInstance(Instance):
    """An instance of the agent at the other end of `link`, which may become another link to the same agent, or to one
    that has taken its place. `told` and `lost` have to be called with what that link hears.
    """

    account: RemoteWatch
    lives: RemoteLives

    def __init__(
        self, report: InstanceReport, link: AgentLink, *, rpc_timeout: float = 30.0, session_ttl: float = 0.0
    ) -> None:
        self.link = link
        self._rpc_timeout = rpc_timeout
        self._session_ttl = session_ttl
        self._full = False  # until the agent tells otherwise
        self._discards = Discards(report.name, self._ask)
        self._whose = report.account  # the last one that had a name: none has until an agent's first look
        super().__init__(report, Backoff())
        self.health.on_rest = self._rested

    def told(self, report: InstanceReport, *, stopping: bool) -> None:
        """Take note of how it stands there; one whose agent is `stopping` takes no new turn."""
        self._full = False
        self.label = report.label
        self.standing.drained = report.drained
        self.health.most = report.most
        self.elsewhere = max(0, report.turns - self.turns)
        if report.account:
            if self._whose and report.account != self._whose:
                self.health.begin_account()
            self._whose = report.account
        self.account.told(report, stopping=stopping)
        self.health.heard_of_rests(report.rests, beyond=NEWS_SECONDS)
        self._discards.told(report.life)
        self.lives.look()
        self._changed()

    def lost(self, why: str) -> None:
        """Take note that its agent cannot be reached, and so nobody knows how it stands."""
        self._discards.lost()
        self.account.lost(why)
        self.lives.look()
        self._changed()

    def has_room(self, model: str = "") -> bool:
        """As `Instance.has_room`; not after the agent refused, until it tells how it stands."""
        return not self._full and super().has_room(model)

    def failed(self, failure: GatewayError, asked: Asked) -> Verdict:
        """As `Instance.failed`; what the agent had no room for is nobody's fault, and asked again."""
        if isinstance(failure, InstanceBusy):
            self._full = True
            return "queue_again"
        return super().failed(failure, asked)

    def discard(self, session: Session) -> None:
        """As `Instance.discard`; the agent is told when it can be, for its life may go on without a way to it."""
        if self.account.program is not None:
            self._discards.add(session.life, session.session_id)

    async def take_order(self, order: Order) -> None:
        """Have the agent do it, which tells all its gateways. Raises as `AgentLink.call`."""
        await self.link.call(METHODS[order], {"name": self.name})
        log.info("instance_order", instance=self.name, order=order)
        if order != "restart":
            self.standing.drained = order == "drain"
            self._changed()

    async def sign_in(self, *, callback: str = "", retry: bool = False) -> None:
        """Have the agent sign it in. Raises as `AgentLink.call`."""
        wishes = {"callback": callback} if callback else {"retry": True} if retry else {}
        await self.link.call(LOGIN, {"name": self.name, **wishes})
        with trio.move_on_after(NEWS_SECONDS):
            await self.link.next_state()

    async def export_login(self) -> bytes:
        """Its login as a bundle. Raises `BundleFault`, and `Unavailable` where the agent cannot be asked."""
        try:
            answer = await self.link.call(EXPORT, {"name": self.name})
        except InvalidRequest as refused:
            raise BundleFault(refused.message) from refused
        try:
            return b64decode(answer["bundle"], validate=True)
        except (KeyError, TypeError, ValueError):
            raise BundleFault(f"the agent {self.link.name} sent no bundle") from None

    def _furnish(self, options: Described) -> tuple[RemoteWatch, LifeMaker]:
        assert isinstance(options, InstanceReport)
        watch = RemoteWatch(options, on_recheck=lambda: self.link.tell(Notice(RECHECK, {"name": self.name})))
        way = Way(self._dial, self._opened, self._discards.add, self._rpc_timeout, self._session_ttl)
        return watch, partial(RemoteLife, watch, self.health, way)

    def _lead(self, make: LifeMaker, backoff: Backoff) -> RemoteLives:
        del backoff
        return RemoteLives(
            self.name,
            make,
            self.account,
            on_begin=self.health.begin_life,
            on_change=self._changed,
        )

    def _ask(self, request: Request, listener: AnswerListener) -> int:
        return self.link.send(request, listener)

    async def _dial(self, path: str) -> WebSocket:
        return await self.link.dialler.open(self.link.address, path)

    def _opened(self) -> None:
        self.lives.opened()

    def _rested(self, model: str, seconds: float) -> None:
        rest = {"name": self.name, "account": self.account.name, "model": model, "seconds": seconds}
        self.link.tell(Notice(REST, rest))
