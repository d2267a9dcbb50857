"""A body is read to its end, or given up without anything left half open."""

from __future__ import annotations

import httpx2
import pytest
import trio

from lingma_trio.bootstrap.body import read_body
from lingma_trio.bootstrap.faults import BootstrapFault
from tests.bootstrap.publisher import PATIENCE, File, publishing

LARGE = bytes(range(256)) * 40_000


@pytest.mark.parametrize("fault", [BootstrapFault("enough"), OSError(28, "No space left on device")])
async def test_reading_ends_with_the_takers_fault(fault: Exception) -> None:
    """A taker that has had enough is told nothing more, its fault comes out, and the client can go on with others."""
    taken = []

    async def take(chunk: bytes) -> None:
        await trio.lowlevel.checkpoint()
        taken.append(chunk)
        raise fault

    async with publishing() as publisher, httpx2.AsyncClient() as client:
        publisher.files |= {"/large": File(LARGE), "/small": File(b"small")}
        with pytest.raises(type(fault)) as caught:
            async with client.stream("GET", f"{publisher.base}/large") as response:
                await read_body(response, take)
        assert (await client.get(f"{publisher.base}/small")).content == b"small"
    assert caught.value is fault
    assert len(taken) == 1


async def test_cancelling_waits_for_the_chunk_in_hand() -> None:
    """A chunk that is being taken in is taken in to its end, and no other one follows."""
    taken = []
    async with publishing() as publisher, httpx2.AsyncClient() as client:
        publisher.files["/large"] = File(LARGE)
        with trio.fail_after(PATIENCE), trio.CancelScope() as scope:

            async def take(chunk: bytes) -> None:
                scope.cancel("the test has seen enough")
                await trio.lowlevel.checkpoint()
                taken.append(chunk)

            async with client.stream("GET", f"{publisher.base}/large") as response:
                await read_body(response, take)
    assert scope.cancelled_caught
    assert len(taken) == 1
