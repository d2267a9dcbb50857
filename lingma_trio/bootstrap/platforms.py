"""What the places that publish Lingma call this machine."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from lingma_trio.bootstrap.faults import BootstrapFault

_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
_GALLERY_MACHINES = {"x86_64": "x64", "aarch64": "arm64"}
_SYSTEMS = {"linux", "darwin"}


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform under its two names: the directory inside a package (protocol reference, 1.1), and the gallery's."""

    directory: str
    gallery: str


def this_platform() -> Platform:
    """The platform of this process. Raises `BootstrapFault` for one that no Lingma is published for."""
    return platform_of(platform.system(), platform.machine())


def platform_of(system: str, machine: str) -> Platform:
    """The platform of a system and a machine, both as `uname` spells them, in any case.

    Raises `BootstrapFault` for one that no Lingma is published for.
    """
    known = _MACHINES.get(machine.lower())
    if known is None or system.lower() not in _SYSTEMS:
        raise BootstrapFault(
            f"no Lingma is published for {system or 'an unknown system'} on {machine or 'this machine'}"
        )
    return Platform(directory=f"{known}_{system.lower()}", gallery=f"{system.lower()}-{_GALLERY_MACHINES[known]}")
