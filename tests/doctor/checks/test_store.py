"""The store of STATE_URL is looked at as a gateway would, and no password is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lingma_trio.doctor.checks.store import check_store
from lingma_trio.doctor.findings import Finding
from lingma_trio.doctor.site import Site
from lingma_trio.policy.state_address import parse_state_address
from tests.doctor.support import levels, only, settings_of, site_of
from tests.real_store import RealServer
from tests.servers import free_port

PASSWORD = "planted-password"


def sharing(directory: Path, url: str) -> Site:
    """A site whose gateway shares that store."""
    return site_of(settings_of(directory, state_url=parse_state_address(url)))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RealServer]:
    """A store."""
    server = RealServer(tmp_path / "store", "--requirepass", PASSWORD)
    yield server
    server.stop()


async def told(directory: Path, server: RealServer, password: str = PASSWORD) -> list[Finding]:
    """What is found, in which there is no password."""
    findings = await check_store(sharing(directory, server.url.replace("//", f"//:{password}@")))
    assert PASSWORD not in str(findings)
    return [finding for finding in findings if "round trip" not in finding.what]


async def test_gateway_alone_has_no_store(tmp_path: Path) -> None:
    """Nothing is looked for without STATE_URL."""
    assert await check_store(site_of(settings_of(tmp_path))) == []


async def test_store_that_answers_is_fine(tmp_path: Path, server: RealServer) -> None:
    """With its version, who shares it, and the time of a round trip; the look is none of those."""
    server.start()
    (found,) = await told(tmp_path, server)
    assert found.level == "fine"
    assert f"valkey://127.0.0.1:{server.port} answers, version" in found.what
    assert "nobody shares it now" in found.what
    assert found.seconds is not None


async def test_store_that_drops_anything_is_warned_of(tmp_path: Path, server: RealServer) -> None:
    """With the policy that it should have."""
    server.arguments += ("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    server.start()
    findings = await told(tmp_path, server)
    assert levels(findings) == ["fine", "warning"]
    assert "volatile-lru" in findings[1].remedy


async def test_wrong_password_is_said(tmp_path: Path, server: RealServer) -> None:
    """In the store's words, without the password."""
    server.start()
    fault = only(await told(tmp_path, server, "wrong"), "fault")
    assert "password" in fault.what
    assert "wrong" not in fault.what


async def test_store_that_is_away_is_a_fault(tmp_path: Path) -> None:
    """With where it was looked for."""
    port = free_port()
    fault = only(await check_store(sharing(tmp_path, f"valkey://:{PASSWORD}@127.0.0.1:{port}")), "fault")
    assert f"127.0.0.1:{port}" in fault.what
    assert PASSWORD not in str(fault)
