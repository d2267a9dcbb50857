"""Requests for a response that come to the path of chat completions, and what their client reads there.

Knows the fields that tell them apart. Most such clients mean the Responses API and have the wrong path. Cursor sends
the Responses API's fields and reads chat completions; it shows by asking for a stream's token counts, as only chat
completions are asked.
"""

from __future__ import annotations

from lingma_trio.api.openai.asked import ChatCompletionRequest
from lingma_trio.api.openai.request import ChatRequest
from lingma_trio.api.responses.request import ResponseRequest
from lingma_trio.errors import InvalidRequest


def is_for_responses(asked: ChatCompletionRequest) -> bool:
    """Whether the fields of a request are those of the Responses API.

    Raises `InvalidRequest` where such a request asks for several answers, which a response is not.
    """
    if asked.input is None or asked.messages:
        return False
    if (asked.n or 1) > 1:
        raise InvalidRequest("n must be 1 for a response: leave it out, or send messages.", param="n")
    return True


def usage_asked(asked: ChatCompletionRequest) -> bool | None:
    """Whether the client of such a request reads a chat completion all the same, and wants token counts at its end.

    None where it reads a response.
    """
    options = asked.stream_options
    return None if options is None or options.include_usage is None else options.include_usage


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
