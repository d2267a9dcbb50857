"""What a turn's machine says of the answer, on its way into the inbox where it waits."""

from __future__ import annotations

from lingma_trio.errors import GatewayError
from lingma_trio.lingma.inbox import Inbox
from lingma_trio.protocol.answer import Failed
from lingma_trio.protocol.failures import failure_of
from lingma_trio.turns import Finished, TextDelta, TextReplaced, ThoughtDelta, ToolCall

FORBIDDEN = 403  # upstream's status for a lost login as well as for a used-up quota


class TurnEvents:
    """The sink of one turn; `who` is what upstream is called in messages to people."""

    def __init__(self, inbox: Inbox, who: str) -> None:
        self._inbox = inbox
        self._who = who
        self.forbidden: GatewayError | None = None
        """The failure that may be a lost login or a used-up quota, if the turn failed with it."""

    def text(self, text: str) -> None:
        """More text."""
        self._inbox.put(TextDelta(text))

    def thought(self, text: str) -> None:
        """More reasoning."""
        self._inbox.put(ThoughtDelta(text))

    def replaced(self, text: str) -> None:
        """Text that voids what came before."""
        self._inbox.put(TextReplaced(text))

    def call(self, call: ToolCall) -> None:
        """A call of one of the client's tools."""
        self._inbox.put(call)

    def finished(self, event: Finished) -> None:
        """The end."""
        self._inbox.put(event)

    def failed(self, failed: Failed) -> None:
        """Upstream ended the turn with an error, or sent nothing for too long."""
        error = failure_of(failed.status, failed.reason, who=self._who)
        if failed.status == FORBIDDEN:
            self.forbidden = error
        self._inbox.fail(error)
