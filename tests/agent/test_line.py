"""A gateway's connection ends by itself where nobody is there any more, and holds up nobody else."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked
from wsproto import ConnectionType, WSConnection
from wsproto.events import CloseConnection, Ping, Pong, Request, TextMessage

from lingma_trio.agent.line import CLOSE_GRACE, MOST_BEHIND
from lingma_trio.agent.socket import ServerSocket
from lingma_trio.errors import ChannelLost
from lingma_trio.protocol.fleet_messages import instance_path
from lingma_trio.protocol.jsonrpc import Connection
from tests.agent.support import TOKEN, Town, town


async def mute_gateway(place: Town, *, sockets: bool = False) -> tuple[trio.abc.Stream, WSConnection]:
    """A gateway that shakes hands, and does nothing any more by itself; over `sockets` what it does not read waits."""
    stream: trio.abc.Stream = place.dial(sockets=sockets)
    wire = WSConnection(ConnectionType.CLIENT)
    target = instance_path(place.instance.name, place.instance.life)
    headers = [(b"authorization", f"Bearer {TOKEN}".encode())]
    await stream.send_all(wire.send(Request(host="agent", target=target, extra_headers=headers)))
    wire.receive_data(bytes(await stream.receive_some()))
    list(wire.events())
    return stream, wire


async def ask(stream: trio.abc.Stream, wire: WSConnection, key: str) -> None:
    """Put a question."""
    _, frame = Connection().request("chat/ask", {"requestId": key})
    await stream.send_all(wire.send(TextMessage(data=frame.decode())))


async def test_a_gateway_that_falls_silent_is_gone_within_two_seconds(autojump_clock: MockClock) -> None:
    """Its turns are stopped, though its connection stands; one that answers pings stays as long as it likes."""
    async with town() as place:
        stream, wire = await mute_gateway(place)
        await ask(stream, wire, "a")
        await place.peer.called("chat/ask")
        began = trio.current_time()
        lively = await place.connect()
        assert (await place.peer.called("chat/stop")).params == {"requestId": "a"}
        assert 1.0 <= trio.current_time() - began <= 2.0
        await trio.sleep(60)
        await lively.ask("chat/ask", requestId="b")
        await place.peer.called("chat/ask")


async def test_a_gateway_without_turns_is_asked_for_few_signs_of_life(autojump_clock: MockClock) -> None:
    """Once in 1.2 s, and every 0.4 s from its first turn on; silent for 5 s it is gone as well."""
    async with town() as place:
        stream, wire = await mute_gateway(place)
        pings: list[float] = []

        async def hear(seconds: float) -> list[float]:
            pings.clear()
            began = trio.current_time()
            with trio.move_on_after(seconds):
                while True:
                    wire.receive_data(bytes(await stream.receive_some()))
                    for event in wire.events():
                        if isinstance(event, Ping):
                            pings.append(trio.current_time() - began)
                            await stream.send_all(wire.send(event.response()))
            return [round(later - sooner, 3) for sooner, later in pairwise(pings)]

        assert set(await hear(12)) == {1.2}
        await ask(stream, wire, "a")
        assert set(await hear(4)) == {0.4}
        await place.peer.called("chat/ask")
        _, stop = Connection().request("chat/stop", {"requestId": "a"})
        await stream.send_all(wire.send(TextMessage(data=stop.decode())))
        assert set((await hear(12))[1:]) == {1.2}
        with trio.fail_after(5):
            while bytes(await stream.receive_some()):
                pass
        await wait_all_tasks_blocked()
        assert "lines=0" in repr(place.hosted)


async def test_a_gateway_that_reads_nothing_is_cut_off_alone() -> None:
    """What waits for it is bounded, however much its turn says; others have theirs as it comes."""
    async with town() as place:
        stream, wire = await mute_gateway(place, sockets=True)
        lively = await place.connect()
        await ask(stream, wire, "a")
        asked = await place.peer.called("chat/ask")
        await lively.ask("chat/ask", requestId="b")
        other = await place.peer.called("chat/ask")
        for _ in range(MOST_BEHIND // 2**20 + 2):
            await place.peer.text(asked, "x" * 2**20)
        await place.peer.called("chat/stop")
        await place.peer.text(other, "y")
        assert (await lively.pushed())[1]["text"] == "y"
        await trio.aclose_forcefully(stream)


async def test_pings_of_a_gateway_that_reads_nothing_are_not_kept() -> None:
    """The latest is answered, so that a flood of them leaves nothing behind, whatever it takes until it is cut off."""
    ours, theirs = memory_stream_pair()
    wire = WSConnection(ConnectionType.CLIENT)
    socket = ServerSocket(theirs, wire.send(Request(host="agent", target="/")))
    await socket.send()
    wire.receive_data(bytes(await ours.receive_some()))
    list(wire.events())
    for number in range(100):
        await ours.send_all(wire.send(Ping(payload=b"%d" % number)))
        await socket.receive()
    await socket.send(b"hello")
    wire.receive_data(bytes(await ours.receive_some()))
    pong, message = wire.events()
    assert (pong, message) == (Pong(payload=b"99"), TextMessage(data="hello"))
    await ours.send_all(wire.send(Ping()) + wire.send(CloseConnection(code=1000)))
    with pytest.raises(ChannelLost):
        await socket.receive()
    await socket.aclose()
    wire.receive_data(bytes(await ours.receive_some()))
    assert [type(event) for event in wire.events()] == [CloseConnection]


async def test_a_gateway_that_breaks_the_protocol_is_cut_off_alone(autojump_clock: MockClock) -> None:
    """In its frames, or in what they carry."""
    async with town() as place:
        stream, _ = await mute_gateway(place)
        other, wire = await mute_gateway(place)
        lively = await place.connect()
        await stream.send_all(b"\xff" * 20)
        await other.send_all(wire.send(TextMessage(data="{}")))
        await trio.sleep(CLOSE_GRACE)
        await wait_all_tasks_blocked()
        await lively.ask("chat/ask", requestId="b")
        await place.peer.called("chat/ask")
        assert repr(place.hosted) == "<Hosted one stopping=False lines=1 turns=1>"
