"""`sessions clear` has a running gateway forget what it could go on with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.support import run
from tests.end_to_end.client import chat
from tests.end_to_end.gateway import ADMIN_TOKEN, Gateway, started
from tests.servers import free_port


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that answers at once."""
    with started(tmp_path_factory.mktemp("gateway"), LINGMA_SIMULATOR="first=0,gap=0") as running:
        yield running


async def test_sessions_are_forgotten(tmp_path: Path, gateway: Gateway) -> None:
    """As many as there were, and none the second time."""
    for number in range(3):
        assert (await chat(gateway.port, f"Question {number}?")).status == 200
    done = [run(tmp_path, "sessions", "clear", PORT=str(gateway.port)) for _ in range(2)]
    assert [each.returncode for each in done] == [0, 0]
    assert [each.stdout.split()[0] for each in done] == ["3", "0"]
    assert ADMIN_TOKEN not in done[0].stdout


def test_another_token_ends_with_1(tmp_path: Path, gateway: Gateway) -> None:
    """And forgets nothing."""
    done = run(tmp_path, "sessions", "clear", PORT=str(gateway.port), ADMIN_TOKEN="another-admin-token")
    assert (done.returncode, done.stdout.count("\n")) == (1, 1)


def test_without_a_token_or_a_gateway_it_says_what_to_do(tmp_path: Path) -> None:
    """By the status that its help names."""
    done = run(tmp_path, "sessions", "clear", ADMIN_TOKEN="")
    assert done.returncode == 2
    assert "ADMIN_TOKEN: is needed to clear sessions" in done.stderr
    assert run(tmp_path, "sessions", "clear", PORT=str(free_port())).returncode == 3
