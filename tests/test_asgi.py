"""The gateway under Hypercorn: what has to fit before it starts."""

from __future__ import annotations

import pytest

from lingma_trio.asgi import UNFIT, app, examine
from lingma_trio.config import Settings
from lingma_trio.edge.guard import FITTING, WORKERS, GuardedServer
from lingma_trio.errors import ConfigurationFault

SIMULATED = Settings(lingma_upstream="simulator", client_stall_sec=7.0)


def test_one_process_that_fits_may_start() -> None:
    """And its guard has the patience that the settings say."""
    examine(SIMULATED, {WORKERS: 1})
    assert GuardedServer.stall_seconds == 7.0
    assert callable(app)


def test_second_worker_refuses_the_start() -> None:
    """More than one worker is told as what it is, with what to do."""
    with pytest.raises(ConfigurationFault, match="--workers 1"):
        examine(SIMULATED, {WORKERS: 2})


def test_hypercorn_that_the_guard_does_not_fit_refuses_the_start() -> None:
    """Since its connections would not be guarded; the remedies are named."""
    with pytest.raises(ConfigurationFault, match="lingma-trio serve") as refusal:
        examine(SIMULATED, {WORKERS: 1}, found="0.99.0")
    assert FITTING[-1] in str(refusal.value)
    assert "0.99.0" in UNFIT.format(found="0.99.0")
