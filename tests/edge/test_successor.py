"""The process that is to take over: started as this one was, kept when it serves, and otherwise ended for certain."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import trio

from lingma_trio.edge import successor
from lingma_trio.edge.handover import HandoverFailed, Message, hear, say
from lingma_trio.edge.successor import (
    VARIABLE,
    command_again,
    ends_a_container,
    parent_name,
    start_successor,
    started_as_successor,
)
from lingma_trio.systemd import VARIABLES
from tests.lingma.support import descriptors

PATIENCE = 120.0
"""Seconds; a busy machine takes some tens of them for a few programs of Python, one after another."""
ASK = (
    "import os, socket\n"
    "from lingma_trio.edge.successor import started_as_successor\n"
    "socket = started_as_successor(os.environ)\n"
    "left = sorted(set(os.environ) & set({known!r}))\n"
    "socket.send(('ask ' + ','.join(left)).encode())\n"
    "print(socket.recv(4096).decode(), file=open({said!r}, 'w'), flush=True)\n"
)


def asking(said: Path, *, stubborn: bool = False) -> list[str]:
    """A program that asks with the variables of systemd that it has, and writes down the answer."""
    program = ASK.format(known=(*VARIABLES, VARIABLE), said=str(said))
    if stubborn:
        program = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{program}signal.pause()\n"
    return [sys.executable, "-c", program]


async def test_successor_that_serves_goes_on(tmp_path: Path) -> None:
    """It talks at the socket it was given, and has of systemd's words those that are the service's."""
    environ = {**os.environ, **dict.fromkeys(VARIABLES, "1")}
    with trio.fail_after(PATIENCE):
        async with start_successor(asking(tmp_path / "said"), environ) as started:
            assert await hear(started.socket) == Message("ask", "NOTIFY_SOCKET,WATCHDOG_USEC")
            started.serves = True
        assert started.process.returncode is None
        say(started.socket, Message("released"))
        started.socket.close()
        assert await started.process.wait() == 0
    assert (tmp_path / "said").read_text() == "released\n"


@pytest.mark.parametrize("stubborn", [False, True], ids=["willing", "stubborn"])
@pytest.mark.parametrize("end", ["failure", "cancelled"])
async def test_successor_that_is_not_wanted_is_told_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, *, stubborn: bool
) -> None:
    """It hears that the server goes on, so that it does not serve, and leaves neither process nor descriptor."""
    if not stubborn:  # however long it takes to end by itself
        monkeypatch.setattr(successor, "LAST_WORDS", PATIENCE)
    before = descriptors()
    with trio.fail_after(PATIENCE), trio.CancelScope() as scope:
        with pytest.raises((HandoverFailed, trio.Cancelled)) as failure:  # noqa: PT012 - the block is what fails
            async with start_successor(asking(tmp_path / "said", stubborn=stubborn), os.environ) as started:
                await hear(started.socket)
                if end == "cancelled":
                    scope.cancel("the server is stopping")
                    await trio.lowlevel.checkpoint()
                raise HandoverFailed("it speaks otherwise")
        assert started.process.returncode == (-9 if stubborn else 0)
        assert started.socket.fileno() < 0
        if end == "cancelled":
            raise failure.value
    assert (tmp_path / "said").read_text().startswith("refused the gateway goes on by itself")
    assert descriptors() == before


async def test_successor_that_cannot_be_started() -> None:
    """Is told as such, and leaves no descriptor."""
    before = descriptors()
    with pytest.raises(HandoverFailed, match="could not be started"):
        async with start_successor(["/nowhere/python"], os.environ):
            pass
    assert descriptors() == before


def test_who_was_not_started_so_has_nobody_to_ask() -> None:
    """Nor does anybody who has a variable that makes no sense; it is taken away all the same."""
    environ = {VARIABLE: "x"}
    assert started_as_successor(environ) is None
    assert environ == {}
    assert started_as_successor({}) is None


def test_command_is_the_one_of_this_process() -> None:
    """Interpreter, its options and arguments, which a program may have taken out of `sys.argv`."""
    assert command_again()[0] == sys.executable
    assert command_again()[1:] == sys.orig_argv[1:]
    assert parent_name()


@pytest.mark.parametrize(
    ("pid", "parent", "ends"),
    [(1, "", True), (7, "tini", True), (7, "docker-init", True), (7, "systemd", False), (7, "bash", False)],
)
def test_end_of_a_container(pid: int, parent: str, *, ends: bool) -> None:
    """It ends with its first process, or with the one that its init has started; no other does."""
    assert ends_a_container(pid, parent) == ends
