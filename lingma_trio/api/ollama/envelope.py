"""Faults in Ollama's envelope.

Knows what Ollama's clients read of an error, which is a text; must not know what can fail in the gateway beyond the
tree of errors. The headers that steer a client's next attempt are the same on every surface.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingma_trio.api.json_text import encodable, encode

if TYPE_CHECKING:
    from lingma_trio.errors import GatewayError


def error_body(error: GatewayError, request_id: str = "") -> bytes:
    """Return `{"error": "text"}` as JSON on one line, in a response of its own as in a stream."""
    del request_id  # which a header tells
    return encode({"error": encodable(error.message)})
