"""Requests for a response that come to the path of chat completions, and what their client reads there.

Knows the fields that tell them apart. Most such clients mean the Responses API and have the wrong path. Cursor sends
the Responses API's fields and reads chat completions; it shows by asking for a stream's token counts, as only chat
completions are asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lingma_trio.api.openai.request import ChatRequest
from lingma_trio.api.responses.request import ResponseRequest


def is_for_responses(fields: Mapping[str, Any]) -> bool:
    """Whether the fields of a request are those of the Responses API."""
    return fields.get("input") is not None and not fields.get("messages")


def usage_asked(fields: Mapping[str, Any]) -> bool | None:
    """Whether the client of such a request reads a chat completion all the same, and wants token counts at its end.

    None where it reads a response.
    """
    options = fields.get("stream_options")
    return options["include_usage"] is True if isinstance(options, dict) and "include_usage" in options else None


def as_chat(request: ResponseRequest, *, include_usage: bool) -> ChatRequest:
    """Return the request for a chat completion that asks the same; it is kept nowhere."""
    return ChatRequest(
        prompt=request.prompt,
        model=request.model,
        stream=request.stream,
        include_usage=include_usage,
        max_tokens=request.max_tokens,
        stop=request.stop,
        user=request.user,
        ignored=request.ignored,
    )
