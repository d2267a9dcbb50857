"""One attempt to have a question answered; what follows its end is decided in `policy.sequel`."""

from __future__ import annotations

from dataclasses import dataclass

from lingma_trio.lingma.health import Asked
from lingma_trio.lingma.instance import Instance
from lingma_trio.lingma.turn import UpstreamTurn


@dataclass(slots=True)
class Attempt:
    """One question to one instance in one of its lives, in which some account is signed in.

    `continued` names the session that was to hold the rest, `mends` is true of one that puts an earlier answer right,
    and `answered` says that something has come.
    """

    instance: Instance
    life: str
    account: str
    turn: UpstreamTurn
    asked: Asked
    continued: str = ""
    mends: bool = False
    answered: bool = False

    @property
    def alive(self) -> bool:
        """Whether the instance still lives that life, under the same account: its sessions can be gone on with."""
        return self.instance.life == self.life and self.instance.account.name == self.account

    @property
    def replaced(self) -> bool:
        """Whether upstream answers out of another session than the one asked for: one that remembers nothing."""
        return bool(self.continued) and self.turn.answered_by not in ("", self.continued)

    @property
    def proved(self) -> bool:
        """Whether the session is one that was proved to hold the rest, and in that state: only this was asked there."""
        return bool(self.continued) and not self.mends

    @property
    def holds_all(self) -> bool:
        """Whether the session that answered holds the whole conversation, and all that its client has of the answer."""
        return not self.replaced and (bool(self.continued) or not self.mends)
