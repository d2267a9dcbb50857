"""The session cache: every session is handed out once, to the conversation it holds, and never when it is too old."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lingma_trio.policy.session_cache import Claim, Session, SessionCache

KEY = b"key"
TTL = 10.0
YOUNG = 9.99  # seconds, just under TTL


def anyone(session: Session) -> bool:
    """All instances live."""
    return True


def session(name: str, *, instance: str = "lingma", life: str = "first") -> Session:
    """A session of the instance's first life."""
    return Session(name, instance, life)


def cache_of(*entries: tuple[bytes, str, str], max_entries: int = 10) -> SessionCache:
    """A cache into which (key, answer, session name) were committed at time 0."""
    cache = SessionCache(max_entries=max_entries, ttl=TTL)
    for key, answer, name in entries:
        cache.commit(key, answer, session(name), now=0)
    return cache


def spent(claim: Claim | None) -> Session | None:
    """The session of a claim, which is continued."""
    if claim is None:
        return None
    claim.spend()
    return claim.session


def claim(cache: SessionCache, answer: str | None = "answer", *, key: bytes = KEY, now: float = 0) -> str | None:
    """The name of the session that is continued while all instances live."""
    continued = spent(cache.claim(key, answer, now=now, alive=anyone))
    return continued.session_id if continued else None


def test_a_session_is_handed_out_as_it_was_committed_and_once() -> None:
    """The second claim of the same state is a miss and a fork, so two turns never share a session."""
    cache = cache_of((KEY, "answer", "s"))
    assert spent(cache.claim(KEY, "answer", now=1, alive=anyone)) == session("s")
    assert claim(cache) is None
    assert (cache.commits, cache.hits, cache.misses, cache.forks, len(cache)) == (1, 1, 1, 1, 0)


def test_a_key_never_committed_is_a_plain_miss() -> None:
    """Another conversation's session is no answer, and nothing was forked."""
    cache = cache_of((b"other", "answer", "s"))
    assert claim(cache) is None
    assert (cache.misses, cache.forks, len(cache)) == (1, 0, 1)


def test_the_answer_tells_apart_what_began_alike() -> None:
    """Under one key the session with the request's own answer is taken, wherever it stands."""
    entries = [(KEY, answer, answer) for answer in "abc"]
    for answer in "abc":
        assert claim(cache_of(*entries), answer) == answer


@pytest.mark.parametrize("answer", ["reformatted", None])
def test_a_lone_session_is_taken_without_a_match(answer: str | None) -> None:
    """A client that rewrites answers still continues its conversation."""
    assert claim(cache_of((KEY, "a", "s")), answer) == "s"


@pytest.mark.parametrize("answer", ["reformatted", None])
def test_of_several_none_is_taken_without_a_match(answer: str | None) -> None:
    """Guessing between conversations would answer out of somebody else's history."""
    cache = cache_of((KEY, "a", "s"), (KEY, "b", "t"))
    assert claim(cache, answer) is None
    assert (cache.misses, cache.forks, len(cache)) == (1, 0, 2)


def test_of_equal_answers_the_youngest_is_taken_first() -> None:
    """Conversations that are the same so far are interchangeable; the one used last is the likeliest to be held."""
    cache = cache_of((KEY, "a", "old"), (KEY, "a", "young"))
    assert [claim(cache, "a"), claim(cache, "a"), claim(cache, "a")] == ["young", "old", None]


def test_an_answer_asked_for_again_takes_no_lone_stranger() -> None:
    """When A went on, asking again for A's continuation is a fork, even with only B left under the key."""
    cache = cache_of((KEY, "a", "A"), (KEY, "b", "B"))
    assert claim(cache, "a") == "A"
    assert claim(cache, "a") is None
    assert cache.forks == 1
    assert claim(cache, "b") == "B"


