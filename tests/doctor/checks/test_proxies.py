"""A proxy that would catch this machine's own addresses is found, and its address is not shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from lingma_trio.doctor.checks.proxies import check_proxies, passes_by
from tests.doctor.support import settings_of, site_of

PROXY = "http://user:planted@proxy.example:3128"


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_proxy_that_catches_loopback_is_a_warning(tmp_path: Path, name: str) -> None:
    """In every spelling that programs heed; the remedy keeps what NO_PROXY has."""
    environment = {name: PROXY, "NO_PROXY": "internal.example,localhost"}
    (finding,) = check_proxies(site_of(settings_of(tmp_path), environment=environment))
    assert finding.level == "warning"
    assert name in finding.what
    assert finding.remedy == "NO_PROXY=internal.example,localhost,127.0.0.1"
    assert "planted" not in str(finding)


@pytest.mark.parametrize(
    "environment", [{}, {"https_proxy": PROXY}, {"http_proxy": PROXY, "no_proxy": "localhost, 127.0.0.0/8"}]
)
def test_what_leaves_loopback_alone_is_fine(tmp_path: Path, environment: dict[str, str]) -> None:
    """No proxy, one for encrypted traffic only, and one that is told to keep off."""
    (finding,) = check_proxies(site_of(settings_of(tmp_path), environment=environment))
    assert finding.level == "fine"
    assert "planted" not in str(finding)


@pytest.mark.parametrize(
    ("around", "host", "passes"),
    [
        ("*", "localhost", True),
        ("LOCALHOST", "localhost", True),
        (".example,a.example", "b.example", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.0/8", "127.0.0.1", True),
        ("127.0.0.0/8", "localhost", False),
        ("10.0.0.0/8,::1", "127.0.0.1", False),
        ("host", "localhost", False),
        ("", "localhost", False),
        (",,", "localhost", False),
    ],
)
def test_exceptions_are_read_as_programs_read_them(around: str, host: str, passes: bool) -> None:
    """Names, domains, addresses, networks and the asterisk."""
    assert passes_by(around, host) is passes
