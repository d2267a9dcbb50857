"""What systemd says is understood, and what it wants to hear is said, over real sockets."""

from __future__ import annotations

import os
import socket as sockets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TextIO

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.systemd import VARIABLES, ServiceManager, inherited_sockets

OURS = str(os.getpid())


class Ear:
    """Where systemd listens: a datagram socket. `address` is what NOTIFY_SOCKET holds."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = sockets.socket(sockets.AF_UNIX, sockets.SOCK_DGRAM)
        self.socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        """What has arrived since the last time."""
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages


@pytest.fixture(params=["path", "abstract"])
def ear(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ear]:
    """A systemd that listens, at either kind of address."""
    ear = Ear(str(tmp_path / "notify") if request.param == "path" else f"@lingma-trio-{tmp_path}")
    with closing(ear.socket):
        yield ear


# --- what is said ----------------------------------------------------------------------------------------------------


async def test_readiness_is_told(ear: Ear) -> None:
    """Readiness is one datagram, with a line for people."""
    await ServiceManager(ear.address).tell_ready("serving on http://127.0.0.1:1")
    assert ear.heard() == ["READY=1\nSTATUS=serving on http://127.0.0.1:1"]


async def test_stopping_asks_for_the_time_it_takes(ear: Ear) -> None:
    """The way out begins with how long it may take, so that a unit with a shorter timeout does not cut streams."""
    await ServiceManager(ear.address).tell_stopping(45.5)
    (message,) = ear.heard()
    assert message.splitlines()[:2] == ["STOPPING=1", "EXTEND_TIMEOUT_USEC=45500000"]


async def test_pulse_goes_on_as_long_as_its_owner(ear: Ear, autojump_clock: MockClock) -> None:
    """The watchdog hears twice per period from a live nursery, and nothing once that has ended.

    The first time half a period after the start: a successor is not the service yet, and systemd would not hear it.
    """
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ServiceManager(ear.address, watchdog=10.0).pulse)
        await trio.sleep(24)
        nursery.cancel_scope.cancel("the gateway ends")
    assert ear.heard() == ["WATCHDOG=1"] * 4
    await trio.sleep(24)
    assert ear.heard() == []


async def test_successor_is_the_service_and_alone_speaks_for_it(ear: Ear, autojump_clock: MockClock) -> None:
    """Systemd learns the pid, has a whole period to hear from it, and hears nothing more of the one before."""
    manager = ServiceManager(ear.address, watchdog=10.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(manager.pulse)
        await wait_all_tasks_blocked()
        await manager.tell_successor(4711)
        assert ear.heard() == ["MAINPID=4711\nWATCHDOG=1"]
        await manager.tell_ready("serving")
        await manager.tell_stopping(1.0)
    assert ear.heard() == []


async def test_without_a_watchdog_there_is_no_pulse(ear: Ear) -> None:
    """Who is not watched keeps quiet, and holds up no nursery."""
    await ServiceManager(ear.address).pulse()
    assert ear.heard() == []


async def test_without_systemd_nothing_is_told() -> None:
    """Started by a shell, the gateway talks to nobody."""
    manager = ServiceManager()
    await manager.tell_ready("serving")
    await manager.tell_stopping(1.0)
    await manager.pulse()


async def test_systemd_that_is_gone_harms_nobody(tmp_path: Path) -> None:
    """A message that nobody takes is given up."""
    await ServiceManager(str(tmp_path / "nobody")).tell_ready("serving")


async def test_systemd_that_does_not_read_is_not_waited_for(ear: Ear, autojump_clock: MockClock) -> None:
    """A full queue costs a message a bounded time, and the message."""
    with closing(sockets.socket(sockets.AF_UNIX, sockets.SOCK_DGRAM)) as filler:
        filler.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                filler.sendto(b"x", ear.socket.getsockname())
    with trio.fail_after(2):
        await ServiceManager(ear.address).tell_ready("serving")
    assert set(ear.heard()) == {"x"}


# --- what is understood ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ServiceManager()),
        ({"WATCHDOG_USEC": "1000000"}, ServiceManager()),
        ({"NOTIFY_SOCKET": "/run/notify"}, ServiceManager("/run/notify")),
        ({"NOTIFY_SOCKET": "@notify"}, ServiceManager("@notify")),
        ({"NOTIFY_SOCKET": "vsock:2:1"}, ServiceManager()),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "2500000"}, ServiceManager("/n", 2.5)),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "2500000", "WATCHDOG_PID": OURS}, ServiceManager("/n", 2.5)),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "2500000", "WATCHDOG_PID": "1"}, ServiceManager("/n")),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "soon"}, ServiceManager("/n")),
    ],
)
def test_manager_is_what_the_variables_say(environ: dict[str, str], expected: ServiceManager) -> None:
    """The variables are systemd's; what is for another process, or no address of this machine, counts for nothing."""
    assert ServiceManager.of(environ) == expected


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
        {"LISTEN_FDS": "", "LISTEN_PID": OURS},
        {"LISTEN_FDS": "many", "LISTEN_PID": OURS},
    ],
)
def test_sockets_for_nobody_or_another_process_are_left_alone(environ: dict[str, str]) -> None:
    """Descriptors are taken over only where this process is meant."""
    assert inherited_sockets(environ) == ()


