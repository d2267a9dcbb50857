"""The pool: who answers, who is passed over, and what is told where nobody can be asked."""

from __future__ import annotations

import math

import pytest
import trio
from trio.testing import MockClock

from lingma_trio.errors import GatewayError, LoginRequired, QuotaExceeded, RateLimited, ShuttingDown, Unavailable
from lingma_trio.lingma.lives import State
from lingma_trio.lingma.pool import BUSY_RETRY, Lease, Pool
from lingma_trio.lingma.standing import DRAINED, DRAINED_RETRY
from lingma_trio.policy.cooldown import FIRST
from lingma_trio.policy.routing import BUSIER_BY, affinity_order
from lingma_trio.sessions.book import Session
from tests.peers import IdleInstance

KEY = b"a user"


def pool_of(*names: str, limit_each: int = 0) -> tuple[Pool, dict[str, IdleInstance]]:
    instances = {name: IdleInstance(name, most_turns=limit_each) for name in names}
    return Pool(list(instances.values())), instances


def lease_of(pool: Pool, model: str = "org_auto", *, affinity: bytes | None = None, without: str = "") -> Lease:
    """What a request for that model needs, but not of the instances whose names are letters of `without`."""
    lease = Lease(pool, lambda: model, affinity=affinity)
    lease.without = frozenset(without)
    return lease


def take(pool: Pool, model: str = "org_auto", *, affinity: bytes | None = None, without: str = "") -> str:
    """The name of the instance on which there is room now, which is taken for good; nobody's is the empty one."""
    lease = lease_of(pool, model, affinity=affinity, without=without)
    return lease.instance.name if lease.take() else ""


def refused(pool: Pool, kind: type[GatewayError], model: str = "org_auto", *, without: str = "") -> GatewayError:
    """What is told where nobody can be asked: exactly this kind."""
    lease = lease_of(pool, model, without=without)
    assert lease.expected() > 0
    assert not lease.take()
    refusal = lease.refusal()
    assert type(refusal) is kind
    return refusal


# --- the choice ------------------------------------------------------------------------------------------------------


async def test_a_choice_counts_at_once() -> None:
    """Without affinity the idlest answers, and room that was taken counts for the very next choice."""
    pool, _ = pool_of("a", "b", "c")
    assert [take(pool) for _ in range(6)] == ["a", "b", "c", "a", "b", "c"]


async def test_room_that_is_released_counts_no_longer() -> None:
    """Who has left is no load."""
    pool, instances = pool_of("a", "b")
    lease = lease_of(pool)
    assert lease.take()
    lease.release()
    assert instances["a"].seats == 0
    assert take(pool) == "a"


async def test_affinity_is_the_same_in_every_pool() -> None:
    """The favourite is the same after a restart, and on a replica that lists its accounts in another order."""
    favourite = affinity_order(KEY, "abcd")[0]
    for names in ("abcd", "dcba", "bdac"):
        assert take(pool_of(*names)[0], affinity=KEY) == favourite


async def test_affinity_is_no_queue() -> None:
    """The favourite is passed over as long as it is clearly busier than the idlest."""
    pool, instances = pool_of("a", "b")
    favourite, other = affinity_order(KEY, "ab")
    instances[favourite].seats = BUSIER_BY
    assert take(pool, affinity=KEY) == other
    assert take(pool, affinity=KEY) == favourite


async def test_excluded_instance_is_not_taken() -> None:
    """Whoever has failed a turn is not asked by it again, not even for its session."""
    pool, _ = pool_of("a", "b")
    lease = lease_of(pool, without="a")
    assert lease.take()
    assert lease.instance.name == "b"
    assert not lease.move_to("a")


async def test_silent_instance_is_asked_last(autojump_clock: MockClock) -> None:
    """Whoever left a question unanswered is taken where nobody else has room."""
    pool, instances = pool_of("a", "b", limit_each=2)
    instances["a"].health.silent = True
    assert [take(pool) for _ in range(4)] == ["b", "b", "a", "a"]


