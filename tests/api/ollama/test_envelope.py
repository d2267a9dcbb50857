"""Faults as Ollama's clients read them."""

from __future__ import annotations

from lingma_trio.api.ollama.envelope import error_body
from lingma_trio.errors import InvalidRequest


def test_a_fault_is_a_text() -> None:
    """It is one line, whatever the text holds."""
    fault = InvalidRequest("format must be\n\u2028json\ud800.", param="format")
    assert error_body(fault, "req_1") == rb'{"error":"format must be\n\u2028json?."}'
