"""The port of sessions: whoever proves to go on with a conversation may, once, whatever keeps the sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, TypeAlias

import pytest
import trio

from lingma_trio.sessions.book import MARKS_AN_ENTRY, Held, Session, SessionBook
from lingma_trio.sessions.counters import Gone, Reason
from lingma_trio.state.link import RETRY_PAUSE, Budget, Call, Link, StoreLink
from lingma_trio.state.sessions import Lease, Sessions
from lingma_trio.state.sessions_memory import MemorySessions
from lingma_trio.state.sessions_store import StoreSessions
from tests.conversations import held

SESSION = Session("s-1", "lingma-0", "life", "ann")
OTHER = Session("s-2", "lingma-0", "life", "ann")


def there(session: Session) -> Gone | None:
    del session
    return None


class Patient:
    """A link that waits as long as a busy machine takes."""

    def __init__(self, link: StoreLink) -> None:
        self._link = link
        self.replicas = link.replicas

    @property
    def up(self) -> bool:
        return self._link.up

    async def trip(self, *calls: Call, budget: Budget | None = None) -> list[Any]:
        del budget
        return await self._link.trip(*calls, budget=Budget(5))


class House:
    """Sessions, and whom they tell of those that nobody can go on with."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self.counters = sessions.counters
        self.dropped: list[str] = []
        sessions.tell(lambda session: self.dropped.append(session.session_id))

    def __len__(self) -> int:
        return len(self.sessions)

    async def commit(self, conversation: Held, session: Session = SESSION) -> None:
        kept = self.counters.commits["kept"]
        for _ in range(5):  # since the last word of a request waits half a second, and a machine may be busier
            await self.sessions.commit(conversation, session, "kept", now=trio.current_time())
            if self.counters.commits["kept"] > kept:
                return
            await trio.sleep(RETRY_PAUSE)  # after which a store that was late is asked again
        raise AssertionError(self.counters.commits)

    async def hold(self, *conversations: Held) -> None:
        """Each conversation is held by a session of its own: s-1, s-2 and so on."""
        for number, each in enumerate(conversations, 1):
            await self.commit(each, Session(f"s-{number}", "lingma-0", "life", "ann"))

    async def lease(self, asked: Held) -> Lease:
        """The lease on the session of a conversation, which has one."""
        found = await self.sessions.claim(asked, now=trio.current_time(), gone=there)
        assert not isinstance(found, str), found
        return found

    async def claim(self, asked: Held, gone: Callable[[Session], Gone | None] = there) -> Session | Reason:
        """The session that is claimed, and asked at once; or the reason for the miss."""
        found = await self.sessions.claim(asked, now=trio.current_time(), gone=gone)
        await self.settled()
        if isinstance(found, str):
            return found
        found.spend()
        found.give_back()
        return found.session

    async def settled(self) -> None:
        """Until what nobody waits for has been done."""
        with trio.fail_after(5):
            while isinstance(self.sessions, StoreSessions) and self.sessions.unsent:  # noqa: ASYNC110 - of a server
                await trio.sleep(0.001)


Opens: TypeAlias = Callable[..., AbstractAsyncContextManager[House]]


@asynccontextmanager
async def in_memory(*, most: int = 10, ttl: float = 100) -> AsyncIterator[House]:
    yield House(MemorySessions(SessionBook(max_entries=most, ttl=ttl)))


@asynccontextmanager
async def over(link: Link, *, most: int = 10, ttl: float = 100) -> AsyncIterator[House]:
    """A gateway's view of the sessions in a store."""
    async with trio.open_nursery() as nursery:
        sessions = StoreSessions(link, max_entries=most, ttl=ttl)
        nursery.start_soon(sessions.keep)
        yield House(sessions)
        nursery.cancel_scope.cancel("the test is over")


@pytest.fixture(params=["memory", "store", "model"])
def opens(request: pytest.FixtureRequest, store_link: StoreLink, model_link: StoreLink) -> Opens:
    """How sessions are had, each way in turn: in memory, in a server, and in the model of one."""
    if request.param == "memory":
        return in_memory
    return partial(over, Patient(store_link if request.param == "store" else model_link))


async def test_a_session_is_continued_once(opens: Opens) -> None:
    """Asking consumes the lease, so a second client of the same conversation starts afresh."""
    async with opens() as house:
        await house.commit(held("q", "a"))
        assert await house.claim(held("q", "a")) == SESSION
        assert await house.claim(held("q", "a")) == "no_entry"
        counters = house.counters
        assert (counters.misses, counters.commits) == ({"no_entry": 1}, {"kept": 1})


