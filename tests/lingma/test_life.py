"""A life: an id of its own, and how long it was of use."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
import trio
from trio.testing import MockClock

from lingma_trio.errors import InstanceDown, UpstreamTimeout
from lingma_trio.lingma.account import AccountWatch
from lingma_trio.lingma.health import Health
from lingma_trio.lingma.life import Life, LifeListener
from lingma_trio.lingma.lingma_life import WORKSPACE, LingmaLife
from lingma_trio.lingma.options import LingmaOptions
from tests.peers import linked

ROOT = Path(__file__).parents[2]  # the package need not be installed where the tests run
PATIENCE = 20.0  # seconds after which a test on a busy machine has failed


def life_in(
    work_dir: Path,
    *knobs: str,
    startup_timeout: float = PATIENCE,
    heartbeat: float = 30,
    dialect: Literal["chat", "session"] = "chat",
    on_login: Callable[[bool], None] = lambda _: None,
) -> LingmaLife:
    """A life of the simulator that has not begun."""
    options = LingmaOptions(
        name="lingma-0",
        command=(sys.executable, "-m", "lingma_trio.simulator"),
        work_dir=work_dir,
        port=0,
        startup_timeout=startup_timeout,
        rpc_timeout=0.5,
        heartbeat=heartbeat,
        dialect=dialect,
        environment={**os.environ, "PYTHONPATH": str(ROOT), "LINGMA_SIMULATOR": ",".join(knobs)},
    )
    return LingmaLife(
        options,
        AccountWatch(options, on_login=on_login),
        Health("lingma-0", most=0, on_change=lambda: None),
        LifeListener(on_step=lambda _: None, on_error=lambda _: None, on_room=lambda: None),
    )


async def test_no_two_lives_have_one_id(tmp_path: Path) -> None:
    """A session is found again by it, so it must not be a number that begins anew in each process."""
    await trio.lowlevel.checkpoint()
    assert len({life_in(tmp_path).id for _ in range(100)}) == 100


async def test_place_to_work_in_that_cannot_be_had_is_told_without_its_path(tmp_path: Path) -> None:
    """The path follows from the account, and why a life ended stands where anybody reads it."""
    (tmp_path / WORKSPACE).touch()
    life = life_in(tmp_path, dialect="session")
    told = pytest.RaisesExc(
        InstanceDown, match="work directory cannot be used", check=lambda why: str(tmp_path) not in str(why)
    )
    with pytest.RaisesGroup(told, flatten_subgroups=True), trio.fail_after(PATIENCE):
        await life.live()


async def test_start_that_fails_was_of_no_use(tmp_path: Path) -> None:
    """However long it took."""
    life = life_in(tmp_path, "info=never", startup_timeout=1)
    with pytest.RaisesGroup(InstanceDown, flatten_subgroups=True):
        await life.live()
    assert (life.stood, life.start_took) == (0.0, None)


@pytest.mark.slow
async def test_life_that_hangs_was_of_use_until_its_last_sign(tmp_path: Path) -> None:
    """The time that it takes to notice is none in which it was of use."""
    looked = trio.Event()
    life = life_in(tmp_path, heartbeat=0.1, on_login=lambda _: looked.set())
    with pytest.RaisesGroup(UpstreamTimeout, flatten_subgroups=True):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.live)
            with trio.fail_after(PATIENCE):
                await looked.wait()
            ready = trio.current_time()
            pid = int((tmp_path / ".gateway-child").read_text().split()[0])
            await trio.sleep(0.3)
            stopped = trio.current_time()
            os.kill(pid, signal.SIGSTOP)
    assert 0.0 < life.stood < stopped - ready + 0.4 < trio.current_time() - ready
    assert life.channel is None


class Played(Life):
    """A life without a process, which was ready at once."""

    def __init__(self, steps: list[str]) -> None:
        super().__init__(LifeListener(on_step=steps.append, on_error=lambda _: None, on_room=lambda: None))

    async def live(self) -> None:
        self._step("it does not answer")
        await trio.sleep(2)
        self._ready_at = trio.current_time()
        async with linked() as link:
            self.channel = link.channel
            await trio.sleep(10)
            await link.peer.push("any")
            await trio.sleep(10)
            self._let_go()


async def test_life_was_of_use_from_when_it_was_ready_until_its_last_sign(autojump_clock: MockClock) -> None:
    """Also once it is over; what it waits for is told."""
    steps: list[str] = []
    life = Played(steps)
    assert (life.stood, life.start_took) == (0.0, None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.live)
        await trio.sleep(1)
        assert (steps, life.stood, life.start_took) == (["it does not answer"], 0.0, None)
        await trio.sleep(2)
        assert (life.stood, life.start_took) == (0.0, 2.0)
        await trio.sleep(15)
        assert life.stood == 10.0
    assert life.channel is None
    assert (life.stood, life.start_took) == (10.0, 2.0)
