"""Faulty settings become findings one by one, and warnings are repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from lingma_trio.config import load_settings
from lingma_trio.doctor.checks.settings import check_settings, settings_faults
from lingma_trio.errors import ConfigurationFault
from tests.doctor.support import levels, only, settings_of, site_of


def test_every_faulty_variable_is_a_finding_with_an_example() -> None:
    """All of them at once, each with what to write instead, and none with what was written."""
    with pytest.raises(ConfigurationFault) as fault:
        load_settings({"PORT": "planted", "LINGMA_RPC_TIMEOUT": "-1", "LINGMA_ACCOUNTS": "planted"}, None)
    findings = list(settings_faults(fault.value))
    assert levels(findings) == ["fault"] * 3
    assert [finding.what.partition(":")[0] for finding in findings] == [
        "PORT",
        "LINGMA_RPC_TIMEOUT",
        "LINGMA_ACCOUNTS",
    ]
    assert findings[0].remedy == "for instance PORT=8317"
    assert "planted" not in str(findings)


def test_fault_without_an_example_is_a_finding_too() -> None:
    """A file that cannot be read belongs to no variable."""
    (finding,) = settings_faults(ConfigurationFault(".env: cannot be read as UTF-8 text (OSError)"))
    assert finding.what.startswith(".env: cannot be read")
    assert finding.remedy == ""


def test_settings_that_fit_are_fine(tmp_path: Path) -> None:
    """And one line says so."""
    assert levels(list(check_settings(site_of(settings_of(tmp_path))))) == ["fine"]


def test_each_warning_is_repeated(tmp_path: Path) -> None:
    """What the gateway warns of at a start is a warning here."""
    settings = settings_of(tmp_path, allow_anonymous=True, api_keys="planted")
    findings = list(check_settings(site_of(settings)))
    assert [finding.what for finding in findings] == list(settings.warnings)
    assert set(levels(findings)) == {"warning"}
    assert "planted" not in str(findings)
    assert only(findings[:1], "warning").remedy
