"""LiteLLM as a client runs an errand of two steps: chat completions, responses and messages, whole and streamed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.clients import API_KEY
from tests.conformance.errand import BOATS, CLOSING, MODEL, SAYING_AN_OBJECT, TASK, TOOLS, Count, Errand

if TYPE_CHECKING:
    from collections.abc import Mapping

    Where = Mapping[str, str]

CHAT_TOOLS = [
    {"type": "function", "function": {"name": name, "description": told, "parameters": parameters}}
    for name, (told, parameters) in TOOLS.items()
]
RESPONSES_TOOLS = [
    {"type": "function", "name": name, "description": told, "parameters": parameters, "strict": False}
    for name, (told, parameters) in TOOLS.items()
]
PROVIDERS = {"openai": (f"openai/{MODEL}", "/v1"), "anthropic": ("anthropic/claude-opus-5-5", "")}


@pytest.fixture(scope="module")
def litellm() -> Any:  # noqa: ANN401 - the package
    """The package, which asks the internet for prices where it is not told to leave that."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        import litellm  # noqa: PLC0415 - once its environment is set

        litellm.telemetry = False
        return litellm


def run(litellm: Any, errand: Errand, provider: str, origin: str, *, streamed: bool, **more: Any) -> str:  # noqa: ANN401
    """The loop by `completion`, which speaks each provider's own API."""
    model, path = PROVIDERS[provider]
    messages: list[Any] = [{"role": "user", "content": TASK}]
    while True:
        answer = litellm.completion(
            model=model,
            api_base=origin + path,
            api_key=API_KEY,
            messages=messages,
            tools=CHAT_TOOLS,
            stream=streamed,
            **more,
        )
        if streamed:
            answer = litellm.stream_chunk_builder(list(answer), messages=messages)
        message = answer.choices[0].message
        messages.append(message.model_dump())
        if not message.tool_calls:
            return str(message.content)
        for call in message.tool_calls:
            found = errand.run(call.function.name, json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": found})


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_errand(provider: str, streamed: bool, origin: str, litellm: Any) -> None:  # noqa: ANN401 - as above
    """Both tools are called, and what they found reaches the model."""
    errand = Errand()
    assert run(litellm, errand, provider, origin, streamed=streamed) == CLOSING
    assert errand.is_done


@pytest.mark.parametrize("provider", PROVIDERS)
def test_answer_that_breaks_off_is_asked_for_again(provider: str, cut: str, litellm: Any) -> None:  # noqa: ANN401
    """It does so by itself where it may, and the errand ends as if nothing had been."""
    errand = Errand()
    assert run(litellm, errand, provider, cut, streamed=False, num_retries=2) == CLOSING
    assert errand.is_done


def test_errand_ends_in_an_object(origin: str, litellm: Any) -> None:  # noqa: ANN401 - as above
    """`response_format` is what the last answer is written in."""
    errand = Errand(SAYING_AN_OBJECT)
    text = run(litellm, errand, "openai", origin, streamed=False, response_format=Count)
    assert Count.model_validate_json(text) == BOATS
    assert errand.is_done


def test_errand_on_responses(origin: str, litellm: Any) -> None:  # noqa: ANN401 - as above
    """The same on the Responses API, which keeps the conversation."""
    errand = Errand()
    asked = {"model": f"openai/{MODEL}", "api_base": f"{origin}/v1", "api_key": API_KEY, "tools": RESPONSES_TOOLS}
    response = litellm.responses(input=TASK, **asked)
    while calls := [item for item in response.output if item.type == "function_call"]:
        outputs = [errand.run(call.name, json.loads(call.arguments)) for call in calls]
        found = [
            {"type": "function_call_output", "call_id": call.call_id, "output": output}
            for call, output in zip(calls, outputs, strict=True)
        ]
        response = litellm.responses(input=found, previous_response_id=response.id, **asked)
    assert response.output[-1].content[0].text == CLOSING
    assert errand.is_done
