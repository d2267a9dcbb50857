"""What an account may use, as its Lingma tells it: asked for beside everything else, and never waited for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.lingma.account import PLAN_EVERY, PLAN_SECONDS, AccountWatch
from lingma_trio.lingma.options import LingmaOptions
from lingma_trio.protocol.allowance import Allowance
from lingma_trio.protocol.jsonrpc import METHOD_NOT_FOUND, ServerRequest
from tests.peers import Link, linked

STATUS = {"status": 2, "name": "demo", "id": "1", "userType": "personal_standard", "quota": 42}
MODELS = {"chat": [{"key": "auto"}]}
HEARTBEAT = 2.0


@asynccontextmanager
async def watching(status: dict[str, object]) -> AsyncIterator[tuple[AccountWatch, Link]]:
    """An account that is watched, of a Lingma that says so of it."""
    options = LingmaOptions(
        name="lingma-0",
        command=("none",),
        work_dir=Path("none"),
        port=0,
        startup_timeout=1,
        rpc_timeout=10,
        heartbeat=HEARTBEAT,
    )
    account = AccountWatch(options, on_login=lambda _: None)
    async with linked() as link, trio.open_nursery() as nursery:
        nursery.start_soon(account.begin_life, link.channel)
        await look(link, status, models=status["status"] == 2)
        await wait_all_tasks_blocked()
        nursery.start_soon(account.watch)
        yield account, link
        nursery.cancel_scope.cancel("the test is over")


async def look(link: Link, status: dict[str, object], *, models: bool = False) -> None:
    """Answer one look."""
    await link.peer.answer(await link.peer.called("auth/status"), status)
    if models:
        await link.peer.answer(await link.peer.called("config/queryModels"), MODELS)


async def test_quota_and_plan_are_known_where_lingma_tells_them() -> None:
    """Under its own names; those of another account are forgotten at once, and asked for."""
    async with watching(STATUS) as (account, link):
        await link.peer.answer(await link.peer.called("user/plan"), {"planName": "Pro", "left": 7})
        await wait_all_tasks_blocked()
        assert account.allowance == Allowance("personal_standard", 42, {"planName": "Pro", "left": 7})
        account.pushed("auth/report", {"name": "another", "id": "2"})
        assert account.allowance == Allowance()
        await look(link, {**STATUS, "name": "another", "id": "2", "quota": 1})
        await link.peer.answer(await link.peer.called("user/plan"), {"left": 9})
        await wait_all_tasks_blocked()
        assert account.allowance == Allowance("personal_standard", 1, {"left": 9})


async def test_a_plan_that_is_not_told_is_no_fault(autojump_clock: MockClock) -> None:
    """An error is counted nowhere, silence delays the next look by a few seconds, and both are asked again later."""
    async with watching(STATUS) as (account, link):
        plan = await link.peer.called("user/plan")
        await link.peer.send(link.peer.rpc.refuse(plan.id, METHOD_NOT_FOUND, "no such method"))
        while trio.current_time() < PLAN_EVERY:
            await look(link, STATUS)
        await link.peer.called("user/plan")  # which stays without an answer
        look_after = await link.peer.event(HEARTBEAT + PLAN_SECONDS + 0.1)
        assert isinstance(look_after, ServerRequest)
        assert look_after.method == "auth/status"
        assert account.allowance == Allowance("personal_standard", 42)
        assert link.failed_calls == []
    del autojump_clock


async def test_nobody_is_asked_for_a_plan_who_is_not_signed_in(autojump_clock: MockClock) -> None:
    """There is none, and nothing to tell."""
    del autojump_clock
    nobody: dict[str, object] = {"status": 1, "quota": 0, "userType": ""}
    async with watching(nobody) as (account, link):
        for _ in range(3):
            await look(link, nobody)
        assert account.allowance == Allowance()


async def test_channel_that_is_lost_while_the_plan_is_asked_for_ends_no_watch(autojump_clock: MockClock) -> None:
    """The channel's own task says why it ended; of two reasons for the end of a life the vaguer could come first."""
    async with watching(STATUS) as (account, link):
        await link.peer.called("user/plan")
        await link.vanish()
        await link.ended.wait()
        await wait_all_tasks_blocked()
        assert account.allowance == Allowance("personal_standard", 42)
