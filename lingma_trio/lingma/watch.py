"""What an instance knows of its account, whoever has the process: `account` of a Lingma, `acp.watch` of an agent, and
`remote.watch` of one that another machine runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from lingma_trio.lingma.acp.watch import Oddities
from lingma_trio.lingma.login import State
from lingma_trio.protocol.acp.messages import Agent
from lingma_trio.protocol.allowance import Allowance
from lingma_trio.protocol.catalogue import Catalogue


class Program(Protocol):
    """What is known of an agent that speaks ACP beside its account."""

    @property
    def agent(self) -> Agent:
        """What the program says of itself."""

    @property
    def oddities(self) -> Oddities:
        """What it did that it should not have."""


class Login(Protocol):
    """How far signing in has come."""

    @property
    def state(self) -> State:
        """What is done about it."""

    @property
    def reason(self) -> str:
        """Why the instance is not signed in, for anybody to see; empty while it is, or while nobody knows."""

    @property
    def url(self) -> str:
        """The login link on offer, or the empty string; for the operator alone, as it leads into this instance."""

    @property
    def next_attempt_in(self) -> float:
        """Seconds before which no attempt is made, 0 for none."""


class Watch(Protocol):
    """What is known of one account; it outlives the lives of the instance."""

    @property
    def name(self) -> str:
        """Whose sessions are made: a digest of who is signed in."""

    @property
    def catalogue(self) -> Catalogue:
        """The account's models, as far as they are known."""

    @property
    def allowance(self) -> Allowance:
        """What it may use, as far as that is told."""

    @property
    def login(self) -> Login | None:
        """How far signing in has come; None where nobody can, since the account comes from the settings."""

    @property
    def program(self) -> Program | None:
        """What is known of the agent; None where it is a Lingma."""

    @property
    def about(self) -> tuple[str, ...]:
        """What there is to tell of it, each thing for itself."""

    @property
    def ahead(self) -> Mapping[str, int]:
        """What became of the sessions that were opened before anybody needed them, since the start."""

    @property
    def remark(self) -> str:
        """What its operator has to know although it can be asked; empty for nothing."""

    def recheck(self) -> None:
        """Look again soon, since a turn was refused for want of a login."""
