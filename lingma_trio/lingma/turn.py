"""One turn with one Lingma: the question goes out, events come in, and leaving early tells Lingma to stop.

Opening and closing are synchronous: what a turn holds is a registration with the channel and nothing else, so a
cancelled task has nothing to wait for on its way out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import trio

from lingma_trio.errors import (
    ChannelLost,
    DialectUnknown,
    GatewayError,
    InstanceBusy,
    LoginRequired,
    RpcError,
    UpstreamError,
    UpstreamTimeout,
)
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.inbox import Inbox
from lingma_trio.lingma.listeners import SessionCare
from lingma_trio.lingma.turn_events import TurnEvents
from lingma_trio.protocol.acp.messages import NEW, PROMPT, speaks_of_session
from lingma_trio.protocol.acp.turn import AcpTurn
from lingma_trio.protocol.chat_turn import ChatTurn
from lingma_trio.protocol.fleet_messages import BUSY, DRAINING, TAKEN
from lingma_trio.protocol.jsonrpc import METHOD_NOT_FOUND
from lingma_trio.protocol.messages import Question, read_login
from lingma_trio.protocol.request import Outgoing, Refusal, Reply, Request
from lingma_trio.protocol.session_turn import SessionTurn
from lingma_trio.protocol.turn_machine import Push, TurnMachine
from lingma_trio.turns import AnswerEvent

OPENING_SECONDS = 15.0  # for Lingma to take pictures, or to open a session; either takes it a moment
SETTLE_SECONDS = 5.0  # for the end to come, once nothing else is waited for
ASKED = frozenset({"chat/ask", "session/prompt"})  # the question itself, which there is nothing to stop of if refused
ASKING = frozenset({*ASKED, "image/upload", "session/new"})  # each known in one dialect only
NO_ROOM = frozenset({BUSY, DRAINING})  # in the words of an agent between here and there
RECHECK_SECONDS = 5.0  # to ask Lingma which of the two it is

Take: TypeAlias = Callable[[list[AnswerEvent]], bool]
"""Is given what came, or nothing for a sign of life, and says whether it wants more."""


@dataclass(frozen=True, slots=True)
class TurnBounds:
    """Seconds to the first delta and between deltas, and the size of the longest answer."""

    first_delta: float
    idle: float
    max_size: int


class UpstreamTurn:
    """A question on its way to an answer. `open` it, `follow` it until `Finished`, `close` it whatever happens."""

    def __init__(self, channel: RpcChannel, question: Question, bounds: TurnBounds, *, ahead: bool = True) -> None:
        """`ahead` allows of a session that was opened before the question was there, and may be gone."""
        self._channel = channel
        self._bounds = bounds
        self._inbox = Inbox(max_size=bounds.max_size)
        self._events = TurnEvents(self._inbox, channel.terms.who)
        self._dialect = channel.terms.dialect
        self._sessions = channel.sessions
        self._store = channel.ahead if self._dialect == "session" and not question.session_id else None
        self._spare = self._store.take() if self._store is not None and ahead else None
        self._ahead = ahead
        self.spurned = False
        """Whether the question may have failed for the sake of such a session."""
        self._machine = self._choose_machine(question)
        self._question = self._machine.question
        self._answer = self._machine.answer
        self._awaited: dict[int, Request] = {}
        self._aliases: dict[str, None] = {}
        self._deadline = 0.0
        self._scope: trio.CancelScope | None = None  # of whoever follows
        self._armed = 0.0  # its deadline
        self._came_at = 0.0
        self._asked = False
        self._seen = (0, 0)  # signs of life, and reasons to wait for the end alone
        self.answered_by = ""
        """The session that Lingma named first, or empty while it named none; its last word may be another name."""
        self._opened = False
        self._gone = False
        self._anothers = False  # whether somebody else asks in its session

    def __repr__(self) -> str:
        return f"<UpstreamTurn {self._question.request_id} gone={self._gone} {self._inbox!r}>"

    @property
    def deltas(self) -> int:
        """How many deltas with text have come from Lingma."""
        return self._answer.deltas

    def open(self) -> None:
        """Send the question, or what has to go before it. Raises `ChannelLost` or `Unavailable`; never waits."""
        try:
            self._channel.register(self._question.request_id, self, self._question.model_key)
        except GatewayError:
            self.discard()
            raise
        self._opened = True
        now = trio.current_time()
        self._deadline = now + (OPENING_SECONDS if self._sessions is None else self._channel.rpc_timeout)
        self._send(self._machine.begin())
        self._keep_up(now)

    def close(self) -> None:
        """Let go of the turn; unless Lingma ended it, tell Lingma to stop. Idempotent, never waits."""
        if not self._opened:
            return
        self._opened = False
        if self._machine.asked and not (self._gone or self._answer.confirmed):
            self._channel.stop(self._machine.stop())
        if self._sessions is not None:
            prompt = next((number for number, request in self._awaited.items() if request.method == PROMPT), None)
            self._sessions.leave(self, prompt, self._machine.session_id)
            if prompt is not None:
                del self._awaited[prompt]
        self._channel.forget(self._question.request_id, self._aliases, self._awaited)

    def discard(self) -> None:
        """Have the session closed, where that is ours to do, since nobody will go on with it. Never waits."""
        if self._sessions is not None and not self._anothers:
            self._sessions.discard(self._machine.session_id)

    async def follow(self, patience: float, take: Take, *, since: float) -> GatewayError | None:
        """Give `take` everything that comes, as it comes, until it returns False or the turn has failed.

        It is given an empty list after `patience` seconds without anything, counted from `since` at first. Returns the
        failure that ended the turn, once all that came before it has been given. Cancelling loses nothing: the next
        call gives it.

        A scope for each piece would cost more than the piece: the one there is ends too early where its deadline has
        moved on meanwhile, and then another takes its place.
        """
        self._came_at = since
        while True:
            failure: GatewayError | None = None
            self._armed = min(self._came_at + patience, self._deadline)
            with trio.CancelScope(deadline=self._armed) as scope:
                self._scope = scope
                failure = await self._give(take)
            if not scope.cancelled_caught:
                return None if failure is None else self._doubt_spare(await self._explain(failure))
            now = trio.current_time()
            if now >= self._came_at + patience:
                self._came_at = now
                if not take([]):
                    return None
            if now >= self._deadline:
                self._machine.end_by_idle()
                self._keep_up(now)

    async def batch(self, patience: float) -> list[AnswerEvent]:
        """Everything that has come since the last call; an empty list when `patience` seconds pass without anything.

        Raises the failure, and cancelling loses nothing, as for `follow`.
        """
        came: list[AnswerEvent] = []

        def first(events: list[AnswerEvent]) -> bool:
            came.extend(events)
            return False

        failure = await self.follow(patience, first, since=trio.current_time())
        if failure is not None:
            raise failure
        return came

    async def _give(self, take: Take) -> GatewayError | None:
        while True:
            try:
                events = await self._inbox.take()
            except GatewayError as failure:
                return failure
            if not take(events):
                return None
            self._came_at = self._channel.read_at

    def _choose_machine(self, question: Question) -> TurnMachine:
        terms = self._channel.terms
        if terms.dialect == "acp":
            assert self._sessions is not None
            return AcpTurn(question, self._events, terms, None if question.session_id else self._sessions.take())
        if terms.dialect == "session":
            now = int(time.time() * 1000)
            return SessionTurn(question, self._events, terms, timestamp=now, spare=self._spare)
        return ChatTurn(question, self._events, terms)

    def _send(self, messages: Sequence[Outgoing]) -> None:
        for message in messages:
            if self._sessions is not None and isinstance(message, Request) and message.method == NEW:
                self._sessions.seek(self, message)
            elif isinstance(message, Request) and message.awaited:
                number = self._channel.send(message, self)
                # The text of the question is needed no longer.
                self._awaited[number] = Request(message.method, {}, awaited=True, about=message.about)
            else:
                self._channel.tell(message)

    def _keep_up(self, now: float) -> None:
        """Do what the machine's new state at `now` asks for: send what it wants sent, and move the deadline.

        Each delta moves it, an empty one too; noise does not, nor does anything once only the end is waited for.
        """
        if outgoing := self._machine.take_outgoing():
            self._send(outgoing)
        if self._sessions is not None:
            self._tell_of_tools(self._sessions)
        for name in self._machine.aliases:
            if name not in self._aliases:
                self._aliases[name] = None
                self._channel.registry.alias(name, self)
        before, self._seen = self._seen, (self._answer.signs, self._machine.settling)
        if self._machine.settling != before[1]:
            self._wait_until(now + SETTLE_SECONDS)
        elif not self._asked and self._machine.asked:
            self._asked = True
            self._wait_until(now + self._bounds.first_delta)
            if self._store is not None:
                self._store.order(self._question.model_key)
        elif self._answer.signs != before[0] and not self._machine.settling:
            self._wait_until(now + self._bounds.idle)
        if not self.answered_by:
            self.answered_by = self._answer.session_id

    def _tell_of_tools(self, sessions: SessionCare) -> None:
        for kind in self._machine.take_ran():
            sessions.tool_ran(kind)

    def _wait_until(self, deadline: float) -> None:
        self._deadline = deadline
        if self._scope is not None and deadline < self._armed:
            self._armed = self._scope.deadline = deadline

    async def _explain(self, failure: GatewayError) -> GatewayError:
        """The failure, or what it really is: a lost login and a used-up quota share a status, so Lingma is asked."""
        if failure is not self._events.forbidden:
            return failure
        with trio.move_on_after(RECHECK_SECONDS):
            try:
                login = read_login(await self._channel.call("auth/status", {}))
            except (RpcError, UpstreamTimeout, ChannelLost):
                return failure
            if not login.logged_in:
                found = LoginRequired("Lingma is not logged in; sign it in with `lingma-trio login`, then ask again")
                found.__cause__ = failure
                return found
        return failure

    def _doubt_spare(self, failure: GatewayError) -> GatewayError:
        """Return it, having taken note of whether it may be for the sake of a session that was opened ahead.

        That one is gone Lingma says by an error, or by the end of an answer in which nothing is.
        """
        if self._spare is not None and self._store is not None and not (self.spurned or self._answer.deltas):
            self.spurned = type(failure) is UpstreamError  # the others have a meaning, which is not that
            if self.spurned:
                self._store.distrust()
        return failure

    # What the channel calls.

    def reply(self, method: str, params: dict[str, Any]) -> Reply:
        """What to answer a push of this turn."""
        return self._machine.reply(method, params)

    def push(self, method: str, params: dict[str, Any]) -> None:
        """A push of this turn, from the pump."""
        self.push_all([(method, params)])

    def push_all(self, pushes: Sequence[Push]) -> None:
        """Pushes of this turn that were read together."""
        if len(pushes) == 1:
            self._machine.push(*pushes[0])
        else:
            self._machine.push_all(pushes)
        if self._inbox.overflowed:
            self.close()  # at once, whoever is due to take what came before
        else:
            self._keep_up(self._channel.read_at)

    def answered(self, number: int, result: object) -> None:
        """Lingma answered one of the turn's requests."""
        self._machine.answered(self._awaited.pop(number), result)
        self._keep_up(self._channel.read_at)

    def refused(self, number: int, refusal: Refusal) -> None:
        """Lingma answered one of the turn's requests with an error; there is nothing to stop."""
        self.unopened(self._awaited.pop(number), refusal)

    def opened(self, request: Request, result: object) -> None:
        """An agent made the session that the turn waited for."""
        self._machine.answered(request, result)
        self._keep_up(self._channel.read_at)

    def unopened(self, request: Request, refusal: Refusal) -> None:
        """The request was answered with an error, be it that for a session that an agent was to make."""
        if refusal.code == METHOD_NOT_FOUND and request.method in ASKING and self._channel.unknown(self._dialect):
            self._gone = True
            self._inbox.fail(DialectUnknown("Lingma does not know how it was asked; ask again"))
        elif refusal.code in NO_ROOM:
            self._gone = True
            self._inbox.fail(InstanceBusy("the instance has no room for another turn; ask again", retry_after=1))
        else:
            if self._sessions is not None and request.method == PROMPT and speaks_of_session(refusal):
                self.spurned = self._ahead  # an agent keeps one, too, or who runs it for this gateway does
            self._gone = self._gone or request.method in ASKED
            self._anothers = refusal.code == TAKEN
            self._machine.refused(request, refusal)
            self._keep_up(self._channel.read_at)

    def lost(self, error: ChannelLost) -> None:
        """The channel is gone, and the turn with it."""
        self._gone = True
        self._inbox.fail(error)

    def doubted(self, params: dict[str, Any]) -> None:
        """Lingma reported an error that may be this turn's."""
        self._machine.doubt(params)
