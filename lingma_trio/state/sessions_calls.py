"""What a store is asked of sessions, and what it says: calls of `scripts/sessions.lua`, and how their replies are read.

Must not know how calls get there, nor whether an instance is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from lingma_trio.sessions.book import MARKS_AN_ENTRY, Held, Session
from lingma_trio.sessions.counters import Reason
from lingma_trio.sessions.kept_questions import keep_questions, read_questions
from lingma_trio.sessions.packing import decode, digest, encode, pack
from lingma_trio.sessions.questions import Questions
from lingma_trio.state.link import Call

KEYS: Final = ("lt:{sessions}",)

HOLD: Final = 120.0
"""Seconds for which a lease can be given back: longer than anybody waits for another seat before the question goes
out."""

LONGEST_TTL: Final = 10 * 365 * 86400.0
"""Seconds that stand for ever."""

PART: Final = 200
"""Sessions that one call clears: few enough that nobody else waits for it."""

SESSION_FIELDS: Final = 4


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many sessions are kept, and for how many seconds."""

    max_entries: int
    ttl: float

    def call(self, what: str, *given: str | int | bytes) -> Call:
        """Ask the store for this."""
        ttl = int(min(self.ttl, LONGEST_TTL) * 1000)
        return Call("sessions", KEYS, (what, ttl, MARKS_AN_ENTRY * self.max_entries, *given))


@dataclass(frozen=True, slots=True)
class Taken:
    """An entry that was leased; `more` says that others hold the very same conversation."""

    id: str
    session: Session
    untold: str
    more: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry that may be leased by its name, as long as it is in the same state."""

    id: str
    session: Session
    state: bytes
    questions: Questions | None


@dataclass(frozen=True, slots=True)
class Choice:
    """Entries to be judged, `shorter` by their questions; `otherwise` says why there is none where none will do."""

    otherwise: Reason
    shorter: bool
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """What every reply says: sessions that were dropped and how many are left, and of those dropped how many for want
    of room and for age. `rest` is what is said beside it.
    """

    dropped: tuple[Session, ...]
    size: int
    evictions: int
    expiries: int
    rest: tuple[Any, ...]


def id_of(session: Session) -> str:
    """What an entry is called: a session has one, whatever it holds."""
    return digest(pack(session.instance, session.life, session.session_id, session.account)).hex()


def claim_call(bounds: Bounds, asked: Held, token: str, candidate: Candidate | None = None) -> Call:
    """Lease the session that holds this conversation, or this candidate."""
    keys = asked.keys
    named = ("", "") if candidate is None else (candidate.id, candidate.state)
    return bounds.call(
        "claim", keys.exact, keys.normal, keys.answers, keys.question, keys.bare, asked.model, token,
        int(HOLD * 1000), *named,
    )  # fmt: skip


def commit_call(bounds: Bounds, held: Held, session: Session, untold: str) -> Call:
    """Remember that `session` holds this conversation."""
    keys = held.keys
    return bounds.call(
        "commit", bounds.max_entries, id_of(session), held.tenant, session.session_id, session.instance, session.life,
        session.account, held.model, encode(untold), keep_questions(held.turns.questions()), keys.exact, keys.normal,
        keys.answers, keys.question, keys.bare,
    )  # fmt: skip


def let_go_call(bounds: Bounds, session: Session | None, token: str, why: str) -> Call:
    """Give a lease back, or with a reason drop what was leased; without a session what the token stands for, if any."""
    return bounds.call("let_go", "" if session is None else id_of(session), token, why)


def mark_call(bounds: Bounds, question: bytes) -> Call:
    """Remember that an answer was altered."""
    return bounds.call("mark", question)


def clear_call(bounds: Bounds, until: bytes) -> Call:
    """Drop a part of what there was at that moment, as the store told it; nothing stands for now."""
    return bounds.call("clear", until, PART)


def read_reply(reply: Sequence[Any]) -> Said:
    """What is said in every reply."""
    dropped, size, evictions, expiries, *rest = reply
    sessions = (_session(dropped[at:]) for at in range(0, len(dropped), SESSION_FIELDS))
    return Said(tuple(sessions), size, evictions, expiries, tuple(rest))


def read_claim(said: Said) -> Taken | Choice | Reason:
    """What came of a claim."""
    verdict, *rest = said.rest
    if verdict == b"taken":
        more, name, *fields = rest
        return Taken(name.decode(), _session(fields), decode(fields[SESSION_FIELDS]), bool(more))
    reason = cast("Reason", rest[0].decode())
    if verdict == b"none":
        return reason
    _, shorter, found = rest
    size = SESSION_FIELDS + 3
    rows = [found[at : at + size] for at in range(0, len(found), size)]
    candidates = (Candidate(row[0].decode(), _session(row[1:]), row[5], read_questions(row[6])) for row in rows)
    return Choice(reason, bool(shorter), tuple(candidates))


def _session(fields: Sequence[bytes]) -> Session:
    session_id, instance, life, account = (field.decode() for field in fields[:SESSION_FIELDS])
    return Session(session_id, instance, life, account)
