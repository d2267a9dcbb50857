"""Token counts under OpenAI's names."""

from __future__ import annotations

from lingma_trio.api.openai.usage import usage_fields
from lingma_trio.turns import Usage


def test_reasoning_counts_once() -> None:
    """Reasoning is part of the completion, so it is in the total through it and not beside it."""
    assert usage_fields(Usage(prompt_tokens=7, answer_tokens=5, thought_tokens=2)) == {
        "prompt_tokens": 7,
        "completion_tokens": 5,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
