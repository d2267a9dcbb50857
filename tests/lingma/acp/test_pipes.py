"""Two pipes as what a channel runs on: what comes is handed on as it comes, and their end is the loss of it."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio
import trio.testing

from lingma_trio.errors import ChannelLost
from lingma_trio.lingma.acp.pipes import READ_SIZE, PipeTransport
from lingma_trio.lingma.channel import MOST_UNSENT
from lingma_trio.lingma.writer import WRITE_TIMEOUT
from lingma_trio.protocol.acp.messages import close
from tests.lingma.acp.peer import PATIENCE, agent_linked


async def test_bytes_go_both_ways() -> None:
    """In any cut."""
    ours, theirs = trio.testing.memory_stream_pair()
    transport = PipeTransport(ours)
    await transport.send(b"question\n")
    assert await theirs.receive_some() == b"question\n"
    await theirs.send_all(b"x" * (READ_SIZE + 1))
    assert [len(await transport.receive()) for _ in range(2)] == [READ_SIZE, 1]


async def test_end_is_the_loss_of_the_channel() -> None:
    """Of either pipe."""
    ours, theirs = trio.testing.memory_stream_pair()
    transport = PipeTransport(ours)
    assert not transport.offer(b"x"), "what a pipe has no room for waits in its writer"
    await theirs.aclose()
    with pytest.raises(ChannelLost):
        await transport.receive()
    with pytest.raises(ChannelLost):
        await transport.send(b"x")
    await transport.aclose()
    with pytest.raises(ChannelLost):
        await transport.receive()


async def test_agent_that_asks_and_does_not_read_is_lost() -> None:
    """An answer echoes the id, however long that is: what waits to be written is bounded all the same."""
    async with agent_linked(pipes=trio.testing.lockstep_stream_pair) as link:
        request = b'{"jsonrpc":"2.0","id":"%b","method":"fs/read_text_file"}\n' % (b"x" * 2**22)
        with trio.fail_after(PATIENCE), suppress(trio.BrokenResourceError):
            for _ in range(MOST_UNSENT // 2**22 + 4):
                await link.peer.stream.send_all(request)
        with trio.fail_after(PATIENCE):
            await link.ended.wait()
    assert [str(cause) for cause in link.endings] == ["the agent asks for more than it reads"]


async def test_agent_that_reads_nothing_is_lost(autojump_clock: trio.testing.MockClock) -> None:
    """Its pipe is full, and what waits would wait for ever."""
    async with agent_linked(pipes=trio.testing.lockstep_stream_pair) as link:
        began = trio.current_time()
        link.channel.tell(close("S0"))
        await link.ended.wait()
        assert trio.current_time() - began == WRITE_TIMEOUT
    assert [str(cause) for cause in link.endings] == ["the agent reads nothing"]
