"""Finds a browser and says how it is started.

Knows file names and switches. Must not know pages.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SWITCHES = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",  # containers give /dev/shm 64 MiB, and a page that needs more dies without a word
    "--disable-gpu",
    "--no-first-run",
)


class BrowserMissing(Exception):
    """There is no browser; the message says what to do about it."""


def find_browser(wanted: str, *, fallback: str = "", commands: Iterable[str] = COMMANDS) -> Path:
    """The program to start: `wanted` if it is not empty, else the first of `commands` on PATH, else `fallback`.

    Raises `BrowserMissing` where that leads to no program.
    """
    if wanted:
        if not os.access(wanted, os.X_OK) or not Path(wanted).is_file():
            raise BrowserMissing(f"LINGMA_BROWSER is {wanted}, which is no program")
        return Path(wanted)
    for command in commands:
        if found := shutil.which(command):
            return Path(found)
    if fallback and os.access(fallback, os.X_OK):
        return Path(fallback)
    raise BrowserMissing(
        "no Chromium was found; install one (on Debian or Ubuntu: apt-get install -y --no-install-recommends "
        "chromium; anywhere: playwright install chromium) or name it in LINGMA_BROWSER"
    )


def is_sandboxed() -> bool:
    """Whether the browser may use its sandbox, which it refuses to as root."""
    return os.geteuid() != 0
