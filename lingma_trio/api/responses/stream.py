"""A streamed response: the events of one answer as the Responses API's typed server-sent events.

Knows OpenAI's events and the order that clients rely on; must not know HTTP, the clock or where events come from.

Every stream ends with `response.completed`, `response.incomplete` or `response.failed`. Clients take nothing else for
an end: Codex connects again and again where none of them comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

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
from lingma_trio.api.streamed import Streamed
from lingma_trio.policy.response_store import Encoded
from lingma_trio.turns import text_buffer

if TYPE_CHECKING:
    from lingma_trio.errors import GatewayError
    from lingma_trio.turns import FinishReason, ToolCall, Usage

KEEPALIVE = b": keep-alive\n\n"
"""A comment: the one thing that every client skips between two events, and also before the first."""

_Kind: TypeAlias = Literal["message", "reasoning"]
_Pieces: TypeAlias = tuple[bytes, ...]
"""Bytes to be joined once: the end of a long answer holds its text four times, and copying that is most of its work."""

# What the client gathers from fragments, by the kind of item: the field, and the events that carry it.
_GATHERED = {
    "function_call": ("arguments", "response.function_call_arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input"),
}


class ResponseStream(Streamed):
    """One answer as `response.*` events; an `Encoder`.

    The first two events tell of the response itself; they go out with whatever comes first, or by `start`. Then each
    item of the output is added, told of in fragments and done before the next one. `sequence_number` rises by one with
    each event. Empty text makes no event. A delta is constant bytes round one JSON string and a number, so it costs
    about what encoding its text costs.

    `result` is the final `response` object once the answer is complete. `identity` is the response's id
    without its prefix, of which the ids of its items are made.
    """

    __slots__ = (
        "_delta_head",
        "_delta_tail",
        "_identity",
        "_number",
        "_object",
        "_open",
        "_output",
        "_said",
        "_spellings",
        "result",
    )

    keepalive: ClassVar[bytes] = KEEPALIVE
    fails_whole: ClassVar[bool] = True

    def __init__(self, response: ResponseObject, *, identity: str, spellings: Mapping[str, Spelling]) -> None:
        super().__init__()
        self._object = response
        self._identity = identity
        self._spellings = spellings
        self._number = 0
        self._output: list[tuple[str, bytes]] = []  # the items that are done, each with its id
        self._open: _Kind | None = None
        self._said = text_buffer()  # of the open item
        self._delta_head = b""
        self._delta_tail = b""
        self.result: Encoded | None = None

    def start(self) -> bytes:
        """Return the events that tell of the response, to be sent before anything else; `EncoderError` once started."""
        self._require_unstarted()
        return b"".join(self._opening())

    def text(self, text: str) -> bytes:
        """Return the event of one text delta, after those that its item begins with; nothing for no text."""
        self._require_open()
        if not text:
            return b""
        self._spoken = True
        if self._open == "message":
            return self._delta(text)
        return b"".join((*self._opening(), *self._close(), *self._begin_message(), self._delta(text)))

    def thought(self, text: str) -> bytes:
        """Return the event of one reasoning delta, after those that its item begins with; nothing for no text."""
        self._require_open()
        if not text:
            return b""
        if self._open == "reasoning":
            return self._delta(text)
        return b"".join((*self._opening(), *self._close(), *self._begin_reasoning(), self._delta(text)))

    def call(self, call: ToolCall) -> bytes:
        """Return the events of a call, from its item's beginning to its end."""
        self._require_open()
        before = self._opening() + self._close()
        item = call_item(self._identity, len(self._output), call, self._spellings)
        field, event = _GATHERED.get(item["type"], ("", ""))
        begun = {**item, "status": "in_progress"}
        if not field:
            return b"".join((*before, *self._item("added", encode(begun)), *self._done(item["id"], encode(item))))
        place = {"item_id": item["id"], "output_index": len(self._output)}
        given = {"name": item["name"], field: item[field]} if field == "arguments" else {field: item[field]}
        return b"".join(
            (
                *before,
                *self._item("added", encode({**begun, field: ""})),
                *self._event(f"{event}.delta", {**place, "delta": item[field]}),
                *self._event(f"{event}.done", {**place, **given}),
                *self._done(item["id"], encode(item)),
            )
        )

    def finish(self, reason: FinishReason, usage: Usage, *, stop_sequence: str = "") -> bytes:
        """Return the end of an answer: what ends its last item, and `response.completed` or `response.incomplete`."""
        del stop_sequence  # responses know no stop sequences
        self._require_open()
        incomplete = INCOMPLETE.get(reason, "")
        end: Literal["completed", "incomplete"] = "incomplete" if incomplete else "completed"
        data = self._opening()
        if self._open is None and not self._output:
            data += self._begin_message()
        data += self._close(end)
        self._ended = True
        self.result = self._object.encoded(end, tuple(self._output), usage=usage, incomplete=incomplete)
        return b"".join((*data, *self._told(f"response.{end}", self.result)))

    def fail(self, error: GatewayError) -> bytes:
        """Return `response.failed`, which tells of `error` and ends the response; what was under way stays undone.

        Raises `EncoderError` before the start, when a proper status can still be sent, and after the end.
        """
        self._break_off()
        return b"".join(self._told("response.failed", self._object.encoded("failed", tuple(self._output), error=error)))

    def _opening(self) -> _Pieces:
        if self.started:
            return ()
        self.started = True
        response = self._object.encoded("in_progress")
        return self._told("response.created", response) + self._told("response.in_progress", response)

    def _begin_message(self) -> _Pieces:
        identity = self._begin("message", "msg", "response.output_text.delta", b'"content_index":0', b',"logprobs":[]')
        place = {"item_id": identity, "output_index": len(self._output), "content_index": 0}
        added = self._item("added", message_item(identity, b"", "in_progress"))
        return added + self._event("response.content_part.added", place, b'"part":', text_part(b'""'))

    def _begin_reasoning(self) -> _Pieces:
        identity = self._begin("reasoning", "rs", "response.reasoning_summary_text.delta", b'"summary_index":0', b"")
        place = {"item_id": identity, "output_index": len(self._output), "summary_index": 0}
        added = self._item("added", reasoning_item(identity, b"", "in_progress"))
        return added + self._event("response.reasoning_summary_part.added", place, b'"part":', summary_part(b'""'))

    def _begin(self, kind: _Kind, prefix: str, event: str, place: bytes, tail: bytes) -> str:
        """Open an item and lay out its deltas; returns its id."""
        identity = item_id(prefix, self._identity, len(self._output))
        fixed = encode({"type": event, "item_id": identity, "output_index": len(self._output)})[:-1]
        self._open = kind
        self._delta_head = b"event: %s\ndata: %s,%s" % (event.encode(), fixed, place) + b',"delta":'
        self._delta_tail = tail + b',"sequence_number":'
        return identity

    def _delta(self, text: str) -> bytes:
        self._said.write(text)
        number = self._number
        self._number = number + 1
        return b"".join((self._delta_head, encode_text(text), self._delta_tail, b"%d}\n\n" % number))

    def _close(self, status: Status = "completed") -> _Pieces:
        """Return what ends the item that is open, if any."""
        kind = self._open
        if kind is None:
            return ()
        quoted = encode_text(self._said.getvalue())
        self._open, self._said = None, text_buffer()
        index = len(self._output)
        if kind == "message":
            identity = item_id("msg", self._identity, index)
            part = text_part(quoted)
            item = message_item(identity, part, status)
            event, ended, place = "response.output_text", "response.content_part", {"content_index": 0}
            fixed: dict[str, Any] = {"logprobs": []}
        else:
            identity = item_id("rs", self._identity, index)
            part = summary_part(quoted)
            item = reasoning_item(identity, part, status)
            event, ended = "response.reasoning_summary_text", "response.reasoning_summary_part"
            place, fixed = {"summary_index": 0}, {}
        where = {"item_id": identity, "output_index": index, **place}
        return (
            *self._event(f"{event}.done", {**where, **fixed}, b'"text":', quoted),
            *self._event(f"{ended}.done", where, b'"part":', part),
            *self._done(identity, item),
        )

    def _item(self, what: Literal["added", "done"], item: bytes) -> _Pieces:
        return self._event(f"response.output_item.{what}", {"output_index": len(self._output)}, b'"item":', item)

    def _done(self, identity: str, item: bytes) -> _Pieces:
        pieces = self._item("done", item)
        self._output.append((identity, item))
        return pieces

    def _told(self, name: str, response: Encoded) -> _Pieces:
        return self._event(name, {}, b'"response":', *response.pieces)

    def _event(self, name: str, fields: dict[str, Any], *encoded: bytes) -> _Pieces:
        """Return an event of these fields, and of one more that is `encoded` already: its name, and its value."""
        data = encode({"type": name, "sequence_number": self._number, **fields})
        self._number += 1
        if encoded:
            return (b"event: %b\ndata: %b," % (name.encode(), data[:-1]), *encoded, b"}\n\n")
        return (b"event: %b\ndata: %b\n\n" % (name.encode(), data),)
