"""The one Hypothesis profile: no deadline, because the machines are shared, and in CI the same examples at each run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import settings

if TYPE_CHECKING:
    import pytest

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take `--screenshots`, with which the tests of the status page write the pictures of the documentation anew."""
    parser.addoption("--screenshots", action="store_true", help="write docs/images anew")
