"""The book of sessions: who proves to go on with a conversation may, once; anything else is a miss that says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lingma_trio.sessions.book import MARKS_AN_ENTRY, Held, Lease, Session, SessionBook
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


def test_a_session_is_continued_once() -> None:
    """Promise: asking consumes the lease, so a second client of the same conversation starts afresh."""
    book = book_with(held("q", "a"))
    assert claim(book, held("q", "a")) == SESSION
    assert claim(book, held("q", "a")) == "no_entry"
    assert (book.hits, book.misses) == (1, {"no_entry": 1})


def test_who_leaves_before_asking_gives_the_session_back() -> None:
    """Promise: a refusal before Lingma was asked costs nothing."""
    book = book_with(held("q", "a"))
    lease = book.claim(held("q", "a"), now=0, gone=there)
    assert isinstance(lease, Lease)
    assert claim(book, held("q", "a")) == "answer_differs", "leased, so nobody else's"
    lease.give_back()
    assert claim(book, held("q", "a")) == SESSION


def test_an_exact_match_comes_first() -> None:
    """Promise: of two that are alike the one that is the same is taken, and the other stays."""
    book = book_with(held("q", "**yes**"), held("q", "yes"))
    assert claim(book, held("q", "yes")) == OTHER
    assert claim(book, held("q", "yes")) == SESSION, "the only one that is alike is left"


def test_of_several_that_are_alike_none_is_taken() -> None:
    """Promise: a guess between two is a miss."""
    assert claim(book_with(held("q", "**yes**"), held("q", "*yes*")), held("q", "yes")) == "ambiguous"


def test_a_lone_session_with_another_answer_is_not_taken() -> None:
    """Promise: however few entries there are, another answer is another conversation."""
    assert claim(book_with(held("q", "42")), held("q", "7")) == "answer_differs"


def test_after_an_altered_answer_only_the_same_text_counts() -> None:
    """Promise: who goes on from a cut answer does not get its sibling, who goes on from the sibling does."""
    book = book_with(held("q", "**yes** indeed"))
    book.mark_altered(held("q", "yes").keys.question, now=0)
    assert claim(book, held("q", "yes indeed")) == "altered"
    assert claim(book, held("q", "**yes** indeed")) == SESSION


def test_a_question_that_came_back_shorter_is_found() -> None:
    """Promise: rules behind a blank line that a client leaves out later cost no session."""
    book = book_with(held("fix it\n\nRules.", "done"))
    assert claim(book, held("fix", "done")) == "no_entry"
    assert claim(book, held("fix it", "**done**")) == "no_entry", "the answer has to be the same to the letter"
    assert claim(book, held("fix it", "done")) == SESSION


@pytest.mark.parametrize("why", ["account", "instance_gone", "life_ended"])
def test_what_became_of_a_session_is_told_and_remembered(why: Gone) -> None:
    """Promise: a session whose instance, life or account is gone is dropped, and each miss says which."""
    book = book_with(held("q", "a"))
    assert claim(book, held("q", "a"), gone=lambda _: why) == why
    assert len(book) == 0
    assert claim(book, held("q", "a")) == why
    assert claim(book, held("q", "a"), now=100) == "no_entry", "remembered as long as an entry would have been"


def test_age_is_told() -> None:
    """Promise: a session that is too old is not continued, and the miss says so."""
    book = book_with(held("q", "a"))
    assert claim(book, held("q", "a"), now=100) == "expired"
    assert book.expiries == 1


def test_another_model_or_toolbox_is_told() -> None:
    """Promise: the same conversation asked in another way is a miss of its own kind."""
    book = book_with(held("q", "a"))
    assert claim(book, held("q", "a", model="other")) == "model"
    assert claim(book, held("q", "a", tools="[]")) == "tools"
    assert claim(book, held("q", "a", tenant="other")) == "no_entry"


def test_whoever_holds_most_makes_room() -> None:
    """Promise: the chats of one key push out its own and nobody else's."""
    book = SessionBook(max_entries=6, ttl=100)
    for number in range(2):
        book.commit(held(f"q{number}", "a", tenant="few"), Session(f"f-{number}", "i", "l"), now=0)
    for number in range(20):
        book.commit(held(f"q{number}", "a", tenant="many"), Session(f"m-{number}", "i", "l"), now=1)
    assert claim(book, held("q0", "a", tenant="few")) == Session("f-0", "i", "l")
    assert claim(book, held("q3", "a", tenant="many")) == "evicted"
    assert claim(book, held("q19", "a", tenant="many")) == Session("m-19", "i", "l")
    assert book.evictions == 16


def test_a_session_has_one_state() -> None:
    """Promise: what a session held before it went on is forgotten when it is committed again."""
    book = book_with(held("q", "a"))
    book.commit(held("q", "a", "r", "b"), SESSION, now=1)
    assert len(book) == 1
    assert claim(book, held("q", "a")) == "no_entry"
    assert claim(book, held("q", "a", "r", "b")) == SESSION


def test_marks_have_a_bound() -> None:
    """Promise: what is remembered of the gone is bounded in number."""
    book = SessionBook(max_entries=1, ttl=100)
    for number in range(20):
        book.commit(held(f"q{number}", "a"), Session(f"s-{number}", "i", "l"), now=0)
    known = sum(claim(book, held(f"q{number}", "a")) == "evicted" for number in range(19))
    assert known == MARKS_AN_ENTRY


def test_clearing_forgets_sessions_and_marks() -> None:
    """Promise: after clearing nothing is known."""
    book = book_with(held("q", "a"), held("r", "a"))
    claim(book, held("q", "a"), gone=lambda _: "account")
    book.clear()
    assert len(book) == 0
    assert claim(book, held("q", "a")) == "no_entry"


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
