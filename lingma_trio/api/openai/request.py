"""The body of a chat completion request as what the gateway is asked to do.

Knows OpenAI's request fields; must not know HTTP, the models that exist, or how a limit is enforced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lingma_trio.api.answer_request import Origin
from lingma_trio.api.encoder import Encoder
from lingma_trio.api.fields import boolean, invalid, optional_array, optional_object, positive_integer, string
from lingma_trio.api.json_text import canonical
from lingma_trio.api.openai.body import ChatBody
from lingma_trio.api.openai.messages import read_messages
from lingma_trio.api.openai.stream import ChatStream
from lingma_trio.api.request_fields import read_body, read_model, read_stop
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import Prompt


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a client asks for.

    `model` is the name as the client gave it, or empty for the gateway's default. `max_tokens` bounds the answer, None
    for no bound, which is also how a bound of 0 is read; `stop` are the texts before which the answer ends. `user` is
    the client's own name for its user, or empty. `include_usage` asks for token counts at the end of a stream.
    """

    prompt: Prompt
    model: str
    stream: bool
    include_usage: bool
    max_tokens: int | None
    stop: tuple[str, ...]
    user: str

    def encoder(self, origin: Origin) -> Encoder:
        """Return the encoder of a `chat.completion`, whole or in chunks."""
        identity = f"chatcmpl-{origin.id}"
        if not self.stream:
            return ChatBody(id=identity, model=origin.model, created=origin.created)
        return ChatStream(id=identity, model=origin.model, created=origin.created, include_usage=self.include_usage)


def parse(body: bytes) -> ChatRequest:
    """Read the body of `POST /v1/chat/completions`.

    Unknown fields are ignored and null counts as absent. Where a name occurs twice in an object its last value
    counts, as with most readers of JSON. Every text of the result can be encoded as UTF-8: lone surrogates are not
    accepted. Raises `InvalidRequest`, and nothing else whatever the bytes, with `param` naming the field at fault, or
    `body` where the body as a whole is.
    """
    return read_request(read_body(body))


def read_request(fields: dict[str, Any]) -> ChatRequest:
    """Read the fields of a request for a chat completion; as `parse`."""
    _refuse_choices(fields.get("n"))
    streaming = optional_object(fields.get("stream_options"), param="stream_options")
    return ChatRequest(
        prompt=Prompt(read_messages(_messages_of(fields)), tools=_read_tools(fields)),
        model=read_model(fields.get("model")),
        stream=boolean(fields.get("stream"), param="stream"),
        include_usage=boolean(streaming.get("include_usage"), param="stream_options.include_usage"),
        max_tokens=_read_max_tokens(fields),
        stop=read_stop(fields.get("stop"), param="stop"),
        user=_read_user(fields),
    )


def _messages_of(fields: dict[str, Any]) -> object:
    messages = fields.get("messages")
    if messages:
        return messages
    if fields.get("prompt") is not None:
        raise InvalidRequest(
            "prompt belongs to the legacy completions; chat completions take messages. Send it to /v1/completions, or"
            ' send {"messages": [{"role": "user", "content": "..."}]}.',
            param="prompt",
        )
    if messages is None:
        raise InvalidRequest(
            'messages is missing: send at least [{"role": "user", "content": "..."}].', param="messages"
        )
    return messages


def _refuse_choices(value: object) -> None:
    number = positive_integer(value, param="n")
    if number is not None and number > 1:
        raise InvalidRequest("n must be 1: the gateway gives one answer for a request.", param="n")


def _read_max_tokens(fields: dict[str, Any]) -> int | None:
    """Read the bound on the answer. 0 is no bound: OpenAI's schema allows it, and nobody asks for an empty answer."""
    for param in ("max_completion_tokens", "max_tokens"):
        value = fields.get(param)
        limit = None if type(value) is int and value == 0 else positive_integer(value, param=param)
        if limit is not None:
            return limit
    return None


def _read_user(fields: dict[str, Any]) -> str:
    """Read `user`, or `metadata.user_id`; metadata is the client's own, so nothing in it is ever at fault."""
    user = string(fields.get("user"), param="user")
    metadata = fields.get("metadata")
    if user or not isinstance(metadata, dict):
        return user
    user_id = metadata.get("user_id")
    return user_id if isinstance(user_id, str) else ""


def _read_tools(fields: dict[str, Any]) -> str:
    """Read the tool configuration and what shapes the answer like it, as canonical JSON; empty when there is none."""
    given: dict[str, object] = {
        "tools": optional_array(fields.get("tools"), param="tools"),
        "functions": optional_array(fields.get("functions"), param="functions"),
        "tool_choice": _name_or_object(fields.get("tool_choice"), param="tool_choice"),
        "function_call": _name_or_object(fields.get("function_call"), param="function_call"),
        "response_format": optional_object(fields.get("response_format"), param="response_format"),
    }
    configured = {name: value for name, value in given.items() if value}
    return canonical(configured) if configured else ""


def _name_or_object(value: object, *, param: str) -> object:
    if value is None or isinstance(value, str | dict):
        return value
    raise invalid(param, "a string or an object", value)
