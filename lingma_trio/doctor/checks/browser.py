"""Whether there is a browser to sign in with, where the settings ask for signing in by itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from lingma_trio.doctor.findings import Finding
from lingma_trio.doctor.site import Site

NAME = "browser"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_PLAYWRIGHTS = ("chromium-*/chrome-linux*/chrome", "chromium_headless_shell-*/chrome-*/*headless*shell")


def check_browser(site: Site) -> Iterator[Finding]:
    """Playwright and a Chromium; neither is asked for where nothing signs in by itself."""
    if not signs_in(site):
        yield Finding(NAME, "skipped", "nothing signs in by itself here, so none is needed")
        return
    if find_spec("playwright") is None:
        yield Finding(NAME, "warning", "Playwright is not installed", "pip install 'lingma-trio[login]'")
    wanted = site.settings.lingma_browser
    browser = wanted or find_browser(site.environment)
    if wanted is not None and not (wanted.is_file() and os.access(wanted, os.X_OK)):
        yield Finding(
            NAME, "warning", f"LINGMA_BROWSER is {wanted}, which is no program", "name a Chromium, or nothing"
        )
    elif browser is None:
        remedy = "`apt-get install chromium` as root, or `playwright install chromium`"
        yield Finding(NAME, "warning", "no Chromium or Chrome was found", remedy)
    else:
        yield Finding(NAME, "fine", f"{browser} is there")


def signs_in(site: Site) -> bool:
    """Whether an account is to be signed in without a hand."""
    accounts = site.settings.lingma_accounts
    return site.has_lingma and site.settings.auto_login_enabled and any(account.password for account in accounts)


def find_browser(environment: Mapping[str, str]) -> Path | None:
    """A Chromium on PATH, or one of Playwright's own; None without one."""
    for name in BROWSERS:
        if found := shutil.which(name, path=environment.get("PATH", "")):
            return Path(found)
    home = Path(environment.get("HOME", "/nonexistent"))
    own = Path(environment.get("PLAYWRIGHT_BROWSERS_PATH") or home / ".cache/ms-playwright")
    return next((path for form in _PLAYWRIGHTS for path in sorted(own.glob(form))), None)
