"""One turn with an agent over ACP.

Knows the updates of a turn and what ends it, which version 2 of the protocol moves and which therefore stands here
alone. Must not know JSON, ids, pipes or the clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from lingma_trio.protocol.acp.messages import PROMPT, cancel, refusal_of
from lingma_trio.protocol.acp.opened import Opened, read_option
from lingma_trio.protocol.acp.opening import AcpOpening
from lingma_trio.protocol.acp.permission import PERMISSION, cancelled, rejection
from lingma_trio.protocol.answer import Answer, TurnSink
from lingma_trio.protocol.failures import BROKEN_OFF, DECLINED, EMPTY_ANSWER, GAVE_UP, NO_ROOM, ODD_END, SILENCE
from lingma_trio.protocol.fields import mapping, string
from lingma_trio.protocol.messages import UPDATE, Question
from lingma_trio.protocol.request import Notice, Reply, Request, Result
from lingma_trio.protocol.turn_machine import Terms, TurnMachine

MAX_TOOLS = 128
"""Tools of one turn that are told of."""

KINDS: Final = frozenset(
    {"read", "edit", "delete", "move", "search", "execute", "think", "fetch", "switch_mode", "other"}
)
"""What a tool may say that it does; its title is not told, since it may hold words of a conversation."""

TOOL_UPDATES: Final = ("tool_call", "tool_call_update")

_BAD_ENDS: Final[Mapping[str, int]] = MappingProxyType(
    {"max_turn_requests": GAVE_UP, "refusal": DECLINED, "cancelled": BROKEN_OFF}
)


class AcpTurn(TurnMachine):
    """`session/prompt`, and what goes before it, then `session/update` until the prompt is answered.

    Whoever leaves a turn knows that it was left: what its prompt is answered with then says nothing, since agents call
    a turn that was cancelled ended, and one that they gave up themselves cancelled. `opened` is a session that is new
    and unused, for this turn to begin with.
    """

    def __init__(self, question: Question, sink: TurnSink, terms: Terms, opened: Opened | None = None) -> None:
        self._sessions = AcpOpening(question, directory=terms.directory, terms=terms.acp, opened=opened)
        super().__init__(question, Answer(sink), self._sessions)
        self.answer.see_session(self.session_id)
        self._mode = terms.acp.mode
        self._drifted = False
        self._kinds: dict[str, str] = {}  # of the tools that were told of, until they ran
        self._ran: list[str] = []

    @property
    def session_id(self) -> str:
        """The session that it asks in; empty while there is none."""
        return self._sessions.session_id

    def take_ran(self) -> list[str]:
        """The kinds of the agent's own tools that ran since the last time, which none should have."""
        ran, self._ran = self._ran, []
        return ran

    def answered(self, request: Request, result: object) -> None:
        """The agent answered an awaited request without an error; that of the prompt ends the turn."""
        if request.method == PROMPT:
            self._end(string(result, "stopReason") if isinstance(result, dict) else "")
        else:
            super().answered(request, result)
            self.answer.see_session(self.session_id)

    def reply(self, method: str, params: dict[str, Any]) -> Reply:
        """What answers a request of the agent's; the request itself follows as a push."""
        if method != PERMISSION:
            return refusal_of(method)
        return Result(rejection(params) if self.asked and not self.answer.ended else cancelled())

    def push(self, method: str, params: dict[str, Any]) -> None:
        """Take one update of this turn; those before the prompt and after its end are dropped."""
        if self.answer.ended or not self.asked:
            return
        if method == PERMISSION:
            self.answer.signs += 1
        elif method == UPDATE:
            self._read(mapping(params, "update"))

    def doubt(self, params: dict[str, Any]) -> None:
        """Nothing: an agent's errors name their request."""

    def end_by_idle(self) -> None:
        """Nothing has come for too long. Agents retry in silence, and what came so far need not be the answer."""
        self.answer.fail(SILENCE, "")

    def stop(self) -> Notice:
        """What tells the agent to stop."""
        return cancel(self.session_id)

    def _read(self, update: dict[str, Any]) -> None:
        match update.get("sessionUpdate"):
            case "agent_message_chunk":
                self.answer.signs += 1
                self.answer.text(_chunk(update))
            case "agent_thought_chunk":
                self.answer.signs += 1
                self.answer.thought(_chunk(update))
            case kind if kind in TOOL_UPDATES:
                self.answer.signs += 1
                self._note_tool(update)
            case "plan":
                self.answer.signs += 1
            case "current_mode_update":
                self._note_mode(string(update, "currentModeId"))
            case "config_option_update":
                if (modes := read_option(update, "mode")) is not None:
                    self._note_mode(modes.current)

    def _note_tool(self, update: dict[str, Any]) -> None:
        call_id = string(update, "toolCallId")
        if call_id not in self._kinds:
            if len(self._kinds) >= MAX_TOOLS:
                return
            self._kinds[call_id] = _kind(update)
        if update.get("status") == "completed" and self._kinds[call_id]:
            self._ran.append(self._kinds[call_id])
            self._kinds[call_id] = ""

    def _note_mode(self, mode: str) -> None:
        """A session that left the mode which the operator wants is not gone on with."""
        self._drifted = self._drifted or (bool(self._mode) and mode != self._mode)

    def _end(self, reason: str) -> None:
        """The prompt is answered, with this reason to stop."""
        answer = self.answer
        answer.confirmed = True
        if reason in {"end_turn", "max_tokens"}:
            # A prompt that its model has no room for is answered so too, at once and with nothing before it.
            lack = NO_ROOM if reason == "max_tokens" and not answer.signs else EMPTY_ANSWER
            answer.complete(length=reason == "max_tokens", keep=not self._drifted, lack=lack)
        else:
            answer.fail(_BAD_ENDS.get(reason, ODD_END), "" if reason in _BAD_ENDS else reason)


def ran_after_all(method: str, params: dict[str, Any]) -> str:
    """The kind of a tool that ran in a turn which nobody listens to any more; empty where this tells of none."""
    update = mapping(params, "update") if method == UPDATE else {}
    ran = update.get("sessionUpdate") in TOOL_UPDATES and update.get("status") == "completed"
    return _kind(update) if ran else ""


def _kind(update: dict[str, Any]) -> str:
    kind = string(update, "kind")
    return kind if kind in KINDS else "other"


def _chunk(update: dict[str, Any]) -> str:
    return string(mapping(update, "content"), "text")
