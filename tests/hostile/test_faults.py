"""A fault is as wide as its cause: what one question, model, look or silence shows is held against nobody else."""

from __future__ import annotations

import math
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.errors import QuotaExceeded, UpstreamError
from lingma_trio.lingma.account import AccountWatch
from lingma_trio.lingma.asker import Asker
from lingma_trio.lingma.channel import STOP_ECHO
from lingma_trio.lingma.options import LingmaOptions
from lingma_trio.policy.cooldown import FIRST
from lingma_trio.policy.measured_bound import QUIET
from lingma_trio.turns import Finished, TextDelta
from tests.failover_ends import lingma_end
from tests.peers import MODELS, LinkedInstance, batch, linked
from tests.town import ANSWER, OPENING, Town, rest, taking, town

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from lingma_trio.lingma.dialogue import Dialogue
    from lingma_trio.protocol.jsonrpc import ServerRequest
    from tests.peers import LingmaPeer, Link

RPC_TIMEOUT = 30.0
FIRST_DELTA = 120  # what a town's turns wait for their first words


@asynccontextmanager
async def ask_model(there: Town, model: str) -> AsyncIterator[Dialogue]:
    """Open the same question to a model by its key."""
    asker = Asker("somebody", model)
    lease = await there.dialogues.lease(OPENING, asker)
    async with there.dialogues.seat(lease, asker) as seat, there.dialogues.open(OPENING, asker, seat) as dialogue:
        yield dialogue


# --- rests -----------------------------------------------------------------------------------------------------------


async def test_a_model_that_is_not_covered_rests_alone(autojump_clock: MockClock) -> None:
    """One client's 403 costs nobody another model, and the instance nothing of its readiness."""
    async with town(1, lingma_end) as there:
        async with ask_model(there, "qwen") as dialogue, trio.open_nursery() as nursery:
            nursery.start_soon(there.lingmas[0].use_up_quota, await there.ends[0].asked())
            with pytest.raises(QuotaExceeded):
                await batch(dialogue, math.inf)
        instance = there.instances[0]
        assert instance.standing.fault() is None
        await there.converse(0)
        assert isinstance(instance.standing.fault("qwen"), QuotaExceeded)
        assert instance.standing.expected_in("qwen") == FIRST


async def refuse_all(there: Town, count: int, gap: float) -> None:
    """Have `count` questions under way at once, and refuse them one by one, each `gap` seconds after the one before."""
    async with AsyncExitStack() as stack:
        open_ones = [await stack.enter_async_context(there.open()) for _ in range(count)]
        questions = [await there.ends[0].asked() for _ in open_ones]
        for dialogue, question in zip(open_ones, questions, strict=True):
            await trio.sleep(gap)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(there.lingmas[0].use_up_quota, question)
                with pytest.raises(QuotaExceeded):
                    await batch(dialogue, math.inf)


async def test_a_burst_that_fails_is_one_hit(autojump_clock: MockClock) -> None:
    """Refusals that come one by one, some when the rest is over, do not make it 30, 60, 120 and 900 s."""
    async with town(1, lingma_end) as there:
        await refuse_all(there, 3, gap=FIRST + 1)
        assert there.instances[0].standing.fault("org_auto") is None


async def test_after_a_rest_one_turn_probes(autojump_clock: MockClock) -> None:
    """Until it is answered nobody else is sent after it; then everybody may."""
    async with town(1, lingma_end) as there:
        instance = there.instances[0]
        await refuse_all(there, 1, gap=0)
        await trio.sleep(FIRST)
        assert instance.has_room("org_auto")
        changes = count_changes(instance)
        async with there.open() as probe:
            question = await there.ends[0].asked()
            assert not instance.has_room("org_auto")
            assert instance.has_room("qwen")
            await there.ends[0].say(question, ANSWER)
            assert await batch(probe, math.inf) == [TextDelta(ANSWER)]
            assert instance.has_room("org_auto")
            assert changes()


async def test_a_probe_that_is_given_up_is_followed_by_another(autojump_clock: MockClock) -> None:
    """A client that leaves takes the probe along, and neither blocks the next one nor lengthens the rest."""
    async with town(1, lingma_end) as there:
        instance = there.instances[0]
        await refuse_all(there, 1, gap=0)
        await trio.sleep(FIRST)
        async with there.open():
            await there.ends[0].asked()
        assert instance.has_room("org_auto")
        assert instance.standing.fault("org_auto") is None


async def test_the_rest_grows_only_when_the_probe_fails(autojump_clock: MockClock) -> None:
    """Each failed probe doubles it, once."""
    async with town(1, lingma_end) as there:
        instance = there.instances[0]
        await refuse_all(there, 3, gap=0)
        assert instance.standing.expected_in("org_auto") == FIRST
        await trio.sleep(FIRST)
        await refuse_all(there, 1, gap=0)
        assert instance.standing.expected_in("org_auto") == 2 * FIRST


