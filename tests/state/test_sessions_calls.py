"""What a store is asked of sessions, and how its replies are read."""

from __future__ import annotations

import math

from lingma_trio.sessions.book import MARKS_AN_ENTRY, Session
from lingma_trio.state.sessions_calls import LONGEST_TTL, Bounds, Taken, id_of, read_claim, read_reply

SESSION = Session("s-1", "lingma-0", "life", "ann")


def test_an_endless_life_is_a_long_one() -> None:
    """The store has no endless one, and a number that is none fails the script."""
    call = Bounds(max_entries=10, ttl=math.inf).call("mark", b"key")
    assert call.args == ("mark", int(LONGEST_TTL * 1000), 10 * MARKS_AN_ENTRY, b"key")


def test_a_session_has_one_name() -> None:
    """Whatever its parts hold, no two sessions have the same."""
    others = [
        Session("s-1l", "ingma-0", "life", "ann"),
        Session("s-1", "lingma-0", "lif", "eann"),
        Session("s-1", "lingma-0", "life"),
    ]
    assert len({id_of(each) for each in (SESSION, *others)}) == 4


def test_every_reply_says_what_was_dropped() -> None:
    """And how many are left, beside what was asked for."""
    dropped = [b"s-2", b"lingma-1", b"past", b""]
    said = read_reply([dropped, 7, 1, 2, b"taken", 1, b"id", b"s-1", b"lingma-0", b"life", b"ann", b"not this"])
    assert (said.dropped, said.size, said.evictions, said.expiries) == ((Session("s-2", "lingma-1", "past"),), 7, 1, 2)
    assert read_claim(said) == Taken("id", SESSION, "not this", more=True)
