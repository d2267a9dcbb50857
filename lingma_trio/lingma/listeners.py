"""Who is told what comes in on a channel. All of them are called from the pump, so they must not wait and not raise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lingma_trio.errors import ChannelLost
from lingma_trio.protocol.acp.opened import Opened
from lingma_trio.protocol.jsonrpc import PeerId
from lingma_trio.protocol.opening import Spare
from lingma_trio.protocol.request import Refusal, Reply, Request
from lingma_trio.protocol.turn_machine import Push


@dataclass(frozen=True, slots=True)
class Later:
    """Stands for a reply that is not known yet: `take` is given the request's id, for `RpcChannel.answer`."""

    take: Callable[[PeerId], None]


class AnswerListener(Protocol):
    """What answers to requests go to."""

    def answered(self, number: int, result: object) -> None:
        """Upstream answered request `number`."""

    def refused(self, number: int, refusal: Refusal) -> None:
        """Upstream answered request `number` with an error, in either form."""


class TurnListener(AnswerListener, Protocol):
    """What a turn registers."""

    def reply(self, method: str, params: dict[str, Any]) -> Reply | Later:
        """What to answer a push of this turn that carries an id; `push` follows, but for one that is answered later."""

    def push(self, method: str, params: dict[str, Any]) -> None:
        """A push of this turn."""

    def push_all(self, pushes: Sequence[Push]) -> None:
        """Pushes of this turn that were read together, in their order."""

    def lost(self, error: ChannelLost) -> None:
        """The channel is gone."""

    def doubted(self, params: dict[str, Any]) -> None:
        """An error was pushed that may be this turn's or another's."""


class SessionSeeker(Protocol):
    """A turn that waits for a session to be made."""

    def opened(self, request: Request, result: object) -> None:
        """One was made, as `request` asked for."""

    def unopened(self, request: Request, refusal: Refusal) -> None:
        """None was made."""


class SessionCare(Protocol):
    """What is seen to beside a turn, where sessions are ours to close; see `acp.sessions`."""

    def take(self) -> Opened | None:
        """A session that is there already, for a turn that begins with a new one."""

    def seek(self, seeker: SessionSeeker, request: Request) -> None:
        """Make a session by `request`, as soon as no other one is being made."""

    def leave(self, seeker: SessionSeeker, prompt: int | None, session_id: str) -> None:
        """See to what a turn has left: its wait for a session, or its unanswered prompt, by its number, in one."""

    def discard(self, session_id: str) -> None:
        """Close a session that nobody will go on with."""

    def keep_for(self, seconds: float) -> None:
        """Have sessions kept for so long after their last answer, in case that somebody goes on with them."""

    def stray(self, method: str, params: dict[str, Any]) -> None:
        """Take note of a push that belongs to no turn."""

    def tool_ran(self, kind: str) -> None:
        """Take note of a tool of upstream's own that ran."""


class SpareStore(Protocol):
    """Sessions that are opened before anybody needs them, where that is done; see `sessions_ahead`."""

    def take(self) -> Spare | None:
        """One that nobody else gets; None where there is none."""

    def order(self, model_key: str) -> None:
        """Have one opened for a conversation to come, which will probably ask this model."""

    def distrust(self) -> None:
        """One was refused: forget the others."""
