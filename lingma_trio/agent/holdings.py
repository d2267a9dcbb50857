"""What one gateway has at one life: requests that wait for their answer, turns, and names and sessions of its own.

Knows the channel, and who asked what there. Must not know what a gateway may ask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

from lingma_trio.agent.gateway_side import GatewaySide
from lingma_trio.errors import ChannelLost
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.listeners import Later
from lingma_trio.protocol import relaying
from lingma_trio.protocol.acp.messages import NEW
from lingma_trio.protocol.acp.opened import Opened
from lingma_trio.protocol.fields import string
from lingma_trio.protocol.fleet_messages import DOUBT
from lingma_trio.protocol.jsonrpc import METHOD_NOT_FOUND, PeerId
from lingma_trio.protocol.messages import ERROR_PUSHES, call_key, session_key
from lingma_trio.protocol.relaying import ASK, ASKING, PROMPT, UPLOAD, Turn
from lingma_trio.protocol.request import Outgoing, Refusal, Reply, Request, Result
from lingma_trio.protocol.turn_machine import Push

MOST_LOOSE: Final = 256
"""Names of uploads, and of turns that are answered, that are kept for what may still come; the oldest go first."""

MOST_FRESH: Final = 256
"""Sessions that are remembered as given to a gateway and not asked in yet; the oldest go first."""


class Holdings:
    """What is a gateway's on `channel`, until `close`. `side` is the gateway, and `lost` is told that the life is over.

    Everything is called from a pump, the gateway's or upstream's, and never waits.
    """

    def __init__(self, channel: RpcChannel, side: GatewaySide, *, lost: Callable[[ChannelLost], None]) -> None:
        self.channel = channel
        self.side = side
        self.lost = lost
        self.by_session = channel.terms.dialect == "acp"
        """Whether turns are named by their session, as ACP does."""
        self.turns: dict[str, Ask] = {}
        """Turns under way, by their key."""
        self.asks: set[Ask] = set()
        """Requests whose answer has not come."""
        self._loose: dict[str, Ask] = {}
        self._fresh: dict[str, None] = {}

    def __repr__(self) -> str:
        return f"<Holdings turns={len(self.turns)} asks={len(self.asks)} {self.channel!r}>"

    def has_anothers(self, names: Iterable[str]) -> bool:
        """Whether one of the names is that of a turn of another gateway's, or of a request of its that waits."""
        holders = map(self.channel.registry.holder, names)
        return any(isinstance(each, Ask) and each.held is not self and each.held.has(each) for each in holders)

    def has(self, ask: Ask) -> bool:
        """Whether the turn of a request is under way, or its answer has not come."""
        return ask in self.asks or (ask.turn is not None and self.turns.get(ask.turn.key) is ask)

    def begin(self, ask: Ask, turn: Turn) -> None:
        """Have the turn among those under way. Raises as `RpcChannel.register`."""
        self.channel.register(turn.key, ask, turn.model)
        self.turns[turn.key] = ask
        self._fresh.pop(turn.session_id, None)
        if turn.session_id:
            ask.see(session_key(turn.session_id))

    def send(self, ask: Ask, request: Request) -> None:
        """Have upstream asked; what wants a session has one that is there already, or the next that is made."""
        self.asks.add(ask)
        if request.method == UPLOAD:
            self._keep(string(request.params, "requestId"), ask)
        sessions = self.channel.sessions if request.method == NEW else None
        if sessions is None:
            ask.number = self.channel.send(request, ask)
        elif (opened := sessions.take()) is None:
            sessions.seek(ask, request)
        else:
            self.give(ask, opened.body())

    def answer(self, ask: Ask, reply: Reply) -> None:
        """Give the gateway the answer to what it asked."""
        self.asks.discard(ask)
        self.side.answer(ask.id, reply)

    def give(self, ask: Ask, made: object) -> None:
        """Give the gateway a session that was made for it, which is closed should it leave before it asks there."""
        if session_id := Opened.read(made).session_id:
            self._fresh[session_id] = None
            if len(self._fresh) > MOST_FRESH:
                del self._fresh[next(iter(self._fresh))]
        self.answer(ask, Result(made))

    def stop(self, key: str, message: Outgoing) -> None:
        """Stop a turn by `message`, unless it is another's. One that has ended for us upstream may still answer."""
        ask = self.turns.get(key)
        if ask is None and key in self.channel.registry:
            return
        self.channel.stop(message)
        if ask is None:
            return
        if self.channel.sessions is not None and ask in self.asks:
            self.channel.sessions.leave(ask, ask.number, ask.session_id)
            self.asks.remove(ask)
        self.end(ask)

    def end(self, ask: Ask, *, trailing: bool = False) -> None:
        """A turn is over. Of one that is `trailing` upstream may have more to say, which still is the gateway's."""
        turn = ask.turn
        assert turn is not None
        if self.channel.sessions is not None:
            self.channel.sessions.leave(ask, None, ask.session_id)
        if self.turns.pop(turn.key, None) is None:
            for name in ask.names:
                self._let_go(name, ask)
        elif trailing:
            self.channel.forget(turn.key, (), ())
            for name in (turn.key, *ask.names):
                self._keep(name, ask)
        else:
            numbers = (ask.number,) if ask in self.asks else ()
            self.asks.discard(ask)
            self.channel.forget(turn.key, ask.names, numbers)

    def close(self) -> None:
        """Stop all turns, and let go of the rest. On a life that is over that is nothing."""
        sessions = self.channel.sessions
        for key, ask in list(self.turns.items()):
            assert ask.turn is not None
            self.stop(key, ask.turn.stop(ask.session_id, by_session=self.by_session))
        for ask in self.asks:
            if ask.number:
                self.channel.forget("", (), (ask.number,))
            elif sessions is not None:
                sessions.leave(ask, None, "")
        for name, ask in self._loose.items():
            self.channel.registry.unalias(name, ask)
        if sessions is not None and not self.channel.lost:
            for session_id in self._fresh:
                sessions.discard(session_id)
        for held in (self.asks, self._loose, self._fresh):
            held.clear()

    def _keep(self, name: str, ask: Ask) -> None:
        self._loose.pop(name, None)
        self._loose[name] = ask
        self.channel.registry.alias(name, ask)
        if len(self._loose) > MOST_LOOSE:
            oldest = next(iter(self._loose))
            self._let_go(oldest, self._loose[oldest])

    def _let_go(self, name: str, ask: Ask) -> None:
        if self._loose.get(name) is ask:
            del self._loose[name]
        self.channel.registry.unalias(name, ask)


