"""The vocabulary between the layers: what is asked, and the events an answer is made of.

Every API surface parses its requests into a `Prompt` and encodes the same events; every upstream dialect is reduced to
them. Knows nothing of HTTP, JSON-RPC, Lingma or Trio.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool", "function"]
FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of one of the client's tools, as an assistant message carries it."""

    id: str
    name: str
    arguments: str  # JSON text, as the client sent it


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation, whatever API it came by.

    `text` is the message's text parts joined; a part that is no text stands in it as a placeholder such as `[image]`.
    `attachments` holds a digest of the content of each such part, so that two different pictures are two different
    messages although their placeholders agree.
    """

    role: Role
    text: str
    name: str = ""
    tool_call_id: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    attachments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """A whole conversation as a client sent it, oldest message first, ending with what is to be answered.

    `tools` is canonical JSON of the tool configuration, or the empty string without tools: a conversation with other
    tools is another conversation.
    """

    messages: tuple[Message, ...]
    tools: str = ""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ThoughtDelta:
    """More of the model's reasoning, which is shown beside the answer and is no part of it."""

    text: str


@dataclass(frozen=True, slots=True)
class TextReplaced:
    """All text of the answer so far is void; `text` stands in its place.

    Only sent where the new text does not continue the old one, so an encoder that has already sent the old text has
    to start afresh visibly.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is complete.

    `session_id` is the upstream session that now holds the conversation, or empty when it is not known. `keep` says
    whether that session may be continued: false when the upstream never confirmed the end.
    """

    session_id: str
    keep: bool = True


AnswerEvent: TypeAlias = TextDelta | ThoughtDelta | TextReplaced | Finished


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts, estimated by the gateway because Lingma reports none.

    `thought_tokens` are part of `answer_tokens`.
    """

    prompt_tokens: int
    answer_tokens: int
    thought_tokens: int = 0
