"""A life that has a process: what it goes through, what ends it, and that nothing of it is left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from lingma_trio.errors import ChannelLost, InstanceDown, ProtocolFault, RateLimited
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.health import Asked, Health
from lingma_trio.lingma.life import LifeListener
from lingma_trio.lingma.options import LingmaOptions
from lingma_trio.lingma.process import LingmaProcess
from lingma_trio.lingma.process_life import EXIT_GRACE, ProcessLife
from lingma_trio.lingma.work_dir import NOTE
from tests.lingma.played import Program
from tests.peers import leaves

STARTS_IN, STARTUP_TIMEOUT = 1.0, 5.0
Preparing = Callable[[Callable[[str], None]], Awaitable[None]]


class Led(ProcessLife):
    """A life of a played program, which can be asked after `starts_in` seconds and ends by `fault` when told to."""

    what = "the program"

    def __init__(
        self, place: Path, *, starts_in: float = STARTS_IN, prepare: Preparing | None = None, unusable: bool = False
    ) -> None:
        options = LingmaOptions(
            name="lingma-0",
            command=("lingma",),
            work_dir=place,
            port=0,
            startup_timeout=STARTUP_TIMEOUT,
            rpc_timeout=1,
            prepare=prepare,
        )
        self.steps: list[str] = []
        self.went: list[str] = []
        self.changes: list[float] = []
        health = Health("lingma-0", most=0, on_change=lambda: self.changes.append(trio.current_time()))
        super().__init__(options, health, LifeListener(self.steps.append, lambda _: None, lambda: None))
        self.health = health
        self.program = Program()
        self.noted = ""
        self._starts_in = starts_in
        self._unusable = unusable
        self._fault: Exception | None = None
        self._faulty = trio.Event()

    def fail(self, fault: Exception) -> None:
        """Have one of its tasks fail."""
        self._fault = fault
        self._faulty.set()

    async def _prepare(self) -> None:
        await trio.lowlevel.checkpoint()
        self.went.append("prepared")
        if self._unusable:
            raise InstanceDown("no room")

    def _open_process(self) -> AbstractAsyncContextManager[LingmaProcess]:
        return self.program.run()

    async def _begin(self, life: trio.Nursery, process: LingmaProcess) -> None:
        assert process.pid == self.program.pid
        self.noted = (self._place / NOTE).read_text()
        self._step("it does not answer")
        await trio.sleep(self._starts_in)
        self.channel = RpcChannel(rpc_timeout=1, on_push=lambda *_: None, on_error=lambda _: None)
        life.start_soon(self._break)
        self.went.append("begun")

    def _keep(self, life: trio.Nursery) -> None:
        assert self.start_took is not None
        self.went.append("kept")

    def _where_to_look(self) -> str:
        return "see its log"

    def _end(self) -> None:
        assert not self.program.running
        assert self.channel is None
        self.went.append("ended")

    async def _break(self) -> None:
        await self._faulty.wait()
        assert self._fault is not None
        raise self._fault

    def nothing_is_left(self) -> bool:
        """Whether process, channel and note are gone."""
        return not self.program.running and self.channel is None and not (self._place / NOTE).exists()


async def end_of(life: Led) -> list[Exception]:
    """Live it to its end; returns what ended it."""
    causes: list[Exception] = []
    try:
        await life.live()
    except* (InstanceDown, ChannelLost, ProtocolFault) as group:
        causes += leaves(group)
    return causes


async def test_life_leaves_nothing_behind(tmp_path: Path, autojump_clock: MockClock) -> None:
    """It is noted where it runs as long as it does, and can be asked from when it has begun; cancelling ends all."""
    life = Led(tmp_path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.live)
        await trio.sleep(STARTUP_TIMEOUT * 2)  # which bounds the start alone
        assert life.program.running
        assert life.went == ["prepared", "begun", "kept"]
        assert life.start_took == STARTS_IN
        assert life.noted.split()[::2] == [str(life.program.pid), Program.mark]
        nursery.cancel_scope.cancel("the test is over")
    assert life.went[3:] == ["ended"]
    assert life.nothing_is_left()


async def test_end_of_the_process_ends_the_life(tmp_path: Path, autojump_clock: MockClock) -> None:
    """At once and with its last words, whether it could be asked already or not."""
    for seconds in (STARTS_IN / 2, STARTS_IN * 2):
        life, began = Led(tmp_path), trio.current_time()
        async with trio.open_nursery() as nursery:

            async def live(life: Led, began: float, seconds: float) -> None:
                (cause,) = await end_of(life)
                assert isinstance(cause, InstanceDown)
                assert (str(cause), cause.detail) == ("the program ended with status 3", Program.tail)
                assert trio.current_time() == began + seconds

            nursery.start_soon(live, life, began, seconds)
            await trio.sleep(seconds)
            life.program.exit(3)
        assert life.went[-1] == "ended"
        assert life.nothing_is_left()


async def test_slow_start_ends_the_life(tmp_path: Path, autojump_clock: MockClock) -> None:
    """With what it waited for last, where to look, and what the program said; it was never ready."""
    life = Led(tmp_path, starts_in=STARTUP_TIMEOUT + 1)
    (cause,) = await end_of(life)
    assert isinstance(cause, InstanceDown)
    assert str(cause) == (
        "the program was not ready within 5 s: it does not answer; see its log, or raise LINGMA_STARTUP_TIMEOUT"
    )
    assert cause.detail == Program.tail
    assert trio.current_time() == STARTUP_TIMEOUT
    assert (life.start_took, life.went) == (None, ["prepared", "ended"])
    assert life.nothing_is_left()


@pytest.mark.parametrize("after", [None, EXIT_GRACE / 2, EXIT_GRACE * 2], ids=["never", "soon", "late"])
async def test_lost_channel_waits_for_what_explains_it(
    after: float | None, tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A process that ends a moment later is told of beside the loss; nothing else is waited for."""
    life = Led(tmp_path)
    causes: list[Exception] = []
    async with trio.open_nursery() as nursery:

        async def live() -> None:
            causes.extend(await end_of(life))
            assert trio.current_time() == STARTS_IN + min(after or EXIT_GRACE, EXIT_GRACE)

        nursery.start_soon(live)
        await trio.sleep(STARTS_IN)
        life.fail(ChannelLost("gone"))
        if after is not None:
            await trio.sleep(after)
            life.program.exit(1)
    assert {type(cause) for cause in causes} == (
        {ChannelLost, InstanceDown} if after == EXIT_GRACE / 2 else {ChannelLost}
    )
    assert life.nothing_is_left()