async def test_lease_moves_to_its_session() -> None:
    """Room is changed for room where the session is, at once or not at all."""
    pool, instances = pool_of("a", "b", limit_each=2)
    lease = lease_of(pool)
    assert lease.take()
    assert lease.move_to("a")
    assert lease.move_to("b")
    assert [instances[name].seats for name in "ab"] == [0, 1]
    instances["a"].seats = 2
    assert not lease.move_to("a")
    assert not lease.move_to("nobody")
    instances["a"].seats = 0
    instances["a"].enter("backing_off", "it crashed")
    assert not lease.move_to("a")
    assert (lease.instance.name, instances["b"].seats) == ("b", 1)


@pytest.mark.parametrize("state", ["starting", "needs_login", "backing_off", "stopped"])
async def test_unusable_instance_is_passed_over(state: State) -> None:
    """Who is not ready is not asked, whatever speaks for it."""
    pool, instances = pool_of("a", "b")
    instances["a"].enter(state, "something")
    assert {take(pool, affinity=b"%d" % number) for number in range(20)} == {"b"}


async def test_resting_instance_is_passed_over_until_it_has_rested(autojump_clock: MockClock) -> None:
    """An instance that hit its limit is asked again when its rest is over, and says meanwhile how long that takes."""
    pool, instances = pool_of("a", "b")
    instances["b"].seats = 1
    instances["a"].rest()
    assert take(pool) == "b"
    await trio.sleep(FIRST - 9.5)
    state, reason = instances["a"].standing.told()
    assert (state, reason.split(":")[0]) == ("resting", "rests for 10 s")
    await trio.sleep(9.5)
    assert take(pool) == "a"
    assert instances["a"].standing.told() == ("ready", "")


async def test_one_finds_out_whether_a_rest_helped(autojump_clock: MockClock) -> None:
    """After a rest one turn probes; others are given no room, also before it has been asked."""
    pool, instances = pool_of("a")
    instances["a"].rest()
    await trio.sleep(FIRST)
    probe = lease_of(pool)
    assert probe.take()
    assert not lease_of(pool).take()
    instances["a"].answered(instances["a"].asking("org_auto"))
    assert lease_of(pool).take()


async def test_resting_model_is_asked_for_elsewhere(autojump_clock: MockClock) -> None:
    """A plan that does not cover one model keeps nobody from another one."""
    pool, instances = pool_of("a", "b")
    instances["a"].rest(model="qwen")
    assert [take(pool, "qwen") for _ in range(2)] == ["b", "b"]
    assert take(pool, "org_auto") == "a"
    instances["b"].rest(model="qwen")
    assert refused(pool, QuotaExceeded, "qwen").retry_after == FIRST
    assert lease_of(pool, "org_auto").expected() == 0


async def test_drained_instance_is_passed_over_until_it_is_resumed() -> None:
    """A drained instance gets no new turn; what is under way on it goes on."""
    pool, instances = pool_of("a", "b")
    instances["a"].standing.drain()
    assert [take(pool) for _ in range(2)] == ["b", "b"]
    assert instances["a"].standing.told() == ("drained", DRAINED)
    instances["a"].channel()
    instances["a"].standing.resume()
    assert take(pool) == "a"
    assert instances["a"].standing.told() == ("ready", "")


async def test_drained_instance_says_what_else_is_the_matter() -> None:
    """Being drained hides nothing: who resumes it learns what to expect."""
    _, instances = pool_of("a")
    instances["a"].standing.drain()
    instances["a"].enter("backing_off", "it crashed")
    assert instances["a"].standing.told() == ("drained", f"{DRAINED} (it crashed)")
    instances["a"].enter("stopped", "the gateway is stopping")
    assert instances["a"].standing.told() == ("stopped", "the gateway is stopping")


