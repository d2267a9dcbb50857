"""What a client makes of an answer on each surface, whole, failed or cut off."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import to_json

from tests.chaos.surfaces import CUT, OK, SURFACES, UNNAMED, History
from tests.end_to_end.client import Answer

CHAT, RESPONSES, MESSAGES, OLLAMA = SURFACES
JSON, STREAM, LINES = "application/json", "text/event-stream; charset=utf-8", "application/x-ndjson"
DONE = b"data: [DONE]\n\n"


def events(*parts: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + to_json(part) + b"\n\n" for part in parts)


def lines(*parts: dict[str, Any]) -> bytes:
    return b"".join(to_json(part) + b"\n" for part in parts)


DELTA = {"choices": [{"delta": {"content": "Yes."}}]}
TEXT = {"type": "response.output_text.delta", "delta": "Yes."}
RESPONSE = {"id": "resp_1", "status": "completed", "error": None, "output": [{"content": [{"text": "Yes."}]}]}
COMPLETED = {"type": "response.completed", "response": RESPONSE}
FAILED = {
    "type": "response.failed",
    "response": {"id": "resp_1", "status": "failed", "error": {"code": "server_error"}},
}
BLOCK = {"type": "content_block_delta", "delta": {"text": "Yes."}}
STOP = {"type": "message_stop"}
LOST = {"type": "error", "error": {"type": "api_error", "details": {"error_code": "upstream_lost"}}}
LINE = {"message": {"content": "Yes."}, "done": False}
LAST = {"message": {"content": ""}, "done": True}

ANSWERS = {
    "chat": (CHAT, JSON, to_json({"choices": [{"message": {"content": "Yes."}}]}), OK),
    "chat, streamed": (CHAT, STREAM, events(DELTA) + DONE, OK),
    "chat, without an end": (CHAT, STREAM, events(DELTA), CUT),
    "chat, failed": (CHAT, STREAM, events(DELTA, {"error": {"code": "upstream_lost"}}), "upstream_lost"),
    "responses": (RESPONSES, JSON, to_json(RESPONSE), OK),
    "responses, streamed": (RESPONSES, STREAM, events(TEXT, COMPLETED), OK),
    "responses, without an end": (RESPONSES, STREAM, events(TEXT), CUT),
    "responses, failed": (RESPONSES, STREAM, events(TEXT, FAILED), UNNAMED),
    "messages": (MESSAGES, JSON, to_json({"type": "message", "content": [{"text": "Yes."}]}), OK),
    "messages, streamed": (MESSAGES, STREAM, events(BLOCK, STOP), OK),
    "messages, without an end": (MESSAGES, STREAM, events(BLOCK), CUT),
    "messages, failed": (MESSAGES, STREAM, events(BLOCK, LOST), "upstream_lost"),
    "ollama, streamed": (OLLAMA, LINES, lines(LINE, LAST), OK),
    "ollama, without an end": (OLLAMA, LINES, lines(LINE), CUT),
    "ollama, failed": (OLLAMA, LINES, lines(LINE, {"error": "lost"}), UNNAMED),
}


@pytest.mark.parametrize(("surface", "kind", "body", "outcome"), ANSWERS.values(), ids=ANSWERS)
def test_every_end_is_told_apart(surface: Any, kind: str, body: bytes, outcome: str) -> None:  # noqa: ANN401 - a row
    """Only what says that it is whole, and came whole, is an answer; what failed has its code."""
    said = surface.said(Answer(200, {"content-type": kind, "x-request-id": "req_1"}, body, complete=True))
    assert (said.outcome, said.request_id) == (outcome, "req_1")
    if outcome == OK:
        assert said.text == "Yes."
        assert surface.said(Answer(200, {"content-type": kind}, body, complete=False)).outcome == CUT


def test_next_turn_is_asked_as_each_surface_has_it() -> None:
    """With the whole conversation, or by the response that it goes on from."""
    history = History(["One?"], ["Yes."], "resp_1")
    body = CHAT.request(history, "Two?", stream=True)
    assert [message["content"] for message in body["messages"]] == ["One?", "Yes.", "Two?"]
    assert RESPONSES.request(history, "Two?", stream=True)["previous_response_id"] == "resp_1"
    assert "previous_response_id" not in RESPONSES.request(History(), "One?", stream=True)
