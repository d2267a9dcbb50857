"""Sessions in the store that gateways share: any of them continues what another began, and each is continued once.

A claim takes the entry out of the store, so whatever becomes of the claim, nobody else has the session: where the reply
is lost, or whoever asked is cancelled, it is a miss, and the store is told to put back what it may have taken. Nothing
is sent twice. Must not know how the store is reached, nor what proves a conversation.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from secrets import token_hex
from typing import Any, Final

import structlog
import trio

from lingma_trio.errors import StateDown
from lingma_trio.sessions.book import Held, Session
from lingma_trio.sessions.commit import Commit
from lingma_trio.sessions.counters import Counters, Gone, Reason
from lingma_trio.state.link import Call, Link, NotRun
from lingma_trio.state.sessions_calls import (
    Bounds,
    Candidate,
    Choice,
    Said,
    Taken,
    claim_call,
    clear_call,
    commit_call,
    let_go_call,
    mark_call,
    read_claim,
    read_reply,
)
from lingma_trio.state.trips import Trips

MOST_CLAIMS: Final = 2
"""Trips of one claim. The second one is made where whoever asks had to judge: what came back shorter, which of several
that are alike can be continued, and where what was leased first cannot be."""

MOST_OUTGOING: Final = 1000
"""Leases on their way back, and marks: more are lost, which costs a miss each."""

MOST_AT_ONCE: Final = 50

MOST_LIVES: Final = 4096
"""Lives of instances that are remembered to have been there."""

log = structlog.get_logger("lingma_trio.state.sessions")


@dataclass(frozen=True, slots=True)
class _Sent:
    """What nobody waits for: it gives back the lease on a session, or the one of a token, whatever that is on."""

    call: Call
    session: Session | None = None
    token: str = ""


class StoreLease:
    """As `Lease` has it. What is given back is on its way, and not there yet, when the call returns."""

    __slots__ = ("_returned", "_sessions", "_token", "session", "spent", "untold")

    def __init__(self, sessions: StoreSessions, taken: Taken, token: str) -> None:
        self._sessions = sessions
        self._token = token
        self._returned = False
        self.session = taken.session
        self.untold = taken.untold
        self.spent = False

    def __repr__(self) -> str:
        return f"<StoreLease {self.session.session_id} spent={self.spent}>"

    def spend(self) -> None:
        """The question goes out. The store need not be told: nobody else has the session."""
        self.spent = True

    def unspend(self, *, now: float) -> None:
        """As `Lease.unspend`; the store need not be told of that either."""
        del now
        self.spent = False

    def give_back(self) -> None:
        """Nobody holds the lease any longer."""
        if not (self._returned or self.spent):
            self._returned = True
            self._sessions.let_go(self.session, self._token)


class StoreSessions:
    """As `Sessions` has it. `keep` is a task of its own, which sends what nobody waits for.

    An entry whose life was there and has ended, and one whose account is another now, are dropped. One whose instance
    or life is not known here is left to the others, who may know it.
    """

    def __init__(self, link: Link, *, max_entries: int, ttl: float) -> None:
        self.counters = Counters()
        self.unsent = 0
        """Leases on their way back and marks that the store has not answered for yet."""
        self._link = link
        self._bounds = Bounds(max_entries, ttl)
        self._on_drop: Callable[[Session], None] = _forget
        self._size = 0
        self._lives: OrderedDict[str, None] = OrderedDict()  # seen to be there, the oldest first
        self._lost_claims: deque[str] = deque(maxlen=MOST_OUTGOING)  # tokens that the store is told of when it is there
        self._outgoing, self._incoming = trio.open_memory_channel[_Sent](MOST_OUTGOING)

    def __repr__(self) -> str:
        counters = self.counters
        return f"<StoreSessions {len(self)} hits={counters.hits} misses={counters.misses.total()}>"

    def __len__(self) -> int:
        """How many the store had when this gateway heard of it last."""
        return self._size

    def tell(self, on_drop: Callable[[Session], None]) -> None:
        """As `Sessions.tell`, of what this gateway's calls dropped."""
        self._on_drop = on_drop

    async def claim(
        self, asked: Held, *, now: float, gone: Callable[[Session], Gone | None], trips: Trips | None = None
    ) -> StoreLease | Reason:
        """As `Sessions.claim`; a miss where the store does not answer, and at once where it is down."""
        del now
        try:
            found = await self._claim(asked, gone, trips or Trips(self._link))
        except StateDown:
            found = "state_down"
        if isinstance(found, str):
            self.counters.count_miss(found)
        return found

    async def commit(
        self, held: Held, session: Session, how: Commit, *, now: float, untold: str = "", trips: Trips | None = None
    ) -> Commit:
        """As `Sessions.commit`. Where the store does not answer in time the session is forgotten: what it may have
        written after all is in order, and can be continued once.
        """
        del now
        if not self._link.up:
            self.counters.count("state_down")
            return "state_down"
        self._know(session.life)
        call = commit_call(self._bounds, held, session, untold)
        under_way = trips or Trips(self._link)
        under_way.ride(call, partial(self._committed, how), partial(self._forgotten, session))
        if trips is None:
            await under_way.finish()
        return how

    def mark_altered(self, question: bytes, *, now: float) -> None:
        """As `Sessions.mark_altered`; lost where the store is down."""
        del now
        self._send(_Sent(mark_call(self._bounds, question)))

    async def clear(self) -> int:
        """As `Sessions.clear`, for all gateways. Raises `StateDown`; what is left then cannot be continued any more."""
        cleared, until, found = 0, b"", math.inf
        while found:
            (reply,) = await self._link.trip(clear_call(self._bounds, until))
            until, found = self._hear(reply).rest
            cleared += int(found)
        return cleared

    def let_go(self, session: Session, token: str, why: Reason | None = None) -> None:
        """Give a lease back, or with a reason drop what was leased. Never waits."""
        self._send(_Sent(let_go_call(self._bounds, session, token, why or ""), session))

    async def keep(self) -> None:
        """Send what nobody waits for, as it comes, while the store is there. Cancelling loses what is on its way."""
        async for first in self._incoming:
            sent = [first]
            while len(sent) < MOST_AT_ONCE and self._incoming.statistics().current_buffer_used:
                sent.append(self._incoming.receive_nowait())
            answered: Mapping[int, Any] = {}
            try:
                answered = dict(enumerate(await self._link.trip(*(each.call for each in sent))))
            except NotRun as fault:
                answered = fault.answered
            except StateDown:
                pass
            for place, each in enumerate(sent):
                if place not in answered:
                    self._lose(each)
                elif self._hear(answered[place]).rest[0] == b"none" and each.session is not None:
                    self._on_drop(each.session)
            self.unsent -= len(sent)

    async def _claim(self, asked: Held, gone: Callable[[Session], Gone | None], trips: Trips) -> StoreLease | Reason:
        candidate: Candidate | None = None
        why: Reason = "no_entry"
        for _ in range(MOST_CLAIMS):
            token = token_hex(8)
            found = read_claim(
                self._hear(await self._asked(claim_call(self._bounds, asked, token, candidate), token, trips))
            )
            if isinstance(found, str):
                return found
            if isinstance(found, Choice):
                fit = _fitting(found, asked, gone)
                if len(fit) != 1:
                    return "ambiguous" if fit else found.otherwise
                candidate, why = fit[0], found.otherwise
                continue
            absent = gone(found.session)
            if absent is None:
                self._know(found.session.life)
                return StoreLease(self, found, token)
            self._refuse(found.session, token, absent)
            if not found.more:
                return absent
            why = absent
        return why

    async def _asked(self, call: Call, token: str, trips: Trips) -> Sequence[Any]:
        """The reply to a claim; where there is none whatever it took is put back."""
        replies: Sequence[Any] = ()
        tried = self._link.up
        try:
            replies = await trips.go(call)
        finally:
            if tried and not replies:
                self._take_back(token)
        reply: Sequence[Any] = replies[0]
        return reply

    def _take_back(self, token: str) -> None:
        self._send(_Sent(let_go_call(self._bounds, None, token, ""), token=token))

    def _committed(self, how: Commit, reply: Sequence[Any]) -> None:
        self._hear(reply)
        self.counters.count(how)

    def _forgotten(self, session: Session) -> None:
        """Nobody knows whether the store has it: whoever finds it there all the same will be refused, or go on."""
        self.counters.count("state_down")
        self._on_drop(session)

    def _refuse(self, session: Session, token: str, why: Gone) -> None:
        """Do away with what was leased where it is known to be gone for good, else leave it to others."""
        if why == "account" or (why == "life_ended" and session.life in self._lives):
            self.let_go(session, token, why)
        else:
            self.let_go(session, token)

    def _know(self, life: str) -> None:
        self._lives[life] = None
        self._lives.move_to_end(life)
        if len(self._lives) > MOST_LIVES:
            self._lives.popitem(last=False)

    def _hear(self, reply: Sequence[Any]) -> Said:
        """Take note of what every reply says."""
        said = read_reply(reply)
        self._size = said.size
        self.counters.evictions += said.evictions
        self.counters.expiries += said.expiries
        for session in said.dropped:
            self._on_drop(session)
        for _ in range(len(self._lost_claims)):
            self._take_back(self._lost_claims.popleft())
        return said

    def _send(self, sent: _Sent) -> None:
        try:
            self._outgoing.send_nowait(sent)
            self.unsent += 1
        except trio.WouldBlock:
            self._lose(sent)

    def _lose(self, sent: _Sent) -> None:
        """What could not be sent, was refused, or may not have arrived: a lease that nobody gets any more."""
        if sent.session is not None:
            self._on_drop(sent.session)
        elif sent.token:
            self._lost_claims.append(sent.token)


def _fitting(choice: Choice, asked: Held, gone: Callable[[Session], Gone | None]) -> list[Candidate]:
    return [
        each
        for each in choice.candidates
        if gone(each.session) is None
        and (not choice.shorter or (each.questions is not None and each.questions.come_back_as(asked.turns)))
    ]


def _forget(session: Session) -> None:
    """A session that nobody has to be told of."""
