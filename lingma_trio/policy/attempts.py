"""Slows down whoever tries tokens: after a few failures a peer has to wait, and so have all peers together after many.

Knows names of peers; must not know what is tried. Only failures are counted and only they wait: a right token is let
in whatever others do, so nobody can lock its bearer out. Time is an argument, in seconds of any clock that never goes
back.
"""

from __future__ import annotations

from collections import OrderedDict, deque

WINDOW = 60.0
"""Seconds for which a failure counts."""

LIMIT = 5
"""Failures of one peer within the window, after which it waits."""

LIMIT_OF_ALL = 50
"""Failures of all peers within the window, after which every failure waits: many peers are no way round the limit."""

PEERS_KEPT = 1024


class Attempts:
    """The failures of the last WINDOW seconds. Bounded: of too many peers the longest silent is forgotten first."""

    def __init__(self) -> None:
        self._by_peer: OrderedDict[str, deque[float]] = OrderedDict()
        self._of_all: deque[float] = deque(maxlen=LIMIT_OF_ALL)

    def __repr__(self) -> str:
        return f"<Attempts peers={len(self._by_peer)} failures={len(self._of_all)}>"

    def failed(self, peer: str, *, now: float) -> float:
        """A try of this peer failed; returns the seconds after which it may try again, 0 where that is at once.

        A try before that counts like any other, so who goes on waits on.
        """
        failures = self._by_peer.setdefault(peer, deque(maxlen=LIMIT))
        wait = max(_wait(failures, now), _wait(self._of_all, now))
        failures.append(now)
        self._of_all.append(now)
        self._by_peer.move_to_end(peer)
        if len(self._by_peer) > PEERS_KEPT:
            self._by_peer.popitem(last=False)
        return wait

    def knows(self, peer: str) -> bool:
        """Whether a try of this peer has failed, and none of it succeeded since."""
        return peer in self._by_peer

    def succeeded(self, peer: str) -> None:
        """A try of this peer succeeded: its failures were typing errors."""
        self._by_peer.pop(peer, None)


def _wait(failures: deque[float], now: float) -> float:
    """Until the oldest of as many failures as are allowed leaves the window."""
    if len(failures) < (failures.maxlen or 0):
        return 0.0
    return max(0.0, failures[0] + WINDOW - now)
