"""The Trio side of a login: whatever ends it, nothing of the browser is left, and no credential is ever to be seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from textwrap import dedent

import pytest
import trio

from lingma_trio.login.client import HANDED_DOWN, sign_in, worker_environment
from lingma_trio.login.messages import LoginOutcome, Order
from tests.login.support import ACCOUNT, PASSWORD, PATIENCE, USERNAME, descendants, profiles, sign_in_site

ROOT = Path(__file__).parents[2]
SECRETS = (PASSWORD, USERNAME)
HOLDER = """
    import sys, trio
    from pydantic import SecretStr
    from lingma_trio.accounts import Account
    from lingma_trio.login.client import sign_in

    async def main():
        url, username, password = sys.stdin.read().split()
        account = Account(username, SecretStr(password))
        outcome = await sign_in(url, account, headless=True, timeout=60, on_report=lambda step: print(step, flush=True))
        print(outcome, flush=True)

    trio.run(main)
"""
SENDING = "sending the password form"


class Sending:
    """Notices when a login sends the form."""

    def __init__(self) -> None:
        self._begun = trio.Event()
        self.wait = self._begun.wait

    def report(self, step: str) -> None:
        if step == SENDING:
            self._begun.set()


async def all_that_is_printed(order: Order) -> bytes:
    """What a worker prints on both of its outputs until it ends by itself."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "lingma_trio.login"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    printed = b""
    async with process.stdin, process.stdout:
        await process.stdin.send_all(order.line())
        async for chunk in process.stdout:
            printed += chunk
        assert await process.wait() == 0
    return printed


def test_a_worker_is_given_what_it_needs_and_nothing_else() -> None:
    """A variable nobody thought of may hold a password."""
    given = worker_environment({"PATH": "/bin", "LINGMA_PASSWORD": "x", "API_KEYS": "y", "DEBUG": "pw:api"})
    assert given == {"PATH": "/bin"}
    assert not [name for name in HANDED_DOWN if "PASS" in name or "KEY" in name or "TOKEN" in name]


@pytest.mark.slow
async def test_cancelling_leaves_no_process_and_no_profile() -> None:
    """When it returns they are gone, though the browser has groups of its own."""
    async with sign_in_site("sign_in_delay=2") as site:
        sending = Sending()
        scope = trio.CancelScope()

        async def login() -> None:
            with scope:
                await sign_in(site.url, ACCOUNT, headless=True, timeout=60, on_report=sending.report)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(login)
            await sending.wait()
            with descendants(os.getpid()) as processes:
                directories = profiles(processes)
                scope.cancel("the test wants it so")
        assert len(processes) > 5
        assert directories
        assert [process.command for process in processes if process.runs] == []
        assert [directory for directory in directories if directory.exists()] == []


@pytest.mark.slow
async def test_every_outcome_leaves_no_process_and_no_profile() -> None:
    """The same when it ends by itself."""
    async with sign_in_site() as site:
        seen = []

        def look(step: str) -> None:
            if step == SENDING:
                with descendants(os.getpid()) as processes:
                    seen.extend(processes)

        outcome = await sign_in(site.url, ACCOUNT, headless=True, timeout=60, on_report=look)
    assert outcome.kind == "signed_in"
    assert len(seen) > 5
    assert [process.command for process in seen if process.runs] == []
    assert [directory for directory in profiles(seen) if directory.exists()] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("victim", "detail"),
    [("-m lingma_trio.login", "the login worker ended"), ("--remote-debugging-pipe", "the browser ended")],
)
async def test_a_login_whose_process_is_killed_has_crashed(victim: str, detail: str) -> None:
    """Whether it was the worker or the browser; each takes the other one along."""
    async with sign_in_site("sign_in_delay=2") as site:
        sending = Sending()
        outcomes: list[LoginOutcome] = []

        async def login() -> None:
            outcomes.append(await sign_in(site.url, ACCOUNT, headless=True, timeout=60, on_report=sending.report))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(login)
            await sending.wait()
            with descendants(os.getpid()) as processes:
                directories = profiles(processes)
                found = [process for process in processes if victim in process.command]
                os.kill(found[0].pid, signal.SIGKILL)
                for process in processes:
                    await process.ended()
    (outcome,) = outcomes
    assert outcome.kind == "crashed"
    assert outcome.detail.startswith(detail)
    assert directories
    assert [directory for directory in directories if directory.exists()] == []


@pytest.mark.slow
async def test_nothing_outlives_a_gateway_that_is_killed_and_nothing_shows_a_credential() -> None:
    """Not even after SIGKILL; and no argument and no environment below the gateway holds what it was told."""
    async with sign_in_site("sign_in_delay=2") as site, trio.open_nursery() as nursery:
        holder: trio.Process = await nursery.start(
            partial(
                trio.run_process,
                [sys.executable, "-c", dedent(HOLDER)],
                stdin=f"{site.url} {USERNAME} {PASSWORD}".encode(),
                stdout=subprocess.PIPE,
                check=False,
                cwd=ROOT,
                env={**os.environ, "LINGMA_USERNAME": USERNAME, "LINGMA_PASSWORD": PASSWORD},
            )
        )
        assert holder.stdout is not None
        said = b""
        while SENDING.encode() not in said:
            said += await holder.stdout.receive_some()
        with descendants(holder.pid) as processes:
            assert len(processes) > 5
            for process in processes:
                shown = process.command.encode() + process.environment
                assert [secret for secret in SECRETS if secret.encode() in shown] == []
            directories = profiles(processes)
            holder.kill()
            for process in processes:
                await process.ended()
            assert directories
            assert [directory for directory in directories if directory.exists()] == []
        await holder.stdout.aclose()


@pytest.mark.slow
@pytest.mark.parametrize("words", [("passwords=a:b",), ("sign_in_wipes=9",)])
async def test_a_worker_prints_no_credential(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Neither in what it tells nor in what it complains about, whatever becomes of the login."""
    async with sign_in_site(*words) as site:
        order = Order(site.url, USERNAME, PASSWORD, headless=True, timeout=30, directory=str(tmp_path / "profile"))
        (tmp_path / "profile").mkdir()
        printed = await all_that_is_printed(order)
        assert b'"outcome"' in printed
        assert [secret for secret in SECRETS if secret.encode() in printed] == []


async def test_a_worker_without_an_order_does_nothing() -> None:
    """It says how it is used, with the exit status of a usage error."""
    with trio.fail_after(PATIENCE):
        for said in (b"", b"hello\n", b"{}\n", b'{"url": "x"'):
            ended = await trio.run_process(
                [sys.executable, "-m", "lingma_trio.login"], stdin=said, check=False, capture_stderr=True, cwd=ROOT
            )
            assert ended.returncode == 2
            assert b"usage" in ended.stderr
