"""A browser is asked for where something signs in by itself, and found where browsers are."""

from __future__ import annotations

from pathlib import Path

import pytest

from lingma_trio.doctor.checks.browser import check_browser, find_browser
from tests.doctor.support import script, settings_of, site_of

ACCOUNT = {"lingma_username": "somebody", "lingma_password": "planted"}


@pytest.mark.parametrize(
    "values", [{}, {**ACCOUNT, "auto_login_enabled": False}, {**ACCOUNT, "lingma_upstream": "simulator"}]
)
def test_no_browser_is_needed_where_nothing_signs_in(tmp_path: Path, values: dict[str, object]) -> None:
    """Without an account, where it is forbidden, and with the simulator."""
    (finding,) = check_browser(site_of(settings_of(tmp_path, **values)))
    assert finding.level == "skipped"


def test_browser_on_the_path_is_found(tmp_path: Path) -> None:
    """And named."""
    browser = script(tmp_path / "chromium", "exit 0")
    findings = list(check_browser(site_of(settings_of(tmp_path, **ACCOUNT), environment={"PATH": str(tmp_path)})))
    assert findings[-1].level == "fine"
    assert str(browser) in findings[-1].what


def test_missing_browser_is_a_warning_with_the_command_that_gets_it(tmp_path: Path) -> None:
    """The gateway can serve until the login has to be renewed, so it is no fault."""
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    findings = list(check_browser(site_of(settings_of(tmp_path, **ACCOUNT), environment=environment)))
    assert findings[-1].level == "warning"
    assert "playwright install chromium" in findings[-1].remedy
    assert "planted" not in str(findings)


@pytest.mark.parametrize("place", ["chromium-1200/chrome-linux/chrome", "chromium-1200/chrome-linux64/chrome"])
def test_playwrights_own_browser_is_found(tmp_path: Path, place: str) -> None:
    """In its cache, and where PLAYWRIGHT_BROWSERS_PATH says."""
    own = tmp_path / ".cache/ms-playwright" / place
    own.parent.mkdir(parents=True)
    script(own, "exit 0")
    assert find_browser({"HOME": str(tmp_path)}) == own
    assert find_browser({"PLAYWRIGHT_BROWSERS_PATH": str(tmp_path / ".cache/ms-playwright")}) == own
    assert find_browser({}) is None


@pytest.mark.parametrize(("runnable", "level"), [(True, "fine"), (False, "warning")])
def test_named_browser_is_the_one_that_counts(tmp_path: Path, runnable: bool, level: str) -> None:
    """LINGMA_BROWSER comes before any other, and has to be a program."""
    named = tmp_path / "my-browser"
    if runnable:
        script(named, "exit 0")
    settings = settings_of(tmp_path, **ACCOUNT, lingma_browser=named)
    findings = list(check_browser(site_of(settings, environment={"PATH": str(tmp_path)})))
    assert findings[-1].level == level
    assert str(named) in findings[-1].what
