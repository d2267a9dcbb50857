"""The `response` object: what is the same in it from its beginning to its end, and what is not.

Knows OpenAI's fields; must not know events or how an answer comes about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from lingma_trio.api.json_text import encodable, encode
from lingma_trio.errors import GatewayError, PromptTooLong
from lingma_trio.policy.response_store import Encoded, Items
from lingma_trio.turns import FinishReason, Usage

ResponseStatus: TypeAlias = Literal["in_progress", "completed", "incomplete", "failed"]

INCOMPLETE: Final[dict[FinishReason, str]] = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""The reasons for which an answer is not complete although nothing failed, as OpenAI names them."""

_FIRST_SERVER_ERROR: Final = 500
_KINDS_OF_FAULT: Final = {"rate_limit_error": "rate_limit_exceeded", "invalid_request_error": "invalid_prompt"}


class ResponseObject:
    """A response on its way. `id` is the response's; `created` is in seconds since the epoch.

    `facts` are the fields of the request that are repeated, as JSON was parsed into them. What never changes is
    encoded once, since a stream holds the object three times.
    """

    def __init__(self, *, id: str, model: str, created: int, facts: Mapping[str, Any]) -> None:  # noqa: A002
        common = {"id": id, "object": "response", "created_at": created, "model": encodable(model)}
        self._head = encode(common)[:-1]
        self._tail = b"]," + encode(dict(facts))[1:]

    def encoded(
        self,
        status: ResponseStatus,
        output: Items = (),
        *,
        usage: Usage | None = None,
        incomplete: str = "",
        error: GatewayError | None = None,
    ) -> Encoded:
        """Return the object; `incomplete` is the reason for which an answer ended early."""
        changing = {
            "status": status,
            "usage": None if usage is None else usage_fields(usage),
            "incomplete_details": {"reason": incomplete} if incomplete else None,
            "error": None if error is None else error_fields(error),
        }
        head = b"".join((self._head, b",", encode(changing)[1:-1], b',"output":['))
        return Encoded(head, output, self._tail)


def usage_fields(usage: Usage) -> dict[str, Any]:
    """Return `usage` under the names of the Responses API; no token is ever reported as cached."""
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage.answer_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.thought_tokens},
        "total_tokens": usage.prompt_tokens + usage.answer_tokens,
    }


def error_fields(error: GatewayError) -> dict[str, Any]:
    """Return the `error` of a failed response.

    `code` is one of OpenAI's, by which clients decide whether to ask again; `type` is the gateway's own code.
    """
    server = error.status >= _FIRST_SERVER_ERROR
    code = "server_error" if server else _KINDS_OF_FAULT.get(error.kind, "server_error")
    if isinstance(error, PromptTooLong):  # Codex makes room on this code alone
        code = error.code
    param = None if error.param is None else encodable(error.param)
    return {"code": code, "message": encodable(error.message), "param": param, "type": error.code}
