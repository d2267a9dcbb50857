"""Pydantic AI runs an errand of two steps on three surfaces, whole and streamed, to a text or an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic_ai import Agent, NativeOutput, PromptedOutput, ToolOutput
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from tests.conformance.clients import API_KEY
from tests.conformance.errand import (
    BOATS,
    CLOSING,
    MODEL,
    SAYING_AN_OBJECT,
    TASK,
    Count,
    Errand,
    calling_with_an_object,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def openai(origin: str, retries: int) -> OpenAIProvider:
    return OpenAIProvider(openai_client=AsyncOpenAI(base_url=f"{origin}/v1", api_key=API_KEY, max_retries=retries))


def anthropic(origin: str, retries: int) -> AnthropicProvider:
    client = AsyncAnthropic(base_url=origin, api_key=API_KEY, max_retries=retries)
    return AnthropicProvider(anthropic_client=client)


MODELS: dict[str, Callable[[str, int], Any]] = {
    "chat": lambda origin, retries: OpenAIChatModel(MODEL, provider=openai(origin, retries)),
    "responses": lambda origin, retries: OpenAIResponsesModel(MODEL, provider=openai(origin, retries)),
    "messages": lambda origin, retries: AnthropicModel("claude-opus-5-5", provider=anthropic(origin, retries)),
}
OUTPUTS: dict[str, tuple[Any, str]] = {
    "tool": (ToolOutput(Count), calling_with_an_object("final_result")),
    "native": (NativeOutput(Count), SAYING_AN_OBJECT),
    "prompted": (PromptedOutput(Count), SAYING_AN_OBJECT),
}
"""Its ways to an object, each with how the model hands it in."""


def agent_of(origin: str, surface: str, errand: Errand, *, retries: int = 0, **more: Any) -> Agent[None, Any]:  # noqa: ANN401 - as it likes
    return Agent(MODELS[surface](origin, retries), tools=[errand.look, errand.count], **more)


@pytest.mark.parametrize("surface", MODELS)
async def test_errand(surface: str, origin: str) -> None:
    """Both tools are called, and what they found reaches the model."""
    errand = Errand()
    assert (await agent_of(origin, surface, errand).run(TASK)).output == CLOSING
    assert errand.is_done


@pytest.mark.parametrize("surface", MODELS)
async def test_streamed_errand(surface: str, origin: str) -> None:
    """The same by its events, which end in the result."""
    errand = Errand()
    async with agent_of(origin, surface, errand).run_stream_events(TASK) as events:
        last = [event async for event in events][-1]
    assert last.event_kind == "agent_run_result"
    assert last.result.output == CLOSING
    assert errand.is_done


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("surface", MODELS)
async def test_errand_ends_in_an_object(surface: str, output: str, origin: str) -> None:
    """Whichever way it asks for one."""
    output_type, ending = OUTPUTS[output]
    errand = Errand(ending)
    assert (await agent_of(origin, surface, errand, output_type=output_type).run(TASK)).output == BOATS
    assert errand.is_done


@pytest.mark.parametrize("surface", ["chat", "responses"])
async def test_answer_that_breaks_off_is_asked_for_again(surface: str, cut: str) -> None:
    """The client below does so by itself, and the errand ends as if nothing had been; messages are always streamed."""
    errand = Errand()
    assert (await agent_of(cut, surface, errand, retries=1).run(TASK)).output == CLOSING
    assert errand.is_done
