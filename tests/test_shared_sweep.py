"""The cancellation sweep over what two gateways share: wherever a request ends, no session has two users, no place one.

As in `test_cancellation_sweep`, but sessions and places are in the model of a store, which is asked before the body, at
the claim and at the commit, and may be left while it answers. After each run another gateway asks for the conversation.
"""

from __future__ import annotations

import math

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.sessions.book import SessionBook
from lingma_trio.state.rates import Limits
from lingma_trio.state.rates_store import SharedRates
from lingma_trio.state.sessions_store import StoreSessions
from tests.conversations import held
from tests.instant_link import InstantLink
from tests.peers import LinkedInstance, linked
from tests.sweep import ANSWER, HELD, IDLE, ScriptedLingma, World, running_tasks, services_for
from tests.test_cancellation_sweep import SCENARIOS, HowItEnds, run_once

pytestmark = pytest.mark.slow

AFTER = held("Which colour?", ANSWER, "Why?", ANSWER, tenant=HELD.tenant, model=HELD.model)


async def check(world: World, link: InstantLink, received: bytes) -> None:
    """Nothing of the request is left, and what another gateway finds is no session that this one asked in."""
    counters = world.services.sessions.counters
    assert (world.services.limiter.counts.in_flight, world.instance.seats, repr(world.channel)) == (0, 0, IDLE)
    other = StoreSessions(link, max_entries=10, ttl=math.inf)
    now, gone = trio.current_time(), world.services.pool.gone
    before = await other.claim(HELD, now=now, gone=gone)
    after = await other.claim(AFTER, now=now, gone=gone)
    found = [each.session for each in (before, after) if not isinstance(each, str)]
    assert len(found) == len(set(found)), "one session, one user"
    if counters.hits or counters.misses["refused"]:
        assert isinstance(before, str), "it was asked"
    elif not link.cut:
        assert not isinstance(before, str), "a session that was not asked is still there"
    if b"[DONE]" in received:
        assert not isinstance(after, str), "it was there before the last bytes"
    entry = SharedRates(link).open(Limits(HELD.tenant, places=1)).entry
    assert await entry.come_in(), "its key's one place is free"


@pytest.mark.parametrize("how", ["cancelled", "client leaves"])
@pytest.mark.parametrize("name", ["continued session", "session that is refused", "queued request"])
async def test_no_session_has_two_users_wherever_a_request_ends(
    name: str, how: HowItEnds, autojump_clock: MockClock
) -> None:
    """Claimed and left, asked and left, committed and left: it is gone, or given back, or found as it is now."""
    scenario, link = SCENARIOS[name], InstantLink()
    async with linked() as channel, trio.open_nursery() as nursery:
        instance, lingma = LinkedInstance(channel.channel), ScriptedLingma(channel.peer)
        nursery.start_soon(lingma.answer_all)
        sessions = StoreSessions(link, max_entries=10, ttl=math.inf)
        nursery.start_soon(sessions.keep)
        await wait_all_tasks_blocked()
        book = SessionBook(max_entries=1, ttl=math.inf)
        world = World(services_for([instance], sessions), book, channel.channel, instance, lingma)
        rates = world.services.rates = SharedRates(link)
        nursery.start_soon(rates.keeper.run)
        world.services.gatekeeper.tenants.anonymous.limits.renew(requests=10**6, tokens=10**6, places=1)
        await wait_all_tasks_blocked()
        before, lost, steps = running_tasks(), 0, 0
        while True:
            steps += 1
            link.restart()
            world.prepare(scenario)
            await sessions.commit(HELD, world.held, "kept", now=0)
            sessions.counters.hits = sessions.counters.misses["refused"] = 0
            tripwire, client = await run_once(world, scenario, steps, how)
            await check(world, link, client.received)
            assert running_tasks() == before
            lost += link.cut
            if tripwire.at is None:
                break
        assert steps > 20
        assert lost or how == "client leaves", "claims were cut short, too"
        nursery.cancel_scope.cancel("the sweep is over")
