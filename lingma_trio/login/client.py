"""Runs the login worker: starts it, gives it its order, hears its steps, and ends it with its browser.

Knows pipes and processes. Does not know Lingma, or what the sign-in pages look like.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import trio

from lingma_trio.accounts import Account
from lingma_trio.login.messages import LoginOutcome, Order, read_line

END_GRACE = 5.0  # seconds the worker may take to end its browser before it is killed itself
REMOVE_GRACE = 2.0  # seconds for the profile of a worker that could not remove it itself
LATE = 10.0  # seconds beyond its timeout after which a worker that should have given up is given up
_LAST_WORDS = 2048  # bytes of its errors kept to explain a crash
_LONGEST_LINE = 65_536

HANDED_DOWN = frozenset(
    {
        *("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV"),
        *("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR", "FONTCONFIG_PATH", "FONTCONFIG_FILE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "LD_LIBRARY_PATH", "PLAYWRIGHT_BROWSERS_PATH", "PLAYWRIGHT_NODEJS_PATH"),
    }
)
"""The variables a worker gets. A list of what is allowed: passwords and keys may stand in any other."""


def worker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of `environment` that a worker is given."""
    return {name: value for name, value in environment.items() if name in HANDED_DOWN}


async def sign_in(
    url: str,
    account: Account,
    *,
    headless: bool,
    timeout: float,  # noqa: ASYNC109 - told to the worker, whose outcome says how far it came
    browser: Path | None = None,
    on_report: Callable[[str], None],
) -> LoginOutcome:
    """Sign `account` in at the login link `url`, within `timeout` seconds; returns how that ended.

    `browser` is a Chromium's path, or None for the first one that is found. `on_report` is called with the name of each
    step. However this ends, the worker, its browser and their profile are gone, at the latest after END_GRACE +
    REMOVE_GRACE + 1 seconds; cancelling does the same. Raises OSError when no process can be started.
    """
    # The browser's profile holds the cookies of a signed-in account; nobody else may read it, and nobody shall find it.
    directory = Path(tempfile.mkdtemp(prefix="lingma-login-"))
    order = Order(
        url=url,
        username=account.username,
        password=account.password.get_secret_value(),
        headless=headless,
        timeout=timeout,
        directory=str(directory),
        browser=str(browser or ""),
    )
    try:
        return await _carry_out(order, on_report)
    finally:
        with trio.move_on_after(REMOVE_GRACE, shield=True):
            await _remove(directory)


async def _carry_out(order: Order, on_report: Callable[[str], None]) -> LoginOutcome:
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "lingma_trio.login"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=worker_environment(os.environ),
    )
    outcome = LoginOutcome("timeout", detail="the login worker did not end in time")
    try:
        with trio.move_on_after(order.timeout + LATE):
            outcome = await _Conversation(process, order, on_report).run()
    finally:
        with trio.move_on_after(END_GRACE + 1, shield=True):
            await _end(process)
    return outcome


class _Conversation:
    """What is said to and by one worker."""

    def __init__(self, process: trio.Process, order: Order, on_report: Callable[[str], None]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._order = order
        self._on_report = on_report
        self._complaints = b""

    async def run(self) -> LoginOutcome:
        """Give the order and listen until the outcome."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hear_complaints, name="login worker")
            with suppress(trio.BrokenResourceError):
                await self._stdin.send_all(self._order.line())
            outcome = await self._hear_outcome()
            if outcome is not None:
                nursery.cancel_scope.cancel("the outcome is known")
            nursery.cancel_scope.deadline = trio.current_time() + 1
        last_words = self._order.without_credentials(self._complaints.decode("utf-8", "replace")).split()
        return outcome or LoginOutcome("crashed", detail=f"the login worker ended: {' '.join(last_words)}")

    async def _hear_outcome(self) -> LoginOutcome | None:
        """Pass steps on until the outcome; None when the worker ends without one."""
        unread = b""
        while len(unread) < _LONGEST_LINE and (chunk := await self._stdout.receive_some()):
            *lines, unread = (unread + chunk).split(b"\n")
            for said in map(read_line, lines):
                if isinstance(said, LoginOutcome):
                    return said
                if said is not None:
                    self._on_report(said)
        return None

    async def _hear_complaints(self) -> None:
        async for chunk in self._stderr:
            self._complaints = (self._complaints + chunk)[-_LAST_WORDS:]


async def _end(process: trio.Process) -> None:
    """Let go of the worker, which ends what it started and then itself; kill one that does not."""
    assert process.stdin is not None
    await process.stdin.aclose()
    with trio.move_on_after(END_GRACE):
        await process.wait()
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            await stream.aclose()


async def _remove(directory: Path) -> None:
    """Remove what the worker left: nothing, unless it was killed, and then its browser may still be writing."""
    for pause in (0.0, 0.1, 0.2, 0.4, 0.8):
        await trio.sleep(pause)
        await trio.to_thread.run_sync(partial(shutil.rmtree, directory, ignore_errors=True))
        if not await trio.Path(directory).exists():
            return
