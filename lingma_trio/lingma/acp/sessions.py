"""What becomes of the sessions of one agent in one life beside their turns, and when the agent is worn.

A turn that is left early has told the agent to cancel, and waits for nothing. That the agent obeys is seen to here: its
session is closed once the prompt is answered, or after CANCEL_SECONDS, and is never gone on with.
"""

from __future__ import annotations

import math
from typing import NoReturn

import structlog
import trio

from lingma_trio.errors import InstanceDown, InstanceWorn
from lingma_trio.lingma.acp.making import SessionMaker
from lingma_trio.lingma.acp.watch import Oddities, ToolWitness
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.listeners import SessionSeeker
from lingma_trio.protocol.acp.messages import Agent
from lingma_trio.protocol.acp.opened import Opened
from lingma_trio.protocol.request import Refusal, Request

CANCEL_SECONDS = 5.0  # for a cancelled prompt to be answered
LAST_WORDS = 300.0
"""Seconds beyond the time for which gateways go on with a session: for a commit that was on its way at its beginning,
and a question at its end."""

SWEEP = 60.0  # seconds between two looks for sessions that everybody has forgotten
MOST_UNANSWERED = 3  # cancelled prompts, or requests for a session, in a row, of an agent that is as good as new

log = structlog.get_logger("lingma_trio.instance")


