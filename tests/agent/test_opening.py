"""An agent and its instances have names that no other one of the fleet has."""

from __future__ import annotations

import pytest

from lingma_trio.agent.opening import name_of
from lingma_trio.config import Settings


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"port": 8327}, "box-8327"),
        ({"host": "unix:/run/lingma-trio/agent-1.sock"}, "box-agent-1"),
        ({"replica_name": "agent-7", "port": 8327}, "agent-7"),
    ],
    ids=["port", "path", "told"],
)
def test_an_agent_is_called_by_where_it_is_unless_it_is_told(given: dict[str, object], name: str) -> None:
    """Two of one machine differ by their ports or paths."""
    assert name_of(Settings.model_validate(given), "box") == name