async def test_where_all_are_drained_nobody_answers() -> None:
    """The client is told so at once, and to come again."""
    pool, instances = pool_of("a")
    instances["a"].standing.drain()
    error = refused(pool, Unavailable)
    assert (error.status, error.retry_after, pool.expected()) == (503, DRAINED_RETRY, math.inf)
    assert "drained" in error.message


# --- the limit of one instance ---------------------------------------------------------------------------------------


async def test_limit_of_each_is_kept() -> None:
    """No instance gets more than its limit; want of room is no reason to refuse anybody, since it may pass."""
    pool, instances = pool_of("a", "b", limit_each=2)
    assert [take(pool) for _ in range(5)] == ["a", "b", "a", "b", ""]
    assert [instance.seats for instance in instances.values()] == [2, 2]
    assert lease_of(pool).expected() == 0


@pytest.mark.parametrize("limit", [0, -1])
async def test_no_limit_is_none(limit: int) -> None:
    """Zero and less are no limit."""
    pool, _ = pool_of("a", limit_each=limit)
    assert [take(pool) for _ in range(100)] == ["a"] * 100


# --- who is waited for, and refusals ---------------------------------------------------------------------------------


async def test_instance_on_its_way_back_is_waited_for(autojump_clock: MockClock) -> None:
    """How long that may take is known of whoever rests, starts or backs off, and the soonest counts."""
    pool, instances = pool_of("a", "b", "c")
    instances["c"].enter("needs_login", "sign in, please")
    for name, seconds in (("a", 50.0), ("b", 20.0)):
        instances[name].rest(seconds)
    assert pool.expected() == 20.0
    instances["b"].enter("needs_login", "sign in, please")
    assert pool.expected() == 50.0
    instances["c"].enter("starting", "it starts")
    assert 0 < pool.expected() < 20.0


async def test_all_resting_is_429_with_the_soonest_wait(autojump_clock: MockClock) -> None:
    """Where every account is at its limit clients are told to slow down until the first of them has rested."""
    pool, instances = pool_of("a", "b", "c")
    for name, seconds in (("a", 50.0), ("b", 20.0), ("c", 90.0)):
        instances[name].rest(seconds)
    error = refused(pool, RateLimited)
    assert (error.status, error.retry_after, error.retryable) == (429, 20.0, True)
    await trio.sleep(15)
    assert refused(pool, RateLimited).retry_after == 5.0


async def test_a_limit_of_one_goes_before_the_quotas_of_others(autojump_clock: MockClock) -> None:
    """Asking again helps where one account is only at its limit, after that one's rest, and not where none is."""
    pool, instances = pool_of("a", "b")
    instances["a"].rest(5.0, model="qwen")
    instances["b"].rest(20.0)
    assert refused(pool, RateLimited, "qwen").retry_after == 20.0
    instances["b"].rest(90.0, model="qwen")
    await trio.sleep(20)
    instances["a"].rest(5.0, model="qwen")
    assert not refused(pool, QuotaExceeded, "qwen").retryable


@pytest.mark.parametrize(
    ("state", "kind", "hopeless"),
    [
        ("needs_login", LoginRequired, True),
        ("starting", Unavailable, False),
        ("backing_off", Unavailable, False),
        ("stopped", ShuttingDown, True),
    ],
)
async def test_common_fault_of_all_is_told(state: State, kind: type[GatewayError], hopeless: bool) -> None:
    """Where all have the same fault it is told as it is, as 503; why a life ended is for log and `/readyz`."""
    pool, instances = pool_of("a", "b")
    for instance in instances.values():
        instance.enter(state, "the reason")
    error = refused(pool, kind)
    assert error.status == 503
    assert ("the reason" in error.message) == (state not in ("stopped", "starting", "backing_off"))
    assert (pool.expected() == math.inf) is hopeless


