"""JSON-RPC 2.0 in lines: what a line says, and lines for what is to be said.

Pure. Knows no method, and nothing of pipes. Shares nothing with the gateway's own, so that neither hides the other's
mistakes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from pydantic_core import from_json, to_json

Id: TypeAlias = int | str

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
AUTH_REQUIRED: Final = -32000
NOT_FOUND: Final = -32002


@dataclass(frozen=True, slots=True)
class Call:
    """A request, or a notification where `id` is None."""

    id: Id | None
    method: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the client says to a request: `result` is None for an error too, and `error` is what an error holds."""

    id: object
    result: object
    error: object = None


class Unreadable(ValueError):
    """A line that is no message; `code` is the error that the client gets."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Lines:
    """Cuts what is read into lines; the cost is linear however small the pieces are."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes, without their ends and without blank ones."""
        first, *rest = data.split(b"\n")
        self._pieces.append(first)
        if not rest:
            return []
        whole = [b"".join(self._pieces), *rest[:-1]]
        self._pieces = [rest[-1]]
        return [line for line in whole if line.strip()]


def read(line: bytes) -> Call | Reply:
    """Return what one line says; raises Unreadable."""
    try:
        message = from_json(line, allow_inf_nan=False)
    except ValueError as fault:
        raise Unreadable(PARSE_ERROR, "Parse error") from fault
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise Unreadable(INVALID_REQUEST, "a message is an object with jsonrpc 2.0")
    number, method = message.get("id"), message.get("method")
    if method is None:
        if number is None or ("result" in message) == ("error" in message):
            raise Unreadable(INVALID_REQUEST, "neither a call nor a reply")
        return Reply(number, message.get("result"), message.get("error"))
    if not isinstance(method, str) or isinstance(number, bool) or not isinstance(number, int | str | None):
        raise Unreadable(INVALID_REQUEST, "a method is a string, an id a number or a string")
    params = message.get("params", {})
    if not isinstance(params, dict):
        raise Unreadable(INVALID_REQUEST, "params are an object")
    return Call(number, method, params)


def notification(method: str, params: dict[str, Any]) -> bytes:
    """Return a line that tells something."""
    return _line({"method": method, "params": params})


def request(number: Id, method: str, params: dict[str, Any]) -> bytes:
    """Return a line that asks."""
    return _line({"id": number, "method": method, "params": params})


def response(number: Id | None, members: dict[str, Any]) -> bytes:
    """Return a line that answers; `members` has the result or the error, and no number leaves the id out."""
    return _line(members if number is None else {"id": number, **members})


def _line(members: dict[str, Any]) -> bytes:
    return to_json({"jsonrpc": "2.0", **members}) + b"\n"
