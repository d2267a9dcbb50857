"""Each field that the official clients have a type for is described, so that what becomes of it is a decision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args, get_origin

import pytest
from anthropic.types import message_count_tokens_params, message_create_params
from anthropic.types.beta import (
    BetaMessageParam,
    BetaMessageThreadParam,
    BetaOutputConfigParam,
    BetaRequestToolAdditionBlockParam,
    BetaRequestToolRemovalBlockParam,
    BetaSystemMessageOutputConfigParam,
    BetaSystemMessageParam,
    BetaThinkingConfigParam,
    BetaToolChoiceParam,
    BetaToolParam,
)
from anthropic.types.beta import message_count_tokens_params as beta_message_count_tokens_params
from anthropic.types.beta import message_create_params as beta_message_create_params
from anthropic.types.beta.beta_content_block_param import BetaContentBlockParam
from openai.types import completion_create_params
from openai.types.beta import response_create_params as beta_response_create_params
from openai.types.beta.responses import InputTokenCountParams as BetaInputTokenCountParams
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionStreamOptionsParam
from openai.types.chat import completion_create_params as chat_create_params
from openai.types.responses import (
    ResponseTextConfigParam,
    input_token_count_params,
    response_compact_params,
    response_create_params,
)
from openai.types.shared_params import Reasoning
from typing_extensions import get_type_hints, is_typeddict

from lingma_trio.api.anthropic.asked import (
    MessagesRequest,
    OutputConfig,
    Thinking,
    Thread,
    Turn,
    TurnConfig,
)
from lingma_trio.api.anthropic.asked_blocks import Tagged
from lingma_trio.api.anthropic.asked_tools import MessagesTool, ToolChange, ToolChoice
from lingma_trio.api.asked.fields import StreamOptions
from lingma_trio.api.asked.shapes import Asked
from lingma_trio.api.completions.asked import CompletionRequest
from lingma_trio.api.openai.asked import ChatCompletionRequest, ChatMessage
from lingma_trio.api.responses.asked import ResponseReasoning, ResponseRequest, ResponseText

HEADERS = frozenset({"betas"})
"""What the clients take as a parameter and send as a header."""

NOT_TAKEN = frozenset({"browser_state"})
"""Kinds of blocks that are refused by their name: they belong to tools that are refused too."""


def dicts(annotation: Any) -> Iterator[Any]:  # noqa: ANN401 - any type
    """The typed dicts that an annotation consists of."""
    if is_typeddict(annotation):
        yield annotation
        return
    for each in get_args(annotation):
        yield from dicts(each)


def models(annotation: Any) -> Iterator[type[Asked]]:  # noqa: ANN401 - any type
    """The models that an annotation consists of."""
    if isinstance(annotation, type) and issubclass(annotation, Asked):
        yield annotation
        return
    for each in get_args(annotation):
        yield from models(each)


def described(model: type[Asked]) -> set[str]:
    """The names of a model's fields, as a client writes them."""
    return {field.alias or name for name, field in model.model_fields.items()}


def literals(annotation: Any) -> Iterator[str]:  # noqa: ANN401 - any type
    """The values that an annotation allows."""
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
        return
    for each in get_args(annotation):
        yield from literals(each)


def missing(model: type[Asked], annotation: object) -> set[str]:
    """The fields that the client's types have and the model has not."""
    return {name for each in dicts(annotation) for name in get_type_hints(each)} - described(model) - HEADERS


@pytest.mark.parametrize(
    ("model", "types"),
    [
        (ChatCompletionRequest, [chat_create_params.CompletionCreateParamsStreaming]),
        (ChatMessage, [ChatCompletionMessageParam]),
        (StreamOptions, [ChatCompletionStreamOptionsParam]),
        (CompletionRequest, [completion_create_params.CompletionCreateParamsStreaming]),
        (
            ResponseRequest,
            [
                response_create_params.ResponseCreateParamsStreaming,
                beta_response_create_params.ResponseCreateParamsStreaming,
                input_token_count_params.InputTokenCountParams,
                BetaInputTokenCountParams,
                response_compact_params.ResponseCompactParams,
            ],
        ),
        (ResponseText, [ResponseTextConfigParam]),
        (ResponseReasoning, [Reasoning]),
        (
            MessagesRequest,
            [
                message_create_params.MessageCreateParamsStreaming,
                beta_message_create_params.MessageCreateParamsStreaming,
                message_count_tokens_params.MessageCountTokensParams,
                beta_message_count_tokens_params.MessageCountTokensParams,
            ],
        ),
        (Turn, [BetaMessageParam, BetaSystemMessageParam]),
        (TurnConfig, [BetaSystemMessageOutputConfigParam]),
        (OutputConfig, [BetaOutputConfigParam]),
        (Thinking, [BetaThinkingConfigParam]),
        (Thread, [BetaMessageThreadParam]),
        (MessagesTool, [BetaToolParam]),
        (ToolChoice, [BetaToolChoiceParam]),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_every_field_of_the_official_clients_is_described(model: type[Asked], types: Iterable[object]) -> None:
    """A field that a new release of theirs brings fails here until it has its mark."""
    assert not {name for each in types for name in missing(model, each)}


def test_every_kind_of_block_of_the_official_client_is_described() -> None:
    """With all its fields, those of the changes of tools included; what is not described is not taken at all."""
    kinds = {
        kind: model for model in models(Tagged | ToolChange) for kind in literals(model.model_fields["type"].annotation)
    }
    given: list[Any] = [
        *dicts(BetaContentBlockParam),
        BetaRequestToolAdditionBlockParam,
        BetaRequestToolRemovalBlockParam,
    ]
    lacking = {}
    for each in given:
        for kind in set(literals(get_type_hints(each)["type"])) - NOT_TAKEN:
            left = missing(kinds[kind], each) if kind in kinds else {"the kind itself"}
            if left:
                lacking[kind] = left
    assert given
    assert not lacking


def test_what_is_not_described_is_found() -> None:
    """The comparison sees a field that a model has not, at any depth of a union."""
    assert missing(StreamOptions, ChatCompletionMessageParam) >= {"role", "content", "tool_calls"}
    assert set(literals(get_type_hints(BetaRequestToolAdditionBlockParam)["type"])) == {"tool_addition"}
