"""A plugin of pytest: made-up examples are the same each time, and the first that fails is enough."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """Set the profile once the tree's own is set and before a test is read."""
    only = settings(
        settings(),
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    settings.register_profile("judged", only)
    settings.load_profile("judged")
