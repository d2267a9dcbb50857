"""One gateway's connection, run: a pump, a writer, and a pulse that finds out when nobody is there any more.

Line.run
├─ gateway writer
├─ gateway pulse                pings, and takes a silent gateway for gone
└─ the pump                     is the task that runs it
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog
import trio

from lingma_trio.agent.socket import NORMAL, ServerSocket
from lingma_trio.errors import ChannelLost, ProtocolFault
from lingma_trio.lingma.writer import Writer

PULSE: Final = 0.4  # seconds between two pings of a gateway that has turns under way
MOST_SILENT: Final = 3  # pings in a row to which a gateway says nothing, not even that it is there
SELDOM: Final = 3  # pulses from one ping to the next of a gateway that has nothing under way
MOST_BEHIND: Final = 32 * 1024 * 1024
"""Bytes that wait for a gateway to read them; one that leaves more is cut off, so that it holds up nobody's memory."""

CLOSE_GRACE: Final = 0.2  # seconds for a goodbye and its answer

log = structlog.get_logger("lingma_trio.agent")


class Line:
    """The connection of one gateway, which calls itself so in the log. `post` and `hang_up` are for everybody."""

    def __init__(self, socket: ServerSocket, who: str) -> None:
        self._socket = socket
        self._who = who
        self._writer = Writer(lambda: None)
        self._scope = trio.CancelScope()
        self._heard = False

    def __repr__(self) -> str:
        return f"<Line {self._who} {self._socket!r} {self._writer!r}>"

    def post(self, frame: bytes) -> None:
        """Send a message, without waiting. A gateway that does not read what is sent is cut off."""
        if self._writer.size > MOST_BEHIND:
            self.hang_up(NORMAL, "the gateway does not read")
        if not self._scope.cancel_called:
            self._writer.post(frame)

    def hang_up(self, code: int, reason: str) -> None:
        """End the connection with this code. Never waits."""
        if not self._scope.cancel_called:
            self._socket.farewell = code
            self._scope.cancel(reason)
            log.info("gateway_hung_up_on", gateway=self._who, reason=reason)

    async def decline(self, code: int) -> None:
        """Close a connection that is of no use with this code, in the place of `run`."""
        self._socket.farewell = code
        with trio.move_on_after(CLOSE_GRACE):
            await self._socket.aclose()

    async def run(
        self,
        hear: Callable[[bytes], None],
        *,
        gone: Callable[[], None] = lambda: None,
        at_work: Callable[[], bool] = lambda: False,
    ) -> None:
        """Give `hear` what comes until the connection ends, and close it. `hear` may raise `ProtocolFault`.

        `gone` is called once nothing more will be heard, before the goodbye. While the gateway is `at_work` it is known
        soon that it is gone. Cancelling says goodbye within CLOSE_GRACE seconds.
        """
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._writer.run, self._socket, lambda: self._who, name="gateway writer")
                with self._scope:
                    async with trio.open_nursery() as heard:
                        heard.start_soon(self._pulse, at_work, name="gateway pulse")
                        await self._pump(hear)
                with trio.move_on_after(CLOSE_GRACE):  # hung up on: what was said before may arrive
                    await self._writer.settle()
                nursery.cancel_scope.cancel("hung up")
        except* (ChannelLost, ProtocolFault) as group:
            log.info("gateway_gone", gateway=self._who, reason=_first(group))
        finally:
            gone()
            self._writer.close()
            with trio.move_on_after(CLOSE_GRACE, shield=True):
                await self._socket.aclose()

    async def _pump(self, hear: Callable[[bytes], None]) -> None:
        self._writer.stir()
        while True:
            data = await self._socket.receive()
            self._heard = True
            if self._socket.owes:
                self._writer.stir()
            if data:
                hear(data)

    async def _pulse(self, at_work: Callable[[], bool]) -> None:
        """Ping. Raises `ChannelLost` within two seconds of the last that came, and within five while there is no work.

        Counted are pulses and not seconds: a loop that was held up has not read yet what came meanwhile. Most of many
        gateways have nothing under way at most agents, and a dead one is no harm there.
        """
        silent = 0
        while silent < MOST_SILENT:
            self._heard = False
            self._socket.ping()
            self._writer.stir()
            for _ in range(SELDOM):
                await trio.sleep(PULSE)
                if at_work():
                    break
            silent = 0 if self._heard else silent + 1
        raise ChannelLost("the gateway has fallen silent")


def _first(group: BaseExceptionGroup[Exception]) -> str:
    """What the first of them says, however deep it lies."""
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return str(found)
