"""One life of one instance: a channel to be asked on, from its beginning to whatever ends it.

What all of them are. One that has a process here is `process_life`, one that is lived elsewhere `remote.life`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_hex

import trio

from lingma_trio.lingma.channel import RpcChannel


@dataclass(frozen=True, slots=True)
class LifeListener:
    """Who is told of a life: `on_step` what it waits for, `on_error` the method of each call that failed, and `on_room`
    that a turn ended or that what waited to be written has left.
    """

    on_step: Callable[[str], None]
    on_error: Callable[[str], None]
    on_room: Callable[[], None]


class Life(ABC):
    """One life, led by `live`."""

    what = "Lingma"
    """What the program is called in what people read."""
    login_remedy = (
        "Lingma is not logged in; sign in with `lingma-trio login --instance {}`, or carry a login over with "
        "`lingma-trio bundle`"
    )
    """What is told where nobody is signed in, with a gap for the instance's name. Anybody may read it, so it says which
    instance and not whose account."""

    def __init__(self, listener: LifeListener) -> None:
        self._listener = listener
        self._waiting_for = ""
        self._began = trio.current_time()
        self._ready_at: float | None = None
        self._last_sign = 0.0
        self.id = token_hex(8)
        """No other life has it, of this process or another: who holds it knows what holds a session."""
        self.channel: RpcChannel | None = None
        """Where to ask, from the handshake to the end of the life."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.channel!r}>"

    @property
    def stood(self) -> float:
        """Seconds from when it was ready to its last sign of life; 0 for one that never was."""
        if self._ready_at is None:
            return 0.0
        last = self.channel.read_at if self.channel is not None else self._last_sign
        return max(0.0, last - self._ready_at)

    @property
    def start_took(self) -> float | None:
        """Seconds from its beginning to when it was ready; None as long as it was not."""
        return None if self._ready_at is None else self._ready_at - self._began

    @property
    def worn(self) -> str:
        """Why it gets no further turn, although it is ready; empty where it does."""
        return ""

    @abstractmethod
    async def live(self) -> None:
        """Live until something ends it, which leaves as an exception group. Cancelling ends process and channel."""

    def _step(self, reason: str) -> None:
        self._waiting_for = reason
        self._listener.on_step(reason)

    def _let_go(self) -> None:
        """Take note that nothing can be asked any more."""
        if self.channel is not None:
            self._last_sign = self.channel.read_at
        self.channel = None
