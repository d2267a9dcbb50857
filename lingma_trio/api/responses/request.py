"""The body of `POST /v1/responses` as what the gateway is asked to do.

Knows the request fields of OpenAI's Responses API; must not know HTTP, the models that exist, or where earlier
responses are kept: what the request refers to is given to it as a `Memory`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from lingma_trio.api.answer_request import Origin
from lingma_trio.api.asked.fields import limit_of, stops_of
from lingma_trio.api.beginnings import hold_nothing, to_be_answered
from lingma_trio.api.json_size import check_size
from lingma_trio.api.responses import asked as form
from lingma_trio.api.responses.body import ResponseBody
from lingma_trio.api.responses.items import added_tools, read_input, read_items
from lingma_trio.api.responses.memory import Memory, named_items, resolved
from lingma_trio.api.responses.response import ResponseObject
from lingma_trio.api.responses.stream import ResponseStream
from lingma_trio.api.responses.tools import Spelling, read_tools
from lingma_trio.errors import InvalidRequest
from lingma_trio.policy.response_store import Items, StoredResponse
from lingma_trio.records import record
from lingma_trio.turns import Message, Prompt

ResponseEncoder: TypeAlias = ResponseStream | ResponseBody


@record
class ResponseRequest:
    """What a client asks for.

    `store` says whether the response is to be kept; then `given` are the items of this request as they are to be kept,
    each reference replaced by what it stands for, and `before` is the response they follow, or None. `facts` are the
    request's fields that the response repeats. `identity` is the response's id without its prefix; empty takes that of
    the origin.

    `max_tokens` bounds the answer, None for no bound; `stop` are the texts before which it ends. `user` is whatever the
    client gave of `user`, `safety_identifier` and `prompt_cache_key`, the first of them, or empty.
    """

    prompt: Prompt
    model: str
    stream: bool
    max_tokens: int | None
    stop: tuple[str, ...]
    user: str
    given: Items
    before: StoredResponse | None
    store: bool
    facts: Mapping[str, Any]
    spellings: Mapping[str, Spelling]
    identity: str = ""
    ignored: tuple[str, ...] = ()

    def encoder(self, origin: Origin) -> ResponseEncoder:
        """Return the encoder of a `response`, whole or in events."""
        identity = self.identity or origin.id
        response = ResponseObject(id=f"resp_{identity}", model=origin.model, created=origin.created, facts=self.facts)
        kind = ResponseStream if self.stream else ResponseBody
        return kind(response, identity=identity, spellings=self.spellings)


def read_request(asked: form.ResponseRequest, memory: Memory, identity: str = "") -> ResponseRequest:
    """Make the request for a response of what was asked; its id without its prefix is `identity`; empty keeps nothing.

    Raises `InvalidRequest` with `param` naming the field at fault; an item that the request names and `memory` does not
    have is such a fault. Raises `BodyTooLarge` where what it refers to would take too long to read, and nothing else.
    """
    if asked.input is None and (identity or memory.before is None):
        raise InvalidRequest("input is missing: send a text, or the items of the conversation.", param="input")
    check_size(memory.json())
    given = tuple(resolved(read_input(asked.input), memory))
    earlier = tuple(memory.conversation())
    tools = read_tools(asked, added=added_tools(earlier, given))
    messages = _messages(asked.instructions, read_items(given, earlier=earlier))
    kept = asked.store is not False and bool(identity)
    return ResponseRequest(
        prompt=Prompt(
            to_be_answered(messages, param="input", wanted=tools.answer_format),
            tools.configuration,
            tools.toolbox,
            tools.answer_format,
            effort=(asked.reasoning and asked.reasoning.effort) or "medium",
            verbosity=(asked.text and asked.text.verbosity) or "medium",
        ),
        model=asked.model or "",
        stream=bool(asked.stream),
        max_tokens=limit_of(asked.max_output_tokens),
        stop=stops_of(asked.stop),
        user=asked.user or asked.safety_identifier or asked.prompt_cache_key or "",
        given=named_items(given, identity) if kept else (),
        before=memory.before,
        store=kept,
        facts=_facts(asked),
        spellings=tools.spellings,
        identity=identity,
        ignored=asked.unknown,
    )


def _messages(
    instructions: str | list[dict[str, Any]] | None, conversation: tuple[Message, ...]
) -> tuple[Message, ...]:
    """Put the instructions, which hold for this request alone, ahead of the conversation."""
    if isinstance(instructions, list):
        told = read_items(instructions, param="instructions")
    else:
        told = (Message("system", instructions),) if instructions else ()
    messages = told + conversation
    if hold_nothing(messages):
        raise InvalidRequest("input holds nothing to answer: give at least one item content.", param="input")
    return messages


def _facts(asked: form.ResponseRequest) -> dict[str, Any]:
    """Return what a response repeats of its request, with OpenAI's defaults for what was left out."""
    reasoning = asked.reasoning or form.ResponseReasoning()
    text = asked.text or form.ResponseText()
    return {
        "background": False,
        "instructions": asked.instructions,
        "max_output_tokens": asked.max_output_tokens,
        "max_tool_calls": asked.max_tool_calls,
        "metadata": asked.metadata or {},
        "parallel_tool_calls": asked.parallel_tool_calls is not False,
        "previous_response_id": asked.previous_response_id,
        "prompt_cache_key": asked.prompt_cache_key,
        "reasoning": {"effort": reasoning.effort, "summary": reasoning.summary},
        "safety_identifier": asked.safety_identifier,
        "service_tier": "default",
        "store": asked.store is not False,
        "temperature": 1.0 if asked.temperature is None else asked.temperature,
        "text": {"format": text.format or {"type": "text"}, "verbosity": text.verbosity or "medium"},
        "tool_choice": asked.tool_choice or "auto",
        "tools": asked.tools or [],
        "top_logprobs": 0,
        "top_p": 1.0 if asked.top_p is None else asked.top_p,
        "truncation": asked.truncation or "disabled",
        "user": asked.user,
    }
