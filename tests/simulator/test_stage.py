"""Stage: answers keep their time, share the wire fairly and wait for clients that do not read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from tests.simulator.support import simulated

if TYPE_CHECKING:
    from pathlib import Path

PATIENT = ("first=0", "gap=0", "deltas=5", "empties=0", "ids=1", "ack_wait=3")
PUSHES = 2 + 5 + 2  # process steps, deltas, title and finish


async def test_hundreds_of_answers_keep_their_time(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """Deadlines are absolute: the last delta is as punctual as the first."""
    async with simulated(tmp_path, "first=1", "gap=0.02", "deltas=50", "empties=0") as house:
        caller = await house.connect()
        began = trio.current_time()
        for _ in range(100):
            await caller.ask("hi")
        for _ in range(100):
            await caller.rest()
        deltas = [push for push in caller.pushes if push.method == "chat/answer"]
        assert len(deltas) == 100 * 50
        assert deltas[-1].at - began == pytest.approx(1 + 49 * 0.02, abs=0.005)


async def test_a_burst_leaves_the_others_their_turn(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """An answer that comes all at once does not come before everything else."""
    async with simulated(tmp_path, "first=0", "gap=0", "empties=0") as house:
        caller = await house.connect()
        await caller.ask("#simulate deltas=3000", request_id="long")
        await caller.ask("#simulate deltas=10", request_id="short")
        assert (await caller.rest()).finish["requestId"] == "short"
        assert (await caller.rest()).finish["requestId"] == "long"


async def test_a_client_that_does_not_read_holds_up_its_own_answer_only(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """What it was not sent is not held in memory; when it reads on, the answer is complete."""
    async with simulated(tmp_path, "first=0", "gap=0", "empties=0") as house:
        slow, quick = await house.connect(buffered=False), await house.connect()
        await slow.ask("#simulate deltas=900 chars=1000")
        assert (await quick.answer("hi")).finish["statusCode"] == 200
        stats = await quick.call("sim/stats")
        assert stats["active"] == 1
        assert stats["pushes"] < 600
        assert len((await slow.rest()).deltas) == 900


async def test_acknowledged_pushes_follow_each_other_at_once(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """With ids and a wait, a client that replies loses no time."""
    async with simulated(tmp_path, *PATIENT) as house:
        caller = await house.connect()
        began = trio.current_time()
        assert len((await caller.answer("hi")).pushes) == PUSHES
        assert trio.current_time() - began < 1


async def test_a_client_that_does_not_reply_slows_its_answer_down(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """Each push waits its time for the reply before the next one is sent; the text arrives anyway."""
    async with simulated(tmp_path, *PATIENT) as house:
        caller = await house.connect()
        caller.acknowledges = False
        began = trio.current_time()
        answer = await caller.answer("hi")
        assert len(answer.deltas) == 5
        assert trio.current_time() - began == pytest.approx(3 * (PUSHES - 1), abs=0.1)


async def test_a_stop_does_not_wait_for_a_reply(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """The push that waited is forgotten."""
    async with simulated(tmp_path, "ids=1", "ack_wait=1000") as house:
        caller = await house.connect()
        caller.acknowledges = False
        request_id = await caller.ask("hi")
        await caller.push()
        began = trio.current_time()
        await caller.call("chat/stop", {"requestId": request_id})
        assert (await caller.rest()).finish["reason"] == "cancelled"
        assert trio.current_time() - began < 1


@pytest.mark.parametrize("fault", ["crash_mid", "stall_mid"])
async def test_faults_strike_between_acknowledged_pushes_too(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, fault: str
) -> None:
    """Waiting for replies changes when pushes come, not which."""
    async with simulated(tmp_path, *PATIENT) as house:
        caller = await house.connect()
        await caller.ask(f"#simulate fault={fault}")
        with trio.move_on_after(100):
            while True:
                await caller.event()
        assert [push.method for push in caller.pushes].count("chat/answer") == 2
        assert len(house.crashes) == (fault == "crash_mid")
