"""The Agents SDK of OpenAI for Python runs an errand of two steps on both surfaces, to a text and to an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, RunConfig, Runner, function_tool
from openai import AsyncOpenAI
from openai.types.responses import ResponseTextDeltaEvent

from tests.conformance.clients import API_KEY
from tests.conformance.errand import BOATS, CLOSING, MODEL, SAYING_AN_OBJECT, TASK, Count, Errand

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS: dict[str, Callable[..., Any]] = {"chat": OpenAIChatCompletionsModel, "responses": OpenAIResponsesModel}
UNTRACED = RunConfig(tracing_disabled=True)


def agent_of(origin: str, surface: str, errand: Errand, *, retries: int = 0, **more: Any) -> Any:  # noqa: ANN401 - as it likes
    client = AsyncOpenAI(base_url=f"{origin}/v1", api_key=API_KEY, max_retries=retries)
    model = MODELS[surface](model=MODEL, openai_client=client)
    tools = [function_tool(errand.look), function_tool(errand.count)]
    return Agent(name="Harbour master", instructions="You know the harbour.", model=model, tools=tools, **more)


@pytest.mark.parametrize("surface", MODELS)
async def test_errand(surface: str, origin: str) -> None:
    """Both tools are called, and what they found reaches the model."""
    errand = Errand()
    result = await Runner.run(agent_of(origin, surface, errand), TASK, run_config=UNTRACED)
    assert result.final_output == CLOSING
    assert errand.is_done


@pytest.mark.parametrize("surface", MODELS)
async def test_streamed_errand(surface: str, origin: str) -> None:
    """The same in a stream, whose text is the answer's."""
    errand = Errand()
    result = Runner.run_streamed(agent_of(origin, surface, errand), TASK, run_config=UNTRACED)
    pieces = [
        event.data.delta
        async for event in result.stream_events()
        if event.type == "raw_response_event" and isinstance(event.data, ResponseTextDeltaEvent)
    ]
    assert result.final_output == CLOSING
    assert "".join(pieces).endswith(CLOSING)
    assert errand.is_done


@pytest.mark.parametrize("surface", MODELS)
async def test_errand_ends_in_an_object(surface: str, origin: str) -> None:
    """`output_type` is what the last answer is read as."""
    errand = Errand(SAYING_AN_OBJECT)
    agent = agent_of(origin, surface, errand, output_type=Count)
    result = await Runner.run(agent, TASK, run_config=UNTRACED)
    assert result.final_output == BOATS
    assert errand.is_done


@pytest.mark.parametrize("surface", MODELS)
async def test_answer_that_breaks_off_is_asked_for_again(surface: str, cut: str) -> None:
    """The client below does so by itself, and the errand ends as if nothing had been."""
    errand = Errand()
    result = await Runner.run(agent_of(cut, surface, errand, retries=1), TASK, run_config=UNTRACED)
    assert result.final_output == CLOSING
    assert errand.is_done
