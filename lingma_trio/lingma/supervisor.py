"""Keeps something alive for ever: one life after another, with growing pauses between those that end badly."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import trio

from lingma_trio.errors import ChannelLost, InstanceDown, InstanceRestarted, ProtocolFault, RpcError, UpstreamTimeout
from lingma_trio.policy.backoff import Backoff

ON_PURPOSE = "restarted by the operator"
ENDINGS = (
    ProtocolFault,
    InstanceDown,
    UpstreamTimeout,
    RpcError,
    ChannelLost,
    OSError,
)
"""How a life may end; each explains those after it, which it brings about: a program that broke the protocol is hung up
on, and may end of that. Anything else is a bug and goes up the tree, where it stops the gateway."""


class Turnover:
    """Lets another task have the next life begin now, in place of the one that runs or of the pause before it."""

    def __init__(self) -> None:
        self._present = trio.CancelScope()

    def __repr__(self) -> str:
        return f"<Turnover asked={self._present.cancel_called}>"

    def ask(self, reason: str) -> None:
        """End what runs, life or pause; the next life follows as soon as it has let go. Never waits."""
        self._present.cancel(reason)

    @contextmanager
    def span(self) -> Iterator[trio.CancelScope]:
        """Let the block, a life or a pause, be ended by `ask`."""
        with trio.CancelScope() as self._present:
            yield self._present


async def supervise(
    live: Callable[[], Awaitable[None]],
    backoff: Backoff,
    *,
    on_end: Callable[[Exception, float], None],
    stood: Callable[[], float],
    turnover: Turnover | None = None,
) -> NoReturn:
    """Run `live` again and again; after each end tell `on_end` the cause and the seconds until the next life.

    `stood` says for how many seconds the life that ended was of use, which is what the pauses go by: one that takes
    long to fail has failed all the same.

    Each life is a task of its own. Only the causes in ENDINGS are survived; of several that come together the one that
    explains most is told, and anything else leaves in an exception group. A life that `turnover` ends is no failure:
    the next one follows at once, and the pauses begin with the shortest again; `InstanceDown.pause` tells of others.
    Cancelling ends the life that is running, and with it the supervision.
    """
    turnover = turnover or Turnover()
    lives = 0
    while True:
        lives += 1
        cause: Exception = InstanceDown("ended without a reason")
        with turnover.span() as life:
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(live, name=f"life {lives}")
            except* ENDINGS as group:
                cause = _deepest(group)
        if life.cancel_called:
            cause = InstanceRestarted(ON_PURPOSE)
        pause = _pause(cause, backoff, stood())
        on_end(cause, pause)
        with turnover.span() as rest:
            await trio.sleep(pause)
        if rest.cancel_called:
            backoff.reset()


def _pause(cause: Exception, backoff: Backoff, stood: float) -> float:
    kind = cause.pause if isinstance(cause, InstanceDown) else "growing"
    if kind == "growing":
        return backoff.next_delay(stood)
    backoff.reset()
    return backoff.longest_delay() if kind == "longest" else 0.0


def _deepest(group: BaseExceptionGroup[Exception]) -> Exception:
    """The cause to show: a process that ended explains a lost channel, and not the other way round."""
    return min(_leaves(group), key=lambda cause: [isinstance(cause, kind) for kind in ENDINGS].index(True))


def _leaves(group: BaseExceptionGroup[Exception]) -> list[Exception]:
    found: list[Exception] = []
    for member in group.exceptions:
        found.extend(_leaves(member) if isinstance(member, BaseExceptionGroup) else [member])
    return found