async def test_mixed_faults_are_503_with_a_reason_for_each() -> None:
    """Where the faults differ each instance's is told, and the wait is the soonest that is known of any."""
    pool, instances = pool_of("a", "b", "c")
    instances["a"].rest(40.0)
    instances["b"].enter("needs_login", "sign in, please")
    instances["c"].enter("backing_off", "it crashed")
    error = refused(pool, Unavailable)
    assert error.status == 503
    assert error.retry_after is not None
    assert 0 < error.retry_after < 40.0
    assert all(f"{name}: " in error.message for name in "abc")
    assert "sign in, please" in error.message
    assert "it is being started again" in error.message
    assert "it crashed" not in error.message


async def test_one_usable_instance_is_enough() -> None:
    """Nothing is refused as long as one instance can be asked."""
    pool, instances = pool_of("a", "b", "c")
    instances["a"].rest()
    instances["b"].enter("needs_login", "sign in, please")
    assert pool.expected() == 0
    assert take(pool) == "c"


async def test_nobody_is_left_to_move_to() -> None:
    """With every instance excluded and none at fault the refusal asks for another try soon."""
    pool, _ = pool_of("a")
    assert refused(pool, Unavailable, without="a").retry_after == BUSY_RETRY


async def test_whoever_waits_is_told_of_every_change() -> None:
    """Each instance tells the pool, and the pool whoever listens."""
    pool, instances = pool_of("a", "b")
    told: list[str] = []
    pool.on_change = lambda: told.append("changed")
    for instance in instances.values():
        instance.standing.drain()
        instance.standing.resume()
    assert len(told) >= 2


# --- sessions and models ---------------------------------------------------------------------------------------------


async def test_session_is_held_by_one_life() -> None:
    """A session lives on its own instance in the life it was made in, and nowhere else."""
    pool, instances = pool_of("a", "b")
    before = instances["b"].life
    assert pool.gone(Session("s-1", "b", before)) is None
    assert pool.gone(Session("s-1", "a", before)) == "life_ended"
    assert pool.gone(Session("s-1", "gone", before)) == "instance_gone"
    assert pool.gone(Session("s-1", "b", before, "of another account")) == "account"
    instances["b"].live_on()
    assert pool.gone(Session("s-1", "b", before)) == "life_ended"


async def test_catalogue_is_everybody_s() -> None:
    """The models shown are those of all instances, each once, whatever state they are in."""
    pool, instances = pool_of("a", "b", "c")
    instances["a"].tell_models()
    instances["b"].tell_models("one", "two")
    instances["c"].tell_models("two", "three")
    assert [model.key for model in pool.catalogue.models] == ["one", "two", "three"]
    assert pool.catalogue is pool.catalogue
    instances["b"].enter("backing_off", "it crashed")
    assert [model.key for model in pool.catalogue.models] == ["one", "two", "three"]
    instances["b"].tell_models("one")
    assert [model.key for model in pool.catalogue.models] == ["one", "two", "three"]
    instances["c"].tell_models("two")
    assert [model.key for model in pool.catalogue.models] == ["one", "two"]


async def test_catalogue_is_empty_before_anybody_told_one() -> None:
    """As long as no instance knows a model there are none."""
    pool, instances = pool_of("a")
    instances["a"].tell_models()
    assert not pool.catalogue.models


async def test_model_is_asked_for_where_it_is() -> None:
    """Only those are asked that list it, and waited for although others are idle; nobody stands in with another one."""
    pool, instances = pool_of("a", "b", "c")
    instances["a"].tell_models("other")
    instances["b"].tell_models("kimi")
    instances["c"].tell_models()
    assert [take(pool, "kimi") for _ in range(3)] == ["b", "b", "b"]
    assert refused(pool, Unavailable, "kimi", without="b").retry_after == BUSY_RETRY
    instances["b"].enter("backing_off", "it crashed")
    assert not lease_of(pool, "kimi").take()
    assert 0 < lease_of(pool, "kimi").expected() < math.inf


