"""The newest requests, a line each, and of the failed ones a few more, so that a busy hour does not push them out.

Knows what became of a request, never what was asked or answered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from lingma_trio.records import record

KEPT = 30
FAILURES_KEPT = 15
UNHARMED = frozenset({"ok", "cancelled", "cancelled_by_operator"})
"""Outcomes that are no failure: a client that leaves has its reasons, and so has the operator."""


@record
class RequestLine:
    """What became of one request.

    `at` is when it ended, in seconds since the epoch; `seconds` is how long it took. `session` is `hit`, `miss`,
    `opening` or `off`, and empty where it came to no session; `miss` is why one that went on found none. Tokens are
    estimates. `key` names whose it is, `client` the program, by its own word, and `spans` the stages that it passed
    with their seconds.
    """

    id: str
    at: float
    route: str
    model: str
    instance: str
    session: str
    miss: str
    prompt_tokens: int
    answer_tokens: int
    seconds: float
    outcome: str
    key: str = ""
    client: str = ""
    spans: tuple[tuple[str, float], ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the gateway, or Lingma, did not do what was asked."""
        return self.outcome not in UNHARMED


class RecentRequests:
    """A bounded memory of requests, newest first."""

    def __init__(self, *, kept: int = KEPT, failures_kept: int = FAILURES_KEPT) -> None:
        self._lines: deque[RequestLine] = deque(maxlen=kept)
        self._failures: deque[RequestLine] = deque(maxlen=failures_kept)

    def __repr__(self) -> str:
        return f"<RecentRequests {len(self._lines)} failures={len(self._failures)}>"

    def add(self, line: RequestLine) -> None:
        """Remember a request that has ended."""
        self._lines.appendleft(line)
        if line.failed:
            self._failures.appendleft(line)

    @property
    def lines(self) -> Sequence[RequestLine]:
        """The newest requests, whatever became of them."""
        return tuple(self._lines)

    @property
    def failures(self) -> Sequence[RequestLine]:
        """The newest of those that failed."""
        return tuple(self._failures)
