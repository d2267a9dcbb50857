"""Ports are free, held by the gateway itself, or held by somebody else with a remedy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lingma_trio.doctor.checks.ports import check_gateway_port, check_lingma_port
from lingma_trio.edge.addresses import listen_at
from tests.doctor.support import readiness_of, settings_of, site_of, taken_port
from tests.servers import free_port

READY = readiness_of(lingma_0="ready")


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_free_port_is_fine(tmp_path: Path, host: str) -> None:
    """On each kind of HOST; the check leaves nothing listening there, so it is free once more."""
    site = site_of(settings_of(tmp_path, host=host, port=free_port()))
    assert [finding.level for finding in (*check_gateway_port(site), *check_gateway_port(site))] == ["fine", "fine"]


def test_port_that_the_system_chooses_is_fine(tmp_path: Path) -> None:
    """There is nothing to collide with."""
    site = site_of(settings_of(tmp_path))
    assert [finding.level for finding in (*check_gateway_port(site), *check_lingma_port(site))] == ["fine", "fine"]


def test_port_of_another_program_is_a_fault(tmp_path: Path) -> None:
    """Which is named, so that it can be ended."""
    with taken_port() as port:
        (finding,) = check_gateway_port(site_of(settings_of(tmp_path, port=port)))
    assert finding.level == "fault"
    assert "in use" in finding.what
    assert f"pid {os.getpid()} (" in finding.remedy


def test_port_of_the_running_gateway_is_fine(tmp_path: Path) -> None:
    """It answers there and holds the work directory."""
    with taken_port() as port:
        site = site_of(settings_of(tmp_path, port=port), holders={"lingma-0": "1"}, readiness=READY)
        (finding,) = check_gateway_port(site)
    assert finding.level == "fine"


def test_port_of_a_gateway_with_other_settings_is_a_fault(tmp_path: Path) -> None:
    """A gateway answers there, and this work directory is not in its hands."""
    (finding,) = check_gateway_port(site_of(settings_of(tmp_path, port=1), readiness=READY))
    assert finding.level == "fault"
    assert "other settings" in finding.what


@pytest.mark.parametrize("host", ["203.0.113.7", "no-such-host.invalid", "no..host"])
def test_host_that_is_not_of_this_machine_is_a_fault(tmp_path: Path, host: str) -> None:
    """An address of somebody else's, and a name that nobody knows."""
    (finding,) = check_gateway_port(site_of(settings_of(tmp_path, host=host, port=free_port())))
    assert finding.level == "fault"
    assert host in finding.what
    assert "0.0.0.0" in finding.remedy


def test_path_to_listen_at_is_free_or_says_why_not(tmp_path: Path) -> None:
    """In the place of an address. The check leaves nothing there, and what nobody hears is in nobody's way."""
    path = tmp_path / "gateway.sock"
    for _ in range(2):
        (finding,) = check_gateway_port(site_of(settings_of(tmp_path, host=f"unix:{path}", port=0)))
        assert (finding.level, path.exists()) == ("fine", False)
    with listen_at(path):
        (finding,) = check_gateway_port(site_of(settings_of(tmp_path, host=f"unix:{path}", port=8317)))
        assert (finding.level, path.exists()) == ("fault", True)
    (finding,) = check_gateway_port(site_of(settings_of(tmp_path, host=f"unix:{path}", port=8317)))
    assert finding.level == "fine"
    for place in (tmp_path / "nowhere" / "gateway.sock", tmp_path / ("x" * 200)):
        (finding,) = check_gateway_port(site_of(settings_of(tmp_path, host=f"unix:{place}", port=8317)))
        assert finding.level == "fault"
        assert str(place) in finding.what
        assert "a directory that is there" in finding.remedy


def test_lingmas_port_in_another_programs_hands_is_a_fault(tmp_path: Path) -> None:
    """An editor's own Lingma is the usual one; any port will do for ours."""
    with taken_port() as port:
        (finding,) = check_lingma_port(site_of(settings_of(tmp_path, lingma_socket_port=port)))
    assert finding.level == "fault"
    assert finding.remedy.startswith("LINGMA_SOCKET_PORT=0")


def test_lingmas_port_is_free_or_the_running_instances(tmp_path: Path) -> None:
    """A gateway that holds the work directory has its Lingma on the port, as it should."""
    with taken_port() as port:
        settings = settings_of(tmp_path, lingma_socket_port=port)
        (held,) = check_lingma_port(site_of(settings, holders={"lingma-0": "1"}))
    (free,) = check_lingma_port(site_of(settings))
    assert (held.level, free.level) == ("skipped", "fine")


def test_several_instances_have_no_fixed_port(tmp_path: Path) -> None:
    """Each life of each takes another one."""
    settings = settings_of(tmp_path, lingma_socket_port=36510, lingma_instance_count=2)
    assert list(check_lingma_port(site_of(settings))) == []
