"""The requests for a chat, for a text and about a model, as a client of Ollama's sends them.

Describes Ollama's fields; calls, tools, formats and pictures are read by the rooms that know their kinds. What is made
of all this is `request`'s.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field

from lingma_trio.api.asked.fields import MAX_MESSAGES, MAX_PARTS, ModelName, Stops
from lingma_trio.api.asked.shapes import EMULATED, READ, WITHOUT_EFFECT, Asked, Body, Refused
from lingma_trio.api.openapi.shapes import Json
from lingma_trio.api.toolbox import Listed
from lingma_trio.turns import Effort, Role

_NO_PROBABILITIES: Final = "Lingma tells no probabilities of tokens; leave {} out"
_NO_MARKS: Final = "Lingma is asked in words and takes no prompt with a model's own marks in it; leave raw out"
_NO_PICTURES: Final = "Lingma makes no pictures; leave {} out"

Pictures = Annotated[list[str], Field(max_length=MAX_PARTS, fail_fast=True)]
"""Each as base64, or as a `data:` address."""


class OllamaOptions(Asked):
    """How the model is to be run. Options that are not named here are without effect."""

    num_predict: Annotated[int | None, READ] = None
    """Where the answer is cut off, in estimated tokens; no bound where it is 0 or less."""
    stop: Annotated[Stops | None, READ] = None
    """Texts before which the answer ends."""
    num_ctx: Annotated[Any, WITHOUT_EFFECT] = None
    """How much a model of Ollama's would read; how much Lingma's do, `POST /api/show` tells."""
    num_keep: Annotated[Any, WITHOUT_EFFECT] = None
    """What of a conversation would stay where it is cut; none is cut here."""
    temperature: Annotated[Any, WITHOUT_EFFECT] = None
    """Lingma samples as it does."""
    top_k: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    top_p: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    min_p: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    typical_p: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    tfs_z: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    seed: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    mirostat: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    mirostat_tau: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    mirostat_eta: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    repeat_last_n: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    repeat_penalty: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    presence_penalty: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    frequency_penalty: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    penalize_newline: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    numa: Annotated[Any, WITHOUT_EFFECT] = None
    """Of the machine on which a model of Ollama's would run."""
    num_batch: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    num_gpu: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    main_gpu: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    num_thread: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    low_vram: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    f16_kv: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    use_mmap: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    use_mlock: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    logits_all: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    vocab_only: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    embedding_only: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""


class OllamaMessage(Asked):
    """One message of the conversation."""

    role: Annotated[Role, READ]
    """Who says it."""
    content: Annotated[str | None, READ] = None
    """Its text."""
    images: Annotated[Pictures | None, READ] = None
    """Pictures (PNG, JPEG, GIF, WebP), each as base64 or as a `data:` address."""
    tool_calls: Annotated[Annotated[list[Json], Field(max_length=MAX_PARTS)] | None, READ] = None
    """In an assistant's message: the calls that it made, with their arguments as an object."""
    tool_name: Annotated[str | None, READ] = None
    """In a tool's message: the tool whose result this is."""
    name: Annotated[str | None, READ] = None
    """Stands in for `tool_name`; else which of several of that role."""
    tool_call_id: Annotated[str | None, READ] = None
    """In a tool's message: the call that this is the result of."""
    thinking: Annotated[Any, WITHOUT_EFFECT] = None
    """Reasoning that a client sends back; it was no part of the answer."""


class OllamaAsked(Body):
    """What both requests for an answer have."""

    model: Annotated[ModelName | None, READ] = None
    """A model of `GET /api/tags`, with or without `:latest`; another one, or none, is the gateway's default."""
    stream: Annotated[bool | None, READ] = None
    """Whether the answer comes in pieces, a line of JSON each, which it does unless this is false."""
    options: Annotated[OllamaOptions | None, READ] = None
    """How the model is to be run."""
    keep_alive: Annotated[str | float | None, READ] = None
    """Where there is nothing to answer, 0 is answered as `unload`. No model is loaded here and none unloaded."""
    format: Annotated[str | Json | None, EMULATED] = None
    """`json`, or the JSON Schema that the answer has to keep."""
    think: Annotated[bool | Effort | None, EMULATED] = None
    """How long the model is to think; false hides its reasoning as well."""
    logprobs: Annotated[Any, Refused(_NO_PROBABILITIES.format("logprobs"), unless=(False,))] = None
    """Probabilities of tokens."""
    top_logprobs: Annotated[Any, Refused(_NO_PROBABILITIES.format("top_logprobs"), unless=(0,))] = None
    """Of how many others."""
    truncate: Annotated[Any, WITHOUT_EFFECT] = None
    """Nothing is left out of a conversation; one that is too long is refused."""
    shift: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""


class OllamaChatRequest(OllamaAsked):
    """A conversation to be continued."""

    messages: Annotated[Annotated[list[OllamaMessage], Field(max_length=MAX_MESSAGES, fail_fast=True)] | None, READ] = (
        None
    )
    """The conversation, oldest message first; none has the model loaded, for which there is nothing to do."""
    tools: Annotated[Listed | None, EMULATED] = None
    """Functions that the model may ask the client to call. Of tools that a vendor would run the model is told that it
    has none; alone they are refused."""
    tool_choice: Annotated[str | Json | None, EMULATED] = None
    """Not Ollama's own, but sent by some of its clients: what it is in chat completions."""


class OllamaGenerateRequest(OllamaAsked):
    """A text to be answered, or to be filled in between its beginning and its end."""

    prompt: Annotated[str | None, READ] = None
    """What is to be answered; nothing has the model loaded, for which there is nothing to do."""
    system: Annotated[str | None, READ] = None
    """What the model is to keep to."""
    images: Annotated[Pictures | None, READ] = None
    """Pictures (PNG, JPEG, GIF, WebP), each as base64 or as a `data:` address."""
    suffix: Annotated[str | None, EMULATED] = None
    """What follows on the answer: the prompt is then the beginning of a text, and the answer what belongs between."""
    raw: Annotated[Any, Refused(_NO_MARKS, unless=(False,))] = None
    """Whether the prompt is in a model's own form."""
    template: Annotated[Any, Refused("The form of Lingma's prompts is its own; leave template out", unless=("",))] = (
        None
    )
    """The form of a model's prompt."""
    context: Annotated[
        Any, Refused("Answers here have no context to go on with; send the conversation to /api/chat", unless=([],))
    ] = None
    """What was said before, as an earlier answer gave it."""
    width: Annotated[Any, Refused(_NO_PICTURES.format("width"), unless=(0,))] = None
    """Of a picture to be made."""
    height: Annotated[Any, Refused(_NO_PICTURES.format("height"), unless=(0,))] = None
    """The same."""
    steps: Annotated[Any, Refused(_NO_PICTURES.format("steps"), unless=(0,))] = None
    """The same."""


class OllamaShowRequest(Body):
    """A question about one model."""

    model: Annotated[ModelName | None, READ] = None
    """Which one, with or without `:latest`."""
    name: Annotated[ModelName | None, READ] = None
    """The older name of `model`."""
    verbose: Annotated[Any, WITHOUT_EFFECT] = None
    """There is no more to tell."""
    system: Annotated[Any, WITHOUT_EFFECT] = None
    """Nothing of a model can be changed."""
    template: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
    options: Annotated[Any, WITHOUT_EFFECT] = None
    """The same."""
