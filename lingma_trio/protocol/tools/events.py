"""Reads what Lingma says of a tool call, in any of the shapes that builds give it, and writes what it is told back.

Knows field names (protocol reference, section 4.6). Must not know which tools there are or who may run them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

_NESTED = ("toolCall", "tool_call", "tool", "data")
_IDS = ("toolCallId", "tool_call_id", "id")
_NAMES = ("name", "toolName", "tool_name", "title")
_ARGUMENTS = ("parameters", "arguments", "args", "input", "rawInput")
_STATUSES = ("toolCallStatus", "tool_call_status", "status")

UNSUPPORTED = "tool not support yet"
"""What the plug-in itself answers for a tool that it does not have."""

ELSEWHERE = (
    "The user's own client runs this tool. Its result comes with the user's next message, so end the answer here."
)
"""What stands in the place of a result that the gateway cannot have."""


@dataclass(frozen=True, slots=True)
class ToolSight:
    """What one push says of a tool call; empty where it says nothing, `arguments` None. `status` is in lower case."""

    call_id: str = ""
    name: str = ""
    arguments: dict[str, Any] | None = None
    status: str = ""


def read_sight(params: dict[str, Any]) -> ToolSight:
    """Return what a push says of a tool call. Never raises; fields further out win over those further in."""
    places = list(_places(params))
    return ToolSight(
        call_id=_text(places, _IDS),
        name=_text(places, _NAMES),
        arguments=_arguments(places),
        status=_text(places, _STATUSES).lower(),
    )


def invoke_result(call_id: str, name: str, *, elsewhere: bool) -> dict[str, Any]:
    """The result of a call that the gateway does not run: the user's client does, or else nobody has the tool."""
    return {
        "toolCallId": call_id,
        "name": name,
        "success": elsewhere,
        "errorMessage": "" if elsewhere else UNSUPPORTED,
        "result": {"content": ELSEWHERE} if elsewhere else {},
        "startTime": 0,
        "timeConsuming": 0,
    }


def approve_params(request_id: str, session_id: str, call_id: str, *, approval: bool) -> dict[str, Any]:
    """Parameters of `tool/call/approve`."""
    return {
        "type": "tool_call",
        "sessionId": session_id,
        "requestId": request_id,
        "toolCallId": call_id,
        "approval": approval,
    }


def _places(params: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects in which a call may be described, outermost first."""
    yield params
    for name in _NESTED:
        inner = params.get(name)
        if isinstance(inner, dict):
            yield inner
            yield from (deeper for key in _NESTED if isinstance(deeper := inner.get(key), dict))
    results = params.get("results")
    if isinstance(results, list):
        yield from (result for result in results if isinstance(result, dict))


def _text(places: list[dict[str, Any]], names: tuple[str, ...]) -> str:
    for place in places:
        for name in names:
            value = place.get(name)
            if isinstance(value, str) and value.strip():
                return value.strip()
    return ""


def _arguments(places: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The first object of arguments that is not empty, or an empty one if that is all there is."""
    found: dict[str, Any] | None = None
    for place in places:
        for name in _ARGUMENTS:
            value = _object(place.get(name))
            if value:
                return value
            found = value if found is None else found
    return found


def _object(value: object) -> dict[str, Any] | None:
    """An object, or the one that a JSON text holds."""
    if isinstance(value, str):
        try:
            value = from_json(value.encode("utf-8", "replace"), allow_inf_nan=False)
        except ValueError:
            return None
    return value if isinstance(value, dict) else None
