"""Sessions of one instance elsewhere that nobody goes on with, until its agent has heard of each.

The link to an agent breaks and comes back while the life there goes on, which is as long as it keeps a session that
nobody closes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lingma_trio.lingma.listeners import AnswerListener
from lingma_trio.protocol.fleet_messages import DISCARD
from lingma_trio.protocol.request import Refusal, Request

MOST: Final = 1000
"""Sessions that wait for the link; the oldest are let go of, and end with their life."""


class Discards:
    """Of the instance called `name`. `ask` sends a request to its agent, and returns its number, 0 where it cannot.

    Nothing waits. `told` has to be called with the life that goes on there, and `lost` when the link breaks.
    """

    def __init__(self, name: str, ask: Callable[[Request, AnswerListener], int]) -> None:
        self._name = name
        self._ask = ask
        self._unheard: dict[tuple[str, str], int] = {}  # life and session, by the number of the request, 0 for none
        self._sent: dict[int, tuple[str, str]] = {}

    def __repr__(self) -> str:
        return f"<Discards {self._name} sent={len(self._sent)} of {len(self._unheard)}>"

    def __len__(self) -> int:
        return len(self._unheard)

    def add(self, life: str, session_id: str) -> None:
        """Have the agent close a session, at once or when it can be told."""
        key = life, session_id
        if key not in self._unheard:
            self._unheard[key] = 0
            if len(self._unheard) > MOST:
                self._forget(next(iter(self._unheard)))
            self._send(key)

    def told(self, life: str) -> None:
        """Take note of the life that goes on: of others nothing is left, and of this one all is told."""
        for key, number in list(self._unheard.items()):
            if key[0] != life:
                self._forget(key)
            elif not number:
                self._send(key)

    def lost(self) -> None:
        """Take note that what was not answered may not have arrived."""
        self._sent.clear()
        self._unheard = dict.fromkeys(self._unheard, 0)

    # What the channel calls.

    def answered(self, number: int, result: object) -> None:
        """The agent has heard of it."""
        del result
        if key := self._sent.get(number):
            self._forget(key)

    def refused(self, number: int, refusal: Refusal) -> None:
        """It will not do it; asking again would help nobody."""
        self.answered(number, refusal)

    def _send(self, key: tuple[str, str]) -> None:
        life, session_id = key
        number = self._ask(Request(DISCARD, {"name": self._name, "life": life, "session": session_id}), self)
        if number:
            self._unheard[key] = number
            self._sent[number] = key

    def _forget(self, key: tuple[str, str]) -> None:
        self._sent.pop(self._unheard.pop(key), None)
