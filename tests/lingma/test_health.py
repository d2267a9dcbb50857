"""Health: what failed and answered turns teach of one account, and whether one more turn fits."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.errors import (
    ChannelLost,
    ContentFiltered,
    GatewayError,
    LoginRequired,
    QuotaExceeded,
    RateLimited,
    UpstreamTimeout,
)
from lingma_trio.lingma.health import Asked, Health
from lingma_trio.lingma.writer import MAX_UNSENT
from lingma_trio.policy.cooldown import FIRST
from lingma_trio.policy.measured_bound import QUIET
from lingma_trio.policy.sequel import Verdict
from lingma_trio.protocol.request import Request
from tests.peers import IdleInstance, Nobody


class Told:
    """Counts what health tells."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def health(most: int = 0) -> tuple[Health, Told]:
    told = Told()
    return Health("lingma-0", most=most, on_change=told), told


@pytest.mark.parametrize(
    ("failure", "alone", "beside_others"),
    [
        (QuotaExceeded("not covered"), "move", "move"),
        (RateLimited("too many"), "move", "queue_again"),
        (LoginRequired("gone"), "move", "move"),
        (ChannelLost("gone"), "move", "move"),
        (UpstreamTimeout("silent"), "move", "move"),
        (ContentFiltered("no"), "stands", "stands"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_what_may_follow_depends_on_whose_fault_it_was(
    failure: GatewayError, alone: Verdict, beside_others: Verdict, autojump_clock: MockClock
) -> None:
    """Another instance may do better, the same one may do later, or nobody."""
    await trio.sleep(1)
    assert health()[0].failed(failure, Asked("qwen", 0.5)) == alone
    assert health()[0].failed(failure, Asked("qwen", 0.5, beside=2)) == beside_others


async def test_refusals_of_a_burst_that_rests_are_queued_again(autojump_clock: MockClock) -> None:
    """What was asked together with what made the account rest teaches nothing more, and waits with the others."""
    of_account, _ = health()
    assert of_account.failed(RateLimited("too many"), Asked("qwen", 0.0)) == "move"
    await trio.sleep(FIRST + 1)
    assert of_account.failed(RateLimited("too many"), Asked("qwen", 0.0, beside=1)) == "queue_again"
    assert (of_account.bound, of_account.rest()) == (None, 0.0)


async def test_failed_probe_is_no_bound(autojump_clock: MockClock) -> None:
    """After a rest a 429 says that the rest was too short, also beside answers that were under way before it."""
    of_account, _ = health()
    of_account.failed(RateLimited("too many"), Asked("qwen", 0.0))
    await trio.sleep(FIRST)
    assert of_account.failed(RateLimited("too many"), Asked("qwen", FIRST, beside=2)) == "move"
    assert (of_account.bound, of_account.rest()) == (None, 2 * FIRST)


async def test_silence_lasts_until_the_first_words(autojump_clock: MockClock) -> None:
    """It is told when it is over, and another process has not been silent."""
    of_account, told = health()
    of_account.failed(UpstreamTimeout("silent"), Asked("qwen", 0.0))
    assert of_account.silent
    of_account.answered(Asked("qwen", 0.0), under_way=1)
    assert (of_account.silent, told.count) == (False, 1)
    of_account.answered(Asked("qwen", 0.0), under_way=1)
    assert told.count == 1
    of_account.failed(UpstreamTimeout("silent"), Asked("qwen", 0.0))
    of_account.begin_life()
    assert not of_account.silent


async def test_room_is_what_every_bound_leaves(autojump_clock: MockClock) -> None:
    """The operator's bound, the measured one and what waits to be written each say no alone."""
    instance = IdleInstance("a")
    for key in ("first", "second"):
        instance.channel().register(key, Nobody())
    free, bounded = health()[0], health(most=2)[0]
    assert free.has_room(instance.channel())
    assert not bounded.has_room(instance.channel())
    free.failed(RateLimited("too many"), Asked("qwen", 0.0, beside=2))
    assert not free.has_room(instance.channel())
    congested = IdleInstance("b").channel()
    congested.tell(Request("chat/ask", {"text": "x" * MAX_UNSENT}))
    assert not health()[0].has_room(congested)


async def test_every_end_of_a_rest_is_told(autojump_clock: MockClock) -> None:
    """Each at its time, also where a new rest begins at that very moment."""
    of_account, told = health()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(of_account.watch)
        await wait_all_tasks_blocked()
        of_account.failed(QuotaExceeded("not covered"), Asked("qwen", 0.0))
        await trio.sleep(10)
        of_account.failed(QuotaExceeded("not covered"), Asked("kimi", 10.0))
        await trio.sleep(FIRST - 10)
        of_account.failed(QuotaExceeded("not covered"), Asked("auto", FIRST))
        await wait_all_tasks_blocked()
        assert told.count == 1
        await trio.sleep(10)
        await wait_all_tasks_blocked()
        assert told.count == 2
        nursery.cancel_scope.cancel("the test is over")


async def test_the_time_to_try_one_more_is_told(autojump_clock: MockClock) -> None:
    """To whoever waits for room, while what fills the bound goes on; and again after each refusal and each growth."""
    of_account, told = health()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(of_account.watch)
        await wait_all_tasks_blocked()
        for count in (1, 2):
            of_account.failed(RateLimited("too many"), Asked("qwen", trio.current_time(), beside=2))
            await trio.sleep(QUIET)
            await wait_all_tasks_blocked()
            assert told.count == count
        of_account.answered(Asked("qwen", trio.current_time()), under_way=3)
        assert told.count == 3
        await trio.sleep(QUIET)
        await wait_all_tasks_blocked()
        assert told.count == 4
        nursery.cancel_scope.cancel("the test is over")


async def test_remark_says_what_is_out_of_the_ordinary(autojump_clock: MockClock) -> None:
    """For people, and without a model's name; nothing where there is nothing to say."""
    of_account, _ = health()
    assert of_account.remark == ""
    for model in ("qwen", "kimi"):
        of_account.failed(QuotaExceeded("not covered"), Asked(model, 0.0))
    of_account.failed(RateLimited("too many"), Asked("auto", 0.0, beside=3))
    of_account.failed(UpstreamTimeout("silent"), Asked("auto", 0.0))
    assert of_account.remark == (
        "2 of its models rest; takes 3 at once, as far as is known; left a question unanswered, so others go first"
    )
    assert "silent=True" in repr(of_account)


async def test_turns_that_come_and_those_elsewhere_take_room() -> None:
    """Each of them as one that is under way."""
    instance = IdleInstance("a")
    instance.channel().register("first", Nobody())
    bounded = health(most=3)[0]
    assert bounded.has_room(instance.channel(), coming=1)
    assert bounded.has_room(instance.channel(), elsewhere=1)
    assert not bounded.has_room(instance.channel(), coming=1, elsewhere=1)
    assert not bounded.has_room(instance.channel(), coming=2)
    assert not bounded.has_room(instance.channel(), elsewhere=2)


async def test_rest_that_others_met_with_is_kept_too(autojump_clock: MockClock) -> None:
    """Whoever waits looks again at once, as it may be of no use any more, and once more at the end of it."""
    of_account, told = health()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(of_account.watch)
        await wait_all_tasks_blocked()
        of_account.heard_of_rests({"qwen": 5})
        assert (told.count, of_account.rest("qwen")) == (1, 5.0)
        await trio.sleep(5)
        await wait_all_tasks_blocked()
        assert (told.count, of_account.rest("qwen")) == (2, 0.0)
        nursery.cancel_scope.cancel("the test is over")


async def test_rests_that_others_met_with_are_told_of_as_one(autojump_clock: MockClock) -> None:
    """Whoever looks sees all of them; what is hardly longer than known is no news."""
    of_account, told = health()
    of_account.heard_of_rests({"qwen": 50, "": 100, "auto": 120})
    assert (told.count, of_account.rest()) == (1, 100.0)
    assert of_account.resting() == {"qwen": 50.0, "auto": 120.0}
    of_account.heard_of_rests({"": 101, "auto": 121, "other": 100}, beyond=1)
    assert (told.count, of_account.rest(), of_account.rest("auto")) == (1, 100.0, 120.0)
    of_account.heard_of_rests({"": 102}, beyond=1)
    assert (told.count, of_account.rest()) == (2, 102.0)


async def test_another_account_starts_without_the_rests_of_the_one_before(autojump_clock: MockClock) -> None:
    """Nor by its bound, and what was asked of the other one teaches nothing of it, however late it fails. Nobody is
    given it before whoever says so has said what is known of it.
    """
    await trio.sleep(1)
    account, told = health()
    asked = Asked("qwen", trio.current_time(), beside=2)
    account.failed(RateLimited("too many"), asked)
    account.failed(QuotaExceeded("used up", retry_after=800), asked)
    await trio.sleep(1)
    before = told.count
    account.begin_account()
    assert (account.rest("qwen"), account.bound) == (0.0, None)
    assert told.count == before
    for late in (RateLimited("too many"), QuotaExceeded("used up")):
        assert account.failed(late, asked) == "queue_again"
    assert account.untouched
    assert account.failed(QuotaExceeded("used up"), Asked("qwen", trio.current_time())) == "move"
    assert account.rest("qwen") == FIRST
