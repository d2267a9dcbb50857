"""What an agent tells of an instance is kept until it tells otherwise; whoever waits for a change learns of it."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.lingma.remote.watch import RemoteWatch
from lingma_trio.protocol.acp.messages import AcpTerms, Agent
from lingma_trio.protocol.allowance import Allowance
from lingma_trio.protocol.catalogue import Catalogue
from lingma_trio.protocol.fleet_messages import InstanceReport, LoginReport
from lingma_trio.protocol.turn_machine import Terms
from tests.lingma.remote.played import report

ACP = Terms("acp", acp=AcpTerms(Agent(name="agent", version="1")))
OTHERS = Catalogue.read({"chat": [{"key": "other", "displayName": "Other"}]}).models


def watching(told: InstanceReport) -> RemoteWatch:
    """Who was told that first."""
    return RemoteWatch(told, on_recheck=lambda: None)


def test_account_is_the_one_that_was_told_of_last() -> None:
    """Who it is, what it may use, and what its operator has to know."""
    watch = watching(report())
    assert (watch.name, watch.about, watch.remark, watch.program) == ("ann", (), "", None)
    told = report(account="eve", about=("Pro",), remark="look at it", allowance=Allowance(kind="team"))
    watch.told(told, stopping=False)
    assert watch.report is told
    assert (watch.name, watch.about, watch.remark, watch.allowance) == ("eve", ("Pro",), "look at it", told.allowance)


@pytest.mark.parametrize("stopping", [True, False])
def test_agent_that_stops_may_take_it_back(*, stopping: bool) -> None:
    """Its last word counts."""
    watch = watching(report())
    watch.told(report(), stopping=not stopping)
    watch.told(report(), stopping=stopping)
    assert watch.stopping == stopping


def known(watch: RemoteWatch) -> tuple[RemoteWatch | None, Agent]:
    """Whether a program is known, and what it says of itself."""
    return watch.program, watch.agent


def test_program_is_known_as_long_as_no_other_one_is() -> None:
    """A report without a life knows no terms, so it changes nothing of them."""
    watch = watching(report(terms=ACP))
    assert known(watch) == (watch, ACP.acp.agent)
    watch.told(report(life="", terms=Terms()), stopping=False)
    assert known(watch) == (watch, ACP.acp.agent)
    watch.told(report(terms=Terms()), stopping=False)
    assert known(watch) == (None, Agent())
    watch.told(report(terms=ACP), stopping=False)
    assert known(watch) == (watch, ACP.acp.agent)


def test_models_outlive_a_restart_there() -> None:
    """Those that are told replace them, and the catalogue stays the same object where they are the same."""
    watch = watching(report())
    before = watch.catalogue
    assert before.has("qwen")
    for told in (report(models=()), report()):
        watch.told(told, stopping=False)
        assert watch.catalogue is before
    watch.told(report(models=OTHERS), stopping=False)
    assert [model.key for model in watch.catalogue.models] == ["other"]
    after = watch.catalogue
    watch.told(report(models=OTHERS), stopping=False)
    assert watch.catalogue is after


@pytest.mark.parametrize("state", ["idle", "waiting", "signing_in", "needs_human"])
async def test_login_is_as_far_as_it_is_there(state: str, autojump_clock: MockClock) -> None:
    """Its pause runs on here."""
    watch = watching(report(login=LoginReport(state, "why", "https://example.com/login", 7.0)))
    login = watch.login
    assert login is not None
    assert (login.state, login.reason, login.url) == (state, "why", "https://example.com/login")
    assert login.next_attempt_in == 7.0
    await trio.sleep(3)
    assert login.next_attempt_in == 4.0
    await trio.sleep(10)
    assert login.next_attempt_in == 0.0
    watch.told(report(), stopping=False)
    assert watch.login is None
    watch.told(report(login=LoginReport()), stopping=False)
    assert watch.login is not None


async def test_login_in_a_state_that_nobody_knows_is_idle() -> None:
    """An agent may be newer."""
    await trio.lowlevel.checkpoint()
    login = watching(report(login=LoginReport("levitating"))).login
    assert login is not None
    assert login.state == "idle"


async def test_life_is_waited_for() -> None:
    """Until one is named by an agent that can be reached; each change wakes whoever waits."""
    watch = watching(report(life=""))
    found: list[str] = []

    async def wait() -> None:
        found.append(await watch.life())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        watch.lost("it is cut off")
        watch.report = report()
        await wait_all_tasks_blocked()
        assert not found
        watch.told(report(life="life-2"), stopping=False)
    assert found == ["life-2"]
    assert await watch.life() == "life-2"
    watch.told(report(life=""), stopping=False)
    with trio.move_on_after(0) as patience:
        await watch.life()
    assert patience.cancelled_caught


async def test_loss_of_the_agent_is_waited_for() -> None:
    """And is over once it tells something again."""
    watch = watching(report())
    gone: list[str] = []

    async def wait() -> None:
        await watch.gone()
        gone.append(watch.away)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        watch.told(report(), stopping=False)
        await wait_all_tasks_blocked()
        assert not gone
        watch.lost("it is cut off")
    assert gone == ["it is cut off"]
    watch.told(report(), stopping=False)
    assert watch.away == ""


def test_agent_is_asked_to_look_again() -> None:
    """Where a turn was refused."""
    asked: list[bool] = []
    watch = RemoteWatch(report(), on_recheck=lambda: asked.append(True))
    watch.recheck()
    assert asked == [True]
