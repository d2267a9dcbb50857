"""The upstream as a parameter: a suite that takes it runs once for each row."""

from __future__ import annotations

import pytest

from tests.end_to_end.upstreams import PROGRAMS, UPSTREAMS, Upstream


@pytest.fixture(scope="module", params=UPSTREAMS, ids=str)
def upstream(request: pytest.FixtureRequest) -> Upstream:
    """What the gateways of a suite have upstream; each of them in turn."""
    row: Upstream = request.param
    return row


@pytest.fixture(scope="module", params=PROGRAMS, ids=str)
def program(request: pytest.FixtureRequest) -> Upstream:
    """The same for what is of processes and pipes or sockets, and not of the protocol that is spoken."""
    row: Upstream = request.param
    return row
