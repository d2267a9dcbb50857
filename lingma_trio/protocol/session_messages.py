"""Builds the payloads of Lingma's `session/*` dialect.

Knows field names and what their values mean (protocol reference, section 4.7). Must not know ids, sockets, the clock or
what a turn is made of.
"""

from __future__ import annotations

from typing import Any

from lingma_trio.protocol.messages import REQUEST_ID, Question


def new_params(directory: str, timestamp: int) -> dict[str, Any]:
    """Parameters of `session/new`: where the session works, and now in milliseconds since 1970."""
    return {"cwd": directory, "mcpServers": [], "_meta": {}, "timestamp": timestamp}


def model_params(model_key: str, session_id: str, timestamp: int) -> dict[str, Any]:
    """Parameters of `session/set_model`; a session without a model refuses every prompt."""
    return {"sessionId": session_id, "modelId": model_key, "timestamp": timestamp, "_meta": {}}


def prompt_params(question: Question, session_id: str) -> dict[str, Any]:
    """Parameters of `session/prompt`: the text, then the pictures."""
    parts: list[dict[str, Any]] = [{"type": "text", "text": question.text}]
    return {
        "sessionId": session_id,
        "prompt": parts + [image_part(image) for image in question.images],
        "contextParams": None,
        "_meta": {
            REQUEST_ID: question.request_id,
            "ai-coding/mode": question.mode,
            "ai-coding/model": question.model_key,
            "ai-coding/shell-type": "bash",
            "ai-coding/enabled-mcp-servers": [],
        },
    }


def cancel_params(question: Question, session_id: str) -> dict[str, Any]:
    """Parameters of `session/cancel`."""
    return {"sessionId": session_id, "_meta": {REQUEST_ID: question.request_id}}


def read_session_id(result: object) -> str:
    """The session in the result of `session/new`, or the empty string."""
    if not isinstance(result, dict):
        return ""
    found = result.get("sessionId") or result.get("id")
    return found if isinstance(found, str) else ""


def image_part(image: str) -> dict[str, Any]:
    """A picture, given as a `data:` URL, in a prompt."""
    head, _, data = image.partition(",")
    return {"type": "image", "mimeType": head.removeprefix("data:").partition(";")[0], "data": data}
