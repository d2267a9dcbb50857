"""The script of a turn over ACP: updates, what the agent asks its client, and the response that ends it all.

Pure, as the script is that it completes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Literal

from lingma_trio.simulator.acp.wire import AUTH_REQUIRED
from lingma_trio.simulator.common_knobs import OK
from lingma_trio.simulator.rpc import INTERNAL_ERROR
from lingma_trio.simulator.script import Await, Delta, Push, Request, Script, Step, Trouble

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from lingma_trio.simulator.acp.knobs import AcpKnobs
    from lingma_trio.simulator.script import Ask

UPDATE: Final = "session/update"
"""The method of a push whose params are an update of the session's."""

RESPONSE: Final = "$response"
"""Stands for a method where a push is the response to the prompt; its params are the result or the error."""

STRAY: Final = "$stray"
"""The same, to a request that was never made."""

HALF_LINE: Final = "$half"
"""The same, for a line that is never ended."""

COMMANDS: Final[dict[str, Any]] = {
    "sessionUpdate": "available_commands_update",
    "availableCommands": [
        {"name": "init", "description": "Write a file that describes the project"},
        {"name": "about", "description": "Tell the version and the login"},
    ],
}
"""The update that names the slash commands."""

_UNAUTHORIZED: Final = 401
_REFUSED: Final = (406, 601)
_REASONS: Final = {
    400: "400 Bad Request: the request is malformed",
    401: "401 Unauthorized: the token is not valid",
    403: "403 Forbidden: no credits are left",
    404: "404 Not Found: no such model",
    408: "408 Request Timeout",
    409: "409 Conflict: the session is busy",
    429: "429 Too Many Requests: rate limit exceeded, try again later",
    500: "500 Internal Server Error",
}
_OPTIONS: Final = (
    {"optionId": "proceed_always", "name": "Allow for this session", "kind": "allow_always"},
    {"optionId": "proceed_once", "name": "Allow", "kind": "allow_once"},
    {"optionId": "cancel", "name": "Reject", "kind": "reject_once"},
)
_UNUSUAL_OPTIONS: Final = (
    {"optionId": "7f3a", "name": "No, and never again", "kind": "reject_always"},
    {"optionId": "", "name": "Yes", "kind": "allow_once"},
    {"optionId": "allow", "name": "Reject all of them", "kind": "sandboxed"},
)
_ASKS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "file": ("fs/read_text_file", {"path": "/etc/hostname"}),
    "terminal": ("terminal/create", {"command": "id", "args": []}),
    "vendor": ("craft/drainMidTurnQueue", {}),
}
_WARNING: Final = "Model metadata for `simulator` not found. Defaulting to fallback metadata.\n\n"


