"""One life after the other: what is told of each, and when the next is to be expected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from lingma_trio.errors import InstanceDown, InstanceWorn, NotSignedIn
from lingma_trio.lingma.life import Life, LifeListener
from lingma_trio.lingma.lives import START_SECONDS, Lives, State
from lingma_trio.policy.backoff import Backoff
from tests.peers import linked

PAUSE, LONGEST, STARTS_IN = 1.0, 60.0, 3.0


class PlayedLife(Life):
    """A life without a process: ready after STARTS_IN seconds, and ended by `cause` as many seconds later."""

    cause: Exception = InstanceDown("it fell over", detail="its last words")

    async def live(self) -> None:
        await trio.sleep(STARTS_IN)
        self._ready_at = trio.current_time()
        await trio.sleep(STARTS_IN)
        raise self.cause


class Late(Life):
    """A life that is never ready."""

    async def live(self) -> None:
        self._step("it does not answer")
        await trio.sleep_forever()


@asynccontextmanager
async def led(cause: Exception, entered: list[State]) -> AsyncIterator[Lives]:
    """Lives that are led for the length of the block, each of which ends by `cause`."""

    def make(listener: LifeListener) -> Life:
        life = PlayedLife(listener)
        life.cause = cause
        return life

    lives = Lives(
        "lingma-0",
        make,
        Backoff(first=PAUSE, cap=LONGEST, jitter=lambda: 1),
        on_begin=lambda: None,
        on_change=lambda: entered.append(lives.state),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lives.live)
        await trio.sleep(2 * STARTS_IN + PAUSE / 2)
        yield lives
        nursery.cancel_scope.cancel("the test is over")


@pytest.mark.parametrize(
    ("cause", "state", "pause"),
    [
        (PlayedLife.cause, "backing_off", PAUSE),
        (NotSignedIn("no token"), "needs_login", LONGEST),
        (InstanceWorn("has done its work"), "starting", 0),
    ],
    ids=["down", "login", "worn"],
)
async def test_end_is_told_and_the_next_life_is_to_be_expected(
    cause: Exception, state: State, pause: float, autojump_clock: MockClock
) -> None:
    """By its cause: how long the pause is, and whether somebody has to sign in meanwhile."""
    entered: list[State] = []
    async with led(cause, entered) as lives:
        assert lives.state == state
        assert lives.last_end == str(cause)
        assert (lives.restarts, lives.replaced) == ((0, 1) if pause == 0 else (1, 0))
        assert lives.detail == ("its last words" if state == "backing_off" else "")
        assert lives.ready_in == max(1.0, pause + STARTS_IN - PAUSE / 2)
        assert lives.begins_in == max(1.0, pause - PAUSE / 2)
        assert not lives.connected
    assert entered == (["backing_off", "starting", "stopped"] if pause == 0 else [state, "stopped"])


async def test_restart_ends_the_pause(autojump_clock: MockClock) -> None:
    """However long it is."""
    async with led(NotSignedIn("no token"), []) as lives:
        assert (lives.generation, lives.state) == (1, "needs_login")
        lives.restart()
        await trio.sleep(0.1)
        assert (lives.generation, lives.state) == (2, "starting")


async def test_life_is_connected_as_long_as_it_can_be_asked(autojump_clock: MockClock) -> None:
    """It has to be ready, with a channel that is not lost."""
    async with led(InstanceDown("down"), []) as lives, linked() as link:
        seen = []
        for state in ("ready", "needs_login"):
            lives.enter(state, "")
            for present in (None, link.channel):
                lives.present.channel = present
                seen.append(lives.connected)
        assert seen == [False, True, False, False]
        lives.enter("ready", "")
        await link.vanish()
        await link.ended.wait()
        assert not lives.connected


async def test_life_that_is_late_may_be_ready_at_any_moment(autojump_clock: MockClock) -> None:
    """It is to be expected in a second; each beginning is told, and what it says of itself as well."""
    began: list[float] = []
    lives = Lives(
        "lingma-0",
        Late,
        Backoff(),
        on_begin=lambda: began.append(trio.current_time()),
        on_change=lambda: None,
    )
    assert lives.last_end == ""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lives.live)
        await trio.sleep(START_SECONDS * 2)
        assert (lives.ready_in, lives.begins_in) == (1.0, 1.0)
        assert began == [0.0]
        assert lives.reason == "it does not answer"
        nursery.cancel_scope.cancel("the test is over")


@pytest.mark.parametrize("cause", [InstanceDown("down"), InstanceWorn("has done its work")], ids=["down", "worn"])
async def test_end_is_logged_as_what_it_is(cause: Exception, autojump_clock: MockClock) -> None:
    """Nobody is warned of one that was planned."""
    with capture_logs() as logs:
        async with led(cause, []):
            pass
    levels = [line["log_level"] for line in logs if line["event"] == "instance_ended"]
    assert {*levels} == {"info" if isinstance(cause, InstanceWorn) else "warning"}
