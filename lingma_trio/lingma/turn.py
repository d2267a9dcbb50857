"""One turn with one Lingma: the question goes out, events come in, and leaving early tells Lingma to stop.

Opening and closing are synchronous: what a turn holds is a registration with the channel and nothing else, so a
cancelled task has nothing to wait for on its way out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import trio

from lingma_trio.errors import ChannelLost, GatewayError, LoginRequired, RpcError, UpstreamTimeout
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.inbox import Inbox
from lingma_trio.protocol.chat_turn import ChatTurn, Failed
from lingma_trio.protocol.failures import REFUSED, failure_of
from lingma_trio.protocol.messages import Question, ask_params, read_login, stop_params
from lingma_trio.turns import AnswerEvent, Finished

FORBIDDEN = 403  # upstream's status for a lost login as well as for a used-up quota
RECHECK_SECONDS = 5.0  # to ask Lingma which of the two it is


@dataclass(frozen=True, slots=True)
class TurnBounds:
    """Seconds to the first delta and between deltas, and the size of the longest answer."""

    first_delta: float
    idle: float
    max_size: int


class UpstreamTurn:
    """A question on its way to an answer. `open` it, take `batch`es until `Finished`, `close` it whatever happens."""

    def __init__(self, channel: RpcChannel, question: Question, bounds: TurnBounds) -> None:
        self._channel = channel
        self._question = question
        self._bounds = bounds
        self._inbox = Inbox(max_size=bounds.max_size)
        self._reducer = ChatTurn(self)
        self._number = 0
        self._deadline = 0.0
        self._seen = 0
        self._answered_by = ""
        self._opened = False
        self._gone = False
        self._forbidden: GatewayError | None = None

    def __repr__(self) -> str:
        return f"<UpstreamTurn {self._question.request_id} gone={self._gone} {self._inbox!r}>"

    @property
    def deltas(self) -> int:
        """How many deltas with text have come from Lingma."""
        return self._reducer.deltas

    @property
    def answered_by(self) -> str:
        """The session that Lingma named first, or empty while it named none; its last word may be another name."""
        return self._answered_by

    def open(self) -> None:
        """Send the question. Raises `ChannelLost` or `Unavailable`; never waits."""
        self._number = self._channel.ask(self._question.request_id, ask_params(self._question), self)
        self._opened = True
        self._deadline = trio.current_time() + self._bounds.first_delta

    def close(self) -> None:
        """Let go of the turn; unless Lingma ended it, tell Lingma to stop. Idempotent, never waits."""
        if not self._opened:
            return
        self._opened = False
        self._channel.forget(self._question.request_id, self._number)
        if not (self._gone or self._reducer.confirmed):
            session_id = self._reducer.session_id or self._question.session_id
            self._channel.tell("chat/stop", stop_params(self._question.request_id, session_id))

    async def batch(self, patience: float) -> list[AnswerEvent]:
        """Everything that has come since the last call; an empty list when `patience` seconds pass without anything.

        Raises the `GatewayError` that ended the turn, after all that came before it has been returned. Cancelling
        loses nothing: the next call returns it.
        """
        give_up = trio.current_time() + patience
        while True:
            failure: GatewayError | None = None
            try:
                with trio.CancelScope(deadline=min(give_up, self._deadline)):
                    return await self._inbox.take()
            except GatewayError as found:
                failure = found
            if failure is not None:
                explained = await self._explain(failure)
                raise explained from (failure if explained is not failure else failure.__cause__)
            now = trio.current_time()
            if now >= give_up:
                return []
            if now >= self._deadline:
                self._reducer.end_by_idle()

    async def _explain(self, failure: GatewayError) -> GatewayError:
        """The failure, or what it really is: a lost login and a used-up quota share a status, so Lingma is asked."""
        if failure is not self._forbidden:
            return failure
        with trio.move_on_after(RECHECK_SECONDS):
            try:
                login = read_login(await self._channel.call("auth/status", {}))
            except (RpcError, UpstreamTimeout, ChannelLost):
                return failure
            if not login.logged_in:
                return LoginRequired("Lingma is no longer logged in; sign in again and repeat the request")
        return failure

    # What the channel calls.

    def push(self, method: str, params: dict[str, Any]) -> None:
        """A push of this turn, from the pump. Each delta moves the deadline, an empty one too; noise does not."""
        self._reducer.push(method, params)
        if self._reducer.answers != self._seen:
            self._seen = self._reducer.answers
            self._deadline = trio.current_time() + self._bounds.idle
        if not self._answered_by:
            self._answered_by = self._reducer.session_id

    def refused(self, code: str, message: str) -> None:
        """Lingma answered the question with an error; there is nothing to stop."""
        self._gone = True
        self._inbox.fail(failure_of(REFUSED, message or code))

    def lost(self, error: ChannelLost) -> None:
        """The channel is gone, and the turn with it."""
        self._gone = True
        self._inbox.fail(error)

    # What the reducer calls.

    def text(self, text: str) -> None:
        """More text."""
        self._inbox.text(text)

    def thought(self, text: str) -> None:
        """More reasoning."""
        self._inbox.thought(text)

    def replaced(self, text: str) -> None:
        """Text that voids what came before."""
        self._inbox.replaced(text)

    def finished(self, event: Finished) -> None:
        """The end."""
        self._inbox.finished(event)

    def failed(self, failed: Failed) -> None:
        """Lingma ended the turn with an error, or sent nothing for too long."""
        error = failure_of(failed.status, failed.reason)
        if failed.status == FORBIDDEN:
            self._forbidden = error
        self._inbox.fail(error)
