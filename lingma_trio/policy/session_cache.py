"""Remembers which upstream session holds which conversation, and hands each one out once.

An upstream session is linear: it can be continued once from each state. So a session is claimed, which takes it out,
and committed again under the key of the longer conversation. Must not know how keys are made, what a session is to
its upstream, or the time, which is an argument everywhere.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Session:
    """An upstream session, and the life of the instance that holds it: another generation does not know it."""

    session_id: str
    instance: str
    generation: int


@dataclass(frozen=True, slots=True)
class _Entry:
    key: bytes
    answer: str
    session: Session
    committed_at: float


class SessionCache:
    """Sessions that can be continued, by the key of the conversation they hold.

    Holds at most `max_entries` sessions, none of them longer than `ttl` seconds, and drops the least recently
    committed first. Nothing here waits, so between deciding and doing no other task runs. `now` is in seconds of any
    clock that never goes back.

    Several sessions may stand under one key: conversations of one tenant that began alike. The digests of their
    answers tell them apart.

    Counters, which only grow: `hits` and `misses` of claims; `commits`; `evictions` for want of room; `expiries` for
    age; `dead`, sessions dropped because the life that held them was over; `forks`, those misses whose session had
    been claimed before: a message was edited, an answer regenerated, or a failed turn is tried again.
    """

    def __init__(self, *, max_entries: int, ttl: float) -> None:
        self._max_entries = max_entries
        self._ttl = ttl
        # Oldest first. A claim takes its entry out, so the order of commits is the order of use.
        self._entries: OrderedDict[Session, _Entry] = OrderedDict()
        self._by_key: dict[bytes, dict[Session, _Entry]] = {}
        # Answers whose session went on, oldest first, as (key, digest); the values mean nothing.
        self._continued: OrderedDict[tuple[bytes, str], None] = OrderedDict()
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

    def claim(self, key: bytes, answer: str | None, *, now: float, alive: Callable[[Session], bool]) -> Session | None:
        """Take out the session to continue, or None: start a fresh one with the whole conversation.

        Taken is the one whose answer has the digest `answer`, of several such the youngest. Without a match a lone
        session is taken all the same, for clients that reformat answers, unless `answer` is known to be of a
        conversation that went on: then the lone session is another one that began alike. Sessions of the key that
        are not `alive` are dropped. A caller whose turn fails has nothing to give back.
        """
        self._expire(now)
        self._drop_dead(list(self._by_key.get(key, ())), alive)
        entry = self._choose(key, answer)
        if entry is None:
            self.misses += 1
            self.forks += self._has_continued(key, answer)
            return None
        self.hits += 1
        self._remove(entry.session)
        self._remember_continued(key, entry.answer)
        if answer is not None:
            self._remember_continued(key, answer)
        return entry.session

    def commit(self, key: bytes, answer: str, session: Session, *, now: float) -> None:
        """Remember that `session` holds the conversation `key`, which ended with an answer of digest `answer`.

        A session has one state, so what was remembered of an earlier one is dropped.
        """
        self._expire(now)
        if session in self._entries:
            self._remove(session)
        entry = _Entry(key, answer, session, now)
        self._entries[session] = entry
        self._by_key.setdefault(key, {})[session] = entry
        self.commits += 1
        if len(self._entries) > self._max_entries:
            self._remove(next(iter(self._entries)))
            self.evictions += 1

    def forget(self, instance: str, generation: int) -> None:
        """Drop the sessions that this life of the instance held."""
        self._drop_dead(list(self._entries), lambda held: (held.instance, held.generation) != (instance, generation))

    def clear(self) -> None:
        """Drop everything but the counters."""
        self._entries.clear()
        self._by_key.clear()
        self._continued.clear()

    def _choose(self, key: bytes, answer: str | None) -> _Entry | None:
        entries = list(self._by_key.get(key, {}).values())
        match = next((entry for entry in reversed(entries) if entry.answer == answer), None)
        if match is not None or len(entries) != 1 or self._has_continued(key, answer):
            return match
        return entries[0]

    def _has_continued(self, key: bytes, answer: str | None) -> bool:
        return answer is not None and (key, answer) in self._continued

    def _remember_continued(self, key: bytes, answer: str) -> None:
        self._continued[key, answer] = None
        self._continued.move_to_end((key, answer))
        if len(self._continued) > self._max_entries:
            self._continued.popitem(last=False)

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
        alike = self._by_key[entry.key]
        del alike[session]
        if not alike:
            del self._by_key[entry.key]
