"""What a gateway still holds after a chaos run, beside what the same gateway held when it was fresh.

Knows numbers, names of tasks, files and processes. Must not know what happened.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.chaos.scene import ADMIN, INSTANCES, METRICS, PROMPT, SECRETS
from tests.end_to_end.client import fetch
from tests.end_to_end.gateway import descendants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.scene import Scene
    from tests.end_to_end.client import Json

GROWTH: Final = 64 * 1024**2
"""Bytes by which a gateway may be larger than when it was fresh."""

STAGING: Final = (".login-*", ".lingma-trio-*")
PAGES: Final = (
    ("/", ""), ("/healthz", ""), ("/readyz", ""), ("/metrics", METRICS), ("/internal/stats", ADMIN),
    ("/internal/tree", ADMIN), ("/internal/requests", ADMIN), ("/internal/usage", ADMIN), ("/openapi.json", ""),
)  # fmt: skip
GAUGES: Final = frozenset(
    f"lingma_gateway_{name}"
    for name in (
        "in_flight_requests",
        "queued_requests",
        "bytes_in_flight",
        "key_in_flight_requests",
        "key_queued_requests",
    )
)
_NUMBER = re.compile(r"req_\w+|\d+")


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a gateway holds while nobody asks anything."""

    tasks: Counter[str]
    descriptors: Counter[str]
    processes: int
    temporary: tuple[str, ...]
    resident: int
    counts: dict[str, float]
    """Its own figures of what is under way."""

    def beyond(self, fresh: Holdings) -> list[str]:
        """What is held beyond what a fresh one holds, one sentence each."""
        found = [f"{count} task(s) {name!r} too many" for name, count in (self.tasks - fresh.tasks).items()]
        found += [f"{count} task(s) {name!r} too few" for name, count in (fresh.tasks - self.tasks).items()]
        more = self.descriptors.total() - fresh.descriptors.total()
        if more > 0:
            found.append(f"{more} descriptors too many, of {dict(self.descriptors - fresh.descriptors)}")
        if self.processes != fresh.processes:
            found.append(f"{self.processes} child processes and not {fresh.processes}")
        found += [f"a temporary file: {name}" for name in self.temporary if name not in fresh.temporary]
        if self.resident > fresh.resident + GROWTH:
            found.append(f"{self.resident >> 20} MiB of memory, {fresh.resident >> 20} when it was fresh")
        found += [f"{name} is {value:g}" for name, value in self.counts.items() if value]
        return found


async def holdings(scene: Scene) -> Holdings:
    """What the scene's gateway holds now."""
    return _held(scene, await scene.tree(), await scene.stats())


def _held(scene: Scene, tree: Json, stats: Json) -> Holdings:
    pid = scene.pid
    return Holdings(
        tasks=Counter(_names(tree["root"])),
        descriptors=Counter(_descriptors(pid)),
        processes=len(scene.processes),
        temporary=tuple(_temporary(scene.machine.disk)),
        resident=int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE"),
        counts=dict(_under_way(stats)),
    )


def _descriptors(pid: int) -> Iterator[str]:
    """What each leads to, without what is another one each time."""
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            yield _NUMBER.sub("N", str(path.readlink()))


def _names(node: Json) -> Iterator[str]:
    """The names of tasks, without what is another one each time. The connection that asks is not among them."""
    if node["name"].startswith("connection"):
        return
    yield _NUMBER.sub("N", node["name"])
    for child in node["children"]:
        yield from _names(child)


def _temporary(disk: Path) -> Iterator[str]:
    yield from (str(path.relative_to(disk)) for path in (disk / "tmp").rglob("*"))
    for pattern in STAGING:
        yield from (str(path.relative_to(disk)) for path in disk.rglob(pattern))


def _under_way(stats: Json) -> Iterator[tuple[str, float]]:
    yield "in_flight", stats["limiter"]["in_flight"]
    yield "queued", stats["limiter"]["queued"]
    for instance in stats["instances"]:
        yield f"turns of {instance['name']}", instance["turns"]
    for name, value in stats["metrics"].items():
        if name.partition("{")[0] in GAUGES:
            yield name, value


async def secrets_shown(scene: Scene) -> list[str]:
    """Where a planted secret, or a prompt, can be read that must be nowhere: one sentence each."""
    shown = {"the log": scene.role.log.encode()}
    for path, token in PAGES:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        shown[path] = (await fetch(scene.port, "GET", path, headers=headers)).body
    found = [
        f"{marker} in {place}"
        for place, text in shown.items()
        for marker in (*SECRETS, PROMPT)
        if marker.encode() in text
    ]
    return [*found, *secrets_of_children(scene), *cores(scene)]


def secrets_of_children(scene: Scene) -> list[str]:
    """Secrets on the command line or in the environment of what the gateway has started."""
    process = scene.role.server.process
    found: list[str] = []
    if process is None:
        return found
    for pid in descendants(process.pid):
        with suppress(OSError):  # of one that is gone by now
            line, own = (Path(f"/proc/{each}/cmdline").read_bytes() for each in (pid, process.pid))
            if line == own:  # it has not become the child yet, and still is the gateway's own image
                continue
            texts = {"environment": Path(f"/proc/{pid}/environ").read_bytes(), "command line": line}
            found += [
                f"{marker} in the {name} of a child"
                for name, text in texts.items()
                for marker in SECRETS
                if marker.encode() in text
            ]
    return found


def cores(scene: Scene) -> list[str]:
    """Cores that crashed processes have left, with what can be read in them."""
    found = []
    for root in (scene.role.server.directory, scene.machine.disk):
        for path in root.rglob("core*"):
            text = path.read_bytes()
            seen = [marker for marker in (*SECRETS, PROMPT) if marker.encode() in text]
            found.append(f"a core, {path.name}, with {', '.join(seen) or 'no secret'}")
    return found


def complete(scene: Scene) -> bool:
    """Whether every instance's processes are there: a keeper and a simulator each."""
    return len(scene.processes) == 2 * INSTANCES