def test_a_rewritten_answer_is_known_again_by_its_own_words() -> None:
    """A conversation that was continued without a match forks under the client's wording and under upstream's."""
    for again in ("upstream's", "client's"):
        cache = cache_of((KEY, "upstream's", "A"))
        assert claim(cache, "client's") == "A"
        cache.commit(KEY, "b", session("B"), now=0)
        assert claim(cache, again) is None
        assert (cache.forks, len(cache)) == (1, 1)


def test_a_stranger_does_not_count_as_a_fork() -> None:
    """A miss on a key where another answer went on is a conversation of its own."""
    cache = cache_of((KEY, "a", "A"))
    claim(cache, "a")
    assert claim(cache, "b") is None
    assert (cache.misses, cache.forks) == (1, 0)


def test_an_answer_given_again_can_be_continued_again() -> None:
    """That an answer went on once does not hide the session of the same answer's next conversation."""
    cache = cache_of((KEY, "a", "first"))
    claim(cache, "a")
    cache.commit(KEY, "a", session("second"), now=0)
    assert claim(cache, "a") == "second"
    assert cache.forks == 0


def test_as_many_continued_answers_are_remembered_as_sessions() -> None:
    """The memory of forks is bounded, and the answer that went on longest ago leaves it first."""
    cache = SessionCache(max_entries=3, ttl=TTL)
    for name in "abcd":
        cache.commit(KEY, name, session(name), now=0)
        claim(cache, name)
    cache.commit(KEY, "z", session("z"), now=0)
    assert [claim(cache, name) for name in "bcd"] == [None, None, None]
    assert cache.forks == 3
    assert claim(cache, "a") == "z"


def test_going_on_again_keeps_an_answer_remembered() -> None:
    """The answer that went on last is the youngest in memory, also when it was there already."""
    cache = SessionCache(max_entries=2, ttl=TTL)
    for place, name in enumerate("abac"):
        cache.commit(KEY, name, session(str(place)), now=0)
        claim(cache, name)
    assert claim(cache, "a") is None
    assert cache.forks == 1
    assert claim(cache, "b") is None
    assert cache.forks == 1


def test_the_oldest_session_makes_room() -> None:
    """At most max_entries sessions are held, also under one key; the least recently committed goes."""
    cache = cache_of((KEY, "a", "A"), (b"other", "b", "B"), (KEY, "c", "C"), max_entries=2)
    assert (len(cache), cache.evictions) == (2, 1)
    assert claim(cache, "b", key=b"other") == "B"
    assert claim(cache, "c") == "C"


def test_a_claimed_session_comes_back_as_the_youngest() -> None:
    """A conversation in use outlives one that is not, although it began earlier."""
    cache = cache_of((KEY, "a", "A"), (b"idle", "b", "B"), max_entries=2)
    claim(cache, "a")
    cache.commit(b"longer", "a2", session("A"), now=1)
    cache.commit(b"new", "c", session("C"), now=2)
    assert claim(cache, key=b"idle") is None
    assert claim(cache, "a2", key=b"longer") == "A"


@pytest.mark.parametrize(("age", "expected"), [(YOUNG, "s"), (TTL, None), (1e9, None)])
def test_a_session_is_continued_until_its_ttl(age: float, expected: str | None) -> None:
    """Under ttl seconds after its commit it is handed out; from then on it is gone and counted."""
    cache = cache_of((KEY, "answer", "s"))
    assert claim(cache, now=age) == expected
    assert (len(cache), cache.expiries, cache.forks) == (0, int(expected is None), 0)


def test_an_expired_session_is_no_eviction() -> None:
    """A commit clears the old away before it looks for room."""
    cache = cache_of((KEY, "a", "A"), (KEY, "b", "B"), max_entries=2)
    cache.commit(b"new", "c", session("C"), now=TTL)
    assert (len(cache), cache.expiries, cache.evictions) == (1, 2, 0)


def test_a_key_without_sessions_is_let_go() -> None:
    """Conversations that nobody continues leave nothing behind, so the cache is bounded in memory too."""
    key = bytes(range(32))
    before = sys.getrefcount(key)
    cache = cache_of((key, "a", "A"), (key, "b", "B"))
    assert sys.getrefcount(key) > before
    cache.commit(KEY, "c", session("C"), now=TTL)
    assert sys.getrefcount(key) == before


