"""What is counted of sessions."""

from __future__ import annotations

from collections import Counter
from typing import Literal, TypeAlias

from lingma_trio.sessions.commit import Commit

Gone: TypeAlias = Literal["account", "instance_gone", "life_ended"]
Reason: TypeAlias = Literal[
    "no_entry", "ambiguous", "answer_differs", "altered", "model", "tools",
    "account", "instance_gone", "life_ended", "evicted", "expired", "state_down", "failover",
]  # fmt: skip
"""Why a conversation that goes on has no session: nothing is known of it, or what is known, in this order.
Where gateways share sessions also that the store could not be asked, or that it is another server than the one that was
told of it."""

Missed: TypeAlias = Reason | Literal["busy", "refused"]
"""Also where there was a session: its instance had no room, or upstream refused it or began another."""


class Counters:
    """They only grow: `hits`, conversations that went on in a session; `misses` by their reason; `commits` by what
    became of the session; `evictions` for want of room; `expiries` for age.
    """

    def __init__(self) -> None:
        self.hits = 0
        self.misses: Counter[str] = Counter()
        self.commits: Counter[str] = Counter()
        self.evictions = 0
        self.expiries = 0

    def count(self, how: Commit) -> None:
        """Count what became of the session of a complete answer."""
        self.commits[how] += 1

    def count_miss(self, why: Missed) -> None:
        """Count a conversation that could not continue a session."""
        self.misses[why] += 1