async def test_model_may_be_listed_by_who_is_on_the_way() -> None:
    """Right after a start one that is signed out alone has told its models: asking again helps, and waiting does."""
    pool, instances = pool_of("a", "b")
    instances["a"].enter("needs_login", "signed out")
    instances["b"].tell_models()
    instances["b"].enter("starting", "Lingma is starting")
    assert not lease_of(pool, "qwen").take()
    assert lease_of(pool, "qwen").expected() < math.inf
    refused(pool, Unavailable, "qwen")
    instances["b"].enter("needs_login", "signed out")
    refused(pool, LoginRequired, "qwen")


async def test_model_that_nobody_lists_is_asked_for_anywhere() -> None:
    """The operator may know one that Lingma does not list."""
    pool, _ = pool_of("a", "b")
    assert [take(pool, "unlisted") for _ in range(2)] == ["a", "b"]


async def test_model_is_settled_when_room_is_taken() -> None:
    """While a request waits its model may come to be known; from the first room on it is what the client is told."""
    pool, instances = pool_of("a")
    instances["a"].tell_models()
    lease = Lease(pool, lambda: pool.catalogue.resolve("Kimi", "default"), affinity=None)
    assert lease.model == "default"
    instances["a"].tell_models("kimi")
    assert lease.model == "kimi"
    assert lease.take()
    instances["a"].tell_models("other")
    assert lease.model == "kimi"


# --- instances that come and go --------------------------------------------------------------------------------------


async def test_models_and_choice_follow_who_is_there() -> None:
    """One that comes is asked at once, and one that is gone no more."""
    pool, instances = pool_of("a")
    instances["a"].tell_models("auto")
    assert not pool.catalogue.has("qwen")
    late = IdleInstance("b")
    late.tell_models("qwen")
    pool.add(late)
    assert pool.catalogue.has("qwen")
    assert take(pool, "qwen") == "b"
    changes: list[None] = []
    pool.on_change = lambda: changes.append(None)
    late.standing.drain()
    assert changes
    late.standing.resume()
    pool.remove(late)
    changes.clear()
    late.standing.drain()
    assert not changes
    assert pool.named("b") is None
    assert not pool.catalogue.has("qwen")
    assert take(pool) == "a"


async def test_first_instance_is_waited_for_where_one_is_to_come() -> None:
    """Who asks before that waits in the queue; where none is to come there is nothing to wait for."""
    pool, _ = pool_of()
    assert pool.expected() == math.inf
    pool.awaited = lambda: "the agent is not there yet"
    assert 0 < pool.expected() < math.inf
    refusal = refused(pool, Unavailable)
    assert "the agent is not there yet" in refusal.message
    assert refusal.retry_after == pool.expected()
    pool.add(IdleInstance("a"))
    assert pool.expected() == 0


async def test_session_that_nobody_goes_on_with_is_let_go_of_where_it_is() -> None:
    """Its instance is told; one that has gone needs not be."""
    await trio.lowlevel.checkpoint()
    told: list[tuple[str, str]] = []

    class Told(IdleInstance):
        def discard(self, session: Session) -> None:
            told.append((self.name, session.session_id))

    pool = Pool([Told("a"), Told("b")])
    pool.discard(Session("s-1", "b", "life"))
    pool.discard(Session("s-2", "gone", "life"))
    assert told == [("b", "s-1")]


async def test_who_wants_the_same_is_served_alike() -> None:
    """The same model of the same instances: whoever else waits has to be looked at for himself."""
    await trio.lowlevel.checkpoint()
    pool, _ = pool_of("a", "b")
    wishes = [lease_of(pool), lease_of(pool), lease_of(pool, "qwen"), lease_of(pool, without="a")]
    assert [each.wish == wishes[0].wish for each in wishes] == [True, True, False, False]
    assert len({each.wish for each in wishes}) == 3
