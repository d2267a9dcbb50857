"""The places of the status page, and what stands in each.

Pure. A section is a template; those of `REGIONS` are kept up to date wherever their place is open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

REGIONS = frozenset({"readiness", "numbers", "underway", "instances", "pace", "tree", "requests"})
"""The sections that are kept up to date. Readiness stands at the top of each place."""


@dataclass(frozen=True, slots=True)
class Place:
    """One place: its address, its sections in their order, and the scripts that it has beside the page's own."""

    name: str
    path: str
    sections: tuple[str, ...]
    scripts: tuple[str, ...] = ()

    @property
    def regions(self) -> tuple[str, ...]:
        """What of it is kept up to date."""
        return ("readiness", *(section for section in self.sections if section in REGIONS))


PLACES: Mapping[str, Place] = {
    place.name: place
    for place in (
        Place("live", "/", ("numbers", "underway", "instances", "pace", "tree")),
        Place("requests", "/page/requests", ("requests",)),
        Place("use", "/page/use", ("use",)),
        Place("keys", "/page/keys", ("keys",)),
        Place("models", "/page/models", ("models", "instances")),
        Place("connect", "/page/connect", ("connect",)),
        Place("playground", "/page/playground", ("playground",), ("markdown.js", "playground.js")),
    )
}
"""All of them, in the order in which they are offered."""
