"""Which turns are under way on a channel, and whose a push is.

Must not know what a turn does with it, or how anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lingma_trio.lingma.listeners import TurnListener
from lingma_trio.protocol.manners import Manners


class TurnRegistry:
    """The turns of one channel: each by the key of its request, and by names that upstream gave it since."""

    def __init__(self, manners: Manners) -> None:
        self._manners = manners
        self._turns: dict[str, TurnListener] = {}
        self._aliases: dict[str, TurnListener] = {}
        self._asked: dict[str, tuple[str, float]] = {}

    def __repr__(self) -> str:
        return f"<TurnRegistry {len(self)}>"

    def __len__(self) -> int:
        return len(self._turns)

    def all(self) -> list[TurnListener]:
        """Every turn, the oldest first."""
        return list(self._turns.values())

    def named(self, key: str) -> TurnListener | None:
        """The turn whose request has this key."""
        return self._turns.get(key)

    def add(self, key: str, listener: TurnListener, model: str, *, now: float) -> None:
        """Let pushes that name the request `key`, which asks `model`, be for `listener`."""
        self._turns[key] = listener
        self._asked[key] = model, now

    def alias(self, name: str, listener: TurnListener) -> None:
        """Let pushes that name no request of these but `name`, as `turn_keys` has it, be for `listener`."""
        self._aliases[name] = listener

    def unalias(self, name: str, listener: TurnListener) -> None:
        """Forget a name, where it is still this one's."""
        if self._aliases.get(name) is listener:
            del self._aliases[name]

    def holder(self, name: str) -> TurnListener | None:
        """Who has what is named only so, by the key of its request or since."""
        return self._turns.get(name) or self._aliases.get(name)

    def __contains__(self, key: str) -> bool:
        """Whether a turn of this key is there."""
        return key in self._turns

    def remove(self, key: str, aliases: Iterable[str]) -> bool:
        """Forget a turn, and those of these names that are still its own; whether it was there."""
        listener = self._turns.pop(key, None)
        self._asked.pop(key, None)
        for name in aliases:
            if self._aliases.get(name) is listener:
                self._aliases.pop(name, None)
        return listener is not None

    def find(self, method: str, params: dict[str, Any]) -> TurnListener | None:
        """Whose the push is, or None."""
        name = params.get(self._manners.named_by)
        if type(name) is str and (listener := self._turns.get(name)) is not None:
            return listener
        for key in self._manners.turn_keys(method, params):
            if (listener := self._turns.get(key) or self._aliases.get(key)) is not None:
                return listener
        return None

    def asked_since(self, moment: float, model: str = "") -> bool:
        """Whether a turn is there that began at `moment` or later, for this model where one is named."""
        return any(at >= moment and model in ("", name) for name, at in self._asked.values())

    def clear(self) -> None:
        """Forget all."""
        self._turns.clear()
        self._aliases.clear()
        self._asked.clear()
