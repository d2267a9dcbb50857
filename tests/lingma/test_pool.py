"""The pool: who answers, who is passed over, and what is told where nobody can be asked."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from lingma_trio.errors import (
    ChannelLost,
    GatewayError,
    LoginRequired,
    Overloaded,
    QuotaExceeded,
    RateLimited,
    ShuttingDown,
    Unavailable,
)
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.health import Asked
from lingma_trio.lingma.instance import DRAINED, DRAINED_RETRY, State
from lingma_trio.lingma.pool import BUSY_RETRY, Pool
from lingma_trio.policy.cooldown import FIRST
from lingma_trio.policy.routing import BUSIER_BY, affinity_order
from lingma_trio.policy.session_cache import Session
from tests.peers import LinkedInstance

KEY = b"a user"


class Silent:
    """A turn that nobody waits for."""

    def reply(self, method: str, params: dict[str, object]) -> object:
        """Nothing."""

    def push(self, method: str, params: dict[str, object]) -> None:
        """Nothing."""

    def answered(self, number: int, result: object) -> None:
        """Nothing."""

    def refused(self, number: int, code: str, message: str) -> None:
        """Nothing."""

    def lost(self, error: ChannelLost) -> None:
        """Nothing."""

    def doubted(self, params: dict[str, object]) -> None:
        """Nothing."""


class Idle(LinkedInstance):
    """An instance on a channel that is registered with and never runs."""

    def __init__(self, name: str, *, most_turns: int = 0) -> None:
        channel = RpcChannel(rpc_timeout=1, on_push=lambda *_: None, on_error=lambda _: None)
        super().__init__(channel, name, most_turns=most_turns)
        self.reason = ""

    def begin(self, turns: int = 1) -> None:
        """Have so many turns more under way."""
        for _ in range(turns):
            self.channel().register(f"{self.name}-{self.turns}", Silent())

    def enter(self, state: State, reason: str) -> None:
        """Be in that state."""
        self.state, self.reason = state, reason

    def rest(self, seconds: float | None = None) -> None:
        """Hit the account's limit."""
        self.failed(RateLimited("too many", retry_after=seconds), Asked("", trio.current_time()))


def pool_of(*names: str, limit_each: int = 0) -> tuple[Pool, dict[str, Idle]]:
    instances = {name: Idle(name, most_turns=limit_each) for name in names}
    return Pool(list(instances.values())), instances


def pick(pool: Pool, **wishes: object) -> str:
    """The name of whom the pool picks, without a session and an affinity unless wished for."""
    return pool.pick(**{"session": None, "affinity": None, **wishes}).name  # type: ignore[arg-type]


def refused(pool: Pool, kind: type[GatewayError], **wishes: object) -> GatewayError:
    """What the pool raises in place of a choice: exactly this kind."""
    with pytest.raises(GatewayError) as caught:
        pick(pool, **wishes)
    assert type(caught.value) is kind
    return caught.value


# --- the choice ------------------------------------------------------------------------------------------------------


async def test_a_choice_counts_at_once() -> None:
    """Without affinity the idlest answers, and a turn that is registered counts for the very next choice."""
    pool, instances = pool_of("a", "b", "c")
    chosen = []
    for _ in range(6):
        chosen.append(pick(pool))
        instances[chosen[-1]].begin()
    assert chosen == ["a", "b", "c", "a", "b", "c"]


async def test_session_s_instance_answers() -> None:
    """A session can be continued only where it is, however busy that one is."""
    pool, instances = pool_of("a", "b")
    instances["b"].begin(10)
    assert pick(pool, session=Session("s-1", "b", 1), affinity=KEY) == "b"


async def test_affinity_is_the_same_in_every_pool() -> None:
    """The favourite is the same after a restart, and on a replica that lists its accounts in another order."""
    favourite = affinity_order(KEY, "abcd")[0]
    for names in ("abcd", "dcba", "bdac"):
        assert pick(pool_of(*names)[0], affinity=KEY) == favourite


