"""`tree` draws the tasks of a running gateway, for people and for programs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic_core import from_json

from tests.commands.support import run
from tests.end_to_end.client import connected, question
from tests.end_to_end.gateway import ADMIN_TOKEN, Gateway, started
from tests.servers import free_port


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose answers take longer than any test."""
    with started(tmp_path_factory.mktemp("gateway"), LINGMA_SIMULATOR="first=0,gap=600,deltas=9") as running:
        yield running


async def test_tree_is_drawn(tmp_path: Path, gateway: Gateway) -> None:
    """With a supervisor for the account, and the request under the id its client gave, at the point it has reached."""
    async with connected(gateway.port) as connection:
        await connection.ask(question("The planted words."), {"x-request-id": "req-of-the-test"})
        await connection.head()
        done = run(tmp_path, "tree", PORT=str(gateway.port))
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^trio\.run\n", done.stdout)
    assert "├─ supervisor of lingma-0\n" in done.stdout
    assert re.search(r"^ .*─ request req-of-the-test  chat, streaming\n.* turn\n", done.stdout, re.MULTILINE)
    assert "chat, streaming: 1" in done.stdout
    assert "planted" not in done.stdout
    assert ADMIN_TOKEN not in done.stdout
    assert "\x1b" not in done.stdout


def test_lines_of_code_are_shown_where_asked_for(tmp_path: Path, gateway: Gateway) -> None:
    """Each task's own, in the modules of the gateway."""
    done = run(tmp_path, "tree", "--where", "--url", f"http://localhost:{gateway.port}")
    assert re.search(r"RPC pump  lingma_trio\.lingma\.frame_stream:\d+$", done.stdout, re.MULTILINE)


def test_machine_form_is_one_object(tmp_path: Path, gateway: Gateway) -> None:
    """With the same tree."""
    drawn = from_json(run(tmp_path, "tree", "--json", PORT=str(gateway.port)).stdout)
    assert drawn["root"]["name"] == "trio.run"
    assert drawn["tasks"] > 10
    assert sum(drawn["states"].values()) >= 1


def test_another_token_ends_with_1(tmp_path: Path, gateway: Gateway) -> None:
    """And without a tree."""
    done = run(tmp_path, "tree", PORT=str(gateway.port), ADMIN_TOKEN="another-admin-token")
    assert done.returncode == 1
    assert "does not take this ADMIN_TOKEN" in done.stdout


def test_without_a_token_or_with_faulty_settings_it_ends_with_2(tmp_path: Path) -> None:
    """Before anybody is asked."""
    for settings in ({"ADMIN_TOKEN": ""}, {"PORT": "planted"}):
        done = run(tmp_path, "tree", **settings)
        assert done.returncode == 2
        assert next(iter(settings)) in done.stderr


def test_nobody_there_ends_with_3(tmp_path: Path) -> None:
    """With the address that was asked."""
    port = free_port()
    done = run(tmp_path, "tree", PORT=str(port))
    assert done.returncode == 3
    assert str(port) in done.stdout
