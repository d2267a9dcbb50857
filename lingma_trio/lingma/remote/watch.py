"""What an agent tells of one of its instances: the account, the models, and which life can be asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import trio

from lingma_trio.lingma.acp.watch import Oddities
from lingma_trio.lingma.login import State
from lingma_trio.protocol.allowance import Allowance
from lingma_trio.protocol.catalogue import Catalogue
from lingma_trio.protocol.fleet_messages import InstanceReport, LoginReport

LOGIN_STATES: dict[str, State] = {
    "idle": "idle",
    "waiting": "waiting",
    "signing_in": "signing_in",
    "needs_human": "needs_human",
}


class RemoteLogin:
    """How far signing in has come there; see `watch.Login`."""

    def __init__(self, report: LoginReport) -> None:
        self.state = LOGIN_STATES.get(report.state, "idle")
        self.reason = report.reason
        self.url = report.url
        self._next_attempt_at = trio.current_time() + report.next_attempt_in

    def __repr__(self) -> str:
        return f"<RemoteLogin {self.state}>"

    @property
    def next_attempt_in(self) -> float:
        """Seconds before which no attempt is made, 0 for none."""
        return max(0.0, self._next_attempt_at - trio.current_time())


class RemoteWatch:
    """The account of one instance that an agent runs. `on_recheck` is called when a turn was refused for want of a
    login.
    """

    ahead: Mapping[str, int] = {}
    """Sessions are opened ahead where the process is."""

    def __init__(self, report: InstanceReport, *, on_recheck: Callable[[], None]) -> None:
        self._on_recheck = on_recheck
        self._changed = trio.Event()
        self._given = report.models
        self.report = report
        """What was told last."""
        self.away = ""
        """Why the agent cannot be asked at this moment, in words; empty where it can."""
        self.stopping = False
        """Whether the agent takes no new turn, since it stops."""
        self.agent = report.terms.acp.agent
        """What the program says of itself, where it speaks ACP."""
        self.catalogue = report.catalogue
        self.oddities = Oddities()
        """What turns of this gateway showed."""
        self.login = self._read_login(report)
        self._speaks_acp = report.terms.dialect == "acp"

    def __repr__(self) -> str:
        return f"<RemoteWatch {self.report.name} life={self.report.life!r} away={self.away!r}>"

    @property
    def name(self) -> str:
        """Whose sessions are made there."""
        return self.report.account

    @property
    def allowance(self) -> Allowance:
        """What the account may use."""
        return self.report.allowance

    @property
    def program(self) -> RemoteWatch | None:
        """What is known of the agent; None where it is a Lingma."""
        return self if self._speaks_acp else None

    @property
    def about(self) -> tuple[str, ...]:
        """What there is to tell of it, each thing for itself."""
        return self.report.about

    @property
    def remark(self) -> str:
        """What its operator has to know although it can be asked."""
        return self.report.remark

    def recheck(self) -> None:
        """Have the agent look again."""
        self._on_recheck()

    def told(self, report: InstanceReport, *, stopping: bool) -> None:
        """Take note of how it stands there."""
        self.report = report
        self.stopping = stopping
        self.away = ""
        if report.life:  # without one nobody knows any terms
            self.agent = report.terms.acp.agent
            self._speaks_acp = report.terms.dialect == "acp"
        self.login = self._read_login(report)
        if report.models and report.models != self._given:  # models outlive a restart there
            self._given, self.catalogue = report.models, Catalogue(report.models)
        self._wake()

    def lost(self, why: str) -> None:
        """Take note that nobody knows how it stands."""
        self.away = why
        self._wake()

    async def life(self) -> str:
        """The life that can be asked, once there is one."""
        while self.away or not self.report.life:
            await self._changed.wait()
        return self.report.life

    async def gone(self) -> None:
        """Return once the agent cannot be reached."""
        while not self.away:
            await self._changed.wait()

    def _read_login(self, report: InstanceReport) -> RemoteLogin | None:
        return None if report.login is None else RemoteLogin(report.login)

    def _wake(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()
