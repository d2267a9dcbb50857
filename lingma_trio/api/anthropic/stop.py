"""Why an answer ended, in Anthropic's words.

Knows Anthropic's stop reasons; must not know what ends an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingma_trio.api.json_text import encodable

if TYPE_CHECKING:
    from lingma_trio.turns import FinishReason

_REASONS: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


def stop_fields(reason: FinishReason, stop_sequence: str) -> dict[str, object]:
    """Return `stop_reason` and `stop_sequence`; the sequence is the client's own that ended the answer, or empty."""
    if reason == "stop" and stop_sequence:
        return {"stop_reason": "stop_sequence", "stop_sequence": encodable(stop_sequence)}
    return {"stop_reason": _REASONS[reason], "stop_sequence": None}
