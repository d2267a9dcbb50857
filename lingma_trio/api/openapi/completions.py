"""Legacy completions, as a client receives them.

Describes OpenAI's objects as far as the gateway writes them; see `lingma_trio.api.completions` for what it
does.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lingma_trio.api.openapi.chat import ChatUsage
from lingma_trio.api.openapi.shapes import Answered


class CompletionChoice(Answered):
    """One answer, or a piece of it."""

    index: int
    """Its place: the prompts in their order, and the answers to each."""
    text: str
    """Its text."""
    logprobs: None
    """Lingma tells none."""
    finish_reason: Literal["stop", "length", "content_filter"] | None
    """Why it ended; null in a piece that is not the last."""


class Completion(Answered):
    """The answer in one piece, and each event of a streamed one; `[DONE]` follows the last."""

    id: str
    """Its own, the same in every event."""
    object: Literal["text_completion"]
    """What it is."""
    created: int
    """Seconds since the epoch."""
    model: str
    """The key of the model that answered."""
    choices: Annotated[list[CompletionChoice], Field(max_length=16)]
    """The answers or one piece; none in the event that holds the usage."""
    usage: ChatUsage | None = None
    """Token counts: of a whole answer, and in the last event where they were asked for."""
