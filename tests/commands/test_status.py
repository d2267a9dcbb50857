"""`status` shows a running gateway, for people and for programs, and its exit status says whether it is ready."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic_core import from_json

from tests.commands.support import run
from tests.doctor.support import taken_port
from tests.end_to_end.client import PATIENCE
from tests.end_to_end.gateway import ADMIN_TOKEN, POLL, SERVE, Gateway, launched, started
from tests.end_to_end.upstreams import ACP
from tests.real_store import RealServer
from tests.servers import free_port


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with the simulator upstream."""
    with started(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def test_ready_gateway_ends_with_0(tmp_path: Path, gateway: Gateway) -> None:
    """With the statistics that only the bearer of ADMIN_TOKEN sees, and without the token."""
    done = run(tmp_path, "status", PORT=str(gateway.port))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"http://127.0.0.1:{gateway.port} is ready; upstream is simulator" in done.stdout
    assert "lingma-0" in done.stdout
    assert "in_flight 0" in done.stdout
    assert ADMIN_TOKEN not in done.stdout
    assert "account of lingma-0: personal_standard, quota 0" in done.stdout
    assert "\x1b" not in done.stdout


def test_agent_is_told_by_its_name(tmp_path: Path) -> None:
    """With the release that it tells of itself."""
    with started(tmp_path / "gateway", SERVE, ACP) as gateway:
        done = run(tmp_path, "status", PORT=str(gateway.port))
    assert "upstream is acp" in done.stdout
    assert re.search(r"^agent acp-0: lingma-simulator, \S+$", done.stdout, flags=re.MULTILINE)


def test_gateways_that_share_are_shown(tmp_path: Path) -> None:
    """Each by its name, with how long it has been up and what it has in flight."""
    store = RealServer(tmp_path / "store")
    store.start()
    try:
        with started(tmp_path / "gateway", SERVE, STATE_URL=store.url, REPLICA_NAME="gateway-a") as gateway:
            done = run(tmp_path, "status", PORT=str(gateway.port))
    finally:
        store.stop()
    assert re.search(r"^gateway-a +\d+ s +0$", done.stdout, flags=re.MULTILINE)


def test_machine_form_is_one_object(tmp_path: Path, gateway: Gateway) -> None:
    """At an address that is given."""
    done = run(tmp_path, "status", "--json", "--url", f"http://localhost:{gateway.port}/")
    report = from_json(done.stdout)
    assert (done.returncode, report["status"], report["upstream"]) == (0, "ready", "simulator")
    assert report["stats"]["instances"][0]["restarts"] == 0
    assert report["stats"]["instances"][0]["account"] == {"kind": "personal_standard", "quota": 0, "plan": {}}
    assert ADMIN_TOKEN not in done.stdout


@pytest.mark.parametrize(("token", "said"), [("", False), ("another-admin-token", True)])
def test_without_the_token_readiness_is_shown(tmp_path: Path, gateway: Gateway, token: str, said: bool) -> None:
    """And a token that is not taken is told."""
    done = run(tmp_path, "status", PORT=str(gateway.port), ADMIN_TOKEN=token)
    assert done.returncode == 0
    assert "in_flight" not in done.stdout
    assert ("does not take this ADMIN_TOKEN" in done.stdout) is said


def test_gateway_that_is_not_ready_ends_with_1(tmp_path: Path) -> None:
    """With the state and the reason of each instance; one that is starting for long is neither ready nor gone."""
    settings = {"LINGMA_SIMULATOR": "info=never", "LINGMA_STARTUP_TIMEOUT": "600"}
    with launched(tmp_path / "gateway", **settings) as gateway:
        give_up = time.monotonic() + PATIENCE
        while not gateway.port:
            assert time.monotonic() < give_up, gateway.log
            time.sleep(POLL)
        done = run(tmp_path, "status", PORT=str(gateway.port), ADMIN_TOKEN="")
        as_json = run(tmp_path, "status", "--json", PORT=str(gateway.port))
    assert (done.returncode, as_json.returncode) == (1, 1)
    assert "is not ready" in done.stdout
    assert re.search(r"lingma-0 +starting +\S", done.stdout)
    assert from_json(as_json.stdout)["status"] == "not_ready"


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_nobody_there_ends_with_3(tmp_path: Path, form: list[str]) -> None:
    """A free port, and PORT=0, whose number nobody knows."""
    for port in (str(free_port()), "0"):
        done = run(tmp_path, "status", *form, PORT=port)
        assert (done.returncode, done.stderr) == (3, "")
        assert done.stdout
        assert not form or from_json(done.stdout)["status"] == "unreachable"


def test_silent_program_on_the_port_ends_with_3(tmp_path: Path) -> None:
    """It is not waited for."""
    with taken_port() as port:
        done = run(tmp_path, "status", PORT=str(port))
    assert done.returncode == 3
    assert "did not answer within 5 s" in done.stdout


def test_faulty_settings_end_with_2(tmp_path: Path) -> None:
    """As at a start."""
    done = run(tmp_path, "status", PORT="planted")
    assert done.returncode == 2
    assert "PORT:" in done.stderr
    assert "planted" not in done.stderr


async def test_account_is_named_for_its_operator_alone(tmp_path: Path) -> None:
    """In the table and in the log's line of the instance; not in `/readyz`, which anybody may read."""
    account = '[{"username": "ann@example.com", "password": "of-ann-planted", "name": "Team A"}]'
    with started(tmp_path, LINGMA_ACCOUNTS=account) as gateway:
        shown = run(tmp_path, "status", PORT=str(gateway.port), ADMIN_TOKEN=ADMIN_TOKEN)
        readiness = await gateway.fetch("/readyz")
        log = gateway.log
    assert "Team A" in shown.stdout
    assert '"account": "Team A"' in log
    assert b"Team A" not in readiness.body
