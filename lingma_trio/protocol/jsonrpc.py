"""Pairs calls with answers over a framed JSON-RPC 2.0 stream; both ends of it can be had from the same class.

Knows ids and what makes a message. Must not know how messages are framed, any methods, sockets or who waits for an
answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, TypeAlias, TypeGuard

from pydantic_core import from_json, to_json

from lingma_trio.errors import ProtocolFault
from lingma_trio.protocol.framing import Framer
from lingma_trio.protocol.lines import without_halves
from lingma_trio.records import record

METHOD_NOT_FOUND = -32601
"""The code of an error that says that the peer does not know the method."""

MAX_SHOWN = 1_000
"""Characters that are kept of what an error holds beside its message, and of what is no message."""

MOST_JUNK = 100
"""How many in a row may be no message before that is a fault: so many are another protocol."""

_LIKE_JSON = re.compile(rb'^[{["]|[]}",]$|"[:,]')  # or like a piece of it: a message that broke, with what it said
_OURS = re.compile(r"[1-9][0-9]{0,8}")

PeerId: TypeAlias = int | float | str
"""An id the peer chose for a request of its own: echoed as that number or text, never compared with ours."""


@record
class Response:
    """The peer answered our request `id`. A response without a `result` member has the result None."""

    id: int
    result: Any


@record
class ErrorResponse:
    """The peer answered our request `id` with an error.

    `id` is None where the peer could not tell which request it was, as after a parse error on its side: such an error
    belongs to no call and is only worth a log line. `data` is what it holds beside its message, as text: programs often
    have the reason there. It is cut to MAX_SHOWN characters.
    """

    id: int | None
    code: int
    message: str
    data: str = ""


@record
class Notification:
    """The peer told us something and wants no answer. `params` is empty where they are missing or no object."""

    method: str
    params: dict[str, Any]


@record
class ServerRequest:
    """The peer asks for something and waits for `answer` or `refuse` with this `id`."""

    id: PeerId
    method: str
    params: dict[str, Any]


@record
class Junk:
    """Something came in a message's place that is none, for the reason `why`.

    `text` is its beginning, for people, or empty where it may be somebody's conversation.
    """

    why: str
    text: str


Event: TypeAlias = Response | ErrorResponse | Notification | ServerRequest | Junk


class Framing(Protocol):
    """How messages lie in the stream; see `framing.Framer` and `lines.LineFramer`."""

    @property
    def mixed(self) -> bool:
        """Whether programs print other things where messages belong; else what is no JSON was cut at a wrong place."""

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that these bytes complete. Raises ProtocolFault."""

    def close(self) -> None:
        """Note the end of the stream. Raises ProtocolFault."""

    def wrap(self, body: bytes) -> bytes:
        """A message, ready to be sent."""


class _NoMessage(Exception):
    """What came is none, and the next may well be one."""


