"""What an account may use, as its Lingma tells it: asked for beside everything else, and never waited for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.errors import ChannelLost, UpstreamTimeout
from lingma_trio.lingma.account import PLAN_EVERY, PLAN_SECONDS, AccountWatch
from lingma_trio.lingma.options import LingmaOptions
from lingma_trio.protocol.allowance import Allowance
from lingma_trio.protocol.jsonrpc import METHOD_NOT_FOUND, ServerRequest
from tests.peers import Link, linked

STATUS = {"status": 2, "name": "demo", "id": "1", "userType": "personal_standard", "quota": 42}
MODELS = {"chat": [{"key": "auto"}]}
HEARTBEAT = 2.0


@asynccontextmanager
async def watching(
    status: dict[str, object],
    on_login: Callable[[bool], None] = lambda _: None,
    on_other: Callable[[], None] = lambda: None,
) -> AsyncIterator[tuple[AccountWatch, Link]]:
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
    account = AccountWatch(options, on_login=on_login, on_other=on_other)
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


async def asked_anew(account: AccountWatch, link: Link) -> ServerRequest:
    """The question for the models, once they are said to have changed."""
    await link.peer.answer(await link.peer.called("user/plan"), {})
    account.pushed("config/refreshModels", {})
    await link.peer.answer(await link.peer.called("auth/status"), STATUS)
    return await link.peer.called("config/queryModels")


async def test_quota_and_plan_are_known_where_lingma_tells_them() -> None:
    """Under its own names; those of another account are forgotten at once, and asked for."""
    async with watching(STATUS) as (account, link):
        await link.peer.answer(await link.peer.called("user/plan"), {"planName": "Pro", "left": 7})
        await wait_all_tasks_blocked()
        assert account.allowance == Allowance("personal_standard", 42, {"planName": "Pro", "left": 7})
        account.pushed("auth/report", {"name": "another", "id": "2"})
        assert account.allowance == Allowance()
        await look(link, {**STATUS, "name": "another", "id": "2", "quota": 1}, models=True)
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


@pytest.mark.parametrize(
    ("method", "looks"),
    [("config/refreshModels", True), ("auth/report", True), ("auth/syncTokenUpdate", True), ("chat/answer", False)],
)
async def test_a_push_that_may_change_something_has_it_looked_at_once(
    method: str, looks: bool, autojump_clock: MockClock
) -> None:
    """Now and not at the next heartbeat, and then not again before that; models only where they may be others."""
    del autojump_clock
    async with watching(STATUS) as (account, link):
        await link.peer.answer(await link.peer.called("user/plan"), {})
        began = trio.current_time()
        account.pushed(method, {})
        if looks:
            await look(link, STATUS, models=method == "config/refreshModels")
            assert trio.current_time() == began
        await look(link, STATUS)
        assert trio.current_time() == began + HEARTBEAT


async def test_models_that_change_while_they_are_told_are_asked_for_again(autojump_clock: MockClock) -> None:
    """The answer that was under way may be older than what says that they changed."""
    del autojump_clock
    async with watching(STATUS) as (account, link):
        under_way = await asked_anew(account, link)
        account.pushed("config/refreshModels", {})
        await link.peer.answer(under_way, MODELS)
        await link.peer.answer(await link.peer.called("auth/status"), STATUS)
        await link.peer.answer(await link.peer.called("config/queryModels"), {"chat": [{"key": "new"}]})
        await wait_all_tasks_blocked()
        assert [model.key for model in account.catalogue.models] == ["new"]


async def test_models_that_are_refused_are_asked_for_at_the_next_look(autojump_clock: MockClock) -> None:
    """Those that are known are out of date by then, and stay until there are others."""
    del autojump_clock
    async with watching(STATUS) as (account, link):
        asked = await asked_anew(account, link)
        await link.peer.send(link.peer.rpc.refuse(asked.id, 1, "not now"))
        await look(link, STATUS, models=True)
        assert [model.key for model in account.catalogue.models] == ["auto"]


async def test_another_account_is_asked_for_its_own_models(autojump_clock: MockClock) -> None:
    """Also where nobody was seen to be signed out in between."""
    del autojump_clock
    async with watching(STATUS) as (account, link):
        await link.peer.answer(await link.peer.called("user/plan"), {})
        another = {**STATUS, "name": "another", "id": "2"}
        await link.peer.answer(await link.peer.called("auth/status"), another)
        await link.peer.answer(await link.peer.called("config/queryModels"), {"chat": [{"key": "theirs"}]})
        await wait_all_tasks_blocked()
        assert [model.key for model in account.catalogue.models] == ["theirs"]


async def test_whose_sessions_are_made_is_known_once_somebody_is_signed_in() -> None:
    """Nobody has a name, and what Lingma calls an account is not told as it is."""
    async with watching({"status": 1}) as (nobody, _):
        assert nobody.name == ""
        assert nobody.remark == ""
    async with watching(STATUS) as (account, _):
        assert len(account.name) == 16
        assert "demo" not in account.name


@pytest.mark.parametrize("dead", [False, True])
async def test_a_look_that_comes_to_nothing_ends_the_life_of_a_dead_lingma_alone(
    dead: bool, autojump_clock: MockClock
) -> None:
    """One that says something to others meanwhile is busy, and is looked at again."""
    del autojump_clock
    with pytest.RaisesGroup(UpstreamTimeout, flatten_subgroups=True) if dead else nullcontext():
        async with watching(STATUS) as (account, link):
            await link.peer.answer(await link.peer.called("user/plan"), {})
            await link.peer.called("auth/status")
            if dead:
                await trio.sleep(2 * link.channel.rpc_timeout)
            else:
                await trio.sleep(5)
                await link.peer.push("chat/answer", requestId="r", text="a")
                late = await link.peer.event(link.channel.rpc_timeout)
                assert isinstance(late, ServerRequest)
                await link.peer.answer(late, STATUS)
                assert account.allowance.quota == 42


async def test_each_life_is_asked_for_everything_anew(autojump_clock: MockClock) -> None:
    """What another process says may differ, and between two lives nobody is asked: a call says so."""
    del autojump_clock
    seen: list[bool] = []
    async with watching(STATUS, on_login=seen.append) as (account, link):
        await link.peer.answer(await link.peer.called("user/plan"), {"left": 7})
        await wait_all_tasks_blocked()
        assert seen == [True]
        assert account.about == account.allowance.words != ()
        account.end_life()
        await account.look()
        with pytest.raises(ChannelLost, match="not running"):
            await account.login.link()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(account.begin_life, link.channel)
            await look(link, STATUS, models=True)
        assert seen == [True, True]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(account.login.link)
            asked = await link.peer.event()
            assert isinstance(asked, ServerRequest)
            assert asked.method == "login/generateUrl"
            await link.peer.answer(asked, {"loginUrl": "https://login.example/?state=1&nonce=2"})
            nursery.cancel_scope.cancel("seen")
        account.recheck()
        await look(link, STATUS)
        await link.peer.called("user/plan")


async def test_who_comes_back_is_told_the_models_that_are_theirs(autojump_clock: MockClock) -> None:
    """A logout forgets what the account may use, and the next login asks for models and plan again."""
    del autojump_clock
    seen: list[bool] = []
    async with watching(STATUS, on_login=seen.append) as (account, link):
        await link.peer.answer(await link.peer.called("user/plan"), {"left": 7})
        await look(link, {"status": 1})
        await wait_all_tasks_blocked()
        assert (seen, account.allowance) == ([True, False], Allowance())
        await look(link, STATUS, models=True)
        await link.peer.called("user/plan")
        assert seen == [True, False, True]


@pytest.mark.parametrize(
    ("report", "another"),
    [
        ({"name": "demo", "id": "2"}, True),
        ({"name": "other", "id": "1"}, True),
        ({"name": "other"}, True),
        ({"id": "2"}, True),
        ({"name": "demo"}, False),
        ({"name": "demo", "id": "1"}, False),
        ({}, False),
    ],
)
async def test_another_account_is_known_by_its_number_or_its_name(report: dict[str, str], another: bool) -> None:
    """What names nobody says nothing, nor does the name alone of the one who is known. It is called so by then."""
    others: list[str] = []
    async with watching(STATUS, on_other=lambda: others.append(account.name)) as (account, link):
        await link.peer.answer(await link.peer.called("user/plan"), {"left": 7})
        await wait_all_tasks_blocked()
        assert others == []
        before = account.name
        account.pushed("auth/report", dict(report))
        assert (account.name != before) == another
        assert (account.allowance == Allowance()) == another
        assert others == [account.name] * another


async def test_nothing_is_known_of_an_account_before_its_first_life(tmp_path: Path) -> None:
    """Neither whose it is, nor what it may use; and a look at nobody changes nothing."""
    options = LingmaOptions(
        name="lingma-0", command=("none",), work_dir=tmp_path, port=0, startup_timeout=1, rpc_timeout=1
    )
    account = AccountWatch(options, on_login=lambda _: None)
    assert (account.name, account.about, account.remark) == ("", (), "")
    assert account.allowance == Allowance()
    await account.look()


async def test_name_that_is_no_text_is_a_name_all_the_same() -> None:
    """Half a character in it ends nothing."""
    async with watching(STATUS) as (account, _):
        before = account.name
        account.pushed("auth/report", {"name": "\ud800", "id": "7"})
        assert account.name
        assert account.name != before
