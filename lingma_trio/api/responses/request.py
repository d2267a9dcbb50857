"""The body of `POST /v1/responses` as what the gateway is asked to do.

Knows the request fields of OpenAI's Responses API; must not know HTTP, the models that exist, or where earlier
responses are kept: what the request refers to is given to it as a `Memory`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, TypeAlias

from lingma_trio.api.answer_request import Origin
from lingma_trio.api.fields import boolean, check_length, invalid, optional_array, optional_object, string
from lingma_trio.api.json_size import check_size
from lingma_trio.api.request_fields import MAX_MESSAGES, read_limit, read_model
from lingma_trio.api.responses.body import ResponseBody
from lingma_trio.api.responses.items import Item, read_input, read_items
from lingma_trio.api.responses.memory import Memory, named_items, resolved
from lingma_trio.api.responses.response import ResponseObject
from lingma_trio.api.responses.stream import ResponseStream
from lingma_trio.api.responses.tools import Spelling, read_tools
from lingma_trio.errors import InvalidRequest
from lingma_trio.policy.response_store import Items, StoredResponse
from lingma_trio.turns import Message, Prompt

ResponseEncoder: TypeAlias = ResponseStream | ResponseBody

# What would need something that the gateway does not have; each with what to do instead.
_REFUSED: Final = {
    "conversation": "conversations are not kept here; continue with previous_response_id or send the items",
    "prompt": "prompt templates are not kept here; send their text as instructions or input",
}


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """What a client asks for.

    `store` says whether the response is to be kept; then `given` are the items of this request as they are to be kept,
    each reference replaced by what it stands for, and `before` is the response they follow, or None. `facts` are the
    request's fields that the response repeats. `identity` is the response's id without its prefix; empty takes that of
    the origin.

    `max_tokens` bounds the answer, None for no bound. `user` is whatever the client gave of `user`,
    `safety_identifier` and `prompt_cache_key`, the first of them, or empty.
    """

    prompt: Prompt
    model: str
    stream: bool
    max_tokens: int | None
    user: str
    given: Items
    before: StoredResponse | None
    store: bool
    facts: Mapping[str, Any]
    spellings: Mapping[str, Spelling]
    identity: str = ""
    ignored: tuple[str, ...] = ()

    @property
    def stop(self) -> tuple[str, ...]:
        """No texts end a response: the API knows no stop sequences."""
        return ()

    def encoder(self, origin: Origin) -> ResponseEncoder:
        """Return the encoder of a `response`, whole or in events."""
        identity = self.identity or origin.id
        response = ResponseObject(id=f"resp_{identity}", model=origin.model, created=origin.created, facts=self.facts)
        kind = ResponseStream if self.stream else ResponseBody
        return kind(response, identity=identity, spellings=self.spellings)


def read_request(fields: Mapping[str, Any], memory: Memory, identity: str = "") -> ResponseRequest:
    """Read the fields of a request for a response, whose id without its prefix is `identity`; empty keeps nothing.

    Unknown fields are ignored and null counts as absent. Every text of the result can be encoded as UTF-8. Raises
    `InvalidRequest` with `param` naming the field at fault; an item that the request names and `memory` does not have
    is such a fault. Raises `BodyTooLarge` where what it refers to would take too long to read, and nothing else.
    """
    check_size(memory.json())
    _refuse(fields)
    tools = read_tools(fields)
    string(fields.get("previous_response_id"), param="previous_response_id")
    given = tuple(resolved(_items_of(fields), memory))
    messages = _messages(fields, read_items(given, earlier=memory.conversation()))
    store = fields.get("store")
    kept = (store is None or boolean(store, param="store")) and bool(identity)
    return ResponseRequest(
        prompt=Prompt(messages, tools.configuration, tools.toolbox, tools.answer_format),
        model=read_model(fields.get("model")),
        stream=boolean(fields.get("stream"), param="stream"),
        max_tokens=read_limit(fields.get("max_output_tokens"), param="max_output_tokens"),
        user=_read_user(fields),
        given=named_items(given, identity) if kept else (),
        before=memory.before,
        store=kept,
        facts=_read_facts(fields),
        spellings=tools.spellings,
        identity=identity,
    )


def _refuse(fields: Mapping[str, Any]) -> None:
    if boolean(fields.get("background"), param="background"):
        raise InvalidRequest(
            "background must be false: the gateway answers while the client waits; use stream to see it come.",
            param="background",
        )
    for param, why in _REFUSED.items():
        if fields.get(param) is not None:
            raise InvalidRequest(f"{param} is not supported: {why}.", param=param)


def _items_of(fields: Mapping[str, Any]) -> tuple[Item, ...]:
    value = fields.get("input")
    if value is None:
        raise InvalidRequest('input is missing: send at least "input": "...".', param="input")
    return read_input(value)


def _messages(fields: Mapping[str, Any], conversation: tuple[Message, ...]) -> tuple[Message, ...]:
    """Put the instructions, which hold for this request alone, ahead of the conversation."""
    instructions = fields.get("instructions")
    if isinstance(instructions, list):
        check_length(len(instructions), MAX_MESSAGES, param="instructions")
        told = read_items(item for item in instructions if isinstance(item, dict))
    else:
        text = string(instructions, param="instructions")
        told = (Message("system", text),) if text else ()
    messages = told + conversation
    # An attachment leaves its placeholder in the text.
    if not any(message.text.strip() or message.tool_calls for message in messages):
        raise InvalidRequest("input holds nothing to answer: give at least one item content.", param="input")
    return messages


def _read_user(fields: Mapping[str, Any]) -> str:
    names = ("user", "safety_identifier", "prompt_cache_key")
    given = [string(fields.get(name), param=name) for name in names]
    return next((name for name in given if name), "")


def _read_facts(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a response repeats of its request, with OpenAI's defaults for what was left out."""
    reasoning = optional_object(fields.get("reasoning"), param="reasoning")
    text = optional_object(fields.get("text"), param="text")
    optional_array(fields.get("include"), param="include")
    truncation = fields.get("truncation")
    if truncation not in (None, "auto", "disabled"):
        raise InvalidRequest("truncation must be auto or disabled.", param="truncation")
    return {
        "background": False,
        "instructions": fields.get("instructions"),
        "max_output_tokens": fields.get("max_output_tokens"),
        "max_tool_calls": _number(fields, "max_tool_calls"),
        "metadata": optional_object(fields.get("metadata"), param="metadata"),
        "parallel_tool_calls": fields.get("parallel_tool_calls") is not False,
        "previous_response_id": fields.get("previous_response_id"),
        "prompt_cache_key": fields.get("prompt_cache_key"),
        "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
        "safety_identifier": fields.get("safety_identifier"),
        "service_tier": "default",
        "store": fields.get("store") is not False,
        "temperature": _number(fields, "temperature", 1.0),
        "text": {"format": text.get("format") or {"type": "text"}, "verbosity": text.get("verbosity") or "medium"},
        "tool_choice": fields.get("tool_choice") or "auto",
        "tools": fields.get("tools") or [],
        "top_logprobs": 0,
        "top_p": _number(fields, "top_p", 1.0),
        "truncation": truncation or "disabled",
        "user": fields.get("user"),
    }


def _number(fields: Mapping[str, Any], param: str, default: float | None = None) -> float | None:
    value = fields.get(param)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid(param, "a number", value)
    if isinstance(value, float) and not isfinite(value):
        raise InvalidRequest(f"{param} must be a number that a float can hold.", param=param)
    return value