def test_a_lone_survivor_of_several_is_taken() -> None:
    """Who is alone is decided among the sessions that can still be continued."""
    cache = cache_of((KEY, "a", "A"))
    cache.commit(KEY, "b", session("B"), now=5)
    assert claim(cache, "reformatted", now=TTL) == "B"


def test_sessions_of_a_dead_life_are_misses() -> None:
    """What is met and not alive is dropped and counted; what stands under other keys is left alone."""
    cache = cache_of((b"other", "a", "A"))
    dead, live = session("s"), session("t", life="second")
    cache.commit(KEY, "a", dead, now=0)
    cache.commit(KEY, "b", live, now=0)
    assert spent(cache.claim(KEY, "a", now=0, alive=lambda held: held.life == "second")) == live
    assert (cache.dead, cache.hits, len(cache)) == (1, 1, 1)
    assert claim(cache, "a", key=b"other") == "A"


def test_a_match_of_a_dead_life_is_no_fork() -> None:
    """A restart of the instance loses sessions; that is no continuation elsewhere."""
    cache = cache_of((KEY, "answer", "s"))
    assert cache.claim(KEY, "answer", now=0, alive=lambda _: False) is None
    assert (cache.misses, cache.forks, cache.dead, len(cache)) == (1, 0, 1, 0)


def test_a_session_has_one_state() -> None:
    """Committed again without a claim, it stands under its new key alone, and as the youngest."""
    cache = cache_of((KEY, "a", "s"), (b"idle", "b", "B"), max_entries=2)
    cache.commit(b"longer", "a", session("s"), now=0)
    assert (len(cache), cache.evictions) == (2, 0)
    assert claim(cache, "a") is None
    cache.commit(b"third", "c", session("C"), now=0)
    assert claim(cache, "a", key=b"longer") == "s"


def test_a_claim_hides_the_session_until_it_is_given_back() -> None:
    """Nobody else is given it meanwhile; afterwards it is as if it had never been claimed."""
    cache = cache_of((KEY, "answer", "s"))
    lent = cache.claim(KEY, "answer", now=0, alive=anyone)
    assert lent is not None
    assert cache.claim(KEY, "answer", now=0, alive=anyone) is None
    assert (cache.hits, cache.misses, cache.forks, len(cache)) == (0, 1, 1, 1)
    lent.give_back()
    lent.give_back()
    assert claim(cache) == "s"
    assert (cache.hits, len(cache)) == (1, 0)


def test_a_session_beside_one_that_is_lent_is_not_lone() -> None:
    """The one that is lent may come back, so the other one is a stranger to whoever matches neither."""
    cache = cache_of((KEY, "a", "A"), (KEY, "b", "B"))
    assert cache.claim(KEY, "a", now=0, alive=anyone) is not None
    assert claim(cache, "reformatted") is None


def test_a_session_keeps_its_place_while_it_is_lent() -> None:
    """Giving back is no use of it: it expires, and makes room, as it would have."""
    cache = cache_of((KEY, "a", "A"), (b"other", "b", "B"), max_entries=2)
    lent = cache.claim(KEY, "a", now=1, alive=anyone)
    assert lent is not None
    lent.give_back()
    cache.commit(b"new", "c", session("C"), now=2)
    assert (claim(cache, "a"), claim(cache, "b", key=b"other")) == (None, "B")


@pytest.mark.parametrize("fate", ["spent", "given back"])
def test_a_claim_outlives_its_entry(fate: str) -> None:
    """What becomes of a session that was dropped while it was lent is no matter of the cache's."""
    cache = cache_of((KEY, "a", "A"))
    lent = cache.claim(KEY, "a", now=0, alive=anyone)
    assert lent is not None
    cache.commit(KEY, "b", session("A"), now=0)
    lent.spend() if fate == "spent" else lent.give_back()
    assert claim(cache, "b") == "A"


