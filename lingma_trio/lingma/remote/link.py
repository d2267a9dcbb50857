"""The link to one agent, over which it tells how its instances stand and takes orders; it is made again when it breaks.

What an agent told is kept while it cannot be reached, for who may know when it can again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Literal, NoReturn, TypeAlias

import structlog
import trio

from lingma_trio.errors import ChannelLost, InvalidRequest, ProtocolFault, RpcError, Unavailable, UpstreamTimeout
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.listeners import AnswerListener
from lingma_trio.lingma.remote.dial import Dialler, Unreachable
from lingma_trio.lingma.supervisor import supervise
from lingma_trio.policy.agent_address import AgentAddress
from lingma_trio.policy.backoff import Backoff
from lingma_trio.protocol.fleet_messages import FLEET, STATE, FleetState
from lingma_trio.protocol.framing import Framer
from lingma_trio.protocol.manners import ACP
from lingma_trio.protocol.request import Notice, Request

SILENCE = 3.0  # seconds without a word, of which one is due each second, after which an agent is taken for gone
UNTOLD = 5.0  # seconds without a word of how its instances stand, of which one is due at once and each second
ORDER_SECONDS = 45.0  # for an order; completing a login takes an agent up to 30 s
RETRY = 5.0  # seconds between two attempts at the most

FLEET_MANNERS: Final = replace(ACP, framer=Framer)
"""No push belongs to a turn, and no result is an error."""

Standing: TypeAlias = Literal["connecting", "connected", "unreachable"]

log = structlog.get_logger("lingma_trio.remote")


class AgentLink:
    """The link to the agent at `address`. `run` keeps it; all else is for other tasks.

    `on_state` is called with everything that it tells, and `on_lost` when it cannot be reached any more.
    """

    def __init__(
        self,
        address: AgentAddress,
        dialler: Dialler,
        *,
        on_state: Callable[[AgentLink, FleetState], None],
        on_lost: Callable[[AgentLink], None],
    ) -> None:
        self.address = address
        self.dialler = dialler
        self._on_state = on_state
        self._on_lost = on_lost
        self._channel: RpcChannel | None = None
        self._told = trio.Event()
        self._began = 0.0
        self._told_at = 0.0
        self.standing: Standing = "connecting"
        self.reason = ""
        """Why it is not connected, or what is wrong with what it tells; empty for nothing."""
        self.state = FleetState()
        """What it told last, with the models that it told before."""

    def __repr__(self) -> str:
        return f"<AgentLink {self.address} {self.standing}>"

    @property
    def name(self) -> str:
        """What people know it by."""
        return self.state.agent or str(self.address)

    @property
    def connected(self) -> bool:
        """Whether it told how its instances stand, and can be told something at this moment."""
        return self.standing == "connected"

    async def run(self) -> NoReturn:
        """Keep the link, with growing pauses after attempts that fail. Cancelling closes it."""
        await supervise(
            self._live,
            Backoff(first=0.25, cap=RETRY, stable_after=RETRY),
            on_end=self._ended,
            stood=lambda: trio.current_time() - self._began if self.connected else 0.0,
        )

    async def call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Have it do something, and return what it answers. Cancelling does not undo it.

        Raises `Unavailable` where it cannot be reached, or does not say whether it was done, and `InvalidRequest` where
        it will not do it.
        """
        channel = self._channel
        if channel is None or channel.lost or not self.connected:
            raise Unavailable(
                f"the agent {self.name} cannot be reached ({self.reason or 'it is being connected'}), so nothing was "
                "changed; try again once GET /readyz shows it, or do it there",
                retry_after=RETRY,
            )
        try:
            answer = await channel.call(method, params)
        except RpcError as refused:
            raise InvalidRequest(f"the agent {self.name} refused: {refused.message}") from refused
        except (ChannelLost, UpstreamTimeout) as lost:
            raise Unavailable(
                f"the agent {self.name} does not say whether it did it; look at GET /readyz", retry_after=RETRY
            ) from lost
        return answer if isinstance(answer, dict) else {}

    def tell(self, notice: Notice) -> None:
        """Let it know something, where it can be reached. Never waits."""
        if self._channel is not None:
            self._channel.tell(notice)

    def send(self, request: Request, listener: AnswerListener) -> int:
        """Ask for something whose answer goes to `listener`; its number, or 0 where it cannot be reached. Never waits.

        Nobody is told when the link breaks before the answer.
        """
        return self._channel.send(request, listener) if self._channel is not None else 0

    async def next_state(self) -> None:
        """Wait until it tells how its instances stand."""
        await self._told.wait()

    async def _live(self) -> None:
        socket = await self.dialler.open(self.address, FLEET)
        channel = RpcChannel(
            rpc_timeout=ORDER_SECONDS, on_push=self._pushed, on_error=_uncounted, manners=FLEET_MANNERS
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(channel.run, socket, name="RPC channel")
            self._channel = channel
            self._began = self._told_at = trio.current_time()
            nursery.start_soon(self._listen, channel, name="fleet watch")

    async def _listen(self, channel: RpcChannel) -> NoReturn:
        """End the link when the agent says nothing any more, with whatever waits for it."""
        while True:
            await trio.sleep_until(min(channel.read_at + SILENCE, self._told_at + UNTOLD))
            now = trio.current_time()
            if channel.read_at + SILENCE <= now:
                raise Unreachable(f"it has said nothing for {SILENCE:g} s; see whether it runs, and the network")
            if self._told_at + UNTOLD <= now:
                raise Unreachable(
                    f"it has not said for {UNTOLD:g} s how its instances stand; see whether an agent of this program's "
                    "version answers there, and LINGMA_AGENTS"
                )

    def _pushed(self, method: str, params: dict[str, Any]) -> None:
        if method != STATE:
            return
        self.state, self._told_at = FleetState.read(params).after(self.state), trio.current_time()
        if not self.connected:
            self.standing, self.reason = "connected", ""
            log.info("agent_connected", agent=self.name, address=str(self.address))
        self._on_state(self, self.state)
        told, self._told = self._told, trio.Event()
        told.set()

    def _ended(self, cause: Exception, pause: float) -> None:
        self._channel = None
        reason = str(cause)
        if isinstance(cause, ProtocolFault):
            reason = f"what answers there is no agent: {cause}; see LINGMA_AGENTS"
        if self.connected or self.reason != reason:
            log.warning("agent_unreachable", agent=self.name, reason=reason, next_attempt_in=round(pause, 2))
        self.standing, self.reason = "unreachable", reason
        self._on_lost(self)


def _uncounted(method: str) -> None:
    """What an agent does not do is told to whoever asked."""
    del method
