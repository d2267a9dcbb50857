"""Counts under Anthropic's names."""

from __future__ import annotations

import json

from anthropic.types import MessageDeltaUsage, MessageTokensCount, Usage

from lingma_trio.api.anthropic.usage import count_body, usage_fields


def test_usage_is_what_the_official_client_reads() -> None:
    """The counts are valid, strictly, at the beginning of a stream and at its end."""
    fields = usage_fields(7, 5, 2)
    assert Usage.model_validate(fields, strict=True).input_tokens == 7
    last = MessageDeltaUsage.model_validate(fields, strict=True)
    assert (last.input_tokens, last.output_tokens, last.cache_read_input_tokens) == (7, 5, 0)
    assert last.output_tokens_details is not None
    assert last.output_tokens_details.thinking_tokens == 2


def test_a_count_is_what_the_official_client_reads() -> None:
    """A count has its one field."""
    assert MessageTokensCount.model_validate(json.loads(count_body(7)), strict=True).input_tokens == 7
