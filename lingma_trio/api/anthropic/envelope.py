"""Faults in Anthropic's envelope.

Knows Anthropic's types of errors; must not know what can fail in the gateway beyond the tree of errors. The headers
that steer a client's next attempt are the same on every surface.
"""

from __future__ import annotations

from lingma_trio.api.json_text import encodable, encode
from lingma_trio.errors import GatewayError, ThreadUnsupported, UpstreamTimeout

_INVALID = "invalid_request_error"
_FAULTY = "api_error"
# No fault is an `overloaded_error`: Claude Code gives up after three of those, sooner than a Lingma that was lost is
# back, while it asks ten times where a 503 is an `api_error`.
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
}

# Those that the status alone does not tell; the first that fits counts.
_KINDS: tuple[tuple[type[GatewayError], str], ...] = ((UpstreamTimeout, "timeout_error"),)
_FIRST_SERVER_ERROR = 500


def error_body(error: GatewayError, request_id: str = "") -> bytes:
    """Return `{"type": "error", "error": {"type", "message", "details"}, "request_id"}` as JSON on one line.

    `details.error_code` is the gateway's own stable code. Without `request_id` the field is left out, as in events of
    a stream, whose head has it.
    """
    details: dict[str, object] = {"error_code": error.code}
    if isinstance(error, ThreadUnsupported):
        details["unsupported"] = [error.param]
    fault = {"type": _type(error), "message": encodable(error.message), "details": details}
    body: dict[str, object] = {"type": "error", "error": fault}
    if request_id:
        body["request_id"] = encodable(request_id)
    return encode(body)


def _type(error: GatewayError) -> str:
    known = next((kind for fault, kind in _KINDS if isinstance(error, fault)), None)
    return known or _TYPES.get(error.status, _FAULTY if error.status >= _FIRST_SERVER_ERROR else _INVALID)
