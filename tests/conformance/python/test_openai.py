"""OpenAI's package for Python runs an errand of two steps: chat completions and responses, whole and by its helpers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from httpx2 import TransportError
from openai import APIError, OpenAI

from tests.conformance.clients import API_KEY
from tests.conformance.errand import CLOSING, MODEL, TASK, TOOLS, Errand

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai.types.chat import ChatCompletionMessage
    from openai.types.responses import Response

    Loop = Callable[[OpenAI, Errand], str]

CHAT_TOOLS: Any = [
    {"type": "function", "function": {"name": name, "description": told, "parameters": parameters}}
    for name, (told, parameters) in TOOLS.items()
]
RESPONSES_TOOLS: Any = [
    {"type": "function", "name": name, "description": told, "parameters": parameters, "strict": False}
    for name, (told, parameters) in TOOLS.items()
]


def client_of(origin: str, *, retries: int = 0) -> OpenAI:
    return OpenAI(base_url=f"{origin}/v1", api_key=API_KEY, max_retries=retries)


def chat(ask: Callable[[OpenAI, Any], ChatCompletionMessage]) -> Loop:
    """A loop on chat completions, which sends the whole conversation again at each step."""

    def loop(client: OpenAI, errand: Errand) -> str:
        messages: Any = [{"role": "user", "content": TASK}]
        while True:
            message = ask(client, messages)
            messages.append(message.to_dict())
            if not message.tool_calls:
                return message.content or ""
            for call in message.tool_calls:
                assert call.type == "function"
                found = errand.run(call.function.name, json.loads(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": found})

    return loop


def whole_chat(client: OpenAI, messages: Any) -> ChatCompletionMessage:  # noqa: ANN401 - the client's own unions
    answer = client.chat.completions.create(model=MODEL, messages=messages, tools=CHAT_TOOLS)
    return answer.choices[0].message


def streamed_chat(client: OpenAI, messages: Any) -> ChatCompletionMessage:  # noqa: ANN401 - as above
    with client.chat.completions.stream(model=MODEL, messages=messages, tools=CHAT_TOOLS) as stream:
        return stream.get_final_completion().choices[0].message


def responses(ask: Callable[..., Response], *, kept: bool) -> Loop:
    """A loop on responses, which goes on from the one `kept`, or sends all items again."""

    def loop(client: OpenAI, errand: Errand) -> str:
        items: Any = [{"role": "user", "content": TASK}]
        previous: dict[str, str] = {}
        while True:
            response = ask(client, input=items, **previous)
            results = [
                {
                    "type": "function_call_output",
                    "call_id": item.call_id,
                    "output": errand.run(item.name, json.loads(item.arguments)),
                }
                for item in response.output
                if item.type == "function_call"
            ]
            if not results:
                return response.output_text
            if kept:
                items, previous = results, {"previous_response_id": response.id}
            else:
                items = [*items, *(item.to_dict() for item in response.output), *results]

    return loop


def whole_response(client: OpenAI, **asked: Any) -> Response:  # noqa: ANN401 - as above
    response: Response = client.responses.create(model=MODEL, tools=RESPONSES_TOOLS, **asked)
    return response


def streamed_response(client: OpenAI, **asked: Any) -> Response:  # noqa: ANN401 - as above
    with client.responses.stream(model=MODEL, tools=RESPONSES_TOOLS, **asked) as stream:
        return stream.get_final_response()


WHOLE = {
    "chat": chat(whole_chat),
    "responses": responses(whole_response, kept=False),
    "responses, kept": responses(whole_response, kept=True),
}
STREAMED = {
    "chat, streamed": chat(streamed_chat),
    "responses, streamed": responses(streamed_response, kept=False),
    "responses, kept and streamed": responses(streamed_response, kept=True),
}


@pytest.mark.parametrize("loop", [*WHOLE, *STREAMED])
def test_errand(loop: str, origin: str) -> None:
    """Both tools are called, and what they found reaches the model."""
    errand = Errand()
    with client_of(origin) as client:
        assert {**WHOLE, **STREAMED}[loop](client, errand) == CLOSING
    assert errand.is_done


@pytest.mark.parametrize("loop", WHOLE)
def test_answer_that_breaks_off_is_asked_for_again(loop: str, cut: str) -> None:
    """The client does so by itself, and the errand ends as if nothing had been."""
    errand = Errand()
    with client_of(cut, retries=1) as client:
        assert WHOLE[loop](client, errand) == CLOSING
    assert errand.is_done


def test_answer_that_lingma_drops_is_asked_for_again(forsaken: str) -> None:
    """The gateway's refusal is one that the client retries."""
    errand = Errand()
    with client_of(forsaken, retries=1) as client:
        assert WHOLE["chat"](client, errand) == CLOSING
    assert errand.is_done


@pytest.mark.parametrize("loop", STREAMED)
def test_stream_that_breaks_off_is_no_answer(loop: str, cut: str) -> None:
    """The client raises; whoever asks again gets the whole errand done."""
    with client_of(cut, retries=1) as client:
        with pytest.raises((APIError, TransportError)):
            STREAMED[loop](client, Errand())
        errand = Errand()
        assert STREAMED[loop](client, errand) == CLOSING
    assert errand.is_done
