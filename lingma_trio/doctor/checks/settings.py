"""Whether the settings fit together, and what in them deserves a second look."""

from __future__ import annotations

from collections.abc import Iterator

from lingma_trio.doctor.findings import Finding
from lingma_trio.doctor.site import Site
from lingma_trio.errors import ConfigurationFault

NAME = "settings"


def settings_faults(fault: ConfigurationFault) -> Iterator[Finding]:
    """A finding for each variable at fault; there is no site to examine then."""
    for line in str(fault).splitlines():
        what, _, example = line.partition(" (example: ")
        yield Finding(NAME, "fault", what, f"for instance {example.removesuffix(')')}" if example else "")


def check_settings(site: Site) -> Iterator[Finding]:
    """What the gateway warns of at each start, or that there is nothing to warn of."""
    warnings = site.settings.warnings
    for warning in warnings:
        yield Finding(NAME, "warning", warning, "see .env.example")
    if not warnings:
        yield Finding(NAME, "fine", "every variable fits")
