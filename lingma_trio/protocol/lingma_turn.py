"""What the turns of Lingma's two dialects share: tool calls, and errors that are pushed in the place of an end.

Must not know JSON, ids, sockets or the clock.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from lingma_trio.protocol.answer import Answer, TurnSink
from lingma_trio.protocol.failures import FILTER_TIMEOUT, REPORTED_ERROR
from lingma_trio.protocol.fields import string
from lingma_trio.protocol.messages import ERROR_PUSHES, INVOKE, TOOL_REPORT, Question, call_key
from lingma_trio.protocol.request import Outgoing, Result
from lingma_trio.protocol.tools.desk import ToolDesk
from lingma_trio.protocol.turn_machine import Opening, Push, Terms, TurnMachine


class LingmaTurn(TurnMachine):
    """A turn in either dialect. `settling` counts the calls that were made, and in one dialect the prompt's own end."""

    def __init__(self, question: Question, sink: TurnSink, terms: Terms, opening: Opening) -> None:
        question = question.outline
        self.desk = ToolDesk(question, allowed=terms.allowed_tools)
        super().__init__(question, Answer(sink, on_card=self.desk.note), opening)
        self._named: str | None = None
        self._always: tuple[str, ...] = ()  # names that pushes may name from the first
        self._unchanged: tuple[str, ...] = ()
        self._doubt: tuple[int, str] | None = None  # the signs of life before an error that may be ours, and its text

    @property
    def aliases(self) -> tuple[str, ...]:
        """Pictures, the session and the calls; looked at with every push, so that only the calls' are made anew."""
        if self.answer.session_id != self._named:
            self._named = self.answer.session_id
            self._unchanged = (*self._always, *super().aliases)
        calls = self.desk.call_ids
        return (*self._unchanged, *map(call_key, calls)) if calls else self._unchanged

    def take_outgoing(self) -> list[Outgoing]:
        """What has come up to be sent since the last time."""
        if not (self._outgoing or self.desk.outgoing):
            return []
        found = [*super().take_outgoing(), *self.desk.outgoing]
        self.desk.outgoing.clear()
        return found

    def reply(self, method: str, params: dict[str, Any]) -> Result:
        """What answers a push that carries an id; the push itself follows."""
        return Result(self.desk.reply(params) if method == INVOKE else None)

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
            self._take_calls()
        elif method in ERROR_PUSHES:
            self.answer.fail(REPORTED_ERROR, _reported(params))
        elif method == "chat/filterTimeout":
            self.answer.fail(FILTER_TIMEOUT, "")
        else:
            self._read(method, params)

    def push_all(self, pushes: Sequence[Push]) -> None:
        """Take pushes that came together, in their order. Text that lies side by side is taken as one: in a burst there
        are hundreds of deltas, and each for itself would cost several times what its text does.
        """
        texts: list[str] = []
        for method, params in pushes:
            text = self._plain_text(method, params)
            if text is not None:
                texts.append(text)
                continue
            self._take(texts)
            texts.clear()
            self.push(method, params)
        self._take(texts)

    def doubt(self, params: dict[str, Any]) -> None:
        """Take an error that may be another turn's: it is this one's if nothing follows."""
        self._doubt = self.answer.signs, _reported(params)

    def end_by_idle(self) -> None:
        """Nothing has come for too long."""
        if self._doubt is not None and self._doubt[0] == self.answer.signs:
            self.answer.fail(REPORTED_ERROR, self._doubt[1])
            return
        self.desk.settle()
        self._take_calls()
        self.answer.end_by_idle()

    @abstractmethod
    def _plain_text(self, method: str, params: dict[str, Any]) -> str | None:
        """The text of a push that says nothing else than that the answer goes on so."""

    def _take(self, texts: list[str]) -> None:
        if texts and not self.answer.ended:
            self.answer.signs += len(texts)
            self.answer.text("".join(texts), deltas=len(texts) - texts.count(""))

    @abstractmethod
    def _read(self, method: str, params: dict[str, Any]) -> None:
        """Take a push of this dialect's own."""

    def _finish(self, status: int | None, reason: str, whole: str = "") -> None:
        self.desk.settle()
        self._take_calls()
        self.answer.finish(status, reason, whole)

    def _take_calls(self) -> None:
        """Let the client have the calls that have come up."""
        for call in self.desk.calls:
            self.settling += 1
            self.answer.call(call)
        self.desk.calls.clear()


def _reported(params: dict[str, Any]) -> str:
    """The text of an error push."""
    return string(params, "message") or string(params, "error")
