"""Remembers which upstream session holds which conversation, and lends each one out to one request at a time.

An upstream session is linear: it can be continued once from each state. So a session is claimed, which hides it from
everybody else; sending the question spends it, and leaving before that gives it back. After the answer it is committed
again, under the key of the longer conversation. Must not know how keys are made, what a session is to its upstream, or
the time, which is an argument everywhere.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from lingma_trio.policy.shares import Shares


@dataclass(frozen=True, slots=True)
class Session:
    """An upstream session, and the life of the instance that holds it: another life does not know it."""

    session_id: str
    instance: str
    life: str


@dataclass(slots=True)
class _Entry:
    key: bytes
    answer: str
    session: Session
    tenant: str
    committed_at: float
    lent: bool = False


class Claim:
    """A session that nobody else is given until it is spent or given back."""

    def __init__(self, cache: SessionCache, entry: _Entry, answer: str | None) -> None:
        self._cache = cache
        self._entry = entry
        self._answer = answer
        entry.lent = True

    def __repr__(self) -> str:
        return f"<Claim of {self.session} lent={self._entry.lent}>"

    @property
    def session(self) -> Session:
        """The session to continue."""
        return self._entry.session

    def spend(self) -> None:
        """The session is being continued, so its state is no longer the one that was remembered."""
        if self._entry.lent:
            self._entry.lent = False
            self._cache.spent(self._entry, self._answer)

    def give_back(self) -> None:
        """Let the session be claimed again, unless it was spent. Idempotent."""
        self._entry.lent = False


class SessionCache:
    """Sessions that can be continued, by the key of the conversation they hold.

    Holds at most `max_entries` sessions, none of them longer than `ttl` seconds. Where it is full the tenant that holds
    the most makes room with its own, the least recently committed first. Nothing here waits, so between deciding and
    doing no other task runs. `now` is in seconds of any clock that never goes back.

    Several sessions may stand under one key: conversations of one tenant that began alike. The digests of their
    answers tell them apart.

    Counters, which only grow: `hits`, sessions that were continued, and `misses` of claims; `commits`; `evictions` for
    want of room; `expiries` for age; `dead`, sessions dropped because the life that held them was over; `forks`, those
    misses whose session had been claimed before: a message was edited, an answer regenerated, or a failed turn is
    tried again.
    """

    def __init__(self, *, max_entries: int, ttl: float) -> None:
        self._max_entries = max_entries
        self._ttl = ttl
        # Oldest first. What is continued goes and is committed anew, so the order of commits is the order of use.
        self._entries: OrderedDict[Session, _Entry] = OrderedDict()
        self._shares: Shares[Session] = Shares(max_entries)
        self._by_key: dict[bytes, dict[Session, _Entry]] = {}
        # Answers whose session went on, as (key, digest).
        self._continued: Shares[tuple[bytes, str]] = Shares(max_entries)
        self.hits = 0
        self.misses = 0
        self.commits = 0
        self.evictions = 0
        self.expiries = 0
        self.dead = 0
        self.forks = 0

    def __repr__(self) -> str:
        return f"<SessionCache {len(self)}/{self._max_entries} hits={self.hits} misses={self.misses}>"

    def __len__(self) -> int:
        """Sessions held, those included whose age no claim or commit has noticed yet."""
        return len(self._entries)

    def claim(self, key: bytes, answer: str | None, *, now: float, alive: Callable[[Session], bool]) -> Claim | None:
        """Borrow the session to continue, or None: start a fresh one with the whole conversation.

        Borrowed is the one whose answer has the digest `answer`, of several such the youngest. Without a match a lone
        session is taken all the same, for clients that reformat answers, unless `answer` is known to be of a
        conversation that went on: then the lone session is another one that began alike. Sessions of the key that
        are not `alive` are dropped. Whoever claims has to spend the claim or give it back.
        """
        self._expire(now)
        self._drop_dead(list(self._by_key.get(key, ())), alive)
        entry = self._choose(key, answer)
        if entry is None:
            self.misses += 1
            self.forks += self._goes_on(key, answer)
            return None
        return Claim(self, entry, answer)

    def spent(self, entry: _Entry, answer: str | None) -> None:
        """What `Claim.spend` tells: the session goes on from the conversation that ended with `answer`."""
        self.hits += 1
        self._continued.add((entry.key, entry.answer), entry.tenant)
        if answer is not None:
            self._continued.add((entry.key, answer), entry.tenant)
        if self._entries.get(entry.session) is entry:
            self._remove(entry.session)

    def commit(self, key: bytes, answer: str, session: Session, *, now: float, tenant: str = "") -> None:
        """Remember that `session` holds the conversation `key` of `tenant`, which ended with an answer of digest
        `answer`.

        A session has one state, so what was remembered of an earlier one is dropped.
        """
        self._expire(now)
        if session in self._entries:
            self._remove(session)
        entry = _Entry(key, answer, session, tenant, now)
        self._entries[session] = entry
        self._by_key.setdefault(key, {})[session] = entry
        self.commits += 1
        evicted = self._shares.add(session, tenant)
        if evicted is not None:
            self._remove(evicted)
            self.evictions += 1

    def clear(self) -> None:
        """Drop everything but the counters."""
        self._entries.clear()
        self._shares.clear()
        self._by_key.clear()
        self._continued.clear()

    def _choose(self, key: bytes, answer: str | None) -> _Entry | None:
        entries = list(self._by_key.get(key, {}).values())
        free = [entry for entry in entries if not entry.lent]
        match = next((entry for entry in reversed(free) if entry.answer == answer), None)
        # One that is lent may come back, so beside it no other one is lone.
        if match is not None or not free or len(entries) != 1 or self._goes_on(key, answer):
            return match
        return free[0]

    def _goes_on(self, key: bytes, answer: str | None) -> bool:
        """Whether the conversation that ended so went on in its session, or is about to."""
        lent = any(entry.lent and entry.answer == answer for entry in self._by_key.get(key, {}).values())
        return lent or (answer is not None and (key, answer) in self._continued)

    def _expire(self, now: float) -> None:
        while self._entries:
            oldest = next(iter(self._entries.values()))
            if now - oldest.committed_at < self._ttl:
                return
            self._remove(oldest.session)
            self.expiries += 1

    def _drop_dead(self, sessions: list[Session], alive: Callable[[Session], bool]) -> None:
        for session in sessions:
            if not alive(session):
                self._remove(session)
                self.dead += 1

    def _remove(self, session: Session) -> None:
        entry = self._entries.pop(session)
        self._shares.discard(session)
        alike = self._by_key[entry.key]
        del alike[session]
        if not alike:
            del self._by_key[entry.key]
