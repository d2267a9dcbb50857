"""What becomes of the sessions of an agent that speaks ACP elsewhere, as far as a gateway's turns have to say it.

Spare sessions, cancelled prompts and worn programs are seen to where the program runs. What is known here alone is
which sessions nobody goes on with, and which turn waits for one.
"""

from __future__ import annotations

from collections.abc import Callable

from lingma_trio.lingma.acp.watch import Oddities, ToolWitness
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.listeners import SessionSeeker
from lingma_trio.protocol.acp.opened import Opened
from lingma_trio.protocol.fleet_messages import KEPT
from lingma_trio.protocol.request import Notice, Refusal, Request


class RemoteSessions(ToolWitness):
    """The sessions of one life, on its channel. Nothing waits; `discard` tells that nobody goes on with a session."""

    def __init__(self, name: str, channel: RpcChannel, oddities: Oddities, *, discard: Callable[[str], None]) -> None:
        super().__init__(name, oddities)
        self._channel = channel
        self._discard = discard
        self._sought: dict[int, tuple[SessionSeeker | None, Request]] = {}  # by the number of the request

    def __repr__(self) -> str:
        return f"<RemoteSessions {self._name} sought={len(self._sought)}>"

    def take(self) -> Opened | None:
        """None: spare ones are kept where the program runs, and come as fast as asked for."""
        return None

    def seek(self, seeker: SessionSeeker, request: Request) -> None:
        """Have a session made by `request`."""
        number = self._channel.send(request, self)
        self._sought[number] = seeker, request

    def leave(self, seeker: SessionSeeker, prompt: int | None, session_id: str) -> None:
        """Let go of what a turn has left; that the program obeys its cancellation is seen to there."""
        del session_id
        for number, (waits, request) in self._sought.items():
            if waits is seeker:
                self._sought[number] = None, request
        if prompt is not None:
            self._channel.hand_over(prompt, None)

    def discard(self, session_id: str) -> None:
        """Have a session closed that nobody will go on with."""
        if session_id:
            self._discard(session_id)

    def keep_for(self, seconds: float) -> None:
        """Tell the agent for how long sessions are gone on with here."""
        self._channel.tell(Notice(KEPT, {"seconds": seconds}))

    # What the channel calls.

    def answered(self, number: int, result: object) -> None:
        """A session was made; one that nobody waits for any more is closed."""
        seeker, request = self._sought.pop(number)
        if seeker is not None:
            seeker.opened(request, result)
        else:
            self.discard(Opened.read(result).session_id)

    def refused(self, number: int, refusal: Refusal) -> None:
        """None was made."""
        seeker, request = self._sought.pop(number)
        if seeker is not None:
            seeker.unopened(request, refusal)
