"""Conversations summed up: the request for it, the item that holds the summary, and how that item is read again.

Knows OpenAI's compaction items; must not know HTTP or who writes the summary. OpenAI seals what is in such an item.
Here it is the summary itself, in Base64 behind a mark of its own, so that it can be read after a restart and by any
gateway; what another server has sealed cannot be read and is refused, since an answer without it would be one to
nothing.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from lingma_trio.api.json_text import encodable, encode
from lingma_trio.api.responses.response import usage_fields
from lingma_trio.api.whole_body import TextBody
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import Message, Prompt

if TYPE_CHECKING:
    from lingma_trio.api.answer_request import Origin
    from lingma_trio.api.responses.request import ResponseRequest
    from lingma_trio.turns import FinishReason, Usage

KIND: Final = "compaction"
_MARK: Final = "lingma_trio:"
_SUMMARY: Final = "Summary of the conversation so far, which stands in its place:\n"
_SUM_UP: Final = (
    "Sum up the conversation above for somebody who goes on with it and has nothing else: what the user wants, what was"
    " found, decided, done and changed, with names, paths, numbers and wordings that matter, and what is still to be"
    " done. Write the summary alone."
)


@dataclass(frozen=True, slots=True)
class CompactionRequest:
    """A request for the summary of a conversation: a turn of its own, which nobody continues."""

    asked: ResponseRequest
    prompt: Prompt
    stream: bool = False
    stop: tuple[str, ...] = ()

    @property
    def model(self) -> str:
        """The model's name as the client gave it, or empty for the gateway's default."""
        return self.asked.model

    @property
    def max_tokens(self) -> int | None:
        """The bound on the summary, None for none."""
        return self.asked.max_tokens

    @property
    def user(self) -> str:
        """The client's own name for its user, or empty."""
        return self.asked.user

    @property
    def ignored(self) -> tuple[str, ...]:
        """Names of fields that nobody described."""
        return self.asked.ignored

    def encoder(self, origin: Origin) -> CompactionBody:
        """Return the encoder of a `response.compaction`."""
        return CompactionBody(origin)


def to_sum_up(asked: ResponseRequest) -> CompactionRequest:
    """Return the request for the summary of what was asked; its tools and format have no part in it."""
    question = Message("user", _SUM_UP)
    bare = replace(asked.prompt, messages=(*asked.prompt.messages, question), tools="", toolbox=None, once=True)
    return CompactionRequest(asked, replace(bare, answer_format=None))


def compaction_item(identity: str, summary: str) -> dict[str, Any]:
    """Return the item that holds a summary."""
    sealed = _MARK + b64encode(encodable(summary).encode()).decode()
    return {"id": f"cmp_{identity}", "type": KIND, "encrypted_content": sealed}


def read_compaction(item: Mapping[str, Any], *, param: str) -> Message:
    """Return the message that stands for a summed up conversation.

    Raises `InvalidRequest` that names the field for one that was not summed up here.
    """
    sealed = item.get("encrypted_content")
    try:
        if not isinstance(sealed, str) or not sealed.startswith(_MARK):
            raise ValueError("not ours")
        summary = b64decode(sealed[len(_MARK) :], validate=True).decode()
    except (ValueError, binascii.Error) as fault:
        raise InvalidRequest(
            f"{param}.encrypted_content was not made here and cannot be read; send the items that it stands for, or"
            " their summary as a message.",
            param=f"{param}.encrypted_content",
        ) from fault
    return Message("user", _SUMMARY + summary)


class CompactionBody(TextBody):
    """A summary as a `response.compaction`; an `Encoder` that hands out nothing until `finish`."""

    __slots__ = ("_origin",)

    def __init__(self, origin: Origin) -> None:
        super().__init__()
        self._origin = origin

    def finish(self, reason: FinishReason, usage: Usage, *, stop_sequence: str = "") -> bytes:
        """Return the whole object."""
        del reason, stop_sequence
        self._end()
        identity = self._origin.id
        return encode(
            {
                "id": f"resp_{identity}",
                "object": "response.compaction",
                "created_at": self._origin.created,
                "output": [compaction_item(identity, self._text.getvalue())],
                "usage": usage_fields(usage),
            }
        )
