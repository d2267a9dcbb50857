"""What an agent writes on its stdout while a turn waits for it: any lines, and what a turn makes of them.

An input is what is read, from its second byte on; the first says how it is cut. The turn is asked in the session "S",
and its prompt has the id 1.
"""

from __future__ import annotations

from typing import Any

from fuzz.target import Target
from lingma_trio.errors import ProtocolFault
from lingma_trio.protocol.acp.opened import Opened
from lingma_trio.protocol.acp.turn import AcpTurn
from lingma_trio.protocol.answer import Failed
from lingma_trio.protocol.jsonrpc import (
    METHOD_NOT_FOUND,
    Connection,
    ErrorResponse,
    Event,
    Notification,
    Response,
    ServerRequest,
)
from lingma_trio.protocol.lines import LineFramer
from lingma_trio.protocol.manners import ACP
from lingma_trio.protocol.messages import Question, session_key
from lingma_trio.protocol.request import Refusal, Reply, Request
from lingma_trio.protocol.turn_machine import Terms
from lingma_trio.turns import Finished, ToolCall


class Ends:
    """A sink that keeps how often the answer ended, and that nothing follows."""

    def __init__(self) -> None:
        self.ended = 0

    def text(self, text: str) -> None:
        """More text, which can be sent on."""
        assert not self.ended
        assert text.encode()

    thought = text

    def replaced(self, text: str) -> None:
        """Nothing an agent can do."""
        raise AssertionError(text)

    def call(self, call: ToolCall) -> None:
        """Nothing an agent can do."""
        raise AssertionError(call)

    def finished(self, event: Finished) -> None:
        """A good end."""
        assert event.session_id == "S"
        self.ended += 1

    def failed(self, failed: Failed) -> None:
        """A bad end."""
        assert failed.reason.encode() is not None
        self.ended += 1


def heard(data: bytes, step: int) -> list[Event] | str:
    """The events in a stream that comes in pieces of so many bytes, or the fault that ended it."""
    connection = Connection(LineFramer())
    connection.request("session/prompt", {})
    try:
        return [event for at in range(0, len(data), step) for event in connection.receive(data[at : at + step])]
    except ProtocolFault as fault:
        return str(fault)


def check(data: bytes) -> None:
    """Read it in one piece and in several, and let a turn have it."""
    cut, stream = data[:1], data[1:]
    events = heard(stream, max(1, len(stream)))
    assert heard(stream, 1 + int.from_bytes(cut) % 64) == events
    if isinstance(events, str):
        return
    sink = Ends()
    turn = AcpTurn(Question("r", "hi", "m"), sink, Terms("acp"), Opened("S"))
    (prompt,) = turn.begin()
    for event in events:
        take(turn, prompt, event)
    turn.end_by_idle()
    assert sink.ended == 1


def take(turn: AcpTurn, prompt: Request, event: Event) -> None:
    """Route an event as the channel does."""
    match event:
        case Response(_, result):
            turn.answered(prompt, result)
        case ErrorResponse(int(), code, message, more):
            turn.refused(prompt, Refusal(code, message, more))
        case Notification(method, params):
            if session_key("S") in ACP.turn_keys(method, params):
                turn.push(method, params)
        case ServerRequest(_, method, params):
            for reply in (turn.reply(method, params), ACP.stray_reply(method, params)):
                permits_nothing(reply, params)
            turn.push(method, params)


def permits_nothing(reply: Reply, params: dict[str, Any]) -> None:
    """An error for what is not known, and for a permission what the agent itself calls a rejection, or cancelled."""
    if isinstance(reply, Refusal):
        assert reply.code == METHOD_NOT_FOUND
        return
    assert isinstance(reply.value, dict)
    outcome = reply.value["outcome"]
    if outcome != {"outcome": "cancelled"}:
        chosen = [each for each in params["options"] if isinstance(each, dict)]
        assert any(
            each.get("optionId") == outcome["optionId"] and str(each.get("kind")).startswith("reject_")
            for each in chosen
        )


TARGET = Target("agent", check, size=4096, calls=2000, calls_per_byte=60)