async def test_what_has_to_be_told_is_kept_with_the_session(opens: Opens) -> None:
    """Whoever goes on learns it, half a surrogate pair and all."""
    async with opens() as house:
        untold = "not \ud800 this"
        now = trio.current_time()
        assert await house.sessions.commit(held("q", "a"), SESSION, "told", now=now, untold=untold) == "told"
        assert (await house.lease(held("q", "a"))).untold == untold


async def test_a_question_that_was_refused_unread_leaves_the_session_as_it_was(opens: Opens) -> None:
    """It is still whose lease it is; given back it is there for whoever asks next, once."""
    async with opens() as house:
        await house.commit(held("q", "a"))
        lease = await house.lease(held("q", "a"))
        for _ in range(2):
            lease.spend()
            lease.unspend(now=trio.current_time())
        assert isinstance(await house.claim(held("q", "a")), str)
        lease.give_back()
        await house.settled()
        assert await house.claim(held("q", "a")) == SESSION
        assert isinstance(await house.claim(held("q", "a")), str)
        assert house.dropped == []


async def test_who_leaves_before_asking_gives_the_session_back(opens: Opens) -> None:
    """A refusal before Lingma was asked costs nothing."""
    async with opens() as house:
        await house.commit(held("q", "a"))
        lease = await house.lease(held("q", "a"))
        assert isinstance(await house.claim(held("q", "a")), str), "leased, so nobody else's"
        lease.give_back()
        lease.give_back()
        await house.settled()
        assert (len(house), house.dropped) == (1, [])
        assert await house.claim(held("q", "a")) == SESSION


async def test_an_exact_match_comes_first(opens: Opens) -> None:
    """Of two that are alike the one that is the same is taken, and the other stays."""
    async with opens() as house:
        await house.hold(held("q", "**yes**"), held("q", "yes"))
        assert await house.claim(held("q", "yes")) == OTHER
        assert await house.claim(held("q", "yes")) == SESSION, "the only one that is alike is left"


async def test_of_several_that_are_alike_none_is_taken(opens: Opens) -> None:
    """A guess between two is a miss."""
    async with opens() as house:
        await house.hold(held("q", "**yes**"), held("q", "*yes*"))
        assert await house.claim(held("q", "yes")) == "ambiguous"


async def test_of_several_that_are_alike_the_one_that_is_there_is_taken(opens: Opens) -> None:
    """One whose life is over does not make a guess of it."""
    async with opens() as house:
        await house.commit(held("q", "**yes**"), Session("s-1", "lingma-0", "past"))
        await house.commit(held("q", "*yes*"), OTHER)
        found = await house.claim(held("q", "yes"), lambda session: "life_ended" if session.life == "past" else None)
        assert found == OTHER


async def test_of_several_that_are_the_same_the_one_that_is_there_is_taken(opens: Opens) -> None:
    """The youngest is gone, so the one before it is continued."""
    async with opens() as house:
        await house.commit(held("q", "a"))
        await house.commit(held("q", "a"), Session("s-2", "lingma-0", "past"))
        found = await house.claim(held("q", "a"), lambda session: "life_ended" if session.life == "past" else None)
        assert (found, house.dropped) == (SESSION, ["s-2"])


async def test_a_lone_session_with_another_answer_is_not_taken(opens: Opens) -> None:
    """However few entries there are, another answer is another conversation."""
    async with opens() as house:
        await house.commit(held("q", "42"))
        assert await house.claim(held("q", "7")) == "answer_differs"


async def test_after_an_altered_answer_only_the_same_text_counts(opens: Opens) -> None:
    """Who goes on from a cut answer does not get its sibling, who goes on from the sibling does."""
    async with opens() as house:
        await house.commit(held("q", "**yes** indeed"))
        house.sessions.mark_altered(held("q", "yes").keys.question, now=trio.current_time())
        await house.settled()
        assert await house.claim(held("q", "yes indeed")) == "altered"
        assert await house.claim(held("q", "**yes** indeed")) == SESSION


async def test_a_question_that_came_back_shorter_is_found(opens: Opens) -> None:
    """Rules behind a blank line that a client leaves out later cost no session."""
    async with opens() as house:
        await house.commit(held("fix it\n\nRules.", "done"))
        assert await house.claim(held("fix", "done")) == "no_entry"
        assert await house.claim(held("fix it", "**done**")) == "no_entry", "another answer"
        assert await house.claim(held("fix it", "done")) == SESSION
        assert await house.claim(held("fix it", "done")) == "no_entry"


async def test_of_several_that_came_back_shorter_none_is_taken(opens: Opens) -> None:
    """A guess between two is a miss."""
    async with opens() as house:
        await house.hold(held("fix it\n\nRules.", "done"), held("fix it\n\nOther rules.", "done"))
        assert await house.claim(held("fix it", "done")) == "ambiguous"


