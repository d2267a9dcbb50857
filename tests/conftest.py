"""The one Hypothesis profile: no deadline, because the machines are shared, and in CI the same examples at each run.

With FEWER_EXAMPLES in the environment a fifth of them, as where scripts/test and scripts/distribution run the same once
more on other Pythons.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import settings

if TYPE_CHECKING:
    import pytest

many = 20 if os.environ.get("FEWER_EXAMPLES") else 100
settings.register_profile("local", deadline=None, max_examples=many)
settings.register_profile("ci", deadline=None, max_examples=many, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take `--screenshots`, with which the tests of the status page write the pictures of the documentation anew."""
    parser.addoption("--screenshots", action="store_true", help="write docs/images anew")
