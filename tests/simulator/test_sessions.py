"""Sessions: remembered by id, bounded, renamed and deleted."""

from __future__ import annotations

from itertools import count

from lingma_trio.simulator.sessions import MAX_SESSIONS, Sessions


def numbered() -> Sessions:
    numbers = count(1)
    return Sessions(lambda: f"s-{next(numbers)}")


def test_a_session_gets_an_id_unless_it_brings_one() -> None:
    """Both ways of making ids are open to clients."""
    sessions = numbered()
    assert sessions.open().id == "s-1"
    assert sessions.open("mine").id == "mine"
    assert [session.id for session in sessions.all()] == ["s-1", "mine"]


def test_a_renamed_session_is_found_under_its_new_id_only() -> None:
    """As when chat/finish names another id than the deltas did."""
    sessions = numbered()
    session = sessions.open()
    sessions.rename(session, "new")
    assert sessions.find("s-1") is None
    assert sessions.find("new") is session


def test_a_deleted_session_is_gone() -> None:
    """And deleting it again says so."""
    sessions = numbered()
    sessions.open("mine")
    assert sessions.delete("mine")
    assert not sessions.delete("mine")
    assert len(sessions) == 0


def test_the_one_unused_for_longest_is_forgotten_first() -> None:
    """Memory stays bounded however many sessions there were."""
    sessions = numbered()
    first, second = sessions.open(), sessions.open()
    for _ in range(MAX_SESSIONS - 2):
        sessions.open()
    assert sessions.find(first.id) is first
    sessions.open()
    assert sessions.find(second.id) is None
    assert sessions.find(first.id) is first
    assert len(sessions) == MAX_SESSIONS
