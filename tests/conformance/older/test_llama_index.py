"""LlamaIndex's agent runs an errand of two steps, on chat completions and on responses; its models give objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike, OpenAILikeResponses

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


def chat(origin: str, retries: int) -> Any:  # noqa: ANN401 - the package's own
    return OpenAILike(
        model=MODEL,
        api_base=f"{origin}/v1",
        api_key=API_KEY,
        max_retries=retries,
        is_chat_model=True,
        is_function_calling_model=True,
    )


def responses(origin: str, retries: int) -> Any:  # noqa: ANN401 - as above
    return OpenAILikeResponses(
        model=MODEL,
        api_base=f"{origin}/v1",
        api_key=API_KEY,
        max_retries=retries,
        is_function_calling_model=True,
    )


MODELS: dict[str, Callable[[str, int], Any]] = {"chat": chat, "responses": responses}
ENDINGS = {"chat": calling_with_an_object("Count"), "responses": SAYING_AN_OBJECT}
"""How each has objects handed in."""


async def run(model: Any, errand: Errand, *, streamed: bool) -> str:  # noqa: ANN401 - as above
    tools = [FunctionTool.from_defaults(errand.look), FunctionTool.from_defaults(errand.count)]
    agent = FunctionAgent(tools=tools, llm=model, streaming=streamed)
    return str(await agent.run(TASK))


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("surface", MODELS)
async def test_errand(surface: str, streamed: bool, origin: str) -> None:
    """Both tools are called, and what they found reaches the model."""
    errand = Errand()
    assert await run(MODELS[surface](origin, 0), errand, streamed=streamed) == CLOSING
    assert errand.is_done


@pytest.mark.parametrize("surface", MODELS)
async def test_answer_that_breaks_off_is_asked_for_again(surface: str, cut: str) -> None:
    """The model's client does so by itself, and the errand ends as if nothing had been."""
    errand = Errand()
    assert await run(MODELS[surface](cut, 2), errand, streamed=False) == CLOSING
    assert errand.is_done


@pytest.mark.parametrize("surface", MODELS)
def test_object(surface: str, origin: str) -> None:
    """A prompt gives an object of the class that is asked for."""
    prompt = PromptTemplate("How many boats?\n#simulate {ending}")
    model = MODELS[surface](origin, 0)
    assert model.structured_predict(Count, prompt, ending=ENDINGS[surface]) == BOATS
