"""What Lingma writes on its WebSocket while a turn waits for it, in both of its dialects.

An input is the stream of messages, from its second byte on; the first says how it is cut, and in which dialect the turn
is asked. The turn's request is "r", its session "S", and its first request has the id 1.
"""

from __future__ import annotations

from fuzz.agent import Ends
from fuzz.target import Target
from lingma_trio.errors import ProtocolFault
from lingma_trio.protocol.chat_turn import ChatTurn
from lingma_trio.protocol.framing import Framer
from lingma_trio.protocol.jsonrpc import Connection, ErrorResponse, Event, Notification, Response, ServerRequest
from lingma_trio.protocol.lingma_turn import LingmaTurn
from lingma_trio.protocol.manners import LINGMA
from lingma_trio.protocol.messages import Question
from lingma_trio.protocol.request import Refusal, Request
from lingma_trio.protocol.session_turn import SessionTurn
from lingma_trio.protocol.turn_machine import Terms
from lingma_trio.turns import Finished, ToolCall

TOOLS = frozenset({"look"})


class Anything(Ends):
    """A sink that takes what a Lingma can do as well: text in the place of other text, and calls."""

    called = False

    def text(self, text: str) -> None:
        """More text; none follows a call."""
        assert not self.called
        super().text(text)

    def replaced(self, text: str) -> None:
        """Other text."""
        self.text(text)

    def call(self, call: ToolCall) -> None:
        """A call of a tool that is declared, with an object."""
        assert not self.ended
        assert call.name in TOOLS
        assert call.arguments.startswith("{")
        self.called = True

    def finished(self, event: Finished) -> None:
        """A good end."""
        assert event.session_id.encode() is not None
        self.ended += 1


def heard(data: bytes, step: int) -> list[Event] | str:
    """The events in a stream that comes in pieces of so many bytes, or the fault that ended it."""
    connection = Connection(Framer())
    connection.request("chat/ask", {})
    try:
        return [event for at in range(0, len(data), step) for event in connection.receive(data[at : at + step])]
    except ProtocolFault as fault:
        return str(fault)


def check(data: bytes) -> None:
    """Read it in one piece and in several, and let a turn of one dialect have it."""
    first, stream = int.from_bytes(data[:1]), data[1:]
    events = heard(stream, max(1, len(stream)))
    pieces = heard(stream, 1 + first % 64)
    if isinstance(events, str):
        assert isinstance(pieces, str)  # another fault, where there are two: what came before one is lost with it
        return
    assert pieces == events
    sink = Anything()
    question = Question("r", "hi", "m", session_id="S" if first & 64 else "", tools=TOOLS)
    turn: LingmaTurn
    if first & 128:
        turn = SessionTurn(question, sink, Terms("session", frozenset({"read_file"}), "/w"), timestamp=1)
    else:
        turn = ChatTurn(question, sink, Terms("chat", frozenset({"read_file"})))
    pending = turn.begin()
    for event in events:
        pending = take(turn, pending, event)
    turn.end_by_idle()
    if turn.asked:
        turn.end_by_idle()
        assert sink.ended == 1
    assert turn.stop().method in {"chat/stop", "session/cancel"}


def take(turn: LingmaTurn, pending: list[Request], event: Event) -> list[Request]:
    """Route an event as the channel and the turn's shell do; returns the requests that wait for an answer then."""
    match event:
        case Response(_, result) if pending:
            request = pending.pop(0)
            if LINGMA.result_fault(result) is None:
                turn.answered(request, result)
            else:
                turn.refused(request, Refusal(0, "no"))
        case ErrorResponse(_, code, message, more) if pending:
            turn.refused(pending.pop(0), Refusal(code, message, more))
        case Notification(method, params) | ServerRequest(_, method, params):
            names = {"r", *turn.aliases}
            if isinstance(event, ServerRequest):
                turn.reply(method, params)
                LINGMA.stray_reply(method, params)
            if params.get(LINGMA.named_by) == "r" or names & set(LINGMA.turn_keys(method, params)):
                turn.push(method, params)
            elif method in LINGMA.error_pushes:
                turn.doubt(params)
    return pending + [each for each in turn.take_outgoing() if isinstance(each, Request)]


TARGET = Target("lingma", check, size=4096, calls=2000, calls_per_byte=60)