class AgentSessions(ToolWitness):
    """What becomes of sessions beside their turns. `run` belongs into the nursery of the life; nothing else waits.

    Of an agent that cannot close sessions at most `most` are made: then it is worn, gets no further turn, and `run`
    ends the life with the last one. In one that can about `most_open` are open at a time: those that were made first
    are closed, since whoever knew of them has forgotten them, or misses once. And none that can be closed stays for
    longer than everybody goes on with it, as far as `keep_for` was told that.
    """

    def __init__(
        self, name: str, channel: RpcChannel, agent: Agent, *, most: int, most_open: int, oddities: Oddities
    ) -> None:
        super().__init__(name, oddities)
        self._channel = channel
        self._most = math.inf if agent.closes else most
        self._most_open = most_open if agent.closes else math.inf
        self._kept_for = 0.0
        self._sweep_at = math.inf
        self._changed = trio.Event()
        self._maker = SessionMaker(channel, agent, on_begun=self.look)
        self._given_up: set[str] = set()  # sessions to be closed, in which a turn runs
        self._left: dict[int, tuple[str, float]] = {}  # by the number of its prompt: a session, and when to give it up
        self._unanswered = 0  # in a row
        self._worn: InstanceDown | None = None

    def __repr__(self) -> str:
        return f"<AgentSessions left={len(self._left)} {self._maker!r}>"

    @property
    def worn(self) -> str:
        """Why the agent gets no further turn in this life; empty where it does."""
        return str(self._worn) if self._worn is not None else ""

    def made(self, opened: Opened) -> None:
        """Have a session that the life itself made for the first turn that wants one."""
        self._maker.put(opened)

    def take(self) -> Opened | None:
        """A session that is there already, for a turn that begins with a new one; None where that has to seek one."""
        opened = self._maker.take()
        for session_id in self._maker.beyond(self._most_open):
            self.discard(session_id)
        made = self._maker.count(opened is None)
        if made >= self._most:
            self.wear(InstanceWorn(f"the agent has {made} sessions, as many as ACP_SESSIONS_PER_LIFE allows"))
        return opened

    def seek(self, seeker: SessionSeeker, request: Request) -> None:
        """Make a session by `request`, as soon as no other one is being made."""
        self._maker.seek(seeker, request)

    def leave(self, seeker: SessionSeeker, prompt: int | None, session_id: str) -> None:
        """See to what a turn has left: its wait for a session, or its unanswered prompt, by its number, in one."""
        self._maker.forget(seeker)
        self._maker.use(session_id)
        if prompt is not None:
            self._left[prompt] = session_id, trio.current_time() + CANCEL_SECONDS
            self._channel.hand_over(prompt, self)
            self._changed.set()

    def discard(self, session_id: str) -> None:
        """Close a session that nobody will go on with; one in which a turn runs, or a prompt is still answered, later.

        Such a turn may be one whose stop is on its way, or that of another gateway, which has the session from the
        store while this one does not know that the store has it; that one misses once.
        """
        if self._is_asked(session_id):
            self._given_up.add(session_id)
        elif session_id and all(session_id != left for left, _ in self._left.values()):
            self._maker.close(session_id)

    def keep_for(self, seconds: float) -> None:
        """As `SessionCare.keep_for`: the longest time counts that anybody told."""
        self._kept_for = max(self._kept_for, seconds)
        if self._most_open < math.inf and self._sweep_at == math.inf:
            self._sweep_at = trio.current_time() + SWEEP
            self._changed.set()

    def wear(self, cause: InstanceDown) -> None:
        """Give the agent no further turn, and end the life with `cause` once it has none; the first cause counts."""
        if self._worn is None:
            self._worn = cause
            log.info("agent_worn", instance=self._name, cause=str(cause), turns=self._channel.turns)
            self._changed.set()

    def look(self) -> None:
        """Look again whether the last turn has ended, or that of a session to be closed, and for what to wait."""
        for session_id in [each for each in self._given_up if not self._is_asked(each)]:
            self._given_up.remove(session_id)
            self.discard(session_id)
        self._changed.set()

    async def run(self) -> NoReturn:
        """Give up what is left for too long. Raises what the agent is worn by, once it has no turn."""
        while True:
            if self._worn is not None and not self._channel.turns:
                raise self._worn
            self._changed = trio.Event()
            soonest = next((until for _, until in self._left.values()), math.inf)
            with trio.move_on_at(min(soonest, self._maker.until, self._sweep_at)):
                await self._changed.wait()
            now = trio.current_time()
            self._give_up(now)
            if now >= self._sweep_at:
                self._sweep_at = now + SWEEP
                self._sweep(now)
            if now >= self._maker.until:
                self._maker.give_up()
                if self._maker.missed >= MOST_UNANSWERED:
                    self.wear(InstanceWorn(f"the agent made none of {self._maker.missed} sessions, one after another"))

    def _sweep(self, now: float) -> None:
        """Close what everybody has forgotten: gateways that died, or whose store lost what it had, tell of nothing."""
        unused = self._maker.unused_since(now - self._kept_for - LAST_WORDS)
        forgotten = [each for each in unused if not self._is_asked(each)]
        for session_id in forgotten:
            self._maker.close(session_id)
        if forgotten:
            log.info("agent_sessions_forgotten", instance=self._name, sessions=len(forgotten))

    # What the channel calls.

    def answered(self, number: int, result: object) -> None:
        """The agent answered what a turn has left."""
        del result
        self._let_go(number)

    def refused(self, number: int, refusal: Refusal) -> None:
        """The agent answered it with an error."""
        del refusal
        self._let_go(number)

    def _is_asked(self, session_id: str) -> bool:
        return self._channel.registry.find("", {"sessionId": session_id}) is not None

    def _let_go(self, number: int) -> None:
        session_id, _ = self._left.pop(number)
        self._unanswered = 0
        self._maker.close(session_id)

    def _give_up(self, now: float) -> None:
        for number, (session_id, until) in list(self._left.items()):
            if until > now:
                break
            del self._left[number]
            self._channel.hand_over(number, None)
            self._oddities.abandoned += 1
            self._unanswered += 1
            log.warning("agent_ignores_cancel", instance=self._name, in_a_row=self._unanswered)
            self._maker.close(session_id)
        if self._unanswered >= MOST_UNANSWERED:
            self.wear(InstanceWorn(f"the agent left {self._unanswered} cancelled turns unanswered, one after another"))
