"""What a turn wants sent to its upstream, and what answers a request, of either side's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One request: itself and no other, so that its answer can be told from another one's.

    `awaited` says that the answer goes back to whoever wanted it sent; nobody else ever waits for it. `about` tells
    several of one method apart.
    """

    method: str
    params: dict[str, Any]
    awaited: bool = False
    about: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be told that has no id, so that there is no answer to it either."""

    method: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """An answer that is no error."""

    value: object = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is an error. `code` is JSON-RPC's, or 0 where the error came in a result; `data` is for people."""

    code: int
    message: str
    data: str = ""

    @property
    def reason(self) -> str:
        """What it says, as short as it says it; empty where it says nothing."""
        return self.message or (str(self.code) if self.code else "")


Outgoing: TypeAlias = Request | Notice
Reply: TypeAlias = Result | Refusal