async def test_the_end_of_a_rest_is_told(autojump_clock: MockClock) -> None:
    """Whoever waits for a rested model or account need not look again and again."""
    async with linked() as link, trio.open_nursery() as nursery:
        instance = LinkedInstance(link.channel)
        changed = count_changes(instance)
        nursery.start_soon(instance.health.watch)
        await wait_all_tasks_blocked()
        instance.failed(QuotaExceeded("not covered"), instance.asking("qwen"))
        await trio.sleep(FIRST - 1)
        assert not changed()
        await trio.sleep(1)
        await wait_all_tasks_blocked()
        assert changed() == 1
        nursery.cancel_scope.cancel("the test is over")


def count_changes(instance: LinkedInstance) -> Callable[[], int]:
    """How often the instance has told since that it may be asked more."""
    told: list[None] = []
    instance.on_change = lambda: told.append(None)
    return lambda: len(told)


# --- a bound that is measured ----------------------------------------------------------------------------------------


async def begin(there: Town, stack: AsyncExitStack) -> tuple[Dialogue, ServerRequest]:
    """One more question under way on the first instance."""
    dialogue = await stack.enter_async_context(there.open())
    return dialogue, await there.ends[0].asked()


async def test_too_many_at_once_is_a_bound_and_no_rest(autojump_clock: MockClock) -> None:
    """A 429 beside three answers under way means three at once; it keeps nobody from asking when one has ended."""
    async with town(1, lingma_end) as there:
        instance = there.instances[0]
        async with AsyncExitStack() as others:
            for _ in range(2):
                await begin(there, others)
            async with AsyncExitStack() as stack:
                third, question = await begin(there, stack)
                fourth, refused = await begin(there, others)
                await there.ends[0].hit_rate_limit(refused)
                await wait_all_tasks_blocked()
                assert not await batch(fourth, 0), "nothing is shown: it waits for room"
                assert instance.standing.fault() is None
                assert (instance.health.bound, instance.has_room()) == (3, False)
                await there.ends[0].reply(question, ANSWER)
                await rest(third)
            async with taking(fourth):
                await there.ends[0].reply(await there.ends[0].asked(), ANSWER)


async def test_one_more_is_tried_after_a_while(autojump_clock: MockClock) -> None:
    """The bound grows by one where it was in the way for a quiet time, and not before."""
    async with town(1, lingma_end) as there:
        instance = there.instances[0]
        async with AsyncExitStack() as stack:
            await begin(there, stack)
            async with there.open() as second:
                await there.ends[0].hit_rate_limit(await there.ends[0].asked())
                await wait_all_tasks_blocked()
                assert not await batch(second, 0)
        await there.lingmas[0].peer.called("chat/stop")
        for wait, bound in ((QUIET - 1, 1), (1, 2)):
            await trio.sleep(wait)
            await there.converse(0)
            assert instance.health.bound == bound


async def test_answers_that_go_on_keep_nobody_from_being_tried(autojump_clock: MockClock) -> None:
    """One more question than the bound is asked after a quiet time, although what fills the bound goes on."""
    async with town(1, lingma_end) as there, AsyncExitStack() as stack:
        for _ in range(2):
            await begin(there, stack)
        async with there.open() as third:
            await there.ends[0].hit_rate_limit(await there.ends[0].asked())
            await wait_all_tasks_blocked()
            assert not await batch(third, 0)
        await trio.sleep(QUIET)
        await there.converse(0)
        assert there.instances[0].health.bound == 3


async def test_a_limit_by_the_minute_is_not_taken_for_a_bound(autojump_clock: MockClock) -> None:
    """Where one alone is refused as well, all of it rests, once, and takes as many as before after that."""
    async with town(1, lingma_end) as there:
        instance = there.instances[0]
        async with AsyncExitStack() as stack:
            turns = [await begin(there, stack) for _ in range(4)]
            for dialogue, question in reversed(turns):
                await there.ends[0].hit_rate_limit(question)
                with pytest.raises(QuotaExceeded):
                    await batch(dialogue, math.inf)
        assert instance.standing.expected_in() == FIRST
        assert instance.health.bound is None


# --- signs of life ---------------------------------------------------------------------------------------------------


