"""What the tests of clients for Python share: a gateway, and two whose first answer breaks off in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.clients import gateway
from tests.conformance.cutter import cutting
from tests.conformance.errand import MARK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.end_to_end.gateway import Gateway


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway, which tests share."""
    with gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def origin(running: Gateway) -> str:
    """Where it is."""
    return f"http://127.0.0.1:{running.port}"


@pytest.fixture
def cut(running: Gateway) -> Iterator[str]:
    """Where it is for a client whose first connection that carries an answer is reset in its middle."""
    with cutting(running.port, MARK.encode()) as cutter:
        yield f"http://127.0.0.1:{cutter.port}"
        assert cutter.cuts == 1


@pytest.fixture
def forsaken(tmp_path: Path) -> Iterator[str]:
    """Where a gateway is whose Lingma drops the first answer in its middle."""
    with gateway(tmp_path, knobs="fault=drop_mid,fault_times=1") as running:
        yield f"http://127.0.0.1:{running.port}"