async def test_affinity_is_no_queue() -> None:
    """The favourite is passed over as long as it is clearly busier than the idlest."""
    pool, instances = pool_of("a", "b")
    favourite, other = affinity_order(KEY, "ab")
    instances[favourite].begin(BUSIER_BY)
    assert pick(pool, affinity=KEY) == other
    instances[other].begin()
    assert pick(pool, affinity=KEY) == favourite


async def test_excluded_instance_is_not_picked() -> None:
    """Whoever has failed a turn is not asked by it again, not even for its session."""
    pool, _ = pool_of("a", "b")
    assert pick(pool, session=Session("s-1", "a", 1), without={"a"}) == "b"


@pytest.mark.parametrize("state", ["starting", "needs_login", "backing_off", "stopped"])
async def test_unusable_instance_is_passed_over(state: State) -> None:
    """Who is not ready is not asked, whatever speaks for it."""
    pool, instances = pool_of("a", "b")
    instances["a"].enter(state, "something")
    assert {pick(pool), pick(pool, session=Session("s-1", "a", 1))} == {"b"}
    assert {pick(pool, affinity=b"%d" % number) for number in range(20)} == {"b"}


async def test_resting_instance_is_passed_over_until_it_has_rested(autojump_clock: MockClock) -> None:
    """An instance that hit its limit is asked again when its rest is over, and says meanwhile how long that takes."""
    pool, instances = pool_of("a", "b")
    instances["b"].begin()
    instances["a"].rest()
    assert pick(pool) == "b"
    await trio.sleep(FIRST - 9.5)
    state, reason = instances["a"].standing()
    assert (state, reason.split(":")[0]) == ("resting", "rests for 10 s")
    await trio.sleep(9.5)
    assert pick(pool) == "a"
    assert instances["a"].standing() == ("ready", "")


async def test_drained_instance_is_passed_over_until_it_is_resumed() -> None:
    """A drained instance gets no new turn, not even for its session; what is under way on it goes on."""
    pool, instances = pool_of("a", "b")
    instances["a"].begin()
    instances["a"].drain()
    assert {pick(pool), pick(pool, session=Session("s-1", "a", 1))} == {"b"}
    assert instances["a"].standing() == ("drained", DRAINED)
    assert instances["a"].channel().turns == 1
    instances["a"].resume()
    assert pick(pool, session=Session("s-1", "a", 1)) == "a"
    assert instances["a"].standing() == ("ready", "")


async def test_drained_instance_says_what_else_is_the_matter() -> None:
    """Being drained hides nothing: who resumes it learns what to expect."""
    _, instances = pool_of("a")
    instances["a"].drain()
    instances["a"].enter("backing_off", "it crashed")
    assert instances["a"].standing() == ("drained", f"{DRAINED} (it crashed)")
    instances["a"].enter("stopped", "the gateway is stopping")
    assert instances["a"].standing() == ("stopped", "the gateway is stopping")


async def test_where_all_are_drained_nobody_answers() -> None:
    """The client is told so, and to come again."""
    pool, instances = pool_of("a")
    instances["a"].drain()
    error = refused(pool, Unavailable)
    assert (error.status, error.retry_after) == (503, DRAINED_RETRY)
    assert "drained" in error.message


# --- the limit of one instance ---------------------------------------------------------------------------------------


async def test_limit_of_each_is_kept() -> None:
    """No instance gets more than its limit, and who comes then is told to come again soon."""
    pool, instances = pool_of("a", "b", limit_each=2)
    for _ in range(4):
        instances[pick(pool)].begin()
    assert [instance.turns for instance in instances.values()] == [2, 2]
    error = refused(pool, Overloaded)
    assert (error.status, error.retry_after) == (429, BUSY_RETRY)
    pool.check()  # room may come while a request waits in the queue