INHERIT = """
import os, sys
from lingma_trio.systemd import inherited_sockets
parent = os.getppid()
if sys.argv[2] == "init":
    os.getppid = lambda: 1  # a container's first process, whose number no test can have
    parent = 1
pid = os.getpid() if sys.argv[2] == "own" else parent
try:
    found = inherited_sockets({"LISTEN_PID": str(pid), "LISTEN_FDS": sys.argv[1]})
except ConfigurationFault as fault:
    sys.exit(str(fault))
for socket in found:
    print(socket.getsockname()[1], os.get_inheritable(socket.fileno()))
"""


def inherit(*handed: sockets.socket | TextIO, whose: str = "own") -> subprocess.CompletedProcess[str]:
    """Start a process the way systemd does, with sockets from descriptor 3 on, and let it take them over."""
    # Where they lie may be where another one is to be, so the shell moves them twice.
    moves = [f"exec {100 + number}<&{each.fileno()}" for number, each in enumerate(handed)]
    moves += [f"exec {3 + number}<&{100 + number} {100 + number}<&-" for number in range(len(handed))]
    script = "; ".join([*moves, 'exec "$@"'])
    return subprocess.run(
        ["bash", "-c", script, "bash", sys.executable, "-c", INHERIT, str(len(handed)), whose],
        pass_fds=[socket.fileno() for socket in handed],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_sockets_are_taken_over_and_kept() -> None:
    """Every socket that was opened for this process listens on in it, and no child inherits any."""
    with (
        sockets.create_server(("127.0.0.1", 0)) as one,
        sockets.create_server(("::1", 0), family=sockets.AF_INET6) as other,
    ):
        ran = inherit(one, other)
        assert ran.stdout.splitlines() == [f"{socket.getsockname()[1]} False" for socket in (one, other)], ran.stderr


def test_sockets_for_the_parent_are_left_alone() -> None:
    """What was meant for the parent is no business of a child, unless the parent is a container's init."""
    with sockets.create_server(("127.0.0.1", 0)) as socket:
        assert inherit(socket, whose="parent").stdout == ""


def test_sockets_of_a_container_s_init_are_ours() -> None:
    """In a container the sockets are handed to the first process, which is an init that passes them on."""
    with sockets.create_server(("127.0.0.1", 0)) as socket:
        assert inherit(socket, whose="init").stdout == f"{socket.getsockname()[1]} False\n"


@pytest.mark.parametrize("kind", ["connected", "datagram", "unix", "file"])
def test_socket_of_no_use_is_told(tmp_path: Path, kind: str) -> None:
    """What is no listening TCP socket is refused by its number, with what to write into the unit."""
    with ExitStack() as stack:
        listener = stack.enter_context(sockets.create_server(("127.0.0.1", 0)))
        wrong: sockets.socket | TextIO
        match kind:
            case "connected":
                wrong = sockets.create_connection(listener.getsockname())
            case "datagram":
                wrong = sockets.socket(sockets.AF_INET, sockets.SOCK_DGRAM)
            case "unix":
                wrong = listening_at(tmp_path / "socket")
            case _:
                wrong = Path(__file__).open(encoding="utf-8")  # noqa: SIM115 - the stack closes it
        stack.callback(wrong.close)
        ran = inherit(wrong)
    assert ran.returncode == 1
    assert "LISTEN_FDS: descriptor 3 is no " in ran.stderr
    assert kind == "file" or "ListenStream=" in ran.stderr


def listening_at(path: Path) -> sockets.socket:
    socket = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    socket.bind(str(path))
    socket.listen()
    return socket


def test_every_variable_that_is_read_is_kept_from_children() -> None:
    """The list of what children are not told is complete."""
    source = (Path(__file__).parent.parent / "lingma_trio" / "systemd.py").read_text(encoding="utf-8")
    read = {line.split('environ.get("')[1].split('"')[0] for line in source.splitlines() if 'environ.get("' in line}
    assert read
    assert read <= set(VARIABLES)
