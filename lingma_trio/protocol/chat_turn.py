"""Reduces the pushes of one `chat/*` turn to the events of an answer.

Knows the pushes' fields and their order (protocol reference, sections 4.5 and 8). Must not know JSON, ids, sockets or
the clock: who waits for how long is the shell's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from lingma_trio.protocol.failures import EMPTY_ANSWER, FILTER_TIMEOUT, REPORTED_ERROR, SILENCE
from lingma_trio.protocol.messages import ERROR_PUSHES
from lingma_trio.protocol.reasoning import ReasoningSplitter
from lingma_trio.turns import Finished, TextDelta, ThoughtDelta

OK = 200
FILTERED = 601  # what a finish says when the filter withheld the answer; `isFiltered` means the same


@dataclass(frozen=True, slots=True)
class Failed:
    """Upstream ended the turn with an error. `status` is upstream's, or one of the negative ones of `failures`."""

    status: int
    reason: str


class TurnSink(Protocol):
    """Where the events go. Called synchronously, in order; nothing follows `finished` or `failed`."""

    def text(self, text: str) -> None:
        """More of the answer."""

    def thought(self, text: str) -> None:
        """More of the reasoning."""

    def replaced(self, text: str) -> None:
        """The answer so far is void; `text` stands in its place."""

    def finished(self, event: Finished) -> None:
        """The answer is complete."""

    def failed(self, failed: Failed) -> None:
        """The answer will not be completed."""


class ChatTurn:
    """The state of one turn. Never raises for what Lingma sends: a push that makes no sense is passed over.

    `answers` counts every delta, empty ones included, as the sign of life they are; `deltas` those with text.
    `confirmed` says that upstream itself ended the turn, so that there is nothing left to stop.
    """

    def __init__(self, sink: TurnSink) -> None:
        self._sink = sink
        self._splitter = ReasoningSplitter()
        self._raw: list[str] = []
        self._has_text = False
        self._has_thought = False
        self.session_id = ""
        self.answers = 0
        self.deltas = 0
        self.ended = False
        self.confirmed = False

    def push(self, method: str, params: dict[str, Any]) -> None:
        """Take one push of this turn; those that come after its end are dropped."""
        if self.ended:
            return
        if method == "chat/answer":
            self._answer(params)
        elif method == "chat/think":
            self._think(params)
        elif method == "chat/finish":
            self._finish(params)
        elif method == "chat/filterTimeout":
            self._fail(FILTER_TIMEOUT, "")
        elif method in ERROR_PUSHES:
            self._fail(REPORTED_ERROR, _string(params, "message") or _string(params, "error"))
        else:
            self._see_session(params)

    def end_by_idle(self) -> None:
        """Nothing has come for too long: an answer whose end upstream never confirmed, or none at all."""
        if self.ended:
            return
        self.ended = True
        self._flush()
        if self._has_text:
            self._sink.finished(Finished(self.session_id, keep=False))
        else:
            self._sink.failed(Failed(SILENCE, ""))

    def _answer(self, params: dict[str, Any]) -> None:
        self.answers += 1
        if not self.session_id:
            self._see_session(params)
        if params.get("isFiltered") is True:
            self._fail(FILTERED, "")
            return
        text = params.get("text")
        if text is None:
            text = params.get("content")
        if not isinstance(text, str):
            return
        if params.get("overwrite") is True:
            self._overwrite(text)
        elif text:
            self.deltas += 1
            self._raw.append(text)
            self._split(text)

    def _think(self, params: dict[str, Any]) -> None:
        self.answers += 1
        self._see_session(params)
        if text := _string(params, "text"):
            self.deltas += 1
            self._has_thought = True
            self._sink.thought(text)

    def _overwrite(self, text: str) -> None:
        """`overwrite` replaces everything so far; a text that only continues it is just another delta."""
        before = "".join(self._raw)
        self._raw = [text]
        self.deltas += 1
        if text.startswith(before):
            if text != before:
                self._split(text[len(before) :])
            return
        self._splitter = ReasoningSplitter()
        answer = "".join(
            event.text
            for event in (*self._splitter.feed(text), *self._splitter.flush())
            if isinstance(event, TextDelta)
        )
        self._splitter = ReasoningSplitter()
        self._has_text = bool(answer)
        self._sink.replaced(answer)

    def _finish(self, params: dict[str, Any]) -> None:
        self.confirmed = True
        self._see_session(params)
        status = _number(params.get("statusCode"))
        if status not in (None, OK):
            self._fail(status or 0, _string(params, "reason"))
            return
        whole = _string(params, "fullAnswer")
        if whole and not self._raw:
            self._split(whole)
        self._flush()
        if not self._has_text and not self._has_thought:
            self._fail(EMPTY_ANSWER, _string(params, "reason"))
            return
        self.ended = True
        self._sink.finished(Finished(self.session_id))

    def _split(self, text: str) -> None:
        for event in self._splitter.feed(text):
            self._emit(event)

    def _flush(self) -> None:
        for event in self._splitter.flush():
            self._emit(event)

    def _emit(self, event: TextDelta | ThoughtDelta) -> None:
        if isinstance(event, TextDelta):
            self._has_text = True
            self._sink.text(event.text)
        else:
            self._has_thought = True
            self._sink.thought(event.text)

    def _fail(self, status: int, reason: str) -> None:
        self._flush()
        self.ended = True
        self._sink.failed(Failed(status, reason))

    def _see_session(self, params: dict[str, Any]) -> None:
        if session_id := _string(params, "sessionId"):
            self.session_id = session_id


def _string(params: dict[str, Any], name: str) -> str:
    value = params.get(name)
    return value if isinstance(value, str) else ""


def _number(value: object) -> int | None:
    """A status, which some versions send as a string; None where there is none or it makes no sense."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.strip().lstrip("-").isdigit():
        return int(value)
    return None
