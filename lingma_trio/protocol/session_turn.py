"""One turn in the `session/*` dialect.

Knows the updates' fields and their order (protocol reference, section 4.7). Must not know JSON, ids, sockets or the
clock.
"""

from __future__ import annotations

from typing import Any

from lingma_trio.protocol.answer import TurnSink
from lingma_trio.protocol.fields import mapping, status, string
from lingma_trio.protocol.lingma_turn import LingmaTurn
from lingma_trio.protocol.messages import UPDATE, Question
from lingma_trio.protocol.opening import SessionOpening, Spare
from lingma_trio.protocol.request import Request
from lingma_trio.protocol.session_messages import cancel_params
from lingma_trio.protocol.turn_machine import Terms


class SessionTurn(LingmaTurn):
    """`session/prompt`, and what goes before it, then `session/update` up to the one that says `chat_finish`.

    The prompt's own result ends the turn too, where that update stays away: the shell grants it a moment.
    """

    def __init__(
        self, question: Question, sink: TurnSink, terms: Terms, *, timestamp: int, spare: Spare | None = None
    ) -> None:
        self._sessions = SessionOpening(question, directory=terms.directory, timestamp=timestamp, spare=spare)
        super().__init__(question, sink, terms, self._sessions)
        if spare is not None:
            self.answer.see_session(spare.session_id)
        self._prompt_ended = False

    def answered(self, request: Request, result: object) -> None:
        """Lingma answered an awaited request without an error."""
        super().answered(request, result)
        self.answer.see_session(self._sessions.session_id)
        if request.method == "session/prompt" and isinstance(result, dict) and result.get("stopReason"):
            self._prompt_ended = True
            self.settling += 1

    def end_by_idle(self) -> None:
        """Nothing has come for too long, be it that all has."""
        if self._prompt_ended and not self.answer.ended:
            self._finish(None, "")
        else:
            super().end_by_idle()

    def stop(self) -> Request:
        """What tells Lingma to stop."""
        return Request("session/cancel", cancel_params(self.question, self._sessions.session_id))

    def _plain_text(self, method: str, params: dict[str, Any]) -> str | None:
        if method != UPDATE or params.get("sessionId") != self.answer.session_id:
            return None
        update = mapping(params, "update")
        return _chunk(update) if update.get("sessionUpdate") == "agent_message_chunk" else None

    def _read(self, method: str, params: dict[str, Any]) -> None:
        self.answer.see_session(params.get("sessionId"))
        if method != UPDATE:
            return
        update = mapping(params, "update")
        match update.get("sessionUpdate"):
            case "agent_message_chunk":
                self.answer.signs += 1
                self.answer.text(_chunk(update))
            case "agent_thought_chunk":
                self.answer.signs += 1
                self.answer.thought(_chunk(update))
            case "tool_call" | "tool_call_update":
                self.answer.signs += 1
                self.desk.reported(update, session_id=self._sessions.session_id)
                self._take_calls()
            case "notification" if update.get("type") == "chat_finish":
                data = mapping(update, "data")
                self._finish(status(data), string(data, "reason"))


def _chunk(update: dict[str, Any]) -> str:
    return string(mapping(update, "content"), "text")
