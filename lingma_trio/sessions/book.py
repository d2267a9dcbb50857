"""Remembers which upstream session holds which conversation, and lets each be continued once.

An upstream session is linear: it can be continued once from each state. So whoever proves to go on with a conversation
is given a lease on its session: asking consumes it, and leaving before that gives it back. When the answer is complete
the session is committed again, under what proves the longer conversation.

An exact match comes first, then one in the normal form where it is the only one, then one whose questions came back
shorter; anything else is a miss, however few entries there are, and says why. Must not know how keys are made, what a
session is to its upstream, or the time, which is an argument everywhere.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from lingma_trio.policy.shares import Shares
from lingma_trio.records import record
from lingma_trio.sessions.counters import Counters, Gone, Reason
from lingma_trio.sessions.proof import Keys, Turns

MARKS_AN_ENTRY: Final = 4
"""Marks of what is gone or was altered that are kept for each entry there may be: each is some hundred bytes."""


class Session(NamedTuple):
    """An upstream session, and what it is bound to: the life of an instance, and the account signed in to it."""

    session_id: str
    instance: str
    life: str
    account: str = ""


@record
class Held:
    """A conversation that a session holds, as its client will send it back; `model` and `tools` say how it is asked."""

    tenant: str
    model: str
    tools: str
    keys: Keys
    turns: Turns


class Lease:
    """The right to continue one session, which `spend` consumes and `give_back` returns. All here is idempotent.

    `untold` is what the session has to be told before it goes on, or empty.
    """

    __slots__ = ("_book", "_entry", "session", "spent", "untold")

    def __init__(self, book: SessionBook, entry: _Entry) -> None:
        self._book = book
        self._entry = entry
        self.session = entry.session
        self.untold = entry.untold
        self.spent = False

    def __repr__(self) -> str:
        return f"<Lease {self.session.session_id} spent={self.spent}>"

    def spend(self) -> None:
        """The question goes out: from here on the session is in another state than the one that was proved."""
        if not self.spent:
            self.spent = True
            self._book.consume(self._entry)

    def unspend(self, *, now: float) -> None:
        """The question was refused before it reached the session, which is in the state that was proved."""
        if self.spent:
            self.spent = False
            self._book.restore(self._entry, now=now)

    def give_back(self) -> None:
        """Nobody holds the lease any longer."""
        if self._entry.leased:
            self._entry.leased = False
            if not self.spent:
                self._book.given_back(self._entry)


class _Entry:
    """What is kept of a conversation that a session holds."""

    __slots__ = ("committed_at", "era", "keys", "leased", "model", "questions", "session", "tenant", "untold")

    def __init__(self, held: Held, session: Session, committed_at: float, untold: str) -> None:
        self.tenant = held.tenant
        self.keys = held.keys
        self.model = held.model
        self.questions = held.turns.questions()
        self.session = session
        self.committed_at = committed_at
        self.untold = untold
        self.leased = False
        self.era: object = None  # of the book, when the session was asked


def _forget(session: Session) -> None:
    """A session that nobody has to be told of."""


class _Index:
    """Entries by one of their digests."""

    def __init__(self) -> None:
        self._alike: dict[bytes, dict[Session, _Entry]] = {}

    def add(self, key: bytes, entry: _Entry) -> None:
        self._alike.setdefault(key, {})[entry.session] = entry

    def remove(self, key: bytes, entry: _Entry) -> None:
        alike = self._alike[key]
        del alike[entry.session]
        if not alike:
            del self._alike[key]

    def all(self, key: bytes) -> list[_Entry]:
        """Those under this key, the youngest last."""
        return list(self._alike.get(key, {}).values())


class Marks:
    """What is remembered of conversations whose session is gone or was altered. Bounded: the oldest is forgotten."""

    def __init__(self, *, most: int, ttl: float) -> None:
        self._most = most
        self._ttl = ttl
        self._marks: OrderedDict[bytes, tuple[Reason, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._marks)

    def put(self, key: bytes, reason: Reason, *, now: float) -> None:
        """Remember `reason` under a key, in the place of what was remembered before."""
        self._marks[key] = (reason, now)
        self._marks.move_to_end(key)
        while len(self._marks) > self._most:
            self._marks.popitem(last=False)

    def find(self, key: bytes, *, now: float) -> Reason | None:
        """What is remembered under a key, or None."""
        found = self._marks.get(key)
        return None if found is None or now - found[1] >= self._ttl else found[0]

    def clear(self) -> None:
        """Forget everything."""
        self._marks.clear()


class SessionBook(Counters):
    """Sessions that can be continued, by what proves the conversation they hold.

    Holds at most `max_entries`, none of them longer than `ttl` seconds; for want of room whoever holds most loses the
    one that it committed longest ago. Nothing here waits, so between deciding and doing no other task runs. `now` is in
    seconds of any clock that never goes back.

    `on_drop` is told of each session that nobody can go on with any longer, once nobody holds a lease on it either. A
    session that was asked is not among them: whoever asked it commits it again or lets go of it.
    """

    def __init__(self, *, max_entries: int, ttl: float) -> None:
        super().__init__()
        self._max_entries = max_entries
        self._ttl = ttl
        self._entries: OrderedDict[Session, _Entry] = OrderedDict()  # in the order of commits
        self._shares: Shares[Session] = Shares(max_entries)
        self._indexes = {name: _Index() for name in ("exact", "normal", "answers", "question", "bare")}
        self._gone = Marks(most=MARKS_AN_ENTRY * max_entries, ttl=ttl)
        self._altered = Marks(most=MARKS_AN_ENTRY * max_entries, ttl=ttl)
        self._era = object()  # ends when everything is dropped
        self.on_drop: Callable[[Session], None] = _forget

    def __repr__(self) -> str:
        return f"<SessionBook {len(self)}/{self._max_entries} hits={self.hits} misses={sum(self.misses.values())}>"

    def __len__(self) -> int:
        """Sessions held, those included whose age no claim or commit has noticed yet."""
        return len(self._entries)

    def claim(self, asked: Held, *, now: float, gone: Callable[[Session], Gone | None]) -> Lease | Reason:
        """A lease on the session that holds this very conversation, or why there is none.

        `gone` says why a session cannot be continued whose instance, life or account is no longer there; such ones are
        dropped. Whoever has the lease has to spend it or give it back.
        """
        self._expire(now)
        entry = self._proved(asked, now, gone)
        if isinstance(entry, _Entry):
            entry.leased = True
            return Lease(self, entry)
        self.count_miss(entry)
        return entry

    def commit(self, held: Held, session: Session, *, now: float, untold: str = "") -> None:
        """Remember that `session` holds this conversation; what was remembered of an earlier state of it is dropped.

        `untold` is what it has to be told before it goes on.
        """
        self._expire(now)
        self._add(_Entry(held, session, now, untold))

    def mark_altered(self, question: bytes, *, now: float) -> None:
        """Remember that an answer to the conversation of this `question` key is not what its session holds.

        Whoever goes on from it is held to the letter from now on, since what the client kept of the altered answer may
        agree with another in the normal form.
        """
        self._altered.put(question, "altered", now=now)

    def consume(self, entry: _Entry) -> None:
        """Drop a leased entry whose session is being asked."""
        if self._entries.get(entry.session) is entry:
            self._remove(entry)
            entry.era = self._era

    def restore(self, entry: _Entry, *, now: float) -> None:
        """Have an entry again, leased as it is, whose session was not asked after all; not one that was dropped before,
        or would have been since.
        """
        if entry.era is self._era:
            entry.era, entry.committed_at = None, now
            self._add(entry)

    def given_back(self, entry: _Entry) -> None:
        """Take note that an entry is leased no longer and was not asked: it may have been dropped meanwhile."""
        if self._entries.get(entry.session) is not entry:
            self.on_drop(entry.session)

    def clear(self) -> None:
        """Drop everything but the counters."""
        for entry in list(self._entries.values()):
            self._drop(entry)
        self._gone.clear()
        self._altered.clear()
        self._era = object()

    def _add(self, entry: _Entry) -> None:
        if (before := self._entries.get(entry.session)) is not None:
            self._remove(before)
        self._entries[entry.session] = entry
        for name, index in self._indexes.items():
            index.add(getattr(entry.keys, name), entry)
        evicted = self._shares.add(entry.session, entry.tenant)
        if evicted is not None:
            self._lose(self._entries[evicted], "evicted", entry.committed_at)
            self.evictions += 1

    def _proved(self, asked: Held, now: float, gone: Callable[[Session], Gone | None]) -> _Entry | Reason:
        keys = asked.keys
        exact = self._there("exact", keys.exact, now, gone)
        if exact:
            return exact[-1]
        alike = self._there("normal", keys.normal, now, gone)
        if self._altered.find(keys.question, now=now) is None:
            if len(alike) == 1:
                return alike[0]
            if not alike:
                alike = [
                    entry
                    for entry in self._there("answers", keys.answers, now, gone)
                    if entry.questions is not None and entry.questions.come_back_as(asked.turns)
                ]
                if len(alike) == 1:
                    return alike[0]
        elif len(alike) == 1:
            return "altered"
        return "ambiguous" if len(alike) > 1 else self._reason(asked, now)

    def _reason(self, asked: Held, now: float) -> Reason:
        """Why nothing matches."""
        keys = asked.keys
        if self._indexes["question"].all(keys.question):
            return "answer_differs"
        if self._altered.find(keys.question, now=now) is not None:
            return "altered"
        bare = self._indexes["bare"].all(keys.bare)
        if bare:
            return "model" if all(entry.model != asked.model for entry in bare) else "tools"
        return self._gone.find(keys.normal, now=now) or "no_entry"

    def _there(self, index: str, key: bytes, now: float, gone: Callable[[Session], Gone | None]) -> list[_Entry]:
        """The entries under a key that can be continued now; those whose life is over are dropped on the way."""
        found = []
        for entry in self._indexes[index].all(key):
            why = gone(entry.session)
            if why is not None:
                self._lose(entry, why, now)
            elif not entry.leased:
                found.append(entry)
        return found

    def _expire(self, now: float) -> None:
        while self._entries:
            oldest = next(iter(self._entries.values()))
            if now - oldest.committed_at < self._ttl:
                return
            self._lose(oldest, "expired", now)
            self.expiries += 1

    def _lose(self, entry: _Entry, reason: Reason, now: float) -> None:
        self._drop(entry)
        self._gone.put(entry.keys.normal, reason, now=now)

    def _drop(self, entry: _Entry) -> None:
        self._remove(entry)
        if not entry.leased:
            self.on_drop(entry.session)

    def _remove(self, entry: _Entry) -> None:
        del self._entries[entry.session]
        self._shares.discard(entry.session)
        for name, index in self._indexes.items():
            index.remove(getattr(entry.keys, name), entry)
