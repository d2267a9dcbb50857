"""Anthropic's `usage` object and its count of a prompt's tokens.

Knows Anthropic's names for counts; must not know how tokens are counted.
"""

from __future__ import annotations

from lingma_trio.api.json_text import encode


def usage_fields(prompt_tokens: int, answer_tokens: int, thought_tokens: int = 0) -> dict[str, object]:
    """Return counts under Anthropic's names; no token is ever reported as cached, since Lingma does not say."""
    return {
        "input_tokens": prompt_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": answer_tokens,
        "output_tokens_details": {"thinking_tokens": thought_tokens},
    }


def count_body(prompt_tokens: int) -> bytes:
    """Return the answer to the question how many tokens a prompt has."""
    return encode({"input_tokens": prompt_tokens})
