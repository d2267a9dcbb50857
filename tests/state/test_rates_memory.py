"""The dues of a request where one gateway serves alone."""

from __future__ import annotations

import trio
from trio.testing import assert_no_checkpoints

from lingma_trio.state.rates import Limits
from lingma_trio.state.rates_memory import LocalDues


async def test_nothing_waits_where_one_gateway_serves_alone() -> None:
    """No request is delayed by as much as a step of the loop for what it may use."""
    limits = Limits("ann", requests=1, tokens=10, places=1)
    with assert_no_checkpoints():
        dues = LocalDues(limits)
        assert (await dues.admit(0.0), dues.charge(10, 0.0), await dues.entry.come_in()) == (0, 0, True)
        dues.owe(5, 0.0)
        dues.close(0)
        dues.abandon()
        assert await LocalDues(limits).admit(0.0) > 0
    await trio.lowlevel.checkpoint()
