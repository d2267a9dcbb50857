"""The sessions of one agent in one life: one that nobody has used yet, those that were left, and how many there were.

They are made one at a time: some programs hold a lock while they make one, and take a hundred times as long for several
at once. Whoever has waited longest gets the next, whether or not the turn is still there that it was begun for.

A turn that is left early has told the agent to cancel, and waits for nothing. That the agent obeys is seen to here: its
session is closed once the prompt is answered, or after CANCEL_SECONDS, and is never gone on with.
"""

from __future__ import annotations

import math
from typing import Any, NoReturn

import structlog
import trio

from lingma_trio.errors import InstanceDown, InstanceWorn
from lingma_trio.lingma.acp.watch import Oddities
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.listeners import SessionSeeker
from lingma_trio.protocol.acp.messages import Agent, close, delete
from lingma_trio.protocol.acp.opened import Opened
from lingma_trio.protocol.acp.turn import ran_after_all
from lingma_trio.protocol.request import Refusal, Request

CANCEL_SECONDS = 5.0  # for a cancelled prompt to be answered
MOST_UNANSWERED = 3  # cancelled prompts in a row that are not, of an agent that is as good as new

log = structlog.get_logger("lingma_trio.instance")


class AgentSessions:
    """What becomes of sessions beside their turns. `run` belongs into the nursery of the life; nothing else waits.

    Of an agent that cannot close sessions at most `most` are made: then it is worn, gets no further turn, and `run`
    ends the life with the last one.
    """

    def __init__(self, name: str, channel: RpcChannel, agent: Agent, *, most: int, oddities: Oddities) -> None:
        self._name = name
        self._channel = channel
        self._closes = agent.closes
        self._deletes = agent.deletes
        self._most = most
        self._oddities = oddities
        self._spare: Opened | None = None
        self._made = 0
        self._open: set[str] = set()  # those that were made and not closed
        self._seekers: dict[SessionSeeker, Request] = {}  # longest first
        self._making = 0  # the number of the request for a session that is under way
        self._making_until = math.inf
        self._overdue: set[int] = set()  # the numbers of those that were under way too long
        self._left: dict[int, tuple[str, float]] = {}  # by the number of its prompt: a session, and when to give it up
        self._unanswered = 0  # in a row
        self._worn: InstanceDown | None = None
        self._changed = trio.Event()

    def __repr__(self) -> str:
        waits = f"seekers={len(self._seekers)} left={len(self._left)} spare={self._spare is not None}"
        return f"<AgentSessions made={self._made} {waits}>"

    @property
    def worn(self) -> str:
        """Why the agent gets no further turn in this life; empty where it does."""
        return str(self._worn) if self._worn is not None else ""

    def made(self, opened: Opened) -> None:
        """Have a session that the life itself made for the first turn that wants one."""
        self._made += 1
        self._open.add(opened.session_id)
        self._spare = opened

    def take(self) -> Opened | None:
        """A session that is there already, for a turn that begins with a new one; None where that has to make one."""
        opened, self._spare = self._spare, None
        wanted = len(self._seekers) + (opened is None) - (self._making > 0)
        made = self._made + max(0, wanted)
        if not self._closes and made >= self._most:
            self.wear(InstanceWorn(f"the agent has {made} sessions, as many as ACP_SESSIONS_PER_LIFE allows"))
        return opened

    def seek(self, seeker: SessionSeeker, request: Request) -> None:
        """Make a session by `request`, as soon as no other one is being made."""
        self._seekers[seeker] = request
        self._make_next()

    def leave(self, seeker: SessionSeeker, prompt: int | None, session_id: str) -> None:
        """See to what a turn has left: its wait for a session, or its unanswered prompt, by its number, in one."""
        self._seekers.pop(seeker, None)
        if prompt is not None:
            self._left[prompt] = session_id, trio.current_time() + CANCEL_SECONDS
            self._channel.hand_over(prompt, self)
            self._changed.set()

    def discard(self, session_id: str) -> None:
        """Close a session that nobody will go on with; one whose prompt is still answered is closed later."""
        if session_id and all(session_id != left for left, _ in self._left.values()):
            self._close(session_id)

    def wear(self, cause: InstanceDown) -> None:
        """Give the agent no further turn, and end the life with `cause` once it has none; the first cause counts."""
        if self._worn is None:
            self._worn = cause
            log.info("agent_worn", instance=self._name, cause=str(cause), turns=self._channel.turns)
            self._changed.set()

    def look(self) -> None:
        """Look again whether the last turn has ended."""
        self._changed.set()

    def stray(self, method: str, params: dict[str, Any]) -> None:
        """Take note of a push of no turn's: a tool that ran is told of also where its turn was left meanwhile."""
        if kind := ran_after_all(method, params):
            self.tool_ran(kind)

    def tool_ran(self, kind: str) -> None:
        """Take note of a tool that the agent ran, though all of them were to be off."""
        self._oddities.tools_ran[kind] += 1
        log.warning("agent_ran_a_tool", instance=self._name, kind=kind)

    async def run(self) -> NoReturn:
        """Give up what is left for too long. Raises what the agent is worn by, once it has no turn."""
        while True:
            if self._worn is not None and not self._channel.turns:
                raise self._worn
            self._changed = trio.Event()
            soonest = next((until for _, until in self._left.values()), math.inf)
            with trio.move_on_at(min(soonest, self._making_until)):
                await self._changed.wait()
            now = trio.current_time()
            self._give_up(now)
            if now >= self._making_until:
                self._overdue.add(self._making)
                self._made_one()

    # What the channel calls.

    def answered(self, number: int, result: object) -> None:
        """The agent made a session, or answered what a turn has left."""
        if number in self._left:
            self._let_go(number)
            return
        self._overdue.discard(number)
        opened = Opened.read(result)
        if opened.session_id in self._open:
            # Two clients would read each other's conversations.
            self._fail_one(Refusal(0, "it gave out a session a second time"))
        else:
            self._open |= {opened.session_id} - {""}
            self._give(opened, result)
        if number == self._making:
            self._made_one()

    def refused(self, number: int, refusal: Refusal) -> None:
        """The agent answered with an error."""
        if number in self._left:
            self._let_go(number)
            return
        self._overdue.discard(number)
        if number == self._making:
            self._fail_one(refusal)
            self._made_one()

    def _make_next(self) -> None:
        if self._seekers and not self._making:
            self._made += 1
            self._making = self._channel.send(next(iter(self._seekers.values())), self)
            self._making_until = trio.current_time() + self._channel.rpc_timeout
            self._changed.set()

    def _made_one(self) -> None:
        self._making, self._making_until = 0, math.inf
        self._make_next()

    def _fail_one(self, refusal: Refusal) -> None:
        """Tell whoever has waited longest that there is none."""
        if self._seekers:
            seeker = next(iter(self._seekers))
            seeker.unopened(self._seekers.pop(seeker), refusal)

    def _give(self, opened: Opened, result: object) -> None:
        """Let whoever has waited longest have a session, or else the next turn; one that waits for that is enough."""
        if self._seekers:
            seeker = next(iter(self._seekers))
            seeker.opened(self._seekers.pop(seeker), result)
        elif self._spare is None and opened.session_id:
            self._spare = opened
        else:
            self.discard(opened.session_id)

    def _let_go(self, number: int) -> None:
        session_id, _ = self._left.pop(number)
        self._unanswered = 0
        self._close(session_id)

    def _give_up(self, now: float) -> None:
        for number, (session_id, until) in list(self._left.items()):
            if until > now:
                break
            del self._left[number]
            self._channel.hand_over(number, None)
            self._oddities.abandoned += 1
            self._unanswered += 1
            log.warning("agent_ignores_cancel", instance=self._name, in_a_row=self._unanswered)
            self._close(session_id)
        if self._unanswered >= MOST_UNANSWERED:
            self.wear(InstanceWorn(f"the agent left {self._unanswered} cancelled turns unanswered, one after another"))

    def _close(self, session_id: str) -> None:
        if session_id not in self._open:
            return
        if self._closes:
            self._open.remove(session_id)
            self._channel.tell(close(session_id))
        if self._deletes:
            self._channel.tell(delete(session_id))
