"""The book of sessions, as far as it promises more than the port that it stands behind (`state.sessions`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lingma_trio.sessions.book import Held, Lease, Session, SessionBook
from lingma_trio.sessions.counters import Gone
from tests.conversations import held

if TYPE_CHECKING:
    from collections.abc import Callable

SESSION = Session("s-1", "lingma-0", "life")
OTHER = Session("s-2", "lingma-0", "life")


def there(session: Session) -> Gone | None:
    del session
    return None


def claim(book: SessionBook, asked: Held, now: float = 0.0, gone: Callable[[Session], Gone | None] = there) -> object:
    """The session that is claimed, and asked at once; or the reason for the miss."""
    found = book.claim(asked, now=now, gone=gone)
    if not isinstance(found, Lease):
        return found
    found.spend()
    found.give_back()
    return found.session


def book_with(*conversations: Held, most: int = 10) -> SessionBook:
    """A book in which each conversation is held by a session of its own: s-1, s-2 and so on."""
    book = SessionBook(max_entries=most, ttl=100)
    for number, each in enumerate(conversations, 1):
        book.commit(each, Session(f"s-{number}", "lingma-0", "life"), now=0)
    return book


@pytest.mark.parametrize("why", ["account", "instance_gone", "life_ended"])
def test_what_became_of_a_session_is_told_and_remembered(why: Gone) -> None:
    """Promise: a session whose instance, life or account is gone is dropped, and each miss says which."""
    book = book_with(held("q", "a"))
    assert claim(book, held("q", "a"), gone=lambda _: why) == why
    assert len(book) == 0
    assert claim(book, held("q", "a")) == why
    assert claim(book, held("q", "a"), now=100) == "no_entry", "remembered as long as an entry would have been"


def test_whoever_lets_go_is_told_of_what_nobody_can_go_on_with() -> None:
    """Promise: a session that is evicted, expired, gone or cleared is told of once; one that is asked is not."""
    dropped: list[str] = []
    book = SessionBook(max_entries=2, ttl=100)
    book.on_drop = lambda session: dropped.append(session.session_id)
    for number in range(3):
        book.commit(held(f"q{number}", "a"), Session(f"s-{number}", "lingma-0", "life"), now=number)
    assert dropped == ["s-0"]
    assert claim(book, held("q1", "a"), now=50) == Session("s-1", "lingma-0", "life")
    book.commit(held("q1", "b"), Session("s-1", "lingma-0", "life"), now=50)
    assert claim(book, held("q1", "b"), now=102) == Session("s-1", "lingma-0", "life")
    assert dropped == ["s-0", "s-2"], "too old by then"
    for number, session in enumerate((SESSION, OTHER)):
        book.commit(held(f"r{number}", f"answer {number}"), session, now=110)
    claim(book, held("r0", "answer 0"), now=110, gone=lambda _: "life_ended")
    assert dropped[2:] == ["s-1"]
    book.clear()
    assert dropped[3:] == ["s-2"]


@pytest.mark.parametrize("asks", [True, False], ids=["asks", "leaves"])
@pytest.mark.parametrize("how", ["expired", "evicted", "cleared"])
def test_a_session_that_is_leased_is_dropped_when_the_lease_is_given_back(how: str, asks: bool) -> None:
    """Promise: nobody lets go of a session under somebody who is about to ask it, or who has asked it."""
    dropped: list[Session] = []
    book = book_with(held("q", "a"), most=1)
    book.on_drop = dropped.append
    lease = book.claim(held("q", "a"), now=0, gone=there)
    assert isinstance(lease, Lease)
    if how == "cleared":
        book.clear()
    else:
        book.commit(held("r", "a"), OTHER, now=200 if how == "expired" else 0)
    assert dropped == []
    if asks:
        lease.spend()
    lease.give_back()
    lease.give_back()
    assert dropped == ([] if asks else [SESSION])


@pytest.mark.parametrize("when", ["before it is asked", "while it is asked"])
def test_a_session_that_is_cleared_does_not_come_back(when: str) -> None:
    """Promise: what an operator has forgotten is, also where the question is refused before its session sees it."""
    dropped: list[Session] = []
    book = book_with(held("q", "a"))
    book.on_drop = dropped.append
    lease = book.claim(held("q", "a"), now=0, gone=there)
    assert isinstance(lease, Lease)
    if when == "before it is asked":
        book.clear()
    lease.spend()
    if when == "while it is asked":
        book.clear()
    lease.unspend(now=1)
    assert (len(book), dropped) == (0, [])
    lease.give_back()
    assert (len(book), dropped) == (0, [SESSION])
    assert claim(book, held("q", "a")) == "no_entry"
