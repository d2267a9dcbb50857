"""OpenAI's `usage` object.

Knows OpenAI's names for counts; must not know how tokens are counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lingma_trio.turns import Usage


def usage_fields(usage: Usage) -> dict[str, object]:
    """Return `usage` under OpenAI's names; no token is ever reported as cached, since Lingma does not say."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.answer_tokens,
        "total_tokens": usage.prompt_tokens + usage.answer_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.thought_tokens},
    }
