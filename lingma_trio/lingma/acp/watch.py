"""What is known of an agent's account, and of what the agent did that it should not have.

Outlives the lives of an instance: models stay known while the agent is started anew. There is nobody to ask whether the
account is signed in: a session that is refused says that it is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import structlog
import trio

from lingma_trio.lingma.bundle import BundleFault
from lingma_trio.lingma.options import AgentOptions
from lingma_trio.protocol.acp.messages import Agent
from lingma_trio.protocol.acp.opened import Opened
from lingma_trio.protocol.acp.turn import ran_after_all
from lingma_trio.protocol.allowance import Allowance
from lingma_trio.protocol.catalogue import Catalogue

log = structlog.get_logger("lingma_trio.instance")


@dataclass(slots=True)
class Oddities:
    """What agents do beside answering, counted since the start: tools that ran although they were not to, by their
    kind, sessions that did not end when they were told to, and lines that were no messages.
    """

    tools_ran: Counter[str] = field(default_factory=Counter)
    abandoned: int = 0
    junk: int = 0


class ToolWitness:
    """Counts the tools that the agent of the instance `name` ran, though all of them were to be off."""

    def __init__(self, name: str, oddities: Oddities) -> None:
        self._name = name
        self._oddities = oddities

    def stray(self, method: str, params: dict[str, Any]) -> None:
        """Take note of a push of no turn's: a tool that ran is told of also where its turn was left meanwhile."""
        if kind := ran_after_all(method, params):
            self.tool_ran(kind)

    def tool_ran(self, kind: str) -> None:
        """Take note of a tool that ran."""
        self._oddities.tools_ran[kind] += 1
        log.warning("agent_ran_a_tool", instance=self._name, kind=kind)


class AgentWatch:
    """The account of one instance that is an agent. `on_login` is told whether it is signed in, as turns show it."""

    login: None = None
    """There is nothing to sign in: the operator gives the agent its token."""
    ahead: Mapping[str, int] = {}
    """No sessions but spare ones are opened, which are no conversation's."""

    def __init__(self, options: AgentOptions, *, on_login: Callable[[bool], None]) -> None:
        self._on_login = on_login
        self.name = blake2b(options.account.name.encode(), digest_size=8).hexdigest()
        """Whose sessions are made."""
        self.agent = Agent()
        """What the program says of itself."""
        self.catalogue = Catalogue.read({})
        self.allowance = Allowance()
        """What it may use, which no agent tells."""
        self.oddities = Oddities()
        self.on_refused: Callable[[], None] = lambda: None
        """Called when a turn was refused for want of a login: the life is of no use any more."""

    def __repr__(self) -> str:
        return f"<AgentWatch {self.agent.name} models={len(self.catalogue.models)}>"

    @property
    def program(self) -> AgentWatch:
        """What is known of the agent: it is all here."""
        return self

    @property
    def about(self) -> tuple[str, ...]:
        """Who the agent is, as it says itself."""
        return tuple(filter(None, (self.agent.name, self.agent.version)))

    @property
    def remark(self) -> str:
        """What its operator has to know although it can be asked, for people; empty for nothing."""
        ran = self.oddities.tools_ran.total()
        return f"ran tools of its own {ran} times, though they are to be off" if ran else ""

    def export_login(self) -> bytes:
        """Raises `BundleFault`: there is no login but the token."""
        raise BundleFault("an agent signs in with its token, from ACP_TOKENS; it has no login to be taken along")

    def begin_life(self, agent: Agent, opened: Opened) -> None:
        """Take note of what the first session of a life showed: that it is signed in, and its models."""
        self.agent = agent
        self.catalogue = opened.catalogue(sees=agent.images, name=agent.name or "agent")
        self._on_login(True)

    def recheck(self) -> None:
        """A turn was refused for want of a login, and so would the next one be: only another life can tell better."""
        self._on_login(False)
        self.on_refused()

    async def look(self) -> None:
        """There is nothing to be asked; turns tell."""
        await trio.lowlevel.checkpoint()
