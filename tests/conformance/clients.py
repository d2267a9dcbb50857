"""Where the clients of a conformance run are, and the gateway that they talk to.

Knows what `scripts/conformance` put in place; must not import the gateway, which runs in an environment of its own.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.end_to_end.client import PATIENCE
from tests.end_to_end.gateway import started
from tests.end_to_end.upstreams import CHAT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.end_to_end.gateway import Gateway

API_KEY = "a-key-of-the-conformance-run"
NODE_CLIENTS = Path(os.environ.get("NODE_CLIENTS", "."))
"""The directory with the clients from npm; modules in it find them."""

GATEWAY_PYTHON = os.environ.get("GATEWAY_PYTHON", "python")
"""The interpreter that has what the gateway needs."""

_SERVE = (GATEWAY_PYTHON, "-m", "lingma_trio.cli", "serve")


@contextmanager
def gateway(directory: Path, patience: float = PATIENCE, /, *, knobs: str = "", **settings: str) -> Iterator[Gateway]:
    """A gateway with its simulator, which answers at once but where `knobs` say otherwise."""
    pace = ",".join(word for word in ("first=0,gap=0", knobs) if word)
    with started(directory, _SERVE, CHAT, patience, API_KEYS=API_KEY, LINGMA_SIMULATOR=pace, **settings) as running:
        yield running
