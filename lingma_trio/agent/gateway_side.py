"""The gateway's side of a relay: what it is told, and what it owes upstream an answer for.

Knows ids of messages on both sides. Must not know whose a turn is, or what a gateway may ask.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from lingma_trio.errors import ChannelLost
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.protocol.jsonrpc import Connection, Event, PeerId
from lingma_trio.protocol.request import Refusal, Reply


class GatewaySide:
    """One gateway, which `post` sends a message, and which answers what comes on `channel`. Nothing waits."""

    def __init__(self, channel: RpcChannel, post: Callable[[bytes], None]) -> None:
        self._channel = channel
        self._post = post
        self._rpc = Connection()
        self._owed: dict[int, tuple[PeerId, Reply]] = {}  # upstream's requests, and what answers them if nobody does

    def __repr__(self) -> str:
        return f"<GatewaySide owed={len(self._owed)}>"

    def read(self, data: bytes) -> list[Event]:
        """What the gateway said, in any cut. Raises `ProtocolFault`."""
        return self._rpc.receive(data)

    def tell(self, method: str, params: dict[str, Any]) -> None:
        """Tell the gateway something that wants no answer."""
        self._post(self._rpc.notify(method, params))

    def answer(self, number: PeerId, reply: Reply) -> None:
        """Give the gateway the answer to what it asked."""
        if isinstance(reply, Refusal):
            self._post(self._rpc.refuse(number, reply.code, reply.message, reply.data))
        else:
            self._post(self._rpc.answer(number, reply.value))

    def ask(self, number: PeerId, method: str, params: dict[str, Any]) -> None:
        """Have the gateway answer what upstream asks under `number`."""
        ours, frame = self._rpc.request(method, params)
        self._owed[ours] = number, self._channel.manners.stray_reply(method, params)
        self._post(frame)

    def replied(self, number: int, reply: Reply) -> None:
        """Pass on the gateway's answer to what it was asked under `number` of ours."""
        owed = self._owed.pop(number, None)
        if owed is not None and not self._channel.lost:
            self._channel.answer(owed[0], reply)

    def close(self) -> None:
        """Answer in its place what the gateway owes, for it is gone. On a life that is over that is nothing."""
        owed, self._owed = self._owed, {}
        if not self._channel.lost:
            with suppress(ChannelLost):  # too much waits to be written for an answer to matter
                for number, reply in owed.values():
                    self._channel.answer(number, reply)