@asynccontextmanager
async def watched(work_dir: Path) -> AsyncIterator[tuple[Link, AccountWatch, list[bool]]]:
    """A life after its first look, whose account is watched; a look that ends the life ends the block."""
    async with AsyncExitStack() as stack:
        link = await stack.enter_async_context(linked(rpc_timeout=RPC_TIMEOUT))
        seen: list[bool] = []
        options = LingmaOptions(
            name="lingma-0",
            command=("lingma",),
            work_dir=work_dir,
            port=0,
            startup_timeout=1,
            rpc_timeout=RPC_TIMEOUT,
            heartbeat=30,
        )
        account = AccountWatch(options, on_login=seen.append)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(account.begin_life, link.channel)
            await link.peer.answer(await link.peer.called("auth/status"), {"status": 2})
            await link.peer.answer(await link.peer.called("config/queryModels"), MODELS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(account.watch)
            yield link, account, seen
            nursery.cancel_scope.cancel("the test is over")


async def stream(peer: LingmaPeer, seconds: float) -> None:
    """Push something every second, as a Lingma does that answers others."""
    for _ in range(int(seconds)):
        await trio.sleep(1)
        await peer.push("chat/answer", requestId="somebody's", text="word ")


async def test_a_refused_look_changes_nothing(autojump_clock: MockClock, tmp_path: Path) -> None:
    """An error in answer to `auth/status` is logged; the life goes on, and so does what is known of the account."""
    async with watched(tmp_path) as (link, _, seen):
        await link.peer.called("user/plan")
        await trio.sleep(30)
        call = await link.peer.called("auth/status")
        await link.peer.send(link.peer.rpc.refuse(call.id, -32603, "busy"))
        await trio.sleep(30)
        call = await link.peer.called("auth/status")
        await link.peer.answer(call, {"status": 2})
        await wait_all_tasks_blocked()
        assert seen == [True, True]


async def test_a_late_look_beside_a_stream_changes_nothing(autojump_clock: MockClock, tmp_path: Path) -> None:
    """A Lingma that streams answers lives, however long it leaves `auth/status` unanswered."""
    async with watched(tmp_path) as (link, _, seen):
        await stream(link.peer, 200)
        assert link.failed_calls
        assert seen == [True]
        assert not link.endings


async def test_a_lingma_that_says_nothing_at_all_is_dead(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Nothing read for the RPC timeout although something was asked ends the life."""
    with pytest.RaisesGroup(pytest.RaisesExc(UpstreamError, match="auth/status"), flatten_subgroups=True):
        async with watched(tmp_path):
            began = trio.current_time()
            try:
                await trio.sleep_forever()
            finally:
                assert trio.current_time() == began + 30 + RPC_TIMEOUT


# --- silence ---------------------------------------------------------------------------------------------------------


async def test_an_instance_that_never_answers_goes_last(autojump_clock: MockClock) -> None:
    """Its turn moves, once, and the instance is known as silent until the first words of any answer."""
    async with town(2, lingma_end) as there:
        async with there.open() as dialogue, taking(dialogue) as taken:
            await there.ends[0].asked()
            await trio.sleep(FIRST_DELTA)
            question = await there.ends[1].asked()
            await there.ends[1].reply(question, ANSWER)
        assert taken == [[TextDelta(ANSWER), Finished("s-1")]]
        silent, other = there.instances
        assert (silent.health.silent, other.health.silent) == (True, False)
        other.standing.drain()
        changed = count_changes(silent)
        async with there.open() as dialogue:
            await there.lingmas[0].peer.called("chat/stop")
            await there.ends[0].say(await there.ends[0].asked(), ANSWER)
            assert await batch(dialogue, math.inf) == [TextDelta(ANSWER)]
            assert changed()
        assert not silent.health.silent


# --- errors of nobody ------------------------------------------------------------------------------------------------


async def test_an_error_after_a_stop_is_nobody_else_s(autojump_clock: MockClock) -> None:
    """A turn that is given up takes the error along that Lingma pushes for it; the innocent one goes on."""
    async with town(1, lingma_end) as there, there.open() as innocent:
        question = await there.ends[0].asked()
        async with there.open():
            await there.ends[0].asked()
        await there.lingmas[0].peer.called("chat/stop")
        await trio.sleep(STOP_ECHO - 0.1)
        await there.lingmas[0].peer.push("error", message="cancelled")
        await there.ends[0].reply(question, ANSWER)
        assert await rest(innocent) == [TextDelta(ANSWER), Finished("s-0")]


async def test_an_error_long_after_a_stop_is_the_only_turn_s(autojump_clock: MockClock) -> None:
    """What comes later than an echo is the turn's that is under way."""
    async with town(1, lingma_end) as there, there.open() as dialogue:
        await there.ends[0].asked()
        async with there.open():
            await there.ends[0].asked()
        await trio.sleep(STOP_ECHO)
        await there.lingmas[0].peer.push("error", message="broken")
        with pytest.raises(UpstreamError, match="broken"):
            await batch(dialogue, math.inf)


async def test_a_turn_that_falls_silent_after_an_error_of_nobody_s_has_failed(autojump_clock: MockClock) -> None:
    """With two under way nobody is blamed; the one that goes on is complete, and the one that says nothing more is
    never given out as complete.
    """
    async with town(1, lingma_end) as there, there.open() as first, there.open() as second:
        questions = [await there.ends[0].asked() for _ in range(2)]
        for question in questions:
            await there.ends[0].say(question, "Gre")
        assert await batch(first, math.inf) == await batch(second, math.inf) == [TextDelta("Gre")]
        await there.lingmas[0].peer.push("error", message="whose?")
        await there.ends[0].say(questions[0], "en.")
        assert await batch(first, math.inf) == [TextDelta("en.")]
        with pytest.raises(UpstreamError, match="whose"):
            await batch(second, math.inf)
        (end,) = await batch(first, math.inf)
        assert isinstance(end, Finished)
