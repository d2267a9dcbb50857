"""What Lingma says of its account: whether somebody is signed in, and which models there are.

Outlives the lives of an instance: models stay known while Lingma is started anew, and so does what was tried to sign
in. Asks on a life's channel; must not know how that came about.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from typing import Any, NoReturn

import structlog
import trio

from lingma_trio.errors import ChannelLost, RpcError, UpstreamTimeout
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.login import LoginKeeper
from lingma_trio.lingma.login_files import export
from lingma_trio.lingma.options import LingmaOptions
from lingma_trio.protocol.allowance import Allowance, read_kind, read_plan
from lingma_trio.protocol.catalogue import Catalogue
from lingma_trio.protocol.fields import string
from lingma_trio.protocol.messages import Login, read_login

PLAN_EVERY = 600.0  # seconds between two questions after the plan, which hardly ever changes
PLAN_SECONDS = 5.0  # for the answer, which some builds never give

log = structlog.get_logger("lingma_trio.instance")


class AccountWatch:
    """The account of one instance. `on_login` is told each login state, signed in or not, that Lingma reports, and
    `on_other` is called when another account is signed in than the one before, and `name` is that one's.
    """

    program: None = None
    """There is no agent."""

    def __init__(
        self,
        options: LingmaOptions,
        *,
        on_login: Callable[[bool], None],
        on_other: Callable[[], None] = lambda: None,
    ) -> None:
        self._options = options
        self._on_login = on_login
        self._on_other = on_other
        self._channel: RpcChannel | None = None
        self._nudge = trio.Event()
        self._models_stale = True
        self._who = Login(logged_in=False)
        self._logged_in = False
        self._plan_due = -math.inf
        self.name = ""
        """Whose sessions are made now: a digest of who is signed in, as far as Lingma tells."""
        self.login = LoginKeeper(options.name, options.account, options.login, call=self._call)
        self.catalogue = Catalogue.read({})
        self.allowance = Allowance()
        """What it may use, as far as Lingma tells."""
        self.ahead: Counter[str] = Counter()
        """What became of the sessions that were opened before anybody needed them."""

    def __repr__(self) -> str:
        return f"<AccountWatch {self._options.name} models={len(self.catalogue.models)} {self.login!r}>"

    @property
    def about(self) -> tuple[str, ...]:
        """What there is to tell of it, each thing for itself."""
        return self.allowance.words

    @property
    def remark(self) -> str:
        """What its operator has to know although it can be asked; nothing, of Lingma."""
        return ""

    def export_login(self) -> bytes:
        """Its login as a bundle. Waits for the disk, so it belongs into a thread. Raises `BundleFault`."""
        return export(self._options.work_dir)

    async def begin_life(self, channel: RpcChannel) -> None:
        """Take the first look in a new life. Raises `RpcError`, `UpstreamTimeout` and `ChannelLost`."""
        self._channel = channel
        self._models_stale = True
        self._plan_due = -math.inf
        await self._read(channel)

    def end_life(self) -> None:
        """Nobody can be asked until the next life."""
        self._channel = None

    def recheck(self) -> None:
        """Look now and not at the next heartbeat."""
        self._nudge.set()

    async def look(self) -> None:
        """Look, and return when it is done; a look that is refused or comes to nothing changes nothing.

        Raises `ChannelLost`, and `UpstreamTimeout` where Lingma is dead: it said nothing at all meanwhile, not even to
        others.
        """
        channel = self._channel
        if channel is None:
            return
        try:
            await self._read(channel)
        except RpcError as refused:
            log.warning("look_refused", instance=self._options.name, error=str(refused))
        except UpstreamTimeout as late:
            if channel.mute:
                raise
            log.warning("look_late", instance=self._options.name, error=str(late))

    async def watch(self) -> NoReturn:
        """Look at every heartbeat and whenever there is a reason to. Raises what `look` raises."""
        while True:
            with trio.move_on_after(self._options.heartbeat):
                await self._ask_plan()
                await self._nudge.wait()
            self._nudge = trio.Event()
            await self.look()

    def pushed(self, method: str, params: dict[str, Any]) -> None:
        """A push that belongs to no turn: some of them say that login or models changed."""
        if method == "config/refreshModels":
            self._models_stale = True
        if method == "auth/report":
            self._see(Login(logged_in=True, name=string(params, "name"), id=string(params, "id")))
        if method in {"config/refreshModels", "auth/report", "auth/syncTokenUpdate"}:
            self.recheck()

    async def _read(self, channel: RpcChannel) -> None:
        """Ask for the login state and, where they may have changed, the models."""
        status = await channel.call("auth/status", {})
        login = read_login(status)
        self._see(login)
        self._logged_in = login.logged_in
        self.login.note(logged_in=login.logged_in)
        if not login.logged_in:
            self._models_stale = True
            self._forget_allowance()
        elif self._models_stale:
            await self._read_models(channel)
        if login.logged_in:
            kind, quota = read_kind(status)
            self.allowance = replace(self.allowance, kind=kind, quota=quota)
        self._on_login(login.logged_in)

    async def _read_models(self, channel: RpcChannel) -> None:
        """Ask for the models; again at the next look where none are told, or where they are said to have changed."""
        self._models_stale, told = False, False
        try:
            self.catalogue = Catalogue.read(await channel.call("config/queryModels", {}))
            told = bool(self.catalogue.models)
        except RpcError as error:
            log.warning("models_unknown", instance=self._options.name, error=str(error))
        finally:
            self._models_stale = self._models_stale or not told

    async def _ask_plan(self) -> None:
        """Ask for the plan of whoever is signed in, where it is due. What is no answer is passed over.

        So is the loss of the channel, whose own task knows its reason.
        """
        channel, now = self._channel, trio.current_time()
        if channel is None or now < self._plan_due or not self._logged_in:
            return
        self._plan_due = now + PLAN_EVERY
        with trio.move_on_after(PLAN_SECONDS):
            try:
                plan = read_plan(await channel.call("user/plan", {}, needed=False))
            except (RpcError, UpstreamTimeout, ChannelLost):
                return
            self.allowance = replace(self.allowance, plan=plan)

    def _see(self, login: Login) -> None:
        """Take note of who is signed in. What names nobody says nothing, nor does the name alone that is known."""
        if (login.id or login.name != self._who.name) and (login.id or login.name):
            other = (login.id, login.name) != (self._who.id, self._who.name)
            if other:
                self._models_stale = True
                self._forget_allowance()
            known, self._who = self.name, login
            self.name = blake2b(f"{login.id}\0{login.name}".encode("utf-8", "replace"), digest_size=8).hexdigest()
            if other and known:
                self._on_other()

    def _forget_allowance(self) -> None:
        self.allowance, self._plan_due = Allowance(), -math.inf

    async def _call(self, method: str, params: dict[str, Any]) -> object:
        """Call Lingma whether it is signed in or not. Raises `ChannelLost` between two lives."""
        if self._channel is None:
            raise ChannelLost("Lingma is not running; see /readyz")
        return await self._channel.call(method, params)
