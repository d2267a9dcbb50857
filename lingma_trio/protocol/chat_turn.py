"""Reduces the pushes of one `chat/*` turn to the events of an answer.

Knows the pushes' fields and their order (protocol reference, sections 4.5 and 8). Must not know JSON, ids, sockets or
the clock: who waits for how long is the shell's business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Protocol

from lingma_trio.protocol.failures import EMPTY_ANSWER, FILTER_TIMEOUT, REPORTED_ERROR, SILENCE
from lingma_trio.protocol.messages import ERROR_PUSHES
from lingma_trio.protocol.reasoning import ReasoningSplitter
from lingma_trio.turns import Finished, TextDelta, ThoughtDelta

OK = 200
FILTERED = 601  # what a finish says when the filter withheld the answer; `isFiltered` means the same

_STATUS = re.compile(r"\s*-?[0-9]{1,9}\s*")


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
        self._texts: list[str] = []  # what the sink has been given of the text, and of the thoughts within it
        self._thoughts: list[str] = []
        self._thought_aside = False
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
        if self._texts:
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
        if text:
            self.deltas += 1
        if params.get("overwrite") is True:
            self._overwrite(text)
        elif text and self._splitter.passes(text):
            self._texts.append(text)
            self._sink.text(text)
        elif text:
            self._emit(self._splitter.feed(text))

    def _think(self, params: dict[str, Any]) -> None:
        self.answers += 1
        self._see_session(params)
        if text := _string(params, "text"):
            self.deltas += 1
            self._thought_aside = True
            self._sink.thought(text)

    def _overwrite(self, text: str) -> None:
        """Put `text` in the place of all that came before, telling the sink only what that changes.

        Compared is what was shown, not what was sent: filling in the duration in a fence's first line changes nothing.
        Thoughts cannot be taken back, so those of the new text are shown only where they continue the old ones.
        """
        self._splitter = ReasoningSplitter()
        events = self._splitter.feed(text)
        answer = "".join(event.text for event in events if isinstance(event, TextDelta))
        thought = "".join(event.text for event in events if isinstance(event, ThoughtDelta))
        shown, pondered = "".join(self._texts), "".join(self._thoughts)
        if len(thought) > len(pondered) and thought.startswith(pondered):
            self._emit([ThoughtDelta(thought[len(pondered) :])])
        if not answer.startswith(shown):
            self._texts = [answer] if answer else []
            self._sink.replaced(answer)
        elif len(answer) > len(shown):
            self._emit([TextDelta(answer[len(shown) :])])

    def _finish(self, params: dict[str, Any]) -> None:
        self.confirmed = True
        self._see_session(params)
        status = _number(params.get("statusCode"))
        if status is not None and status != OK:
            # Lingma's own numbers are not negative, and ours must not be mistaken for them.
            self._fail(max(status, 0), _string(params, "reason"))
            return
        self._flush()
        if not self._texts:
            self._overwrite(_string(params, "fullAnswer"))
            self._flush()
        if not (self._texts or self._thoughts or self._thought_aside):
            self._fail(EMPTY_ANSWER, _string(params, "reason"))
            return
        self.ended = True
        self._sink.finished(Finished(self.session_id))

    def _flush(self) -> None:
        self._emit(self._splitter.flush())

    def _emit(self, events: list[TextDelta | ThoughtDelta]) -> None:
        for event in events:
            if isinstance(event, TextDelta):
                self._texts.append(event.text)
                self._sink.text(event.text)
            else:
                self._thoughts.append(event.text)
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
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _STATUS.fullmatch(value):
        return int(value)
    return None
