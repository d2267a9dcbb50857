"""A turn with an agent without the agent: lines in, lines out, through a connection as the gateway has it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from lingma_trio.protocol.acp.messages import AcpTerms, Agent
from lingma_trio.protocol.acp.opened import Opened
from lingma_trio.protocol.acp.turn import AcpTurn
from lingma_trio.protocol.jsonrpc import Connection, ErrorResponse, Notification, Response, ServerRequest
from lingma_trio.protocol.lines import LineFramer
from lingma_trio.protocol.manners import ACP
from lingma_trio.protocol.messages import Question
from lingma_trio.protocol.request import Outgoing, Refusal, Request
from lingma_trio.protocol.turn_machine import Terms
from tests.protocol.sink import Sink

DIRECTORY = "/work/acp/default/work"


@dataclass
class Played:
    """One turn under way. `sent` are the messages that left, without what all have; ids count from 1."""

    turn: AcpTurn
    sink: Sink
    rpc: Connection = field(default_factory=lambda: Connection(LineFramer()))
    sent: list[dict[str, Any]] = field(default_factory=list)
    awaited: dict[int, Request] = field(default_factory=dict)

    def read(self, *messages: dict[str, Any]) -> None:
        """Take messages of the agent's as lines, as a channel would route them."""
        self.hear(b"".join(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n" for message in messages))

    def hear(self, data: bytes) -> None:
        """Take bytes of the agent's, in any chunking."""
        for event in self.rpc.receive(data):
            match event:
                case Response(number, result):
                    self.turn.answered(self.awaited.pop(number), result)
                case ErrorResponse(int(number), code, message, more):
                    self.turn.refused(self.awaited.pop(number), Refusal(code, message, more))
                case ServerRequest(peer_id, method, params):
                    reply = self.turn.reply(method, params)
                    answer = (
                        self.rpc.refuse(peer_id, reply.code, reply.message)
                        if isinstance(reply, Refusal)
                        else self.rpc.answer(peer_id, reply.value)
                    )
                    self.sent.append(written(answer))
                    self._push(method, params)
                case Notification(method, params):
                    self._push(method, params)
            self.send(self.turn.take_outgoing())

    def update(self, kind: str, /, **fields: Any) -> None:  # noqa: ANN401 - any JSON
        """Take an update of the turn's session."""
        params = {"sessionId": self.turn.session_id, "update": {"sessionUpdate": kind, **fields}}
        self.read({"method": "session/update", "params": params})

    def say(self, *texts: str) -> None:
        """Take chunks of the answer."""
        for text in texts:
            self.update("agent_message_chunk", content={"type": "text", "text": text})

    def answer(self, **result: Any) -> None:  # noqa: ANN401 - any JSON
        """Take the answer to the only request that waits for one."""
        (number,) = self.awaited
        self.read({"id": number, "result": result})

    def refuse(self, code: int, message: str, data: object = None) -> None:
        """Take an error as that answer."""
        (number,) = self.awaited
        self.read({"id": number, "error": {"code": code, "message": message, "data": data}})

    def send(self, messages: list[Outgoing] | list[Request]) -> None:
        """Send what the turn wants sent."""
        for message in messages:
            assert isinstance(message, Request)
            number, line = self.rpc.request(message.method, message.params)
            self.awaited[number] = message
            self.sent.append(written(line))

    def _push(self, method: str, params: dict[str, Any]) -> None:
        if set(ACP.turn_keys(method, params)) & set(self.turn.aliases):
            self.turn.push(method, params)


def written(line: bytes) -> dict[str, Any]:
    """A line that is to leave, without what all have."""
    message: dict[str, Any] = json.loads(line)
    assert message.pop("jsonrpc") == "2.0"
    return message


def begin(
    *,
    agent: Agent | None = None,
    mode: str = "",
    opened: Opened | None = None,
    **question: Any,  # noqa: ANN401
) -> Played:
    """Begin a turn that asks "hi" for the model m, unless told otherwise."""
    sink = Sink()
    terms = Terms("acp", directory=DIRECTORY, acp=AcpTerms(agent or Agent(), mode))
    asked = Question(**{"request_id": "r", "text": "hi", "model_key": "m", **question})
    played = Played(AcpTurn(asked, sink, terms, opened), sink)
    played.send(played.turn.begin())
    return played


def asked(**more: Any) -> Played:  # noqa: ANN401 - as `begin`
    """A turn whose prompt is out, in the session S."""
    return begin(opened=Opened("S"), **more)
