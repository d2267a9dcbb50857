"""What the handlers of JSON-RPC calls agree on: error codes, how to refuse, and how to say nothing.

Knows no method and no client.
"""

from __future__ import annotations

from typing import Final

METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
NOT_INITIALIZED: Final = -32002

NO_REPLY: Final = object()
"""A handler's result that means: send no reply, though the call was a request."""


class Refused(Exception):
    """A call that gets a JSON-RPC error for reply."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