async def test_limit_goes_before_the_session() -> None:
    """A session whose instance is full is not waited for."""
    pool, instances = pool_of("a", "b", limit_each=1)
    instances["a"].begin()
    assert pick(pool, session=Session("s-1", "a", 1)) == "b"


async def test_room_is_there_again_when_a_turn_ends() -> None:
    """A turn that is let go of makes room at once."""
    pool, instances = pool_of("a", limit_each=1)
    instances["a"].channel().register("turn", Silent())
    refused(pool, Overloaded)
    instances["a"].channel().forget("turn", [], [])
    assert pick(pool) == "a"


@pytest.mark.parametrize("limit", [0, -1])
async def test_no_limit_is_none(limit: int) -> None:
    """Zero and less are no limit."""
    pool, instances = pool_of("a", limit_each=limit)
    instances["a"].begin(100)
    assert pick(pool) == "a"


# --- refusals --------------------------------------------------------------------------------------------------------


async def test_all_resting_is_429_with_the_soonest_wait(autojump_clock: MockClock) -> None:
    """Where every account is at its limit clients are told to slow down until the first of them has rested."""
    pool, instances = pool_of("a", "b", "c")
    for name, seconds in (("a", 50.0), ("b", 20.0), ("c", 90.0)):
        instances[name].rest(seconds)
    error = refused(pool, QuotaExceeded)
    assert (error.status, error.retry_after) == (429, 20.0)
    await trio.sleep(15)
    assert refused(pool, QuotaExceeded).retry_after == 5.0


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("needs_login", LoginRequired),
        ("starting", Unavailable),
        ("backing_off", Unavailable),
        ("stopped", ShuttingDown),
    ],
)
async def test_common_fault_of_all_is_told(state: State, kind: type[GatewayError]) -> None:
    """Where all have the same fault it is told as it is, with its reason, as 503."""
    pool, instances = pool_of("a", "b")
    for instance in instances.values():
        instance.enter(state, "the reason")
    error = refused(pool, kind)
    assert error.status == 503
    assert "the reason" in error.message or state == "stopped"
    with pytest.raises(kind):
        pool.check()


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
    assert "it crashed" in error.message


async def test_one_usable_instance_is_enough() -> None:
    """Nothing is refused up front as long as one instance can be asked."""
    pool, instances = pool_of("a", "b", "c")
    instances["a"].rest()
    instances["b"].enter("needs_login", "sign in, please")
    pool.check()
    assert pick(pool) == "c"


async def test_nobody_is_left_to_move_to() -> None:
    """With every instance excluded and none at fault the refusal asks for another try soon."""
    pool, _ = pool_of("a")
    assert refused(pool, Unavailable, without={"a"}).retry_after == BUSY_RETRY


# --- sessions and models ---------------------------------------------------------------------------------------------


async def test_session_is_held_by_one_life() -> None:
    """A session lives on its own instance in the life it was made in, and nowhere else."""
    pool, instances = pool_of("a", "b")
    instances["b"].generation = 7
    assert pool.holds(Session("s-1", "b", 7))
    assert not pool.holds(Session("s-1", "b", 6))
    assert not pool.holds(Session("s-1", "a", 7))
    assert not pool.holds(Session("s-1", "gone", 7))


async def test_catalogue_is_a_usable_instance_s() -> None:
    """The models shown are those of an instance that can be asked, and of another one only where there is none."""
    pool, instances = pool_of("a", "b", "c")
    instances["a"].tell_models()
    instances["c"].tell_models("kimi")
    assert pool.catalogue is instances["b"].catalogue
    instances["b"].enter("backing_off", "it crashed")
    assert pool.catalogue is instances["c"].catalogue
    instances["c"].enter("backing_off", "it crashed")
    assert pool.catalogue is instances["b"].catalogue


async def test_catalogue_is_empty_before_anybody_told_one() -> None:
    """As long as no instance knows a model there are none."""
    pool, instances = pool_of("a")
    instances["a"].tell_models()
    assert not pool.catalogue.models
