"""One gateway's share of one life's channel: its messages go up under ids of ours, and what is its own comes down.

Judges what a gateway asks; what it has then is its `holdings`, and how it is answered its `gateway_side`. What upstream
tells of nobody's turn is about the account, which is watched where the life is; gateways hear what came of it from
`reports`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Final

from lingma_trio.agent.gateway_side import GatewaySide
from lingma_trio.agent.holdings import Ask, Holdings
from lingma_trio.errors import ChannelLost, ProtocolFault, Unavailable
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.protocol import relaying
from lingma_trio.protocol.acp.messages import refusal_of
from lingma_trio.protocol.fields import string
from lingma_trio.protocol.fleet_messages import BUSY, KEPT, TAKEN
from lingma_trio.protocol.jsonrpc import ErrorResponse, Notification, PeerId, Response, ServerRequest
from lingma_trio.protocol.messages import session_key
from lingma_trio.protocol.relaying import ASKING, CANCEL, STOP, UPLOAD, Turn
from lingma_trio.protocol.request import Notice, Outgoing, Refusal, Request, Result

ALLOWED: Final = frozenset(
    {*ASKING, STOP, CANCEL, "auth/status", "session/set_model", "session/set_mode", "session/set_config_option"}
)
"""What a gateway may ask: turns, and whether somebody is signed in. The rest is the agent's own business."""

MOST_ASKS: Final = 1000
"""Requests of one gateway that wait for their answers; turns need a few each."""


class Relay:
    """A gateway at one life. `hear` what it says; `close` it when it is gone, and its turns are stopped.

    `refusal` says why no turn may begin at this moment, or nothing. `post` sends the gateway a message, and `lost` is
    told that the life is over. Everything is called from a pump, and never waits.
    """

    def __init__(
        self,
        channel: RpcChannel,
        *,
        refusal: Callable[[], Refusal | None],
        post: Callable[[bytes], None],
        lost: Callable[[ChannelLost], None],
    ) -> None:
        self._channel = channel
        self._refusal = refusal
        self._side = GatewaySide(channel, post)
        self._held = Holdings(channel, self._side, lost=lost)

    def __repr__(self) -> str:
        return f"<Relay {self._side!r} {self._held!r}>"

    @property
    def turns(self) -> int:
        """Turns of this gateway's that are under way."""
        return len(self._held.turns)

    def hear(self, data: bytes) -> None:
        """Take what the gateway said, in any cut. Raises `ProtocolFault`."""
        for event in self._side.read(data):
            match event:
                case ServerRequest(number, method, params):
                    self._asked(number, Request(method, params))
                case Notification(method, params):
                    if method == KEPT:
                        self._keep_sessions(params.get("seconds"))
                    else:  # nothing else without an answer is a gateway's to say
                        self._has_stopped(Notice(method, params))
                case Response(number, result):
                    self._side.replied(number, Result(result))
                case ErrorResponse(int(number), code, message):
                    self._side.replied(number, Refusal(code, message))
                case _:
                    raise ProtocolFault("a message that no gateway sends")

    def close(self) -> None:
        """Stop the gateway's turns, and let go of all that was its own. On a life that is over that is nothing."""
        self._held.close()
        self._side.close()

    def _asked(self, number: PeerId, request: Request) -> None:
        if self._has_stopped(request):
            return  # nobody waits for the answer
        turn = Turn.begun(request.method, request.params, by_session=self._held.by_session)
        ask = Ask(self._held, number, request.method, turn)
        why = self._why_not(request) or (None if turn is None else self._begin(ask, turn))
        if why is not None:
            self._side.answer(number, why)
        else:
            self._held.send(ask, request)

    def _has_stopped(self, message: Outgoing) -> bool:
        """Whether it stops a turn, as it has then."""
        key = relaying.stopped(message.method, message.params, by_session=self._held.by_session)
        if key:
            self._held.stop(key, message)
        return bool(key)

    def _keep_sessions(self, seconds: object) -> None:
        sessions = self._channel.sessions
        if sessions is not None and isinstance(seconds, int | float) and 0 < seconds <= sys.float_info.max:
            sessions.keep_for(seconds)

    def _why_not(self, request: Request) -> Refusal | None:
        """Why it is not to be asked at all.

        Whose a session is at rest only the store of the gateways knows, where there is one. But two turns in one are a
        mistake of somebody's, and what upstream says of the first must not go to the second.
        """
        if request.method not in ALLOWED:
            return refusal_of(request.method)
        if self._held.has_anothers(_names_in(request)):
            return Refusal(TAKEN, "another turn is under way there")
        if self._channel.writer.congested or len(self._held.asks) >= MOST_ASKS:
            return Refusal(BUSY, f"{self._channel.terms.who} reads too slowly; ask again")
        return None

    def _begin(self, ask: Ask, turn: Turn) -> Refusal | None:
        """Have the turn among those under way; returns why it cannot be."""
        if (refusal := self._refusal()) is not None:
            return refusal
        if not turn.key or turn.key in self._channel.registry:
            return Refusal(TAKEN, "a turn of this name is under way")
        try:
            self._held.begin(ask, turn)
        except (Unavailable, ChannelLost) as fault:
            return Refusal(BUSY, str(fault))
        return None


def _names_in(request: Request) -> Iterator[str]:
    """What names the session, or the question, that a request is about."""
    if session_id := string(request.params, "sessionId"):
        yield session_key(session_id)
    if request.method == UPLOAD and (key := string(request.params, "requestId")):
        yield key
