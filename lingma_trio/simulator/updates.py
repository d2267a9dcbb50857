"""An answer's pushes as the protocol of its question has them: scripts are written in that of `chat/*`.

Pure. Must not know clients or time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lingma_trio.simulator.chat_script import answer_params
from lingma_trio.simulator.script import Ask, Delta

if TYPE_CHECKING:
    from lingma_trio.simulator.script import Push


def as_push(ask: Ask, step: Delta | Push) -> tuple[str, dict[str, Any]]:
    """The method and the params of a push."""
    method, params = (
        ("chat/answer", answer_params(ask, step.text)) if isinstance(step, Delta) else (step.method, step.params)
    )
    update = _update(method, params) if ask.protocol == "session" else None
    if update is None:
        return method, params
    meta = {"ai-coding/request-id": ask.request_id}
    return "session/update", {"sessionId": ask.session_id, "_meta": meta, "update": update}


def _update(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    """What `session/*` has in the place of a push; None for one that both have."""
    match method:
        case "chat/answer":
            return _chunk("agent_message_chunk", params)
        case "chat/think":
            return _chunk("agent_thought_chunk", params)
        case "chat/finish":
            data = {"reason": params["reason"], "statusCode": params.get("statusCode")}
            return {"sessionUpdate": "notification", "type": "chat_finish", "data": data}
    return None


def _chunk(kind: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"sessionUpdate": kind, "content": {"type": "text", "text": params["text"]}}
