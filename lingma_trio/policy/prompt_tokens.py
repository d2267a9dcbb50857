"""Estimates what a whole conversation costs to ask.

Knows prompts; must not know answers, surfaces or any model's tokenizer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingma_trio.policy.tokens import estimate

if TYPE_CHECKING:
    from lingma_trio.turns import Prompt

PICTURE = 1000
"""Tokens of one picture, about what vision models make of a megapixel."""


def estimate_prompt(prompt: Prompt) -> int:
    """Return about how many tokens `prompt` is: its texts, calls and tools, and PICTURE for each picture."""
    messages = prompt.messages
    calls = (call for message in messages for call in message.tool_calls)
    return (
        estimate(prompt.tools)
        + sum(estimate(message.text) + PICTURE * len(message.images) for message in messages)
        + sum(estimate(call.name) + estimate(call.arguments) for call in calls)
    )