async def test_other_fault_ends_the_life_at_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    """It needs no end of a process to explain it."""
    life, fault = Led(tmp_path), ProtocolFault("no JSON")
    life.fail(fault)
    assert await end_of(life) == [fault]
    assert trio.current_time() == STARTS_IN
    assert life.nothing_is_left()


async def test_what_has_to_be_there_first_is_no_part_of_the_start(tmp_path: Path, autojump_clock: MockClock) -> None:
    """It is waited for before anything is made ready, and says how far it is; the next start has not to wait for it."""
    heard: list[list[str]] = []

    async def prepare(report: Callable[[str], None]) -> None:
        report("it is downloaded")
        heard.append([*life.steps, *life.went])
        await trio.sleep(100)

    life = Led(tmp_path, prepare=prepare)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.live)
        await trio.sleep(100 + 2 * STARTS_IN)
        assert heard == [["it is downloaded"]]
        assert life.start_took == STARTS_IN
        nursery.cancel_scope.cancel("the test is over")


async def test_place_that_is_not_ready_starts_nothing(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Neither is anything noted, and there is nothing to be let go of."""
    life = Led(tmp_path, unusable=True)
    (cause,) = await end_of(life)
    assert str(cause) == "no room"
    assert life.went == ["prepared"]
    assert life.noted == ""


async def test_end_of_a_rest_is_told(tmp_path: Path, autojump_clock: MockClock) -> None:
    """As long as the life is there, so that who waits may ask again."""
    life = Led(tmp_path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(life.live)
        await trio.sleep(STARTS_IN)
        await trio.testing.wait_all_tasks_blocked()
        life.health.failed(RateLimited("too many", retry_after=10), Asked("", trio.current_time()))
        await trio.sleep(20)
        assert life.changes == [STARTS_IN + 10]
        nursery.cancel_scope.cancel("the test is over")
