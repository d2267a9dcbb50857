"""A gateway that talks to a relay without any connection between."""

from __future__ import annotations

from typing import Any

from lingma_trio.agent.relay import Relay
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.protocol.jsonrpc import Connection, Event
from lingma_trio.protocol.request import Refusal


class DirectGateway:
    """One gateway's end. `came` is what the relay said and nobody has taken yet."""

    def __init__(self, channel: RpcChannel) -> None:
        self.rpc = Connection()
        self.came: list[Event] = []
        self.lost = 0
        self.refusal: Refusal | None = None
        self.relay = Relay(channel, refusal=lambda: self.refusal, post=self._hear, lost=self._lose)

    def ask(self, method: str, **params: Any) -> int:  # noqa: ANN401 - any JSON
        """Send a request; returns its number."""
        number, frame = self.rpc.request(method, params)
        self.relay.hear(frame)
        return number

    def tell(self, method: str, **params: Any) -> None:  # noqa: ANN401 - any JSON
        """Send what has no answer."""
        self.relay.hear(self.rpc.notify(method, params))

    def take(self) -> list[Event]:
        """What came since the last time."""
        came, self.came = self.came, []
        return came

    def _hear(self, frame: bytes) -> None:
        self.came += self.rpc.receive(frame)

    def _lose(self, error: object) -> None:
        del error
        self.lost += 1