class AcpScript(Script):
    """The script of one turn."""

    def __init__(self, ask: Ask, knobs: AcpKnobs) -> None:
        super().__init__(ask, knobs)
        self.displaced: Literal["", "cancelled", "error"] = ""
        """How the turn ends once it is stopped, where another prompt and no cancel does it."""
        self._knobs = knobs
        self._asked = False
        self._replied = False
        self._outcome = ""

    @property
    def waits_for_permission(self) -> bool:
        """Whether a permission request of this turn is open."""
        return self._asked and not self._outcome

    def after_stop(self, at: float) -> Iterator[Step]:
        """Return the steps after a cancel that arrived at `at`; the rest of `steps` is then never played."""
        if self.displaced:
            yield self._error(at, 409) if self.displaced == "error" else self._end(at, "cancelled")
            return
        stop = self._knobs.stop
        at += self._knobs.stop_after * self._knobs.scale
        if stop == "silence":
            yield Trouble(at, "hang")
            return
        if stop == "error":
            yield self._error(at, 500)
            return
        if stop == "waits" and self.waits_for_permission:
            yield Await(at, math.inf, lambda: not self.waits_for_permission)
        if stop == "late_chunks":
            for text in ("…", "…"):
                yield Delta(at, text)
                at += self._knobs.gap * self._knobs.scale
        yield self._end(at, "end_turn" if stop == "end_turn" else "cancelled")

    def _beginning(self) -> Iterator[Step]:
        knobs = self._knobs
        if knobs.aside == "warning":
            yield Delta(0.0, _WARNING)
        if knobs.commands == "late":
            yield Push(0.0, UPDATE, COMMANDS)
        if knobs.stray:
            yield Push(0.0, STRAY, {"result": {}})
        if knobs.long_line:
            yield Push(0.0, UPDATE, {"sessionUpdate": "session_info_update", "title": "x" * knobs.long_line})
        if knobs.asks != "none":
            yield Request(0.0, *_ASKS[knobs.asks], self._note_reply)
            yield Await(0.0, math.inf, lambda: self._replied)
        if knobs.tool != "none":
            yield from self._tool_call("completed" if knobs.tool == "runs" else "failed", "in_progress")
        if knobs.permission != "none":
            yield from self._ask_for_permission()

    def _note_reply(self, reply: object) -> None:
        """A real agent waits on where a request it does not know how to go without gets null."""
        self._replied = reply is not None

    def _tool_call(self, *states: str) -> Iterator[Step]:
        """A call that goes through these states, the last one first in the list."""
        last, *before = states
        yield self._tool("tool_call", "pending", title="touch marker", kind="execute")
        for state in (*before, last):
            yield self._tool("tool_call_update", state)

    def _ask_for_permission(self) -> Iterator[Step]:
        yield self._tool("tool_call", "pending", title="touch marker", kind="execute")
        offered = self._offered()
        asked = {"sessionId": self._ask.session_id, "toolCall": {"toolCallId": self._call_id}, "options": offered}
        self._asked = True
        yield Request(0.0, "session/request_permission", asked, lambda reply: self._take_outcome(reply, offered))
        yield Await(0.0, math.inf, lambda: not self.waits_for_permission)
        yield self._tool("tool_call_update", "completed" if self._outcome == "allowed" else "failed")

    def _offered(self) -> list[dict[str, str]]:
        match self._knobs.options:
            case "usual":
                return list(_OPTIONS)
            case "unusual":
                return list(_UNUSUAL_OPTIONS)
            case "no_reject":
                return [option for option in _OPTIONS if option["kind"].startswith("allow")]
            case "none":
                return []

    def _take_outcome(self, reply: object, offered: list[dict[str, str]]) -> None:
        """Note what the client chose; what is no choice leaves the turn waiting, as it does with real agents."""
        match reply:
            case {"outcome": {"outcome": "cancelled"}}:
                self._outcome = "cancelled"
            case {"outcome": {"outcome": "selected", "optionId": chosen}}:
                for option in offered:
                    if option["optionId"] == chosen:
                        self._outcome = "allowed" if option["kind"].startswith("allow") else "rejected"

    @property
    def _turned_down(self) -> bool:
        return self._outcome in ("rejected", "cancelled")

    def _sign_of_life(self, at: float) -> Push:
        return Push(at, UPDATE, {"sessionUpdate": "plan", "entries": []})

    def _fails(self) -> bool:
        return super()._fails() or self._knobs.ends == "refusal"

    def _has_text(self) -> bool:
        silenced = self._turned_down and self._knobs.rejected != "told"
        return super()._has_text() and not silenced and self._knobs.finish == "present"

    def _middle(self, at: float) -> Generator[Step, None, bool]:
        if self._knobs.fault == "half_line_mid":
            yield Push(at, HALF_LINE, {})
            yield Trouble(at, "crash")
            return True
        return (yield from super()._middle(at))

    def _thought_pushes(self, texts: list[str]) -> list[Delta | Push]:
        chunks = [{"sessionUpdate": "agent_thought_chunk", "content": {"type": "text", "text": text}} for text in texts]
        return [Push(0.0, UPDATE, chunk) for chunk in chunks]

    def _ending(self, at: float) -> Iterator[Step]:
        status = self._knobs.status
        if self._knobs.ends == "refusal" or status in _REFUSED:
            yield self._end(at, "refusal")
        elif status != OK:
            if self._knobs.aside == "error":
                yield Delta(at, f"[Error] {self._reason(status)}")
            yield self._error(at, status)
        else:
            if self._ask.number == 1:
                yield Push(at, UPDATE, {"sessionUpdate": "session_info_update", "title": self._ask.newest})
            yield Push(at, UPDATE, {"sessionUpdate": "usage_update", "used": 8000, "size": 200_000})
            turned_down = self._turned_down and self._knobs.rejected == "cancelled"
            yield self._end(at, "cancelled" if turned_down else self._knobs.ends)

    def _end(self, at: float, reason: str) -> Push:
        result: dict[str, Any] = {"stopReason": reason}
        if self._knobs.usage != "absent":
            read, wrote = (0, 0) if self._knobs.usage == "zero" else (7600, sum(map(len, self._said)) // 4 + 1)
            result["usage"] = {"inputTokens": read, "outputTokens": wrote, "totalTokens": read + wrote}
        return Push(at, RESPONSE, {"result": result})

    def _error(self, at: float, status: int) -> Push:
        reason, code, message = self._reason(status), INTERNAL_ERROR, "Internal error"
        if status == _UNAUTHORIZED or self._knobs.error == "auth":
            code, message = AUTH_REQUIRED, "Authentication required"
        elif self._knobs.error == "status":
            code, message = status, reason
        error: dict[str, Any] = {"code": code, "message": message}
        match self._knobs.data:
            case "text":
                error["data"] = reason
            case "details" | "message" as name:
                error["data"] = {name: reason}
        return Push(at, RESPONSE, {"error": error})

    def _reason(self, status: int) -> str:
        return self._knobs.reason or _REASONS.get(status, f"{status} unknown error")

    @property
    def _call_id(self) -> str:
        return f"call-{self._ask.request_id}"

    def _tool(self, update: str, state: str, **more: str) -> Push:
        return Push(0.0, UPDATE, {"sessionUpdate": update, "toolCallId": self._call_id, "status": state, **more})
