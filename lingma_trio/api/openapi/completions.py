"""Legacy completions, as a client sends and receives them.

Describes OpenAI's objects as far as the gateway reads and writes them; see `lingma_trio.api.completions` for what it
does.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lingma_trio.api.openapi.chat import ChatUsage, StreamOptions
from lingma_trio.api.openapi.shapes import Answered, Asked

Text = Annotated[str, Field(pattern=r"\S")]


class CompletionRequest(Asked):
    """A text to be continued. Fields of OpenAI's that are not listed are ignored."""

    prompt: Text | Annotated[list[Text], Field(min_length=1, max_length=1)]
    """The text, alone or in an array."""
    suffix: str | None = None
    """What comes after the text that is asked for."""
    model: Annotated[str, Field(max_length=256)] | None = None
    """A model of `GET /v1/models`, by key or display name; another one, or none, is the gateway's default."""
    stream: bool | None = None
    """Answers as server-sent events, each with a piece of the answer."""
    stream_options: StreamOptions | None = None
    """Of a stream."""
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    """Where the answer is cut off, in estimated tokens; 0 and none are no bound."""
    stop: str | Annotated[list[Annotated[str, Field(min_length=1, max_length=1024)]], Field(max_length=16)] | None = (
        None
    )
    """Texts before which the answer ends."""
    echo: bool | None = None
    """Repeats the prompt ahead of the answer."""
    n: Annotated[int, Field(ge=0, le=1)] | None = None
    """How many answers; there is one."""
    best_of: Annotated[int, Field(ge=0, le=1)] | None = None
    """Of how many; there is one."""
    user: str | None = None
    """The client's own name for its user; requests of one user prefer one account."""


class CompletionChoice(Answered):
    """The one answer there is, or a piece of it."""

    index: Literal[0]
    """Its place."""
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
    choices: Annotated[list[CompletionChoice], Field(max_length=1)]
    """One answer or one piece; none in the event that holds the usage."""
    usage: ChatUsage | None = None
    """Token counts: of a whole answer, and in the last event where they were asked for."""
