"""The bodies of Ollama's chat and generate as what the gateway is asked to do.

Knows Ollama's request fields; must not know HTTP, the models that exist, or how a limit is enforced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lingma_trio.api.asked.fields import stops_of
from lingma_trio.api.asked.reading import read_as
from lingma_trio.api.beginnings import hold_nothing, to_be_answered
from lingma_trio.api.ollama.asked import OllamaChatRequest, OllamaGenerateRequest, OllamaShowRequest
from lingma_trio.api.ollama.body import AnswerBody
from lingma_trio.api.ollama.figures import Figures
from lingma_trio.api.ollama.line import CHAT, TEXT, Line, Shape
from lingma_trio.api.ollama.messages import read_messages, read_prompt
from lingma_trio.api.ollama.names import without_tag
from lingma_trio.api.ollama.stream import AnswerLines
from lingma_trio.api.ollama.tools import read_format, read_tools
from lingma_trio.api.toolbox import configuration
from lingma_trio.errors import InvalidRequest
from lingma_trio.records import record
from lingma_trio.turns import Prompt

if TYPE_CHECKING:
    from lingma_trio.api.answer_request import Origin
    from lingma_trio.api.ollama.asked import OllamaAsked
    from lingma_trio.api.ollama.figures import Watch
    from lingma_trio.turns import Effort

_AT_ONCE: Final = frozenset({0, "0", "0s", "0m", "0h"})


@record
class OllamaRequest:
    """What a client asks for.

    `named` is the model's name as the client gave it, which the answer repeats, and `model` the same without `:latest`;
    both are empty for the gateway's default. `max_tokens` bounds the answer, None for no bound; `stop` are the texts
    before which it ends. `hidden` leaves the model's reasoning out of it, `shape` says which kind of answer it is.
    """

    prompt: Prompt
    named: str
    stream: bool
    max_tokens: int | None
    stop: tuple[str, ...]
    shape: Shape
    watch: Watch
    hidden: bool
    ignored: tuple[str, ...]

    @property
    def model(self) -> str:
        """The name to look for."""
        return without_tag(self.named)

    @property
    def user(self) -> str:
        """Nobody: Ollama's clients name none."""
        return ""

    def encoder(self, origin: Origin) -> AnswerBody | AnswerLines:
        """Return the encoder of an answer, whole or in lines."""
        line = Line(self.shape, model=self.named or origin.model, created=origin.created)
        made = AnswerLines if self.stream else AnswerBody
        return made(line, Figures(self.watch), hidden=self.hidden)


@record
class Loading:
    """A request with nothing in it to answer, by which clients have a model loaded or unloaded."""

    named: str
    shape: Shape
    unloads: bool
    ignored: tuple[str, ...]

    @property
    def model(self) -> str:
        """The name to look for."""
        return without_tag(self.named)

    def body(self, *, model: str, created: int) -> bytes:
        """Return the whole answer, which says that it is done; `created` is in seconds since the epoch."""
        reason = b'"done":true,"done_reason":"%s"' % (b"unload" if self.unloads else b"load")
        return Line(self.shape, model=self.named or model, created=created).write("", reason)


def parse_chat(body: bytes, watch: Watch) -> OllamaRequest | Loading:
    """Read the body of `POST /api/chat`; raises what `read_as` does, with `param` the path of the field at fault."""
    asked = read_as(OllamaChatRequest, body)
    if not asked.messages:
        return _loading(asked, CHAT)
    messages = read_messages(asked.messages)
    if hold_nothing(messages):
        raise InvalidRequest("messages hold nothing to answer: give at least one of them content.", param="messages")
    box, wanted = read_tools(asked.tools or (), asked.tool_choice), read_format(asked.format)
    prompt = Prompt(
        to_be_answered(messages, param="messages", wanted=wanted),
        tools=configuration(box, wanted),
        toolbox=box,
        answer_format=wanted,
        effort=_effort(asked.think),
    )
    return _request(asked, prompt, CHAT, watch)


def parse_generate(body: bytes, watch: Watch) -> OllamaRequest | Loading:
    """Read the body of `POST /api/generate`; raises as `parse_chat`. Nobody goes on with what it answers."""
    asked = read_as(OllamaGenerateRequest, body)
    if not (asked.prompt or asked.images or asked.suffix):
        return _loading(asked, TEXT)
    messages = read_prompt(asked)
    if hold_nothing(messages[-1:]):
        raise InvalidRequest("prompt holds nothing to answer: give it a text.", param="prompt")
    wanted = read_format(asked.format)
    prompt = Prompt(
        messages, tools=configuration(None, wanted), answer_format=wanted, once=True, effort=_effort(asked.think)
    )
    return _request(asked, prompt, TEXT, watch)


def parse_show(body: bytes) -> str:
    """Read the body of `POST /api/show`: the name of the model to look for. Raises as `parse_chat`."""
    asked = read_as(OllamaShowRequest, body)
    if not (named := asked.model or asked.name):
        raise InvalidRequest("model is missing: name one of GET /api/tags.", param="model")
    return without_tag(named)


def _request(asked: OllamaAsked, prompt: Prompt, shape: Shape, watch: Watch) -> OllamaRequest:
    options = asked.options
    bound = 0 if options is None else options.num_predict or 0
    return OllamaRequest(
        prompt=prompt,
        named=asked.model or "",
        stream=asked.stream is not False,
        max_tokens=bound if bound > 0 else None,
        stop=stops_of(None if options is None else options.stop),
        shape=shape,
        watch=watch,
        hidden=asked.think is False,
        ignored=asked.unknown,
    )


def _loading(asked: OllamaAsked, shape: Shape) -> Loading:
    return Loading(asked.model or "", shape, asked.keep_alive in _AT_ONCE, asked.unknown)


def _effort(think: bool | Effort | None) -> Effort:
    """How long to think: as long as the model does, where a client asks for reasoning and not for how much."""
    if isinstance(think, str):
        return think
    return "none" if think is False else "medium"
