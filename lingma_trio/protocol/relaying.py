"""What a relay has to know of a gateway's messages: which begins a turn, which stops one, and what ends it.

Knows the methods of all dialects. Must not know who holds a turn, ids of messages, sockets or the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from lingma_trio.protocol.acp import messages as acp
from lingma_trio.protocol.fields import mapping, string
from lingma_trio.protocol.messages import REQUEST_ID, UPDATE, session_key, stop_params
from lingma_trio.protocol.request import Outgoing, Request

ASK: Final = "chat/ask"
PROMPT: Final = "session/prompt"
STOP: Final = "chat/stop"
CANCEL: Final = "session/cancel"
UPLOAD: Final = "image/upload"
ASKING: Final = frozenset({ASK, PROMPT, UPLOAD, "session/new"})
"""Each known in one of Lingma's dialects only: an upstream that does not know it is asked in the other."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn as its first message names it. `key` is what its pushes name, and `session_id` empty for a new session."""

    method: str
    key: str
    session_id: str
    model: str = ""

    @classmethod
    def begun(cls, method: str, params: dict[str, Any], *, by_session: bool) -> Turn | None:
        """The turn that a request begins; None where it begins none. `by_session` is how ACP names turns."""
        session_id = string(params, "sessionId")
        if method == PROMPT and by_session:
            return cls(method, session_key(session_id), session_id)
        if method == PROMPT:
            meta = mapping(params, "_meta")
            return cls(method, string(meta, REQUEST_ID), session_id, string(meta, "ai-coding/model"))
        if method == ASK and not by_session:
            model = string(mapping(mapping(params, "extra"), "modelConfig"), "key")
            return cls(method, string(params, "requestId"), session_id, model)
        return None

    def stop(self, session_id: str, *, by_session: bool) -> Outgoing:
        """What tells upstream to stop it, in the session that it is in by now."""
        if self.method == ASK:
            return Request(STOP, stop_params(self.key, session_id))
        if by_session:
            return acp.cancel(session_id)
        return Request(CANCEL, {"sessionId": session_id, "_meta": {REQUEST_ID: self.key}})


def stopped(method: str, params: dict[str, Any], *, by_session: bool) -> str:
    """The key of the turn that a message stops; empty where it stops none."""
    if method == STOP:
        return string(params, "requestId")
    if method != CANCEL:
        return ""
    if by_session:
        return session_key(string(params, "sessionId"))
    return string(mapping(params, "_meta"), REQUEST_ID)


def ends(method: str, params: dict[str, Any]) -> bool:
    """Whether a push is the end of its turn, upstream's own word for it."""
    if method == "chat/finish":
        return True
    update = mapping(params, "update") if method == UPDATE else {}
    return update.get("sessionUpdate") == "notification" and update.get("type") == "chat_finish"


def answer_ends(result: object) -> bool:
    """Whether the answer to a prompt says that its turn is over."""
    return isinstance(result, dict) and bool(result.get("stopReason"))
