"""The port of sessions: whoever proves to go on with a conversation may, once, whatever keeps the sessions."""

from __future__ import annotations

from lingma_trio.sessions.book import Held, Session, SessionBook
from lingma_trio.sessions.counters import Gone
from lingma_trio.state.sessions import Lease, Sessions
from lingma_trio.state.sessions_memory import MemorySessions
from tests.conversations import held

SESSION = Session("s-1", "lingma-0", "life", "ann")


def there(session: Session) -> Gone | None:
    del session
    return None


async def lease(sessions: Sessions, asked: Held) -> Lease:
    """The lease on the session of a conversation, which has one."""
    found = await sessions.claim(asked, now=0, gone=there)
    assert not isinstance(found, str), found
    return found


def memory() -> MemorySessions:
    return MemorySessions(SessionBook(max_entries=10, ttl=100))


async def test_a_session_is_continued_once() -> None:
    """Asking consumes the lease, so a second client of the same conversation starts afresh; both are counted."""
    sessions = memory()
    assert await sessions.commit(held("q", "a"), SESSION, "told", now=0, untold="not this") == "told"
    found = await lease(sessions, held("q", "a"))
    assert (found.session, found.untold) == (SESSION, "not this")
    found.spend()
    found.give_back()
    assert await sessions.claim(held("q", "a"), now=0, gone=there) == "no_entry"
    counters = sessions.counters
    assert (counters.hits, counters.misses, counters.commits) == (1, {"no_entry": 1}, {"told": 1})


async def test_clearing_tells_how_many_there_were() -> None:
    """They are told of to whoever lets go of sessions."""
    sessions, dropped = memory(), list[Session]()
    sessions.tell(dropped.append)
    await sessions.commit(held("q", "a"), SESSION, "kept", now=0)
    assert await sessions.clear() == 1
    assert (dropped, len(sessions)) == ([SESSION], 0)
