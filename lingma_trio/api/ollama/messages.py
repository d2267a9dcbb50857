"""The messages of a chat, and the prompt of a text, as the vocabulary's messages.

Knows Ollama's message objects; must not know the rest of the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingma_trio.api.filling_in import to_fill_in
from lingma_trio.api.ollama.images import read_images
from lingma_trio.api.openai.content import Content, read_content
from lingma_trio.api.openai.messages import read_tool_call
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lingma_trio.api.ollama.asked import OllamaGenerateRequest, OllamaMessage
    from lingma_trio.turns import Role


def read_messages(given: Sequence[OllamaMessage]) -> tuple[Message, ...]:
    """Read the messages of a chat, oldest first; raises `InvalidRequest` whose `param` is the field at fault."""
    return tuple(_read_message(each, param=f"messages[{index}]") for index, each in enumerate(given))


def read_prompt(asked: OllamaGenerateRequest) -> tuple[Message, ...]:
    """Read what a text is to be made of; raises `InvalidRequest` whose `param` is the field at fault."""
    system = (Message("system", asked.system),) if asked.system else ()
    if not asked.suffix:
        return (*system, _with_images("user", asked.prompt, asked.images, param="images"))
    if asked.images:
        raise InvalidRequest(
            "images have no place in a text to be filled in; leave images or suffix out.", param="images"
        )
    return (*system, *to_fill_in(asked.prompt or "", asked.suffix))


def _read_message(given: OllamaMessage, *, param: str) -> Message:
    held = _with_images(given.role, given.content, given.images, param=f"{param}.images")
    calls = given.tool_calls or () if given.role == "assistant" else ()
    return Message(
        given.role,
        held.text,
        name=given.tool_name or given.name or "",
        tool_call_id=given.tool_call_id or "",
        tool_calls=tuple(read_tool_call(call, param=f"{param}.tool_calls[{at}]") for at, call in enumerate(calls)),
        attachments=held.attachments,
        images=held.images,
        breaks=held.breaks,
    )


def _with_images(role: Role, text: str | None, images: Sequence[str] | None, *, param: str) -> Message:
    """The text and the pictures below it, as every surface has the two."""
    content = Content(text or "")
    if images:
        addresses = read_images(images, param=param)
        parts = [{"type": "text", "text": text}] if text else []
        parts += [{"type": "image_url", "image_url": address} for address in addresses]
        content = read_content(parts, param=param)
    return Message(role, content.text, attachments=content.attachments, images=content.images, breaks=content.breaks)
