"""Ollama's answers, as a client receives them.

Describes Ollama's objects as far as the gateway writes them; see `lingma_trio.api.ollama` for what it does.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from lingma_trio.api.openapi.shapes import Answered, Json


class OllamaError(Answered):
    """A fault, in a response of its own and as the last line of a stream that failed."""

    error: str
    """What is wrong, for people."""


class OllamaFunction(Answered):
    """What is to be called, and with what."""

    index: int
    """The call's place among those of the answer."""
    name: str
    """A declared function."""
    arguments: Json
    """Its arguments."""


class OllamaCall(Answered):
    """A call that the model asks the client for."""

    id: str
    """May be sent back with the result."""
    function: OllamaFunction
    """The call itself."""


class OllamaAnswer(Answered):
    """What the assistant answers, or a piece of it."""

    role: Literal["assistant"]
    """Always the assistant's."""
    content: str
    """Its text."""
    thinking: str = ""
    """The model's reasoning, where it shows any."""
    tool_calls: list[OllamaCall] = Field(default_factory=list)
    """Calls of the client's tools, where there are any."""


class _Piece(Answered):
    """What every answer has, and every piece of one."""

    model: str
    """The model's name as it was asked by; the key of the default where it was asked by none."""
    created_at: str
    """When it was asked for, in RFC 3339."""


class _Ending(_Piece):
    """What a whole answer has, and the last piece of one."""

    done: Literal[True]
    """The answer is whole."""
    done_reason: Literal["stop", "length", "content_filter", "load", "unload"]
    """Why it ended; `load` and `unload` where there was nothing to answer, which then has none of the fields below."""
    total_duration: int = 0
    """Nanoseconds, from the request to the end of the answer."""
    load_duration: int = 0
    """Nanoseconds, until it was asked."""
    prompt_eval_count: int = 0
    """Tokens of the conversation, which the gateway estimates."""
    prompt_eval_duration: int = 0
    """Nanoseconds, until the first of the answer came."""
    eval_count: int = 0
    """Tokens of the answer, reasoning included, estimated too."""
    eval_duration: int = 0
    """Nanoseconds, from the first of the answer to its last."""


class OllamaChat(_Ending):
    """An answer to a conversation in one piece, and the last line of a streamed one, which has no text."""

    message: OllamaAnswer
    """The answer."""


class OllamaChatPiece(_Piece):
    """One line of a streamed answer to a conversation."""

    message: OllamaAnswer
    """What is new."""
    done: Literal[False]
    """There is more to come."""


class OllamaText(_Ending):
    """An answer to a text in one piece, and the last line of a streamed one, which has no text."""

    response: str
    """The answer."""
    thinking: str = ""
    """The model's reasoning, where it shows any."""


class OllamaTextPiece(_Piece):
    """One line of a streamed answer to a text."""

    response: str
    """What is new of it."""
    thinking: str = ""
    """What is new of the reasoning."""
    done: Literal[False]
    """There is more to come."""


class OllamaDetails(Answered):
    """What a model is made of, of which Lingma tells nothing."""

    parent_model: str
    """Empty."""
    format: str
    """Empty."""
    family: str
    """Who answers: `lingma`, or `lingma-simulator`."""
    families: list[str]
    """The same."""
    parameter_size: str
    """Empty."""
    quantization_level: str
    """Empty."""


class OllamaModel(Answered):
    """A model that can be asked for."""

    name: str
    """What to ask for; `:latest` may be left out."""
    model: str
    """The same."""
    size: int
    """Always 0: nothing of it is here."""
    digest: str
    """Stands for the name."""
    details: OllamaDetails
    """What it is made of."""


class OllamaTag(OllamaModel):
    """A model of the list."""

    modified_at: str
    """When the gateway started, in RFC 3339."""


class OllamaTags(Answered):
    """The models of the account, and the operator's other names for them."""

    models: list[OllamaTag]
    """The models."""


class OllamaRunningModel(OllamaModel):
    """A model that need not be loaded."""

    expires_at: str
    """The end of time."""
    size_vram: int
    """Always 0."""
    context_length: int = 0
    """How many tokens it reads, where Lingma tells."""


class OllamaRunning(Answered):
    """The models that are loaded: all of them."""

    models: list[OllamaRunningModel]
    """The models."""


class OllamaShown(Answered):
    """What is told of one model."""

    license: str
    """Empty."""
    modelfile: str
    """Empty."""
    parameters: str
    """Empty."""
    template: str
    """Names what a request may hold."""
    details: OllamaDetails
    """What it is made of."""
    model_info: dict[str, Any]
    """`general.architecture`, which is the family, `general.basename`, and under the family's name `context_length`,
    where Lingma tells it."""
    capabilities: list[Literal["completion", "tools", "insert", "vision", "thinking"]]
    """What it can do; `insert` is to fill in what belongs before a `suffix`."""
    modified_at: str
    """When the gateway started, in RFC 3339."""


class OllamaVersion(Answered):
    """The version of Ollama whose API is spoken."""

    version: str
    """Three numbers."""
