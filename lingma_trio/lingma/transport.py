"""What a channel to upstream runs on: `websocket` to a Lingma, `acp.pipes` to an agent."""

from __future__ import annotations

from typing import Protocol


class Transport(Protocol):
    """What a channel runs on: a stream of framed JSON-RPC both ways, which one task reads and one writes."""

    @property
    def owes(self) -> bool:
        """Whether something of its own is to be sent, which `send` does before all else."""
        ...

    async def receive(self) -> bytes:
        """What came, in any cut, and maybe nothing. Raises `ChannelLost` at the end and `ProtocolFault`."""
        ...

    async def send(self, text: bytes = b"", /) -> None:
        """Send what is owed, and then one message, if it is one. Raises `ChannelLost`."""
        ...

    def offer(self, text: bytes, /) -> bool:
        """Take one message as far as that needs no wait, while nobody sends; what is left of it is owed then.

        Returns whether it was taken, be it in part. Never raises: a connection that is gone takes nothing.
        """
        ...

    async def aclose(self) -> None:
        """Close it, with a goodbye where there is one; cancelling leaves out the wait for its answer."""
        ...
