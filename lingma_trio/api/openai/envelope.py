"""Faults in OpenAI's envelope, and the headers that steer a client's next attempt.

Knows what OpenAI's clients do with an error; must not know what can fail in the gateway beyond the tree of errors.
"""

from __future__ import annotations

from math import ceil

from lingma_trio.api.json_text import encodable, encode
from lingma_trio.errors import GatewayError, LoginRequired, QuotaExceeded

# Clients ignore a wait of more than a minute and fall back to half a second; one of them takes 0 for "at once".
_SHORTEST_WAIT = 1.0
_LONGEST_WAIT = 60.0

_DEFAULT_WAITS: tuple[tuple[type[GatewayError], float], ...] = (
    (QuotaExceeded, 60.0),  # a quota does not come back within seconds
    (LoginRequired, 60.0),  # somebody has to sign in
)
_DEFAULT_WAIT = 2.0  # about as long as an answer holds a slot, or a restart takes

# The statuses that the official clients send a request again for: these and every server error.
_REPEATED_BY_CLIENTS = frozenset({408, 409, 429})
_FIRST_SERVER_ERROR = 500


def error_body(error: GatewayError, request_id: str = "") -> bytes:
    """Return `{"error": {"message", "type", "param", "code"}}` as JSON on one line, all four keys always present."""
    del request_id  # OpenAI tells it in a header only
    param = None if error.param is None else encodable(error.param)
    fields = {"message": encodable(error.message), "type": error.kind, "param": param, "code": error.code}
    return encode({"error": fields})


def error_headers(error: GatewayError) -> list[tuple[bytes, bytes]]:
    """Return the headers that belong to `error`, with lower-case names; often none.

    `retry-after` (whole seconds, 1 to 60) and `retry-after-ms` (the same wait, exactly) stand where the fault names a
    wait and on every 429 and 503. `x-should-retry: false` stands where asking again cannot help although the status
    would make the official clients ask again.
    """
    headers: list[tuple[bytes, bytes]] = []
    if error.retry_after is not None or error.status in (429, 503):
        wait = _wait(error)
        headers.append((b"retry-after", b"%d" % ceil(wait)))
        headers.append((b"retry-after-ms", b"%d" % round(wait * 1000)))
    if not error.retryable and (error.status >= _FIRST_SERVER_ERROR or error.status in _REPEATED_BY_CLIENTS):
        headers.append((b"x-should-retry", b"false"))
    return headers


def _wait(error: GatewayError) -> float:
    if error.retry_after is not None:
        return min(_LONGEST_WAIT, max(_SHORTEST_WAIT, error.retry_after))
    return next((seconds for fault, seconds in _DEFAULT_WAITS if isinstance(error, fault)), _DEFAULT_WAIT)