class Connection:
    """One end of a JSON-RPC stream, without the stream.

    The methods that send return framed bytes for the caller to write, whole and in order; `receive` turns what was
    read into events. Our ids count up from 1. The peer's ids are a space of their own: its request 3 is not our call 3.
    `redact` takes out of the texts of errors and of junk what nobody may see.
    """

    def __init__(self, framer: Framing | None = None, *, redact: Callable[[str], str] = str) -> None:
        self._framer = Framer() if framer is None else framer
        self._redact = redact
        self._issued = 0
        self._waiting: set[int] = set()
        self._junk = 0  # in a row
        self._fault: str | None = None

    def __repr__(self) -> str:
        state = "ok" if self._fault is None else f"broken: {self._fault}"
        return f"<Connection {state} issued={self._issued} waiting={len(self._waiting)}>"

    def request(self, method: str, params: object) -> tuple[int, bytes]:
        """Return a new request's id and its bytes. Each id ends in one response event, or in `abandon`.

        Raises ValueError when `params` cannot be written as JSON; the id is then not used.
        """
        number = self._issued + 1
        message = self._message({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        self._issued = number
        self._waiting.add(number)
        return number, message

    def notify(self, method: str, params: object) -> bytes:
        """Return the bytes of a call that gets no answer. Raises ValueError when `params` is no JSON."""
        return self._message({"jsonrpc": "2.0", "method": method, "params": params})

    def answer(self, peer_id: PeerId, result: object = None) -> bytes:
        """Return the bytes that answer the peer's request `peer_id`. Raises ValueError when `result` is no JSON."""
        return self._message({"jsonrpc": "2.0", "id": peer_id, "result": result})

    def refuse(self, peer_id: PeerId, code: int, message: str, data: str = "") -> bytes:
        """Return the bytes that answer the peer's request `peer_id` with an error; `code` is JSON-RPC's."""
        error: dict[str, object] = {"code": code, "message": message}
        if data:
            error["data"] = data
        return self._message({"jsonrpc": "2.0", "id": peer_id, "error": error})

    def abandon(self, number: int) -> None:
        """Give up waiting for our request `number`: a response that still comes is dropped in silence.

        Nothing is remembered of the call. Ids count up, so a response is late when its number was given out and
        nobody waits for it, and junk when the number was never given out.
        """
        self._waiting.discard(number)

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes as they were read, in any chunking; return the events they complete, in order.

        Raises ProtocolFault, and nothing else, whatever the bytes are: for faults of framing, unless the framer's
        stream is mixed for those of JSON (too deep included), and for too much junk in a row. Every later call raises
        it again. Junk is what is no object (batches included), has members of the wrong type, or responds to an id that
        was never issued. Late and duplicate responses yield no event.
        """
        if self._fault is not None:
            raise ProtocolFault(self._fault)
        try:
            return [event for body in self._framer.feed(data) if (event := self._read(body)) is not None]
        except ProtocolFault as fault:
            self._fault = str(fault)
            raise

    def close(self) -> None:
        """Note the end of the stream. Raises ProtocolFault when it comes in the middle of a frame or after a fault."""
        if self._fault is not None:
            raise ProtocolFault(self._fault)
        self._framer.close()

    def _message(self, members: dict[str, object]) -> bytes:
        return self._framer.wrap(to_json(members, inf_nan_mode="null"))  # a number that JSON lacks ends the stream

    def _read(self, body: bytes) -> Event | None:
        try:
            try:
                message = from_json(body, allow_inf_nan=False)
            except ValueError as fault:
                message = self._without_halves(body, fault)
            if type(message) is not dict:  # what JSON is read as has these types and no other; that takes no call
                raise _NoMessage("a message that is no object")
            method, params = message.get("method"), message.get("params")
            if type(method) is str and type(params) is dict and "id" not in message:  # as nearly all are
                event: Event | None = Notification(method, params)
            else:
                event = self._read_other(message)
        except _NoMessage as found:
            return self._pass_over(str(found), body)
        self._junk = 0
        return event

    def _without_halves(self, body: bytes, fault: ValueError) -> Any:  # noqa: ANN401 - any JSON
        """What a body holds that could not be read, if for halves of characters alone."""
        with suppress(ValueError):
            return from_json(without_halves(body), allow_inf_nan=False)
        kind = _NoMessage if self._framer.mixed else ProtocolFault
        raise kind(f"a body of {len(body)} bytes that is no JSON: {fault}") from fault

    def _pass_over(self, why: str, body: bytes) -> Junk:
        """What is there in a message's place. Raises ProtocolFault where that is one too many."""
        self._junk += 1
        if self._junk > MOST_JUNK:
            what = f"{self._junk} in a row that are no messages of the protocol it should speak"
            raise ProtocolFault(f"{what}; the last is {why}")
        return Junk(why, "" if _LIKE_JSON.search(body) else self._shown(body.decode(errors="replace")))

    def _read_other(self, message: dict[str, Any]) -> Event | None:
        number = message.get("id")
        if type(number) is float and number.is_integer():
            message["id"] = int(number)  # as some write 7
        method = message.get("method")
        if method is None:
            return self._read_response(message)
        if not isinstance(method, str):
            raise _NoMessage("a method that is no string")
        params = message.get("params")
        if not isinstance(params, dict):
            params = {}
        peer_id = message.get("id")
        if peer_id is None:
            return Notification(method, params)
        if not isinstance(peer_id, int | float | str):
            raise _NoMessage("a request id that is neither number nor string")
        return ServerRequest(peer_id, method, params)

    def _read_response(self, message: dict[str, Any]) -> Response | ErrorResponse | None:
        number = message.get("id")
        if isinstance(number, str) and _OURS.fullmatch(number):
            number = int(number)  # some programs make a text of every id
        error = message.get("error")
        if number is None and error is not None:
            return self._read_error(None, error)
        if not _is_integer(number) or not 1 <= number <= self._issued:
            raise _NoMessage("a response to a request that was never made")
        if number not in self._waiting:
            return None
        self._waiting.remove(number)
        return Response(number, message.get("result")) if error is None else self._read_error(number, error)

    def _read_error(self, number: int | None, error: object) -> ErrorResponse:
        """The error, in whatever shape it came: whoever waits is told."""
        if not isinstance(error, dict):
            error = {"data": error}
        code, message = error.get("code"), error.get("message")
        code, message = code if _is_integer(code) else 0, message if isinstance(message, str) else ""
        return ErrorResponse(number, code, self._redact(message), self._shown(_text_of(error.get("data"))))

    def _shown(self, text: str) -> str:
        """Text for people: without secrets, which are taken out before a cut could leave half of one."""
        return self._redact(text[: 4 * MAX_SHOWN])[:MAX_SHOWN]


def _text_of(data: object) -> str:
    if data is None:
        return ""
    return data if isinstance(data, str) else to_json(data, inf_nan_mode="null").decode(errors="replace")


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
