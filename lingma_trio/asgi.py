"""The gateway under Hypercorn: `hypercorn --worker-class trio lingma_trio.asgi:app`.

Importing this module puts the guard in place, since a plain Hypercorn launch offers no other moment for it.
"""

from __future__ import annotations

from typing import Any

from lingma_trio.application import Application
from lingma_trio.config import Settings
from lingma_trio.edge.guard import FITTING, HYPERCORN, WORKERS, install_guard
from lingma_trio.errors import ConfigurationFault

ONE_PROCESS = (
    "one process serves everything: instances, sessions and limits cannot be shared between workers, and Hypercorn "
    "kills the second worker's Lingma without a shutdown; start with --workers 1"
)

UNFIT = (
    f"the guard over connections fits Hypercorn {', '.join(FITTING)} and not {{found}}; without it one connection's"
    " fault ends the server, and a client that stops reading wedges it. Start `lingma-trio serve`, which needs no"
    f" Hypercorn, or install hypercorn=={FITTING[-1]}"
)


def examine(settings: Settings, state: dict[str, Any], *, found: str = HYPERCORN) -> None:
    """See that Hypercorn is one that the guard fits, and runs one process. Raises `ConfigurationFault`."""
    if state.get(WORKERS, 1) > 1:
        raise ConfigurationFault(ONE_PROCESS)
    if not install_guard(settings.client_stall_sec, found=found):
        raise ConfigurationFault(UNFIT.format(found=found))


install_guard(stall_seconds=20.0)
app = Application(examine=examine)
