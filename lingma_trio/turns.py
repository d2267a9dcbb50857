"""The vocabulary between the layers: what is asked, and the events an answer is made of.

Every API surface parses its requests into a `Prompt` and encodes the same events; every upstream dialect is reduced to
them. Knows nothing of HTTP, JSON-RPC, Lingma or Trio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from io import StringIO
from itertools import accumulate
from typing import Any, Final, Literal, TypeAlias

from lingma_trio.records import record

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool", "function"]
A_MESSAGE: Final = 64
"""Characters on which work takes about as long as on a message or a call without any."""

NO_NAMES: Final = frozenset[str]()
"""The one that all share who have none: each `frozenset()` takes 216 bytes."""

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]

Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
"""How long to think before an answer."""

Verbosity: TypeAlias = Literal["low", "medium", "high"]
"""How much an answer says."""


@record
class ToolCall:
    """A call of one of the client's tools: in an assistant message as the client sent it, and as an event of an answer.

    `arguments` is JSON text. In an event it is complete and an object, and the name is that of a declared tool.
    """

    id: str
    name: str
    arguments: str


@record
class Message:
    """One message of a conversation, whatever API it came by.

    `text` is the message's text parts joined; a part that is no text stands in it as a placeholder such as `[image]`.
    `breaks` are the places in it where one text part ends and the next begins, behind a line end.
    `attachments` holds a digest of the content of each such part, so that two different pictures are two different
    messages although their placeholders agree. `images` holds the addresses of those parts that are pictures, `data:`
    or `http(s):`, in order, and the empty string for one that is kept where nobody here can ask for it; `image_fields`
    says of each in which field of the request it stands. `unseen` says of each picture that is not shown why it is not.
    """

    role: Role
    text: str
    name: str = ""
    tool_call_id: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    attachments: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    breaks: tuple[int, ...] = ()
    image_fields: tuple[str, ...] = field(default=(), compare=False)
    unseen: tuple[str, ...] = ()


def size_of_calls(calls: Sequence[ToolCall]) -> int:
    """Characters of calls, as `Prompt.size` counts them."""
    return sum(A_MESSAGE + len(call.arguments) for call in calls)


def breaks_between(texts: Sequence[str]) -> tuple[int, ...]:
    """Where one of these text parts ends and the next begins, once they are joined by line ends."""
    return tuple(accumulate(len(text) + bool(place) for place, text in enumerate(texts[:-1])))


@record
class Tool:
    """A function of the client's, for the model to ask it to call.

    `parameters` is the JSON Schema of its arguments; `strict` says that the client wants it kept to the letter.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    strict: bool = False


@record
class Toolbox:
    """The client's tools, and how an answer may use them.

    `choice` says whether it may, must not or must call one; `named` is the tool it must call, with `required`, or
    empty. `parallel` says whether it may make several calls. `word` proves a call that the model writes as text: it is
    drawn for each request, so that nothing the model may quote can hold it. Empty is none: then nothing is proved.
    `absent` says in words what else the client asked for and nobody here can run, such as web search.
    """

    tools: tuple[Tool, ...]
    choice: Literal["auto", "none", "required"] = "auto"
    named: str = ""
    parallel: bool = True
    word: str = ""
    absent: tuple[str, ...] = ()


@record
class AnswerFormat:
    """The answer has to be JSON: one object, or what `schema` (JSON Schema) says where there is one.

    `strict` says that the client wants the schema kept to the letter.
    """

    schema: Mapping[str, Any] | None = None
    name: str = ""
    strict: bool = False


@record
class Prompt:
    """A whole conversation as a client sent it, oldest message first, ending with what is to be answered.

    Where it ends with an assistant's message, that is the beginning of the answer, which is to go on where it ends.

    `tools` is canonical JSON of the tool configuration and of the answer's format as the client gave them, or the
    empty string: a conversation with other tools is another conversation. `toolbox` and `answer_format` are what it
    means, None where there is nothing to heed. `once` says that nobody will continue the conversation, so that its
    session is not worth remembering. `effort` and `verbosity` are said with each question, and tell no conversations
    apart.
    """

    messages: tuple[Message, ...]
    tools: str = ""
    toolbox: Toolbox | None = None
    answer_format: AnswerFormat | None = None
    once: bool = False
    effort: Effort = "medium"
    verbosity: Verbosity = "medium"

    @property
    def begun(self) -> str:
        """The beginning of the answer, which its client has already; empty where it is to begin afresh."""
        last = self.messages[-1] if self.messages else None
        return last.text if last is not None and last.role == "assistant" else ""

    @property
    def last(self) -> int:
        """The place of the last message that is to be answered: behind it there is the answer's beginning at most."""
        begun = len(self.messages) > 1 and self.messages[-1].role == "assistant"
        return len(self.messages) - 1 - begun

    @property
    def size(self) -> int:
        """Characters of its messages and their calls, the smallest of which count too: how long work on it takes."""
        size = A_MESSAGE * len(self.messages)
        for message in self.messages:
            size += len(message.text)
            if message.images:
                size += sum(map(len, message.images))
            if message.tool_calls:
                size += size_of_calls(message.tool_calls)
        return size


@record
class TextDelta:
    """More of the answer's text."""

    text: str


@record
class ThoughtDelta:
    """More of the model's reasoning, which is shown beside the answer and is no part of it."""

    text: str


@record
class TextReplaced:
    """All text of the answer so far is void; `text` stands in its place.

    Only sent where the new text does not continue the old one, so an encoder that has already sent the old text has
    to start afresh visibly.
    """

    text: str


@record
class Finished:
    """The answer is complete.

    `session_id` is the upstream session that now holds the conversation, or empty when it is not known. `keep` says
    whether that session may be continued: false when the upstream never confirmed the end. `unsaid` says that it wrote
    on after the client's tools were called, which is no part of the answer. `length` says that it ended where the model
    says no more at once, and not where it had said all.
    """

    session_id: str
    keep: bool = True
    unsaid: bool = False
    length: bool = False


AnswerEvent: TypeAlias = TextDelta | ThoughtDelta | TextReplaced | ToolCall | Finished


@record
class Usage:
    """Token counts, estimated by the gateway because Lingma reports none.

    `thought_tokens` are part of `answer_tokens`.
    """

    prompt_tokens: int
    answer_tokens: int
    thought_tokens: int = 0


def text_buffer(text: str = "") -> StringIO:
    """Text that more is written behind. As a list, each small delta would take fifty bytes beside its own."""
    buffer = StringIO()
    if text:
        buffer.write(text)
    return buffer
