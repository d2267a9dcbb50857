"""The login worker: a process of its own that drives a browser, because Playwright runs on asyncio alone.

Takes one order from standard input and tells its steps and its outcome on standard output. Neither arguments nor
environment hold a credential. When standard input ends, so does the worker with everything it started.
"""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path

from lingma_trio.login import lifeline
from lingma_trio.login.browser import SWITCHES, BrowserMissing, find_browser, is_sandboxed
from lingma_trio.login.messages import LoginOutcome, Order, outcome_line, step_line
from lingma_trio.login.steps import ALIYUN

_LONGEST_ORDER = 1 << 20
_LONGEST_FAULT = 500


def main() -> None:
    """Carry out the order on standard input, and end. The exit status is 2 without an order, else it says nothing."""
    order = _read_order()
    if order is None:
        print("usage: the order is one line of JSON on standard input", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    directory = Path(order.directory)
    os.environ["TMPDIR"] = str(directory)
    lifeline.hold(directory)
    atexit.register(lifeline.end, directory)
    _sign_in(order)


def _read_order() -> Order | None:
    """The first line of standard input, read byte by byte: nothing after it may be taken away from the lifeline."""
    line = bytearray()
    while len(line) < _LONGEST_ORDER and (byte := os.read(0, 1)):
        line += byte
        if byte == b"\n":
            try:
                return Order.read(bytes(line))
            except (ValueError, TypeError):
                return None
    return None


def _tell(line: bytes) -> None:
    os.write(1, line)


def _say(step: str) -> None:
    _tell(step_line(step))


def _tell_outcome(outcome: LoginOutcome) -> None:
    _tell(outcome_line(outcome))


def _sign_in(order: Order) -> None:
    """Go on the journey and tell its outcome, before a browser that may hang is closed."""
    try:
        from playwright.sync_api import Error, sync_playwright  # noqa: PLC0415 - an extra that may not be installed

        from lingma_trio.login.journey import Journey  # noqa: PLC0415
    except ImportError:
        _tell_outcome(
            LoginOutcome("browser_missing", detail="Playwright is not installed: pip install 'lingma-trio[login]'")
        )
        return
    with sync_playwright() as playwright:
        _say("starting the browser")
        try:
            browser = playwright.chromium.launch(
                executable_path=find_browser(order.browser, fallback=playwright.chromium.executable_path),
                headless=order.headless,
                chromium_sandbox=is_sandboxed(),
                args=list(SWITCHES),
                timeout=order.timeout * 1000,
            )
        except BrowserMissing as fault:
            _tell_outcome(LoginOutcome("browser_missing", detail=str(fault)))
            return
        except Error as fault:
            _tell_outcome(LoginOutcome("crashed", detail=_last_words(str(fault))))
            return
        page = browser.new_page(locale="zh-CN")
        _tell_outcome(Journey(page, order, ALIYUN, _say).go())


def _last_words(text: str) -> str:
    """The end of a message of many lines, as one line; a browser's own words come last in it."""
    return " ".join(text.split())[-_LONGEST_FAULT:]
