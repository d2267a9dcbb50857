"""One gateway's share of one life's channel: its messages go up under ids of ours, and what is its own comes down.

Everything here is called from a pump, the gateway's or upstream's, and never waits. What upstream tells of nobody's
turn is about the account, which is watched where the life is; gateways hear what came of it from `reports`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

from lingma_trio.errors import ChannelLost, ProtocolFault, Unavailable
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.listeners import Later
from lingma_trio.protocol import relaying
from lingma_trio.protocol.acp.messages import NEW, refusal_of
from lingma_trio.protocol.acp.opened import Opened
from lingma_trio.protocol.fields import string
from lingma_trio.protocol.fleet_messages import BUSY, DOUBT, TAKEN
from lingma_trio.protocol.jsonrpc import (
    METHOD_NOT_FOUND,
    Connection,
    ErrorResponse,
    Notification,
    PeerId,
    Response,
    ServerRequest,
)
from lingma_trio.protocol.messages import ERROR_PUSHES, call_key, session_key
from lingma_trio.protocol.relaying import ASKING, CANCEL, PROMPT, STOP, UPLOAD, Turn
from lingma_trio.protocol.request import Notice, Outgoing, Refusal, Reply, Request, Result
from lingma_trio.protocol.turn_machine import Push

ALLOWED: Final = frozenset(
    {*ASKING, STOP, CANCEL, "auth/status", "session/set_model", "session/set_mode", "session/set_config_option"}
)
"""What a gateway may ask: turns, and whether somebody is signed in. The rest is the agent's own business."""

MOST_LOOSE: Final = 256
"""Names of uploads, and of turns that are answered, that are kept for what may still come; the oldest go first."""

MOST_ASKS: Final = 1000
"""Requests of one gateway that wait for their answers; turns need a few each."""

MOST_FRESH: Final = 256
"""Sessions that are remembered as given to a gateway and not asked in yet; the oldest go first."""


