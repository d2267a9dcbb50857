"""What is shared of instances: where their agents are, which are drained, and what of their accounts rests.

An agent says each second how its instances stand and hears what holds for them, so that neither an operator's word nor
what an account's limits taught is lost with it. Gateways read where agents are. Must not know what an instance is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lingma_trio.state.link import Call, Link

LEASE: Final = 5.0
"""Seconds after which an agent that said nothing is not there."""

AGENTS: Final = "lt:{fleet}:agents"
ADDRESSES: Final = "lt:{fleet}:addresses"
DRAINED: Final = "lt:{fleet}:drained"


@dataclass(frozen=True, slots=True)
class Said:
    """What an agent says of an instance: `drained` where that has changed since it was heard, or None, and for how many
    seconds more the models of its `account` rest, an empty one for all.
    """

    drained: bool | None = None
    rests: Mapping[str, float] = field(default_factory=dict)
    account: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """What holds for an instance: whether it is drained, and for how many seconds more its models rest."""

    drained: bool = False
    rests: Mapping[str, float] = field(default_factory=dict)


class InstanceRegistry:
    """The instances of a fleet in the store. Each call is one round trip. Raises `StateDown`."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def __repr__(self) -> str:
        return f"<InstanceRegistry {self._link!r}>"

    async def say(self, agent: str, address: str, instances: Mapping[str, Said]) -> dict[str, Held]:
        """Say how an agent's instances stand, and where it is, for LEASE seconds; returns what holds for each.

        Without an `address` nobody finds the agent here.
        """
        args: list[str | int] = ["say", _milliseconds(LEASE), agent, address]
        for name, said in instances.items():
            changed = "" if said.drained is None else str(int(said.drained))
            args += [name, changed, len(said.rests)]
            for model, seconds in said.rests.items():
                args += [model, _milliseconds(seconds)]
        keys = (AGENTS, ADDRESSES, DRAINED, *(_rests(name, said.account) for name, said in instances.items()))
        (reply,) = await self._link.trip(Call("instances", keys, tuple(args)))
        return {name: _read(found) for name, found in zip(instances, reply, strict=True)}

    async def agents(self) -> list[str]:
        """The addresses of all agents that are there, in a fixed order."""
        (reply,) = await self._link.trip(Call("instances", (AGENTS, ADDRESSES), ("agents",)))
        return sorted({bytes(address).decode("utf-8", "replace") for address in reply})

    async def leave(self, agent: str) -> None:
        """Have an agent found no longer."""
        await self._link.trip(Call("instances", (AGENTS, ADDRESSES), ("leave", agent)))


def _rests(name: str, account: str) -> str:
    """Where the rests of an instance are while that account is signed in, or none is known."""
    return f"lt:{{fleet}}:rests:{name}" + (f":{account}" if account else "")


def _read(found: Sequence[Any]) -> Held:
    drained, rests = found
    pairs = zip(rests[::2], rests[1::2], strict=True)
    return Held(bool(drained), {bytes(model).decode(): left / 1000 for model, left in pairs})


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
