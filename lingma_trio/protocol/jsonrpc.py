"""Pairs calls with answers over a framed JSON-RPC 2.0 stream; both ends of it can be had from the same class.

Knows framing and ids. Must not know Lingma's methods, sockets or who waits for an answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, TypeGuard

from pydantic_core import from_json, to_json

from lingma_trio.errors import ProtocolFault
from lingma_trio.protocol.framing import Framer, frame

METHOD_NOT_FOUND = -32601
"""The code of an error that says that the peer does not know the method."""

PeerId: TypeAlias = int | str
"""An id the peer chose for a request of its own: echoed as it came, never compared with ours."""


@dataclass(frozen=True, slots=True)
class Response:
    """The peer answered our request `id`. A response without a `result` member has the result None."""

    id: int
    result: Any


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """The peer answered our request `id` with an error.

    `id` is None where the peer could not tell which request it was, as after a parse error on its side: such an error
    belongs to no call and is only worth a log line.
    """

    id: int | None
    code: int
    message: str


@dataclass(frozen=True, slots=True)
class Notification:
    """The peer told us something and wants no answer. `params` is empty where they are missing or no object."""

    method: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ServerRequest:
    """The peer asks for something and waits for `answer` or `refuse` with this `id`."""

    id: PeerId
    method: str
    params: dict[str, Any]


Event: TypeAlias = Response | ErrorResponse | Notification | ServerRequest


class Connection:
    """One end of a JSON-RPC stream, without the stream.

    The methods that send return framed bytes for the caller to write, whole and in order; `receive` turns what was
    read into events. Our ids count up from 1. The peer's ids are a space of their own: its request 3 is not our call 3.
    """

    def __init__(self) -> None:
        self._framer = Framer()
        self._issued = 0
        self._waiting: set[int] = set()
        self._fault: str | None = None

    def __repr__(self) -> str:
        state = "ok" if self._fault is None else f"broken: {self._fault}"
        return f"<Connection {state} issued={self._issued} waiting={len(self._waiting)}>"

    def request(self, method: str, params: object) -> tuple[int, bytes]:
        """Return a new request's id and its bytes. Each id ends in one response event, or in `abandon`.

        Raises ValueError when `params` cannot be written as JSON; the id is then not used.
        """
        number = self._issued + 1
        message = _message({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        self._issued = number
        self._waiting.add(number)
        return number, message

    def notify(self, method: str, params: object) -> bytes:
        """Return the bytes of a call that gets no answer. Raises ValueError when `params` is no JSON."""
        return _message({"jsonrpc": "2.0", "method": method, "params": params})

    def answer(self, peer_id: PeerId, result: object = None) -> bytes:
        """Return the bytes that answer the peer's request `peer_id`. Raises ValueError when `result` is no JSON."""
        return _message({"jsonrpc": "2.0", "id": peer_id, "result": result})

    def refuse(self, peer_id: PeerId, code: int, message: str) -> bytes:
        """Return the bytes that answer the peer's request `peer_id` with an error; `code` is JSON-RPC's."""
        return _message({"jsonrpc": "2.0", "id": peer_id, "error": {"code": code, "message": message}})

    def abandon(self, number: int) -> None:
        """Give up waiting for our request `number`: a response that still comes is dropped in silence.

        Nothing is remembered of the call. Ids count up, so a response is late when its number was given out and
        nobody waits for it, and a fault when the number was never given out.
        """
        self._waiting.discard(number)

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes as they were read, in any chunking; return the events they complete, in order.

        Raises ProtocolFault, and nothing else, whatever the bytes are: for faults of framing and of JSON (too deep
        included), for a message that is no object (batches included), for members of the wrong type, and for a response
        to an id that was never issued. Every later call raises it again. Late and duplicate responses yield no event.
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

    def _read(self, body: bytes) -> Event | None:
        try:
            message = from_json(body, allow_inf_nan=False)
        except ValueError as fault:
            raise ProtocolFault(f"a body of {len(body)} bytes that is no JSON: {fault}") from fault
        if not isinstance(message, dict):
            raise ProtocolFault("a message that is no object")
        method = message.get("method")
        if method is None:
            return self._read_response(message)
        if not isinstance(method, str):
            raise ProtocolFault("a method that is no string")
        params = message.get("params")
        if not isinstance(params, dict):
            params = {}
        peer_id = message.get("id")
        if peer_id is None:
            return Notification(method, params)
        if not _is_integer(peer_id) and not isinstance(peer_id, str):
            raise ProtocolFault("a request id that is neither number nor string")
        return ServerRequest(peer_id, method, params)

    def _read_response(self, message: dict[str, Any]) -> Response | ErrorResponse | None:
        number = message.get("id")
        error = message.get("error")
        if number is None and error is not None:
            return _read_error(None, error)
        if not _is_integer(number) or not 1 <= number <= self._issued:
            raise ProtocolFault("a response to a request that was never made")
        # Read before looking who waits, so that a malformed error is the same fault whether it is late or not.
        event = Response(number, message.get("result")) if error is None else _read_error(number, error)
        if number not in self._waiting:
            return None
        self._waiting.remove(number)
        return event


def _message(members: dict[str, object]) -> bytes:
    return frame(to_json(members))


def _read_error(number: int | None, error: object) -> ErrorResponse:
    if not isinstance(error, dict):
        raise ProtocolFault("an error that is no object")
    code, message = error.get("code"), error.get("message")
    if not _is_integer(code) or not isinstance(message, str):
        raise ProtocolFault("an error without a numeric code and a message")
    return ErrorResponse(number, code, message)


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
