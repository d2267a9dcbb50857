"""One turn in the `chat/*` dialect.

Knows the pushes' fields and their order (protocol reference, sections 4.5 and 8). Must not know JSON, ids, sockets or
the clock.
"""

from __future__ import annotations

from typing import Any

from lingma_trio.protocol.answer import TurnSink
from lingma_trio.protocol.fields import status, string
from lingma_trio.protocol.lingma_turn import LingmaTurn
from lingma_trio.protocol.messages import UPLOADED, Question, stop_params
from lingma_trio.protocol.opening import ChatOpening, OpeningFault
from lingma_trio.protocol.request import Request
from lingma_trio.protocol.turn_machine import Terms

FILTERED = 601  # what a finish says when the filter withheld the answer; `isFiltered` means the same


class ChatTurn(LingmaTurn):
    """`chat/ask`, then `chat/answer` and its like up to `chat/finish`."""

    def __init__(self, question: Question, sink: TurnSink, terms: Terms) -> None:
        self._pictures = ChatOpening(question)
        super().__init__(question, sink, terms, self._pictures)
        self._always = self._pictures.upload_ids

    def stop(self) -> Request:
        """What tells Lingma to stop."""
        session_id = self.answer.session_id or self.question.session_id
        return Request("chat/stop", stop_params(self.question.request_id, session_id))

    def end_by_idle(self) -> None:
        """Nothing has come for too long, be it of an upload."""
        if self.asked:
            super().end_by_idle()
            return
        try:
            self._outgoing += self._pictures.overdue()
        except OpeningFault as fault:
            self.answer.fail(fault.status, str(fault))

    def _read(self, method: str, params: dict[str, Any]) -> None:
        if method == "chat/answer":
            self._read_answer(params)
        elif method == "chat/think":
            self.answer.signs += 1
            self.answer.see_session(params.get("sessionId"))
            self.answer.thought(string(params, "text"))
        elif method == "chat/finish":
            self.answer.see_session(params.get("sessionId"))
            self._finish(status(params), string(params, "reason"), string(params, "fullAnswer"))
        elif method == UPLOADED:
            self._read_upload(params)
        else:
            self.answer.see_session(params.get("sessionId"))

    def _plain_text(self, method: str, params: dict[str, Any]) -> str | None:
        if method != "chat/answer" or not self.answer.session_id:
            return None
        if params.get("overwrite") is True or params.get("isFiltered") is True:
            return None
        return _text(params)

    def _read_answer(self, params: dict[str, Any]) -> None:
        answer = self.answer
        answer.signs += 1
        if not answer.session_id:
            answer.see_session(params.get("sessionId"))
        if params.get("isFiltered") is True:
            answer.fail(FILTERED, "")
            return
        text = _text(params)
        if text is None:
            return
        if params.get("overwrite") is True:
            answer.overwrite(text)
        else:
            answer.text(text)

    def _read_upload(self, params: dict[str, Any]) -> None:
        try:
            self._outgoing += self._pictures.uploaded(params)
        except OpeningFault as fault:
            self.answer.fail(fault.status, str(fault))


def _text(params: dict[str, Any]) -> str | None:
    text = params.get("text")
    if text is None:
        text = params.get("content")
    return text if type(text) is str else None
