"""One attempt to have a question answered; what follows its end is decided in `policy.sequel`."""

from __future__ import annotations

from dataclasses import dataclass

from lingma_trio.lingma.health import Asked
from lingma_trio.lingma.instance import Instance
from lingma_trio.lingma.turn import UpstreamTurn


@dataclass(slots=True)
class Attempt:
    """One question to one instance in one of its lives, in which some account is signed in.

    `continued` names the session that was to hold the rest, `answered` says that something has come.
    """

    instance: Instance
    life: str
    account: str
    turn: UpstreamTurn
    asked: Asked
    continued: str = ""
    answered: bool = False

    @property
    def alive(self) -> bool:
        """Whether the instance still lives that life."""
        return self.instance.life == self.life

    @property
    def replaced(self) -> bool:
        """Whether upstream answers out of another session than the one asked for: one that remembers nothing."""
        return bool(self.continued) and self.turn.answered_by not in ("", self.continued)