class Relay:
    """A gateway at one life. `hear` what it says; `close` it when it is gone, and its turns are stopped.

    `refusal` says why no turn may begin at this moment, or nothing. `post` sends the gateway a message, and `lost` is
    told that the life is over.
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
        self._by_session = channel.terms.dialect == "acp"
        self._refusal = refusal
        self._post = post
        self.lost = lost
        self._rpc = Connection()
        self._turns: dict[str, _Ask] = {}
        self._asks: set[_Ask] = set()  # whose answer has not come
        self._owed: dict[int, tuple[PeerId, Reply]] = {}  # upstream's requests, and what answers them if nobody does
        self._loose: dict[str, _Ask] = {}
        self._fresh: dict[str, None] = {}  # sessions that were made for the gateway, and in which it asked nothing yet

    def __repr__(self) -> str:
        return f"<Relay turns={len(self._turns)} asks={len(self._asks)} owed={len(self._owed)} {self._channel!r}>"

    @property
    def turns(self) -> int:
        """Turns of this gateway's that are under way."""
        return len(self._turns)

    def hear(self, data: bytes) -> None:
        """Take what the gateway said, in any cut. Raises `ProtocolFault`."""
        for event in self._rpc.receive(data):
            match event:
                case ServerRequest(number, method, params):
                    self._asked(number, method, params)
                case Notification(method, params):
                    self._told(Notice(method, params))
                case Response(number, result):
                    self._replied(number, Result(result))
                case ErrorResponse(int(number), code, message):
                    self._replied(number, Refusal(code, message))
                case _:
                    raise ProtocolFault("a message that no gateway sends")

    def close(self) -> None:
        """Stop the gateway's turns, and let go of all that was its own. On a life that is over that is nothing."""
        sessions = self._channel.sessions
        for key, ask in list(self._turns.items()):
            assert ask.turn is not None
            self._stop(key, ask.turn.stop(ask.session_id, by_session=self._by_session))
        for ask in self._asks:
            if ask.number:
                self._channel.forget("", (), (ask.number,))
            elif sessions is not None:
                sessions.leave(ask, None, "")
        for name, ask in self._loose.items():
            self._channel.registry.unalias(name, ask)
        if sessions is not None and not self._channel.lost:
            for session_id in self._fresh:
                sessions.discard(session_id)
        self._fresh.clear()
        self._asks.clear()
        self._loose.clear()
        owed, self._owed = self._owed, {}
        if not self._channel.lost:
            with suppress(ChannelLost):  # too much waits to be written for an answer to matter
                for number, reply in owed.values():
                    self._channel.answer(number, reply)

    # What the gateway says.

    def _asked(self, number: PeerId, method: str, params: dict[str, Any]) -> None:
        if method not in ALLOWED:
            refusal = refusal_of(method)
            self._post(self._rpc.refuse(number, refusal.code, refusal.message))
            return
        if relaying.stopped(method, params, by_session=self._by_session):
            self._told(Request(method, params))  # whose answer nobody waits for
            return
        if self._is_anothers(method, params):
            self._post(self._rpc.refuse(number, TAKEN, "another turn is under way there"))
            return
        if self._channel.writer.congested or len(self._asks) >= MOST_ASKS:
            self._post(self._rpc.refuse(number, BUSY, f"{self._channel.terms.who} reads too slowly; ask again"))
            return
        ask = _Ask(self, number, method, Turn.begun(method, params, by_session=self._by_session))
        if ask.turn is not None and (why := self._begin(ask, ask.turn)) is not None:
            self._post(self._rpc.refuse(number, why.code, why.message))
            return
        self._asks.add(ask)
        if method == UPLOAD:
            self._keep(string(params, "requestId"), ask)
        if method == NEW and self._channel.sessions is not None:
            self._open(ask, Request(method, params))
        else:
            ask.number = self._channel.send(Request(method, params), ask)

    def _is_anothers(self, method: str, params: dict[str, Any]) -> bool:
        """Whether it is about a session, or a question, in which a turn of another gateway's is under way.

        Whose a session is at rest only the store of the gateways knows, where there is one. But two turns in one are a
        mistake of somebody's, and what upstream says of the first must not go to the second.
        """
        session_id = string(params, "sessionId")
        names = (session_key(session_id) if session_id else "", string(params, "requestId") if method == UPLOAD else "")
        holders = [self._channel.registry.holder(name) for name in names if name]
        return any(isinstance(each, _Ask) and each.relay is not self and each.relay.holds(each) for each in holders)

    def _begin(self, ask: _Ask, turn: Turn) -> Refusal | None:
        """Have the turn among those under way; returns why it cannot be."""
        if (refusal := self._refusal()) is not None:
            return refusal
        if not turn.key or turn.key in self._channel.registry:
            return Refusal(TAKEN, "a turn of this name is under way")
        try:
            self._channel.register(turn.key, ask, turn.model)
        except (Unavailable, ChannelLost) as fault:
            return Refusal(BUSY, str(fault))
        self._turns[turn.key] = ask
        self._fresh.pop(turn.session_id, None)
        if turn.session_id:
            ask.see(session_key(turn.session_id))
        return None

    def _open(self, ask: _Ask, request: Request) -> None:
        """Have a session for the gateway: one that is there already, or the next that is made."""
        sessions = self._channel.sessions
        assert sessions is not None
        opened = sessions.take()
        if opened is None:
            sessions.seek(ask, request)
        else:
            self.give(ask, opened.body())

    def _told(self, message: Outgoing) -> None:
        """Pass on what stops a turn; nothing else that has no answer is a gateway's to say."""
        key = relaying.stopped(message.method, message.params, by_session=self._by_session)
        if key and (key in self._turns or key not in self._channel.registry):
            self._stop(key, message)

    def _stop(self, key: str, message: Outgoing) -> None:
        self._channel.stop(message)
        ask = self._turns.get(key)
        if ask is None:  # it has ended for us
            return
        sessions = self._channel.sessions
        if sessions is not None and ask in self._asks:
            sessions.leave(ask, ask.number, ask.session_id)
            self._asks.remove(ask)
        self.end(ask)

    def _replied(self, number: int, reply: Reply) -> None:
        owed = self._owed.pop(number, None)
        if owed is not None and not self._channel.lost:
            self._channel.answer(owed[0], reply)

    # What upstream says.

    def push(self, method: str, params: dict[str, Any]) -> None:
        """Tell the gateway something that wants no answer."""
        self._post(self._rpc.notify(method, params))

    def forward(self, number: PeerId, ask: _Ask, method: str, params: dict[str, Any]) -> None:
        """Have the gateway answer what upstream asks."""
        ask.learn(params)
        ours, frame = self._rpc.request(method, params)
        self._owed[ours] = number, self._channel.manners.stray_reply(method, params)
        self._post(frame)

    def answer(self, ask: _Ask, reply: Reply) -> None:
        """Give the gateway the answer to what it asked."""
        self._asks.discard(ask)
        if isinstance(reply, Result):
            self._post(self._rpc.answer(ask.id, reply.value))
        else:
            self._post(self._rpc.refuse(ask.id, reply.code, reply.message, reply.data))

    def give(self, ask: _Ask, made: object) -> None:
        """Give the gateway a session that was made for it, which is closed should it leave before it asks there."""
        if session_id := Opened.read(made).session_id:
            self._fresh[session_id] = None
            if len(self._fresh) > MOST_FRESH:
                del self._fresh[next(iter(self._fresh))]
        self.answer(ask, Result(made))

    def prompt_answered(self, ask: _Ask, result: object) -> None:
        """The answer to a prompt has come: in ACP the turn's end, else before the update that is, or in its place."""
        if self._by_session:
            self.end(ask)
        elif relaying.answer_ends(result):
            self.end(ask, trailing=True)

    def unknown(self, method: str) -> None:
        """Upstream does not know the method: it may have to be asked in the other dialect, by everybody."""
        if method in ASKING and not self._by_session:
            self._channel.unknown("chat" if method in {relaying.ASK, UPLOAD} else "session")

    def end(self, ask: _Ask, *, trailing: bool = False) -> None:
        """A turn is over. Of one that is `trailing` upstream may have more to say, which still is the gateway's."""
        turn = ask.turn
        assert turn is not None
        if self._turns.pop(turn.key, None) is None:
            for name in ask.names:
                self._let_go(name, ask)
            return
        if trailing:
            self._channel.forget(turn.key, (), ())
            for name in (turn.key, *ask.names):
                self._keep(name, ask)
        else:
            numbers = (ask.number,) if ask in self._asks else ()
            self._asks.discard(ask)
            self._channel.forget(turn.key, ask.names, numbers)

    def holds(self, ask: _Ask) -> bool:
        """Whether its turn is under way, or its answer has not come."""
        return ask in self._asks or (ask.turn is not None and self._turns.get(ask.turn.key) is ask)

    def finds(self, ask: _Ask, method: str, params: dict[str, Any]) -> bool:
        """Whether a push still is for the gateway, which asked."""
        return self._channel.registry.find(method, params) is ask

    def name(self, name: str, ask: _Ask) -> None:
        """Let what names this be for the gateway, which asked."""
        self._channel.registry.alias(name, ask)

    def _keep(self, name: str, ask: _Ask) -> None:
        self._loose.pop(name, None)
        self._loose[name] = ask
        self.name(name, ask)
        if len(self._loose) > MOST_LOOSE:
            oldest = next(iter(self._loose))
            self._let_go(oldest, self._loose[oldest])

    def _let_go(self, name: str, ask: _Ask) -> None:
        if self._loose.get(name) is ask:
            del self._loose[name]
        self._channel.registry.unalias(name, ask)


