"""Finding a browser: the one that is wanted, or else the first that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lingma_trio.login.browser import BrowserMissing, find_browser

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "browser"
    path.touch(mode=0o755)
    return path


def test_the_wanted_browser_comes_first(program: Path) -> None:
    """Before any that could be found."""
    assert find_browser(str(program), fallback="/bin/false", commands=["sh"]) == program


def test_a_wanted_browser_that_is_none_is_not_replaced(program: Path, tmp_path: Path) -> None:
    """Somebody meant this one; the message names it and its variable."""
    for wanted in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(BrowserMissing, match=f"LINGMA_BROWSER is {wanted}"):
            find_browser(str(wanted), fallback=str(program), commands=["sh"])


def test_a_command_is_found_on_the_path() -> None:
    """The first of the names that is there."""
    assert find_browser("", commands=["no-such-command", "sh", "true"]).name == "sh"


def test_playwrights_own_browser_comes_last(program: Path) -> None:
    """Where it was downloaded."""
    assert find_browser("", fallback=str(program), commands=["no-such-command"]) == program


def test_without_any_browser_the_remedy_is_named(program: Path) -> None:
    """As a command that can be copied."""
    program.chmod(0o644)
    for fallback in ("", str(program.with_name("nothing"))):
        with pytest.raises(BrowserMissing, match="apt-get install -y --no-install-recommends chromium"):
            find_browser("", fallback=fallback, commands=["no-such-command"])