def test_whoever_holds_most_makes_room() -> None:
    """However much one tenant commits, another's sessions stay as long as they are fewer; then both have as many."""
    cache = SessionCache(max_entries=256, ttl=TTL)
    for number in range(100):
        cache.commit(b"%d" % number, "a", session(f"quiet-{number}"), now=0, tenant="quiet")
    for number in range(1000):
        cache.commit(b"b%d" % number, "a", session(f"busy-{number}"), now=0, tenant="busy")
    assert [claim(cache, "a", key=b"%d" % number) for number in range(100)] == [f"quiet-{n}" for n in range(100)]
    assert (len(cache), cache.evictions) == (156, 844)


def test_nobody_makes_another_forget_what_went_on() -> None:
    """What a tenant's own conversations went on from is remembered whatever others do, so no stranger is claimed."""
    cache = SessionCache(max_entries=4, ttl=TTL)
    cache.commit(KEY, "a", session("A"), now=0, tenant="quiet")
    claim(cache, "a")
    cache.commit(KEY, "b", session("B"), now=0, tenant="quiet")
    for number in range(20):
        cache.commit(b"%d" % number, "a", session(f"busy-{number}"), now=0, tenant="busy")
        claim(cache, "a", key=b"%d" % number)
    assert claim(cache, "a") is None
    assert claim(cache, "b") == "B"


def test_clearing_leaves_only_the_counters() -> None:
    """Sessions and the memory of forks are gone; what was counted stays counted."""
    cache = cache_of((KEY, "a", "A"), (KEY, "b", "B"))
    claim(cache, "a")
    cache.clear()
    assert len(cache) == 0
    assert claim(cache, "a") is None
    assert claim(cache, "b") is None
    assert (cache.commits, cache.hits, cache.misses, cache.forks, cache.dead) == (2, 1, 2, 0, 0)


def test_the_repr_shows_how_full_it_is() -> None:
    """A log line tells size, bound and how well it serves."""
    cache = cache_of((KEY, "a", "A"), (b"other", "b", "B"))
    claim(cache, "a")
    claim(cache, "a")
    assert repr(cache) == "<SessionCache 1/10 hits=1 misses=1>"


@dataclass
class Held:
    """What the model remembers of a commit."""

    key: bytes
    answer: str
    session: Session
    committed_at: float