class _Ask:
    """A request of the gateway's, by the `id` it has there: a listener for its answer, and for the turn it begins.

    `number` is its id upstream, 0 as long as it waits for a session to be made. `names` are what upstream calls the
    turn beside its key.
    """

    __slots__ = ("_method", "_named", "id", "names", "number", "relay", "session_id", "turn")

    def __init__(self, relay: Relay, peer_id: PeerId, method: str, turn: Turn | None) -> None:
        self.relay = relay
        self._method = method
        self.id = peer_id
        self.number = 0
        self.turn = turn
        self.session_id = turn.session_id if turn is not None else ""
        self.names: set[str] = set()
        self._named = ""

    def see(self, name: str) -> None:
        """Take note of a name that upstream has for the turn."""
        if name not in self.names:
            self.names.add(name)
            self.relay.name(name, self)

    def learn(self, params: dict[str, Any]) -> None:
        """Take note of the session and the call that a push names: later ones may name nothing else."""
        session_id = string(params, "sessionId")
        if session_id and session_id != self._named:
            self._named = self.session_id = session_id
            self.see(session_key(session_id))
        if call_id := string(params, "toolCallId"):
            self.see(call_key(call_id))

    # What the channel calls.

    def reply(self, method: str, params: dict[str, Any]) -> Later:
        """The gateway answers, later."""
        return Later(partial(self.relay.forward, ask=self, method=method, params=params))

    def push(self, method: str, params: dict[str, Any]) -> None:
        """A push of the turn, or of an upload. An error that names nobody is told with the turn that it ends."""
        turn = self.turn
        if turn is None:
            self.relay.push(method, params)
            return
        self.learn(params)
        if method in ERROR_PUSHES and not string(params, "requestId"):
            params = {**params, "requestId": turn.key}
        self.relay.push(method, params)
        if relaying.ends(method, params):
            self.relay.end(self)

    def push_all(self, pushes: Sequence[Push]) -> None:
        """Pushes that were read together. What follows the turn's end is nobody's any more."""
        for method, params in pushes:
            if self.relay.finds(self, method, params):
                self.push(method, params)

    def answered(self, number: int, result: object) -> None:
        """Upstream answered; the answer to a prompt may end its turn, in Lingma's dialect before its last update."""
        del number
        self.relay.answer(self, Result(result))
        if self._method == PROMPT:
            self.relay.prompt_answered(self, result)

    def refused(self, number: int, refusal: Refusal) -> None:
        """Upstream answered with an error; there is no turn."""
        del number
        self.relay.answer(self, refusal)
        if refusal.code == METHOD_NOT_FOUND:
            self.relay.unknown(self._method)
        if self.turn is not None:
            self.relay.end(self)

    def opened(self, request: Request, result: object) -> None:
        """An agent made the session."""
        del request
        self.relay.give(self, result)

    def unopened(self, request: Request, refusal: Refusal) -> None:
        """An agent makes none."""
        del request
        self.relay.answer(self, refusal)

    def lost(self, error: ChannelLost) -> None:
        """The life is over."""
        self.relay.lost(error)

    def doubted(self, params: dict[str, Any]) -> None:
        """Upstream reported an error that may be this turn's."""
        assert self.turn is not None
        self.relay.push(DOUBT, {"turn": self.turn.key, "error": params})
