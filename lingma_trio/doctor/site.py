"""What is examined: the settings, the environment, the instances they come to, and a gateway that may be running."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import trio

from lingma_trio.config import Settings
from lingma_trio.doctor.running import NoGateway, Readiness, RunningGateway
from lingma_trio.fleet import is_simulated, lock_holder, real_fleet
from lingma_trio.lingma.options import InstanceOptions
from lingma_trio.logs import Redactor


@dataclass(frozen=True)
class Site:
    """An installation, as it was when `survey` looked at it.

    `fleet` is empty where the simulator answers, which has no place of its own. `holders` has the pid of the gateway
    that uses an instance's work directory, by the instance's name. `readiness` is None where no gateway answers on
    PORT.
    """

    settings: Settings
    environment: Mapping[str, str] = field(repr=False)
    simulated: bool = False
    fleet: tuple[InstanceOptions, ...] = ()
    holders: Mapping[str, str] = field(default_factory=dict)
    readiness: Readiness | None = None

    @property
    def agents(self) -> bool:
        """Whether agents over ACP answer, and no Lingma."""
        return self.settings.lingma_upstream == "acp"

    @property
    def elsewhere(self) -> bool:
        """Whether agents on other machines run what answers, so that there is no program here."""
        return self.settings.lingma_upstream == "agents"

    @property
    def has_lingma(self) -> bool:
        """Whether Lingma's own program is to be here."""
        return not (self.simulated or self.agents or self.elsewhere)

    @property
    def served(self) -> Readiness | None:
        """The readiness of a gateway with these very settings: it answers on PORT and holds the work directories, where
        it has any.
        """
        if self.elsewhere:
            return self.readiness
        ours = "simulator" if self.simulated else "acp" if self.agents else "lingma"
        if self.readiness is None or self.readiness.upstream != ours:
            return None
        return self.readiness if self.simulated or self.holders else None

    @cached_property
    def _redactor(self) -> Redactor:
        return Redactor(self.settings.secrets)

    def printable(self, text: str) -> str:
        """Another program's words without our secrets and without what a terminal takes for a command."""
        return "".join(letter if letter.isprintable() else " " for letter in self._redactor.text(text)).strip()


async def survey(settings: Settings, environment: Mapping[str, str] | None = None) -> Site:
    """Look who is there already. Makes and starts nothing. Cancelling leaves nothing behind."""
    simulated = is_simulated(settings)
    fleet = () if simulated else tuple(real_fleet(settings))
    holders = await trio.to_thread.run_sync(_holders, fleet, abandon_on_cancel=True)
    try:
        readiness = await RunningGateway.of(settings).readiness()
    except NoGateway:
        readiness = None
    environment = os.environ if environment is None else environment
    return Site(settings, environment, simulated, fleet, holders, readiness)


def _holders(fleet: tuple[InstanceOptions, ...]) -> dict[str, str]:
    found = {options.name: lock_holder(options.work_dir) for options in fleet}
    return {name: holder for name, holder in found.items() if holder is not None}
