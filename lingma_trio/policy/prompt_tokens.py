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
    tokens = estimate(prompt.tools)
    for message in prompt.messages:
        tokens += estimate(message.text) + PICTURE * len(message.images)
        for call in message.tool_calls:
            tokens += estimate(call.name) + estimate(call.arguments)
    return tokens
