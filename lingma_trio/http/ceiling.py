"""Until when requests may take: their own time each, and what a drain leaves of it for all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Self

import structlog
import trio

from lingma_trio.errors import GatewayError, RequestTimeout, ShuttingDown

LAST_WORDS = 0.5
"""Seconds for telling clients that a drain ends their streams; less than the server leaves for it."""

log = structlog.get_logger("lingma_trio.http")


class Ceiling:
    """The latest moment at which requests end: GATEWAY_REQUEST_TIMEOUT each, and all of them when a drain runs out.

    That is when answers have to be made. What is made, or what is to be said of one that is not, has `delivery` seconds
    more to reach a client, in a drain LAST_WORDS.
    """

    def __init__(self, seconds: float, *, delivery: float) -> None:
        self._seconds = seconds
        self._delivery = delivery
        self._open: dict[trio.CancelScope, float] = {}  # with the seconds that each has beyond the drain
        self._drained_at: float | None = None

    @property
    def draining(self) -> bool:
        """Whether the gateway is on its way out."""
        return self._drained_at is not None

    def drain(self, seconds: float) -> None:
        """From now on requests have `seconds` left."""
        self._drained_at = trio.current_time() + seconds
        for scope, more in self._open.items():
            scope.deadline = min(scope.deadline, self._drained_at + more)

    @contextmanager
    def over(self) -> Iterator[trio.CancelScope]:
        """Bound the making of an answer, in a scope by which others may end it too.

        Raises `RequestTimeout`, or `ShuttingDown` where it was the drain.
        """
        scope = self._scope(self._seconds, 0)
        try:
            with scope:
                yield scope
        finally:
            del self._open[scope]
        if _is_overdue(scope):
            raise self._verdict()

    def over_both(self) -> Bound:
        """Bound the making of an answer as `over`, and once that is `made` its delivery, in one scope."""
        return Bound(self, self._scope(self._seconds, 0))

    @contextmanager
    def over_words(self) -> Iterator[trio.CancelScope]:
        """Bound what is said once the time of an answer is over, in a scope of its own: why it was not made, or what
        was made just then.
        """
        scope = self._scope(self._delivery, LAST_WORDS)
        with scope, self._watched(scope):
            yield scope

    def over_delivery(self, scope: trio.CancelScope) -> AbstractContextManager[None]:
        """Bound by `scope`, whose block this one is in, what goes on beside the making and beyond it. A response that
        is not sent by then is cut off.
        """
        scope.deadline = self._at_the_latest(trio.current_time() + self._seconds + self._delivery, LAST_WORDS)
        self._open[scope] = LAST_WORDS
        return self._watched(scope)

    def prolong(self, scope: trio.CancelScope) -> None:
        """Let a scope that bounded the making of an answer bound its delivery from now on."""
        self._open[scope] = LAST_WORDS
        scope.deadline = self._at_the_latest(scope.deadline + self._delivery, LAST_WORDS)

    def forget(self, scope: trio.CancelScope) -> None:
        """What was bounded by `scope` is over."""
        del self._open[scope]

    def judge(self, bound: Bound) -> None:
        """Raise as `over` where what `bound` was for was not made in time, and tell of a client that was too slow."""
        if _is_overdue(bound.scope):
            if not bound.is_made:
                raise self._verdict()
            self._tell_slow()

    @contextmanager
    def _watched(self, scope: trio.CancelScope) -> Iterator[None]:
        """Forget the scope at the end of the block, and tell where its time was over by then."""
        try:
            yield
        except trio.Cancelled:
            if trio.current_time() >= scope.deadline:
                self._tell_slow()
            raise
        finally:
            del self._open[scope]

    def _scope(self, seconds: float, more: float) -> trio.CancelScope:
        scope = trio.CancelScope(deadline=self._at_the_latest(trio.current_time() + seconds, more))
        self._open[scope] = more
        return scope

    def _at_the_latest(self, deadline: float, more: float) -> float:
        return deadline if self._drained_at is None else min(deadline, self._drained_at + more)

    def _tell_slow(self) -> None:
        log.info("client_too_slow", seconds=self._seconds + self._delivery)

    def _verdict(self) -> GatewayError:
        if self._drained_at is not None and trio.current_time() >= self._drained_at:
            return ShuttingDown("the gateway is stopping; send the request again in a moment", retry_after=5)
        return RequestTimeout(f"the request took longer than {self._seconds:g} s (GATEWAY_REQUEST_TIMEOUT)")


class Bound:
    """The block of one answer whose making and delivery follow each other; see `Ceiling.over_both`. A class, since each
    request has one and a generator for it costs three times the calls.
    """

    __slots__ = ("_ceiling", "is_made", "scope")

    def __init__(self, ceiling: Ceiling, scope: trio.CancelScope) -> None:
        self._ceiling = ceiling
        self.scope = scope
        self.is_made = False

    def __repr__(self) -> str:
        return f"<Bound is_made={self.is_made}>"

    def __enter__(self) -> Self:
        self.scope.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        try:
            caught = self.scope.__exit__(kind, fault, trace)
        finally:
            self._ceiling.forget(self.scope)
        if caught:  # and nothing else went wrong beside it
            self._ceiling.judge(self)
        return caught

    def made(self) -> bool:
        """The answer is there, or why there is none; what is left to do is to deliver that.

        Returns whether that can be done here: what was ended meanwhile, as while the store is told, which nothing cuts
        short, has nothing more done in it.
        """
        self.is_made = True
        if self.scope.cancel_called:
            return False
        self._ceiling.prolong(self.scope)
        return True


def _is_overdue(scope: trio.CancelScope) -> bool:
    """Whether it ended at its deadline, and not by somebody's word."""
    return scope.cancelled_caught and trio.current_time() >= scope.deadline
