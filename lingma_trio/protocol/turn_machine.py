"""One turn as a state machine: what to send until the question is asked, and what comes of it.

Knows what all upstreams share. Must not know sockets or the clock: who waits for how long is the shell's business.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeAlias

from lingma_trio.protocol.acp.messages import AcpTerms
from lingma_trio.protocol.answer import Answer
from lingma_trio.protocol.messages import Question, session_key
from lingma_trio.protocol.opening import OpeningFault
from lingma_trio.protocol.request import Outgoing, Refusal, Reply, Request

LingmaDialect: TypeAlias = Literal["chat", "session"]
Dialect: TypeAlias = LingmaDialect | Literal["acp"]
Push: TypeAlias = tuple[str, dict[str, Any]]
"""What upstream pushed: its method and its parameters."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for every turn on one connection.

    `allowed_tools` are the names of Lingma's own tools that it may run where it stands, and `directory` is where it
    or an agent works. `changes` is how often the dialect may still be changed for the other, and `acp` what is known of
    an agent.
    """

    dialect: Dialect = "chat"
    allowed_tools: frozenset[str] = frozenset()
    directory: str = ""
    changes: int = 0
    acp: AcpTerms = field(default_factory=AcpTerms)

    @property
    def who(self) -> str:
        """What upstream is called in messages to people."""
        return "the agent" if self.dialect == "acp" else "Lingma"

    def changed(self) -> Terms:
        """The same in the other dialect of Lingma's."""
        other: LingmaDialect = "session" if self.dialect == "chat" else "chat"
        return replace(self, dialect=other, changes=self.changes - 1)


class Opening(Protocol):
    """The way to the question; see `opening`."""

    asked: bool

    def begin(self) -> list[Request]:
        """The first requests. Raises `OpeningFault`."""

    def answered(self, request: Request, result: object) -> list[Request]:
        """What an answer leads to. Raises `OpeningFault`."""

    def refused(self, request: Request, refusal: Refusal) -> list[Request]:
        """What an error leads to. Raises `OpeningFault`."""


class TurnMachine(ABC):
    """The state of one turn. Never raises for what upstream sends: a push that makes no sense is passed over.

    `answer` is what came of it so far. `settling` counts the reasons to wait for nothing but the end.
    """

    def __init__(self, question: Question, answer: Answer, opening: Opening) -> None:
        self.question = question.outline
        self.answer = answer
        self.settling = 0
        self._opening = opening
        self._outgoing: list[Outgoing] = []

    @property
    def asked(self) -> bool:
        """Whether the question is out; until then there is nothing to stop."""
        return self._opening.asked

    @property
    def session_id(self) -> str:
        """The session that it asks in, as far as it is known; empty while it is not."""
        return self.answer.session_id or self.question.session_id

    @property
    def aliases(self) -> tuple[str, ...]:
        """What pushes of this turn may name in the place of its request, as `Manners.turn_keys` has it."""
        return (session_key(self.session_id),) if self.session_id else ()

    def take_ran(self) -> list[str]:
        """The kinds of upstream's own tools that ran since the last time though none should have."""
        return []

    def begin(self) -> list[Request]:
        """What to send first."""
        try:
            return self._opening.begin()
        except OpeningFault as fault:
            self.answer.fail(fault.status, str(fault))
            return []

    def take_outgoing(self) -> list[Outgoing]:
        """What has come up to be sent since the last time."""
        found, self._outgoing = self._outgoing, []
        return found

    def answered(self, request: Request, result: object) -> None:
        """Upstream answered an awaited request without an error."""
        try:
            self._outgoing += self._opening.answered(request, result)
        except OpeningFault as fault:
            self.answer.fail(fault.status, str(fault))

    def refused(self, request: Request, refusal: Refusal) -> None:
        """Upstream answered an awaited request with an error."""
        try:
            self._outgoing += self._opening.refused(request, refusal)
        except OpeningFault as fault:
            self.answer.fail(fault.status, str(fault))

    @abstractmethod
    def reply(self, method: str, params: dict[str, Any]) -> Reply:
        """What answers a push that carries an id; the push itself follows."""

    @abstractmethod
    def push(self, method: str, params: dict[str, Any]) -> None:
        """Take one push of this turn; those that come after its end are dropped."""

    def push_all(self, pushes: Sequence[Push]) -> None:
        """Take pushes of this turn that came together, in their order."""
        for method, params in pushes:
            self.push(method, params)

    @abstractmethod
    def doubt(self, params: dict[str, Any]) -> None:
        """Take an error that may be another turn's: it is this one's if nothing follows."""

    @abstractmethod
    def end_by_idle(self) -> None:
        """Nothing has come for too long."""

    @abstractmethod
    def stop(self) -> Outgoing:
        """What tells upstream to stop."""
