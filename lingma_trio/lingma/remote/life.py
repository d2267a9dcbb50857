"""One life of an instance elsewhere, as one gateway has it: a channel to it, through its agent.

RemoteLife.live
└─ LIFE NURSERY
   ├─ channel              pump and writer
   ├─ reach watch          an agent that is gone, or silent here, takes the life along
   └─ rest watch
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, NoReturn

import trio

from lingma_trio.errors import ChannelLost
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.health import Health
from lingma_trio.lingma.life import Life, LifeListener
from lingma_trio.lingma.remote.sessions import RemoteSessions
from lingma_trio.lingma.remote.watch import RemoteWatch
from lingma_trio.lingma.websocket import WebSocket
from lingma_trio.protocol.fields import mapping, string
from lingma_trio.protocol.fleet_messages import DOUBT, instance_path
from lingma_trio.protocol.framing import Framer
from lingma_trio.protocol.manners import ACP, LINGMA

ACP_MANNERS: Final = replace(ACP, framer=Framer)
"""Agents frame all alike, whatever the program is framed in."""

PULSE: Final = 1.0  # seconds between two looks whether something came; an agent pings in each, or in each second one
MOST_SILENT: Final = 3  # looks in a row that found nothing


@dataclass(frozen=True, slots=True)
class Way:
    """The way to one instance: `dial` opens a WebSocket to a path of its agent, `on_open` is called when a life can be
    asked, and `discard` tells of a session, in a life, that nobody goes on with. `rpc_timeout` are the seconds for the
    answer to a call, `session_ttl` those for which a session is gone on with, 0 for never.
    """

    dial: Callable[[str], Awaitable[WebSocket]]
    on_open: Callable[[], None]
    discard: Callable[[str, str], None]
    rpc_timeout: float = 30.0
    session_ttl: float = 0.0


class RemoteLife(Life):
    """One life of one instance elsewhere. `watch` and `health` are the instance's, which has many lives."""

    def __init__(self, watch: RemoteWatch, health: Health, way: Way, listener: LifeListener) -> None:
        super().__init__(listener)
        self._watch = watch
        self._health = health
        self._way = way
        if watch.program is not None:
            self.what = "the agent"

    async def live(self) -> None:
        """Wait until it can be asked, and let it be until something ends it, which leaves as an exception group."""
        life = await self._watch.life()
        self._began = trio.current_time()
        socket = await self._way.dial(instance_path(self._watch.report.name, life))
        try:
            async with trio.open_nursery() as nursery:
                channel = self._make_channel(life)
                await nursery.start(channel.run, socket, name="RPC channel")
                self.id = life
                self.channel = channel
                self._ready_at = trio.current_time()
                if channel.sessions is not None and self._way.session_ttl:
                    channel.sessions.keep_for(self._way.session_ttl)
                self._way.on_open()
                nursery.start_soon(self._watch_reach, socket, name="reach watch")
                nursery.start_soon(self._health.watch, name="rest watch")
        finally:
            self._let_go()

    async def _watch_reach(self, socket: WebSocket) -> NoReturn:
        """Raise `ChannelLost` once its agent cannot be reached, or is heard of elsewhere alone: a connection whose way
        was cut looks as if nothing were said, and turns would wait on it for as long as they may.

        Counted are looks and not seconds: a loop that was held up has not read yet what came meanwhile.
        """
        silent = 0
        while silent < MOST_SILENT:
            before = socket.reads
            with trio.move_on_after(PULSE):
                await self._watch.gone()
                raise ChannelLost(f"its agent cannot be reached: {self._watch.away}")
            silent = silent + 1 if socket.reads == before else 0
        raise ChannelLost("its connection has fallen silent; see the network between the gateway and its agent")

    def _make_channel(self, life: str) -> RpcChannel:
        acp = self._watch.program is not None
        channel = RpcChannel(
            rpc_timeout=self._way.rpc_timeout,
            on_push=lambda method, params: _doubt(channel, method, params),
            on_error=self._listener.on_error,
            manners=ACP_MANNERS if acp else LINGMA,
        )
        channel.terms = self._watch.report.terms
        channel.on_room = self._listener.on_room
        if acp:
            channel.sessions = RemoteSessions(
                self._watch.report.name, channel, self._watch.oddities, discard=partial(self._way.discard, life)
            )
        return channel


def _doubt(channel: RpcChannel, method: str, params: dict[str, Any]) -> None:
    """Tell a turn of an error that may be its own or another's; what else belongs to no turn concerns the agent."""
    turn = channel.registry.named(string(params, "turn")) if method == DOUBT else None
    if turn is not None:
        turn.doubted(mapping(params, "error"))
