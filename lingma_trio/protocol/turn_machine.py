"""One turn as a state machine: what to send until the question is asked, and what the pushes that follow mean.

Knows what the dialects share. Must not know sockets or the clock: who waits for how long is the shell's business.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeAlias

from lingma_trio.protocol.answer import Answer, TurnSink
from lingma_trio.protocol.failures import FILTER_TIMEOUT, NO_PICTURE, REFUSED, REPORTED_ERROR
from lingma_trio.protocol.fields import string
from lingma_trio.protocol.messages import ERROR_PUSHES, INVOKE, TOOL_REPORT, Question, call_key, session_key
from lingma_trio.protocol.opening import OpeningFault
from lingma_trio.protocol.request import Request
from lingma_trio.protocol.tools.desk import ToolDesk
from lingma_trio.turns import ToolCall

Dialect: TypeAlias = Literal["chat", "session"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for every turn on one connection.

    `allowed_tools` are the names of Lingma's own tools that it may run where it stands, and `directory` is where it
    works in the `session/*` dialect. `changes` is how often the dialect may still be changed for the other.
    """

    dialect: Dialect = "chat"
    allowed_tools: frozenset[str] = frozenset()
    directory: str = ""
    changes: int = 0

    def changed(self) -> Terms:
        """The same in the other dialect."""
        other: Dialect = "session" if self.dialect == "chat" else "chat"
        return replace(self, dialect=other, changes=self.changes - 1)


class Opening(Protocol):
    """The way to the question; see `opening`."""

    asked: bool

    def begin(self) -> list[Request]:
        """The first requests."""

    def answered(self, request: Request, result: object) -> list[Request]:
        """What an answer leads to. Raises `OpeningFault`."""

    def refused(self, request: Request, reason: str) -> list[Request]:
        """What an error leads to. Raises `OpeningFault`."""


class TurnMachine(ABC):
    """The state of one turn. Never raises for what Lingma sends: a push that makes no sense is passed over.

    `answer` is what came of it so far. `settling` counts the reasons to wait for nothing but the end: calls that were
    made, and in one dialect the end of the prompt itself.
    """

    def __init__(self, question: Question, sink: TurnSink, terms: Terms, opening: Opening) -> None:
        self.question = question.outline
        self.desk = ToolDesk(self.question, allowed=terms.allowed_tools, on_call=self._called)
        self.answer = Answer(sink, on_card=self.desk.note)
        self.settling = 0
        self._opening = opening
        self._outgoing: list[Request] = []
        self._doubt: tuple[int, str] | None = None  # the signs of life before an error that may be ours, and its text

    @property
    def asked(self) -> bool:
        """Whether the question is out; until then there is nothing to stop."""
        return self._opening.asked

    @property
    def aliases(self) -> tuple[str, ...]:
        """What pushes of this turn may name in the place of its request, as `turn_keys` has it."""
        session_id = self.answer.session_id or self.question.session_id
        sessions = (session_key(session_id),) if session_id else ()
        return (*sessions, *map(call_key, self.desk.call_ids))

    def begin(self) -> list[Request]:
        """What to send first."""
        return self._opening.begin()

    def take_outgoing(self) -> list[Request]:
        """What has come up to be sent since the last time."""
        if not (self._outgoing or self.desk.outgoing):
            return []
        found = [*self._outgoing, *self.desk.outgoing]
        self._outgoing.clear()
        self.desk.outgoing.clear()
        return found

    def answered(self, request: Request, result: object) -> None:
        """Lingma answered an awaited request without an error."""
        try:
            self._outgoing += self._opening.answered(request, result)
        except OpeningFault as fault:
            self._fail(request, fault)

    def refused(self, request: Request, reason: str) -> None:
        """Lingma answered an awaited request with an error."""
        try:
            self._outgoing += self._opening.refused(request, reason)
        except OpeningFault as fault:
            self._fail(request, fault)

    def reply(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """What answers a push that carries an id; the push itself follows."""
        return self.desk.reply(params) if method == INVOKE else None

    def push(self, method: str, params: dict[str, Any]) -> None:
        """Take one push of this turn; those that come after its end are dropped."""
        if self.answer.ended:
            return
        if method in {TOOL_REPORT, INVOKE}:
            self.answer.signs += 1
            self.answer.see_session(params.get("sessionId"))
            if method == INVOKE:
                self.desk.invoked(params)
            else:
                self.desk.reported(params, session_id=self.answer.session_id or self.question.session_id)
        elif method in ERROR_PUSHES:
            self.answer.fail(REPORTED_ERROR, _reported(params))
        elif method == "chat/filterTimeout":
            self.answer.fail(FILTER_TIMEOUT, "")
        else:
            self._read(method, params)

    def doubt(self, params: dict[str, Any]) -> None:
        """Take an error that may be another turn's: it is this one's if nothing follows."""
        self._doubt = self.answer.signs, _reported(params)

    def end_by_idle(self) -> None:
        """Nothing has come for too long."""
        if self._doubt is not None and self._doubt[0] == self.answer.signs:
            self.answer.fail(REPORTED_ERROR, self._doubt[1])
            return
        self.desk.settle()
        self.answer.end_by_idle()

    @abstractmethod
    def stop(self) -> Request:
        """What tells Lingma to stop."""

    @abstractmethod
    def _read(self, method: str, params: dict[str, Any]) -> None:
        """Take a push of this dialect's own."""

    def _fail(self, request: Request, fault: OpeningFault) -> None:
        self.answer.fail(NO_PICTURE if request.method == "image/upload" else REFUSED, str(fault))

    def _finish(self, status: int | None, reason: str, whole: str = "") -> None:
        self.desk.settle()
        self.answer.finish(status, reason, whole)

    def _called(self, call: ToolCall) -> None:
        self.settling += 1
        self.answer.call(call)


def _reported(params: dict[str, Any]) -> str:
    """The text of an error push."""
    return string(params, "message") or string(params, "error")
