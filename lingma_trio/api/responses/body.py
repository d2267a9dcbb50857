"""A response in one piece: the events of one answer folded into a `response` object.

Knows the order of output items; must not know HTTP, the clock or where events come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import TYPE_CHECKING, Literal, TypeAlias

from lingma_trio.api.json_text import encode, encode_text
from lingma_trio.api.responses.output import (
    Status,
    call_item,
    item_id,
    message_item,
    reasoning_item,
    summary_part,
    text_part,
)
from lingma_trio.api.responses.response import INCOMPLETE, ResponseObject
from lingma_trio.api.responses.tools import Spelling
from lingma_trio.api.whole_body import WholeBody
from lingma_trio.policy.response_store import Encoded, Items
from lingma_trio.turns import ToolCall, text_buffer

if TYPE_CHECKING:
    from lingma_trio.turns import FinishReason, Usage

_Kind: TypeAlias = Literal["text", "thought"]


class ResponseBody(WholeBody):
    """One answer as a `response` object; an `Encoder` that hands out nothing until `finish`.

    `result` is the object once it is complete. `identity` is the response's id without its prefix, of which
    the ids of its items are made.
    """

    __slots__ = ("_identity", "_object", "_parts", "_spellings", "result")

    def __init__(self, response: ResponseObject, *, identity: str, spellings: Mapping[str, Spelling]) -> None:
        super().__init__()
        self._object = response
        self._identity = identity
        self._spellings = spellings
        self._parts: list[tuple[_Kind, StringIO] | ToolCall] = []
        self.result: Encoded | None = None

    def text(self, text: str) -> bytes:
        """Take more of the answer's text; nothing is to be sent yet."""
        return self._add("text", text)

    def thought(self, text: str) -> bytes:
        """Take more of the model's reasoning; nothing is to be sent yet."""
        return self._add("thought", text)

    def replaced(self, text: str) -> bytes:
        """Forget the answer's text so far and take `text` in its place; nothing is to be sent yet."""
        held, self._parts = self._parts, []
        for part in held:
            if isinstance(part, ToolCall):
                self._parts.append(part)
            elif part[0] != "text":
                self._add(part[0], part[1].getvalue())
        return self.text(text)

    def call(self, call: ToolCall) -> bytes:
        """Take a call of one of the client's tools; nothing is to be sent yet."""
        self._require_open()
        self._parts.append(call)
        return b""

    def finish(self, reason: FinishReason, usage: Usage, *, stop_sequence: str = "") -> bytes:
        """Return the whole response, `incomplete` where a limit or the content filter ended the answer."""
        del stop_sequence  # responses know no stop sequences
        self._end()
        incomplete = INCOMPLETE.get(reason, "")
        self.result = self._object.encoded(
            "incomplete" if incomplete else "completed",
            self._output("incomplete" if incomplete else "completed"),
            usage=usage,
            incomplete=incomplete,
        )
        return self.result.json

    def _add(self, kind: _Kind, text: str) -> bytes:
        self._require_open()
        last = self._parts[-1] if self._parts else None
        if not text:
            return b""
        if last is None or isinstance(last, ToolCall) or last[0] != kind:
            self._parts.append((kind, text_buffer(text)))
        else:
            last[1].write(text)
        return b""

    def _output(self, end: Status) -> Items:
        """The items; the last of them is as complete as the answer, and an answer of nothing is an empty message."""
        parts = self._parts or [("text", text_buffer())]
        last = len(parts) - 1
        return tuple(self._item(at, part, end if at == last else "completed") for at, part in enumerate(parts))

    def _item(self, at: int, part: tuple[_Kind, StringIO] | ToolCall, status: Status) -> tuple[str, bytes]:
        if isinstance(part, ToolCall):
            item = call_item(self._identity, at, part, self._spellings)
            return item["id"], encode(item)
        kind, said = part
        quoted = encode_text(said.getvalue())
        if kind == "thought":
            identity = item_id("rs", self._identity, at)
            return identity, reasoning_item(identity, summary_part(quoted), status)
        identity = item_id("msg", self._identity, at)
        return identity, message_item(identity, text_part(quoted), status)
