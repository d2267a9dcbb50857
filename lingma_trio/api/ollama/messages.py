"""The messages of a chat, and the prompt of a text, as the vocabulary's messages.

Knows Ollama's message objects; must not know the rest of the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingma_trio.api.content import Content, joined, picture
from lingma_trio.api.filling_in import to_fill_in
from lingma_trio.api.ollama.images import read_images
from lingma_trio.api.openai.messages import read_tool_call
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lingma_trio.api.ollama.asked import OllamaGenerateRequest, OllamaMessage


def read_messages(given: Sequence[OllamaMessage]) -> tuple[Message, ...]:
    """Read the messages of a chat, oldest first; raises `InvalidRequest` whose `param` is the field at fault."""
    return tuple(_read_message(each, param=f"messages[{index}]") for index, each in enumerate(given))


def read_prompt(asked: OllamaGenerateRequest) -> tuple[Message, ...]:
    """Read what a text is to be made of; raises `InvalidRequest` whose `param` is the field at fault."""
    system = (Message("system", asked.system),) if asked.system else ()
    if not asked.suffix:
        return (*system, _with_images(asked.prompt, asked.images, param="images").message("user"))
    if asked.images:
        raise InvalidRequest(
            "images have no place in a text to be filled in; leave images or suffix out.", param="images"
        )
    return (*system, *to_fill_in(asked.prompt or "", asked.suffix))


def _read_message(given: OllamaMessage, *, param: str) -> Message:
    calls = given.tool_calls or () if given.role == "assistant" else ()
    return _with_images(given.content, given.images, param=f"{param}.images").message(
        given.role,
        name=given.tool_name or given.name or "",
        tool_call_id=given.tool_call_id or "",
        tool_calls=tuple(read_tool_call(call, param=f"{param}.tool_calls[{at}]") for at, call in enumerate(calls)),
    )


def _with_images(text: str | None, images: Sequence[str] | None, *, param: str) -> Content:
    """The text and the pictures below it, as every surface has the two."""
    addresses = enumerate(read_images(images or (), param=param))
    shown = [picture(address, address, f"{param}[{place}]") for place, address in addresses]
    return joined([Content(text), *shown] if text else shown)