class SessionCacheMachine(RuleBasedStateMachine):
    """Any sequence of operations leaves the cache and a list that is searched from end to end of one mind."""

    MAX_ENTRIES = 4
    keys = st.sampled_from([b"k", b"l"])
    answers = st.sampled_from(["a", "b", "c"])
    instances = st.sampled_from(["x", "y"])

    def __init__(self) -> None:
        super().__init__()
        self.cache = SessionCache(max_entries=self.MAX_ENTRIES, ttl=TTL)
        self.now = 0.0
        self.lives = {"x": 1, "y": 1}
        self.held: list[Held] = []
        self.continued: list[tuple[bytes, str]] = []
        self.lent: list[tuple[Claim, Held, str | None]] = []
        self.spent: list[Session] = []
        self.made = 0
        self.counts = dict.fromkeys(("hits", "misses", "commits", "evictions", "expiries", "dead", "forks"), 0)

    def alive(self, held: Session) -> bool:
        """Whether the session's life is its instance's present one."""
        return str(self.lives[held.instance]) == held.life

    def keep(self, kept: list[Held], counter: str) -> None:
        """Go on with `kept` alone and count the rest."""
        self.counts[counter] += len(self.held) - len(kept)
        self.held = kept

    def expire(self) -> None:
        """Drop what is too old."""
        self.keep([entry for entry in self.held if self.now - entry.committed_at < TTL], "expiries")

    def is_lent(self, entry: Held) -> bool:
        """Whether somebody has claimed the entry."""
        return any(lent is entry for _, lent, _ in self.lent)

    def expected(self, key: bytes, answer: str | None) -> Held | None:
        """The entry that the contract of `claim` names."""
        under_key = [entry for entry in self.held if entry.key == key]
        free = [entry for entry in under_key if not self.is_lent(entry)]
        matching = [entry for entry in free if entry.answer == answer]
        if matching:
            return matching[-1]
        if len(under_key) == 1 and free and (key, answer) not in self.continued:
            return free[0]
        return None

    def note_continued(self, key: bytes, answer: str) -> None:
        """Make this answer the youngest of the bounded memory."""
        others = [known for known in self.continued if known != (key, answer)]
        self.continued = [*others, (key, answer)][-self.MAX_ENTRIES :]

    @rule(seconds=st.sampled_from([0.0, 1.0, 4.0, TTL]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule(instance=instances)
    def restart(self, instance: str) -> None:
        """An instance begins another life."""
        self.lives[instance] += 1

    @rule(key=keys, answer=answers, instance=instances)
    def commit_fresh(self, key: bytes, answer: str, instance: str) -> None:
        """A conversation ended in a session of its own."""
        self.made += 1
        self.commit(key, answer, Session(str(self.made), instance, str(self.lives[instance])))

    @precondition(lambda self: self.spent)
    @rule(data=st.data(), key=keys, answer=answers)
    def commit_spent(self, data: st.DataObject, key: bytes, answer: str) -> None:
        """A session that went on comes back, perhaps more often than it went."""
        self.commit(key, answer, data.draw(st.sampled_from(self.spent)))

    def commit(self, key: bytes, answer: str, session: Session) -> None:
        """Commit to both."""
        self.cache.commit(key, answer, session, now=self.now)
        self.expire()
        self.held = [entry for entry in self.held if entry.session != session]
        self.held.append(Held(key, answer, session, self.now))
        self.counts["commits"] += 1
        self.keep(self.held[-self.MAX_ENTRIES :], "evictions")

    @rule(key=keys, answer=answers | st.none())
    def claim(self, key: bytes, answer: str | None) -> None:
        """Claim from both; they lend out the same."""
        claimed = self.cache.claim(key, answer, now=self.now, alive=self.alive)
        self.expire()
        self.keep([entry for entry in self.held if entry.key != key or self.alive(entry.session)], "dead")
        expected = self.expected(key, answer)
        assert (claimed.session if claimed else None) == (expected.session if expected else None)
        if claimed is None or expected is None:
            lent = any(self.is_lent(entry) and (entry.key, entry.answer) == (key, answer) for entry in self.held)
            self.counts["misses"] += 1
            self.counts["forks"] += lent or (key, answer) in self.continued
            return
        self.lent.append((claimed, expected, answer))

    @precondition(lambda self: self.lent)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        """Somebody leaves without having asked."""
        claimed, *_ = lent = data.draw(st.sampled_from(self.lent))
        self.lent.remove(lent)
        claimed.give_back()

    @precondition(lambda self: self.lent)
    @rule(data=st.data())
    def spend(self, data: st.DataObject) -> None:
        """Somebody asks in the session."""
        claimed, entry, answer = lent = data.draw(st.sampled_from(self.lent))
        self.lent.remove(lent)
        claimed.spend()
        self.counts["hits"] += 1
        self.held = [each for each in self.held if each is not entry]
        self.spent.append(entry.session)
        self.note_continued(entry.key, entry.answer)
        if answer is not None:
            self.note_continued(entry.key, answer)

    @rule()
    def clear(self) -> None:
        """Everything is dropped, and none of it counted."""
        self.cache.clear()
        self.held.clear()
        self.continued.clear()

    @invariant()
    def sizes_agree(self) -> None:
        """Both hold the same number of sessions, within the bound."""
        assert len(self.cache) == len(self.held) <= self.MAX_ENTRIES

    @invariant()
    def counters_agree(self) -> None:
        """Both counted the same."""
        assert {name: getattr(self.cache, name) for name in self.counts} == self.counts


TestSessionCacheMachine = SessionCacheMachine.TestCase
