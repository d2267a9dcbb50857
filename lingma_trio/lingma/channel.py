"""The RPC channel to one upstream: one reader that never waits for a consumer, one writer, and who waits for what.

Callers and turns only register here; nothing is spawned on their behalf. When the channel ends, everything that is
registered fails with `ChannelLost`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import structlog
import trio

from lingma_trio.errors import ChannelLost, RpcError, Unavailable, UpstreamTimeout
from lingma_trio.lingma.listeners import AnswerListener, Later, SessionCare, SpareStore, TurnListener
from lingma_trio.lingma.registry import TurnRegistry
from lingma_trio.lingma.transport import Transport
from lingma_trio.lingma.writer import MAX_UNSENT, Writer
from lingma_trio.protocol.jsonrpc import (
    Connection,
    ErrorResponse,
    Event,
    Junk,
    Notification,
    PeerId,
    Response,
    ServerRequest,
)
from lingma_trio.protocol.manners import LINGMA, Manners
from lingma_trio.protocol.messages import FATAL_ERROR
from lingma_trio.protocol.request import Notice, Outgoing, Refusal, Reply, Request
from lingma_trio.protocol.turn_machine import Dialect, Push, Terms

STOP_ECHO = 2.0  # seconds after a stop in which an error that names no request is taken for that turn's
MOST_UNSENT = 2 * MAX_UNSENT  # questions alone do not come so far: who asks and does not read the answers is at fault
CLOSE_GRACE = 0.2  # seconds for a goodbye and its answer
NO_MESSAGE = "no message"  # what stands in a method's place where something that came is counted as a failure

log = structlog.get_logger("lingma_trio.channel")

PushHandler = Callable[[str, dict[str, Any]], None]


class _Call:
    """A caller waiting for its answer."""

    __slots__ = ("answer", "done")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.answer: Response | ErrorResponse | ChannelLost | None = None

    def settle(self, answer: Response | ErrorResponse | ChannelLost) -> None:
        self.answer = answer
        self.done.set()


class RpcChannel:
    """JSON-RPC over one transport. `run` owns that; every other method is for tasks that live elsewhere."""

    def __init__(
        self,
        *,
        rpc_timeout: float,
        on_push: PushHandler,
        on_error: Callable[[str], None],
        manners: Manners = LINGMA,
        redact: Callable[[str], str] = str,
        on_junk: Callable[[Junk], None] | None = None,
    ) -> None:
        """`on_push` gets what belongs to no turn; `on_error` counts a failed call by its method.

        `redact` takes out of upstream's errors what nobody may see, and `on_junk` gets what is no message; else that
        is logged and counted as NO_MESSAGE.
        """
        self.manners = manners
        """Whose a message is, and what answers one of nobody's."""
        self._rpc = Connection(manners.framer(), redact=redact)
        self._on_junk = on_junk or self._pass_over
        self._passed_over = False
        self.rpc_timeout = rpc_timeout
        """Seconds for the answer to a call."""
        self._on_push = on_push
        self._on_error = on_error
        self._calls: dict[int, _Call] = {}
        self._requests: dict[int, AnswerListener] = {}
        self.registry = TurnRegistry(manners)
        """The turns under way."""
        self._stopped_at = -math.inf
        self.terms = Terms()
        self.sessions: SessionCare | None = None
        """Who sees to the sessions that turns leave, where anybody does."""
        self.ahead: SpareStore | None = None
        """Where sessions are that were opened before anybody needs them."""
        self.read_at = -math.inf
        """When something was last read: a sign of life, whatever it was."""
        self.on_room: Callable[[], None] = lambda: None
        """Called when one more turn may fit: one has ended, or what waited to be written has left."""
        self.writer = Writer(lambda: self.on_room())  # noqa: PLW0108 - it is set later
        """What waits to be written."""
        self._lost: ChannelLost | None = None

    def __repr__(self) -> str:
        state = "lost" if self._lost else "open"
        waiting = f"calls={len(self._calls)} asks={len(self._requests)} turns={len(self.registry)}"
        return f"<RpcChannel {state} {waiting} unsent={self.writer.size}>"

    @property
    def lost(self) -> bool:
        """Whether the channel has ended; it never comes back."""
        return self._lost is not None

    @property
    def turns(self) -> int:
        """How many turns are registered."""
        return len(self.registry)

    @property
    def mute(self) -> bool:
        """Whether nothing at all was read for the RPC timeout: who was asked meanwhile and says nothing is dead."""
        return trio.current_time() - self.read_at >= self.rpc_timeout

    async def run(self, transport: Transport, *, task_status: trio.TaskStatus[None]) -> None:
        """Read and write until the connection ends; then fail everything that waits.

        Raises `ChannelLost` when the other side went away and `ProtocolFault` when it broke the protocol, in an
        exception group. Cancelling says goodbye within CLOSE_GRACE seconds.
        """
        self.read_at = trio.current_time()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.writer.run, transport, lambda: self.terms.who, name="RPC writer")
                nursery.start_soon(self._pump, transport, name="RPC pump")
                task_status.started()
        finally:
            self._lose(ChannelLost(f"the connection to {self.terms.who} was lost; the request can be sent again"))
            with trio.move_on_after(CLOSE_GRACE, shield=True):
                await transport.aclose()

    async def call(self, method: str, params: dict[str, Any], *, needed: bool = True) -> object:
        """Ask and wait for the result, for the RPC timeout at the most; what is not `needed` may fail uncounted.

        Raises `RpcError` for an error, also one inside the result, `UpstreamTimeout` and `ChannelLost`. Cancelling
        forgets the call; its late answer is dropped.
        """
        if self._lost is not None:
            raise self._lost
        number, frame = self._rpc.request(method, params)
        call = self._calls[number] = _Call()
        self.writer.post(frame)
        try:
            with trio.move_on_after(self.rpc_timeout):
                await call.done.wait()
        finally:
            if self._calls.pop(number, None) is not None:
                self._rpc.abandon(number)
        try:
            return self._outcome(method, call.answer)
        except (RpcError, UpstreamTimeout, ChannelLost):
            if needed:
                self._on_error(method)
            raise

    def register(self, key: str, listener: TurnListener, model: str = "") -> None:
        """Let pushes that name the request `key`, which asks `model`, go to `listener`, until it is forgotten.

        Raises `ChannelLost` when the channel is gone, and `Unavailable` when MAX_UNSENT bytes wait to be written.
        """
        if self._lost is not None:
            raise self._lost
        if self.writer.congested:
            raise Unavailable(f"{self.terms.who} reads too slowly; try again in a moment", retry_after=5)
        self.registry.add(key, listener, model, now=trio.current_time())

    def send(self, request: Request, listener: AnswerListener) -> int:
        """Send a request at once and without waiting; its answer, if there ever is one, goes to `listener`.

        Returns its number. On a lost channel nothing happens, since the listener has been told.
        """
        if self._lost is not None:
            return 0
        number, frame = self._rpc.request(request.method, request.params)
        self._requests[number] = listener
        self.writer.post(frame)
        return number

    def forget(self, key: str, aliases: Iterable[str], numbers: Iterable[int]) -> None:
        """Let go of a turn: its later pushes are dropped, and so are the answers to its requests."""
        was_there = self.registry.remove(key, aliases)
        for number in numbers:
            if self._requests.pop(number, None) is not None:
                self._rpc.abandon(number)
        if was_there:
            self.on_room()

    def hand_over(self, number: int, listener: AnswerListener | None) -> None:
        """Let the answer to a request that a turn has sent go to `listener` from here on, or to nobody.

        Whoever gets it is told of no loss of the channel.
        """
        if number not in self._requests:
            return
        if listener is not None:
            self._requests[number] = listener
        else:
            del self._requests[number]
            self._rpc.abandon(number)

    def unknown(self, dialect: Dialect) -> bool:
        """Take note that Lingma does not know how it was asked in this dialect.

        Returns whether it is asked otherwise from here on, which it is where the dialect was no more than a guess.
        """
        if self.terms.dialect == dialect and self.terms.changes > 0:
            self.terms = self.terms.changed()
            log.warning("dialect_changed", dialect=self.terms.dialect)
        return self.terms.dialect != dialect

    def stop(self, message: Outgoing) -> None:
        """Tell Lingma to stop a turn, as `tell` does; an error that comes right after it is nobody else's."""
        self._stopped_at = trio.current_time()
        self.tell(message)

    def tell(self, message: Outgoing) -> None:
        """Send something whose answer nobody needs, without waiting: works in a task that is being cancelled."""
        if self._lost is not None:
            return
        if isinstance(message, Notice):
            self.writer.post(self._rpc.notify(message.method, message.params))
        else:
            number, frame = self._rpc.request(message.method, message.params)
            self._rpc.abandon(number)
            self.writer.post(frame)

    def answer(self, number: PeerId, reply: Reply) -> None:
        """Answer a request of upstream's. Raises `ChannelLost` where too much waits to be written."""
        if self.writer.size > MOST_UNSENT:
            raise ChannelLost(f"{self.terms.who} asks for more than it reads")
        if isinstance(reply, Refusal):
            self.writer.post(self._rpc.refuse(number, reply.code, reply.message))
        else:
            self.writer.post(self._rpc.answer(number, reply.value))

    def _outcome(self, method: str, answer: Response | ErrorResponse | ChannelLost | None) -> object:
        if isinstance(answer, Response):
            fault = self.manners.result_fault(answer.result)
            if fault is None:
                return answer.result
            raise RpcError(method, 0, f"{fault[0]} {fault[1]}".strip())
        if isinstance(answer, ErrorResponse):
            raise RpcError(method, answer.code, answer.message, answer.data)
        if answer is None:
            raise UpstreamTimeout(f"{self.terms.who} did not answer {method} within LINGMA_RPC_TIMEOUT")
        raise answer

    async def _pump(self, transport: Transport) -> None:
        """The only reader. Everything it calls is synchronous, so no consumer can hold it up."""
        while True:
            data = await transport.receive()
            if transport.owes:
                self.writer.stir()
            if data:
                self.read_at = trio.current_time()
            self._heed(self._rpc.receive(data))

    def _heed(self, events: Sequence[Event]) -> None:
        """Pass on what was read. Pushes of one turn that follow each other go to it together."""
        run: list[Push] = []
        whose: TurnListener | None = None
        find = self.registry.find
        for event in events:
            if isinstance(event, Notification):
                method, params = event.method, event.params
                turn = find(method, params)
                if turn is not None and turn is whose:
                    run.append((method, params))
                    continue
                if whose is not None:
                    whose.push_all(run)
                    turn = find(method, params)  # which may have become clear, or have changed
                whose, run = turn, [(method, params)]
                if turn is None:
                    self._route(method, params, None)
            else:
                if whose is not None:
                    whose.push_all(run)
                    whose = None
                self._heed_other(event)
        if whose is not None:
            whose.push_all(run)

    def _heed_other(self, event: Event) -> None:
        match event:
            case ServerRequest(number, method, params):
                turn = self.registry.find(method, params)
                reply = self.manners.stray_reply(method, params) if turn is None else turn.reply(method, params)
                if isinstance(reply, Later):
                    reply.take(number)
                else:
                    self.answer(number, reply)
                    self._route(method, params, turn)
            case Response() | ErrorResponse():
                self._settle(event)
            case Junk():
                self._on_junk(event)

    def _pass_over(self, junk: Junk) -> None:
        """Warn of the first, for whatever it was to say is lost; who sends one may send many."""
        self._on_error(NO_MESSAGE)
        tell = log.debug if self._passed_over else log.warning
        self._passed_over = True
        tell("no_message", who=self.terms.who, why=junk.why)

    def _route(self, method: str, params: dict[str, Any], turn: TurnListener | None) -> None:
        if turn is not None:
            turn.push(method, params)
        elif self.sessions is not None:
            self.sessions.stray(method, params)
        elif next(self.manners.turn_keys(method, params), None) is None:
            if method in self.manners.error_pushes:
                self._route_error(method, params)
            self._on_push(method, params)

    def _route_error(self, method: str, params: dict[str, Any]) -> None:
        """End the only turn there is; where it may be another's, or a stopped one's, none, but each is told of it."""
        turns = self.registry.all()
        recently_stopped = trio.current_time() - self._stopped_at < STOP_ECHO
        if method == FATAL_ERROR or (len(turns) == 1 and not recently_stopped):
            for listener in turns:
                listener.push(method, params)
        elif turns:
            log.warning("error_of_nobody", turns=len(turns), after_a_stop=recently_stopped)
            for listener in turns:
                listener.doubted(params)

    def _settle(self, answer: Response | ErrorResponse) -> None:
        number = answer.id
        if number is None:
            return
        if (call := self._calls.pop(number, None)) is not None:
            call.settle(answer)
        elif (listener := self._requests.pop(number, None)) is not None:
            if isinstance(answer, ErrorResponse):
                listener.refused(number, Refusal(answer.code, answer.message, answer.data))
            elif (fault := self.manners.result_fault(answer.result)) is not None:
                listener.refused(number, Refusal(0, fault[1] or fault[0]))
            else:
                listener.answered(number, answer.result)

    def _lose(self, error: ChannelLost) -> None:
        self._lost = error
        for call in self._calls.values():
            call.settle(error)
        for listener in self.registry.all():
            listener.lost(error)
        self._calls.clear()
        self._requests.clear()
        self.registry.clear()
        self.writer.close()