@pytest.mark.parametrize("why", ["account", "instance_gone", "life_ended"])
async def test_what_became_of_a_session_is_told_and_remembered(why: Gone, opens: Opens) -> None:
    """A session whose instance, life or account is gone is not continued, and each miss says which."""
    async with opens() as house:
        await house.commit(held("q", "a"))
        assert await house.claim(held("q", "a"), lambda _: why) == why
        assert await house.claim(held("q", "a"), lambda _: why) == why
        if why != "instance_gone":
            assert (len(house), house.dropped) == (0, ["s-1"])


async def test_age_is_told(opens: Opens) -> None:
    """A session that is too old is not continued, and the miss says so."""
    async with opens(ttl=0.1) as house:
        await house.commit(held("q", "a"))
        await trio.sleep(0.11)
        assert await house.claim(held("q", "a")) == "expired"
        assert (house.counters.expiries, len(house), house.dropped) == (1, 0, ["s-1"])


async def test_another_model_or_toolbox_is_told(opens: Opens) -> None:
    """The same conversation asked in another way is a miss of its own kind."""
    async with opens() as house:
        await house.commit(held("q", "a"))
        assert await house.claim(held("q", "a", model="other")) == "model"
        assert await house.claim(held("q", "a", tools="[]")) == "tools"
        assert await house.claim(held("q", "a", tenant="other")) == "no_entry"


async def test_whoever_holds_most_makes_room(opens: Opens) -> None:
    """The chats of one key push out its own and nobody else's."""
    async with opens(most=6) as house:
        for number in range(2):
            await house.commit(held(f"q{number}", "a", tenant="few"), Session(f"f-{number}", "i", "l"))
        for number in range(20):
            await house.commit(held(f"q{number}", "a", tenant="many"), Session(f"m-{number}", "i", "l"))
        assert len(house) == 6
        assert await house.claim(held("q0", "a", tenant="few")) == Session("f-0", "i", "l")
        assert await house.claim(held("q3", "a", tenant="many")) == "evicted"
        assert await house.claim(held("q19", "a", tenant="many")) == Session("m-19", "i", "l")
        assert (house.counters.evictions, house.dropped) == (16, [f"m-{number}" for number in range(16)])


async def test_a_session_has_one_state(opens: Opens) -> None:
    """What a session held before it went on is forgotten when it is committed again."""
    async with opens() as house:
        await house.commit(held("q", "a"))
        await house.commit(held("q", "a", "r", "b"))
        assert (len(house), house.dropped) == (1, [])
        assert await house.claim(held("q", "a")) == "no_entry"
        assert await house.claim(held("q", "a", "r", "b")) == SESSION


async def test_marks_have_a_bound(opens: Opens) -> None:
    """What is remembered of the gone is bounded in number."""
    async with opens(most=1) as house:
        for number in range(20):
            await house.commit(held(f"q{number}", "a"), Session(f"s-{number}", "i", "l"))
        found = [await house.claim(held(f"q{number}", "a")) for number in range(19)]
        assert found.count("evicted") == MARKS_AN_ENTRY


async def test_clearing_forgets_sessions_and_marks(opens: Opens) -> None:
    """After clearing nothing is known; it tells how many there were, and of each whoever lets go of sessions."""
    async with opens() as house:
        await house.hold(held("q", "a"), held("r", "a"), held("s", "a"))
        house.sessions.mark_altered(held("r", "b").keys.question, now=trio.current_time())
        found = await house.claim(held("q", "a"), lambda session: "account" if session == SESSION else None)
        assert found == "account"
        house.dropped.clear()
        assert await house.sessions.clear() == 2
        assert (len(house), house.dropped) == (0, ["s-2", "s-3"])
        assert [await house.claim(held(each, "a")) for each in "qrs"] == ["no_entry"] * 3
        await house.commit(held("q", "a"))
        assert await house.claim(held("q", "a")) == SESSION, "what comes after it is kept"


@pytest.mark.parametrize("asks", [True, False], ids=["asks", "leaves"])
async def test_a_session_that_is_leased_is_dropped_when_the_lease_is_given_back(asks: bool, opens: Opens) -> None:
    """Nobody lets go of a session under somebody who is about to ask it, or who has asked it."""
    async with opens() as house:
        await house.commit(held("q", "a"))
        lease = await house.lease(held("q", "a"))
        await house.sessions.clear()
        assert house.dropped == []
        if asks:
            lease.spend()
        lease.give_back()
        lease.give_back()
        await house.settled()
        assert house.dropped == ([] if asks else ["s-1"])
        assert await house.claim(held("q", "a")) == "no_entry"
