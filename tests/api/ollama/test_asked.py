"""Each field that Ollama's package has a type for is described, so that what becomes of it is a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ollama import _types as theirs

from lingma_trio.api.ollama.asked import (
    OllamaChatRequest,
    OllamaGenerateRequest,
    OllamaMessage,
    OllamaOptions,
    OllamaShowRequest,
)

if TYPE_CHECKING:
    from pydantic import BaseModel


@pytest.mark.parametrize(
    ("described", "known"),
    [
        (OllamaChatRequest, theirs.ChatRequest),
        (OllamaGenerateRequest, theirs.GenerateRequest),
        (OllamaShowRequest, theirs.ShowRequest),
        (OllamaMessage, theirs.Message),
        (OllamaOptions, theirs.Options),
    ],
)
def test_every_field_of_the_package_is_described(described: type[BaseModel], known: type[BaseModel]) -> None:
    """None of them is left to chance."""
    assert set(known.model_fields) - set(described.model_fields) == set()
