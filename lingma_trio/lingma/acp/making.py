"""Makes the sessions of one agent in one life, and has them closed.

One at a time: some programs hold a lock while they make one, and take a hundred times as long for several at once.
Whoever has waited longest gets the next, whether or not the turn is still there that it was begun for; where nobody
waits it stays for the next turn, and one that stays is enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import islice

import trio

from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.listeners import SessionSeeker
from lingma_trio.protocol.acp.messages import Agent, close, delete
from lingma_trio.protocol.acp.opened import Opened
from lingma_trio.protocol.request import Refusal, Request


class SessionMaker:
    """What nobody uses yet, who waits, and what is open. `on_begun` is called when one begins to be made.

    One that is not made within the RPC timeout keeps nobody from the next: whoever has the clock calls `give_up` at
    `until`. Should it come later, it is as good as any.
    """

    def __init__(self, channel: RpcChannel, agent: Agent, *, on_begun: Callable[[], None]) -> None:
        self._channel = channel
        self._closes = agent.closes
        self._deletes = agent.deletes
        self._on_begun = on_begun
        self._spare: Opened | None = None
        self._seekers: dict[SessionSeeker, Request] = {}  # longest first
        self._open: dict[str, float] = {}  # those that were made and not closed, in their order, and when last used
        self._begun = 0
        self._making = 0  # the number of the request that is under way
        self.until = math.inf
        """When the one that is being made is given up."""
        self.missed = 0
        """How many in a row were given up, of an agent that makes any."""

    def __repr__(self) -> str:
        return f"<SessionMaker open={len(self._open)} seekers={len(self._seekers)} spare={self._spare is not None}>"

    def put(self, opened: Opened) -> None:
        """Have a session that the life itself made, for the first turn that wants one."""
        self._begun += 1
        self._open[opened.session_id] = trio.current_time()
        self._spare = opened

    def take(self) -> Opened | None:
        """A session that is there already; None where there is none."""
        opened, self._spare = self._spare, None
        if opened is not None:
            self.use(opened.session_id)
        return opened

    def use(self, session_id: str) -> None:
        """Take note that somebody has, or had, to do with a session at this moment."""
        if session_id in self._open:
            self._open[session_id] = trio.current_time()

    def count(self, more: int) -> int:
        """How many there were, those that are waited for included, and so many more that are about to be."""
        return self._begun + max(0, len(self._seekers) + more - (self._making > 0))

    def beyond(self, most: float) -> list[str]:
        """The sessions that were made first, of those that are open and too many."""
        excess = len(self._open) - most
        return [*islice(self._open, int(excess))] if excess > 0 else []

    def unused_since(self, moment: float) -> list[str]:
        """The sessions that were last used before that, but for the one that nobody uses yet."""
        spare = "" if self._spare is None else self._spare.session_id
        return [each for each, used in self._open.items() if used < moment and each != spare]

    def seek(self, seeker: SessionSeeker, request: Request) -> None:
        """Make a session by `request`, as soon as no other one is being made."""
        self._seekers[seeker] = request
        self._begin()

    def forget(self, seeker: SessionSeeker) -> None:
        """Take note that a turn waits no longer."""
        self._seekers.pop(seeker, None)

    def close(self, session_id: str) -> None:
        """Have the agent forget a session, as far as it offers that. Idempotent."""
        if session_id not in self._open:
            return
        if self._closes:
            del self._open[session_id]
            self._channel.tell(close(session_id))
        if self._deletes:
            self._channel.tell(delete(session_id))

    def give_up(self) -> None:
        """Wait no longer for the one that is being made."""
        self.missed += 1
        self._begin_next()

    # What the channel calls.

    def answered(self, number: int, result: object) -> None:
        """The agent made a session."""
        opened = Opened.read(result)
        if opened.session_id in self._open:
            # Two clients would read each other's conversations.
            self._fail_one(Refusal(0, "it gave out a session a second time"))
        else:
            if opened.session_id:
                self._open[opened.session_id] = trio.current_time()
            self._give(opened, result)
        self._ended(number)

    def refused(self, number: int, refusal: Refusal) -> None:
        """The agent made none; one that was given up is nobody's loss."""
        if number == self._making:
            self._fail_one(refusal)
        self._ended(number)

    def _begin(self) -> None:
        if self._seekers and not self._making:
            self._begun += 1
            self._making = self._channel.send(next(iter(self._seekers.values())), self)
            self.until = trio.current_time() + self._channel.rpc_timeout
            self._on_begun()

    def _ended(self, number: int) -> None:
        self.missed = 0
        if number == self._making:
            self._begin_next()

    def _begin_next(self) -> None:
        self._making, self.until = 0, math.inf
        self._begin()

    def _give(self, opened: Opened, result: object) -> None:
        if self._seekers:
            seeker = next(iter(self._seekers))
            seeker.opened(self._seekers.pop(seeker), result)
        elif self._spare is None and opened.session_id:
            self._spare = opened
        else:
            self.close(opened.session_id)

    def _fail_one(self, refusal: Refusal) -> None:
        if self._seekers:
            seeker = next(iter(self._seekers))
            seeker.unopened(self._seekers.pop(seeker), refusal)