class Ask:
    """A request of the gateway's, by the `id` it has there: a listener for its answer, and for the turn it begins.

    `number` is its id upstream, 0 as long as it waits for a session to be made. `names` are what upstream calls the
    turn beside its key.
    """

    __slots__ = ("_method", "_named", "held", "id", "names", "number", "session_id", "turn")

    def __init__(self, held: Holdings, peer_id: PeerId, method: str, turn: Turn | None) -> None:
        self.held = held
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
            self.held.channel.registry.alias(name, self)

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
        self.learn(params)
        return Later(partial(self.held.side.ask, method=method, params=params))

    def push(self, method: str, params: dict[str, Any]) -> None:
        """A push of the turn, or of an upload. An error that names nobody is told with the turn that it ends."""
        turn = self.turn
        if turn is None:
            self.held.side.tell(method, params)
            return
        self.learn(params)
        if method in ERROR_PUSHES and not string(params, "requestId"):
            params = {**params, "requestId": turn.key}
        self.held.side.tell(method, params)
        if relaying.ends(method, params):
            self.held.end(self)

    def push_all(self, pushes: Sequence[Push]) -> None:
        """Pushes that were read together. What follows the turn's end is nobody's any more."""
        for method, params in pushes:
            if self.held.channel.registry.find(method, params) is self:
                self.push(method, params)

    def answered(self, number: int, result: object) -> None:
        """Upstream answered. The answer to a prompt is its turn's end in ACP; in Lingma's dialect that may come before
        the update which is, or in its place.
        """
        del number
        self.held.answer(self, Result(result))
        if self._method == PROMPT and (self.held.by_session or relaying.answer_ends(result)):
            self.held.end(self, trailing=not self.held.by_session)

    def refused(self, number: int, refusal: Refusal) -> None:
        """Upstream answered with an error; there is no turn. What it does not know at all may have to be asked in the
        other dialect, by everybody.
        """
        del number
        self.held.answer(self, refusal)
        if refusal.code == METHOD_NOT_FOUND and self._method in ASKING and not self.held.by_session:
            self.held.channel.unknown("chat" if self._method in {ASK, UPLOAD} else "session")
        if self.turn is not None:
            self.held.end(self)

    def opened(self, request: Request, result: object) -> None:
        """An agent made the session."""
        del request
        self.held.give(self, result)

    def unopened(self, request: Request, refusal: Refusal) -> None:
        """An agent makes none."""
        del request
        self.held.answer(self, refusal)

    def lost(self, error: ChannelLost) -> None:
        """The life is over."""
        self.held.lost(error)

    def doubted(self, params: dict[str, Any]) -> None:
        """Upstream reported an error that may be this turn's."""
        assert self.turn is not None
        self.held.side.tell(DOUBT, {"turn": self.turn.key, "error": params})
