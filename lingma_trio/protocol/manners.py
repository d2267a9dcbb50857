"""What a channel has to know of the dialects of one upstream: whose a message is, and what answers one of nobody's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from lingma_trio.protocol.acp import messages as acp
from lingma_trio.protocol.framing import Framer
from lingma_trio.protocol.jsonrpc import Framing
from lingma_trio.protocol.lines import LineFramer
from lingma_trio.protocol.messages import ERROR_PUSHES, push_reply, result_fault, turn_keys
from lingma_trio.protocol.request import Reply, Result


@dataclass(frozen=True, slots=True)
class Manners:
    """The manners of one upstream.

    `framer` begins a stream. `named_by` is the field by which nearly every push names its turn as that is registered,
    and empty where none does. `turn_keys` names what a push may belong to, `stray_reply` is what answers a push that
    carries an id and belongs to no turn, `result_fault` finds code and message of an error in a result, and
    `error_pushes` are pushes that end a turn without naming it.
    """

    framer: Callable[[], Framing]
    named_by: str
    turn_keys: Callable[[str, dict[str, Any]], Iterator[str]]
    stray_reply: Callable[[str, dict[str, Any]], Reply]
    result_fault: Callable[[object], tuple[str, str] | None]
    error_pushes: frozenset[str]


def _lingmas_stray_reply(method: str, params: dict[str, Any]) -> Reply:
    return Result(push_reply(method, params))


def _no_fault(result: object) -> None:
    """ACP's results are no errors, whatever stands in them."""
    del result


ACP: Final = Manners(LineFramer, "", acp.turn_keys, acp.stray_reply, _no_fault, frozenset())
LINGMA: Final = Manners(Framer, "requestId", turn_keys, _lingmas_stray_reply, result_fault, ERROR_PUSHES)
