"""What systemd hands to a service, and what it wants to hear of it: open sockets, readiness, a pulse.

Knows systemd's variables and datagrams, and not what is served. Who was not started by systemd has no sockets and
nobody to tell, and for them everything here does nothing.
"""

from __future__ import annotations

import os
import socket as sockets
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
import trio

from lingma_trio.errors import ConfigurationFault

OF_ONE_PROCESS = ("LISTEN_FDNAMES", "LISTEN_FDS", "LISTEN_PID", "LISTEN_PIDFDID", "WATCHDOG_PID")
"""What systemd says to one process by its pid."""

VARIABLES = (*OF_ONE_PROCESS, "NOTIFY_SOCKET", "WATCHDOG_USEC")
"""What systemd says to a service alone; a child that had it would speak in its parent's name."""

FIRST_DESCRIPTOR = 3
CONTAINER_INIT = 1
PATIENCE = 1.0  # seconds a message may wait for a systemd that does not read

log = structlog.get_logger("lingma_trio.systemd")


@dataclass(slots=True)
class ServiceManager:
    """The systemd that started this process. `address` is where it listens, `watchdog` the seconds after which it takes
    a silent service for dead. Empty and 0: nobody listens, nobody watches; so it is from `tell_successor` on.
    """

    address: str = ""
    watchdog: float = 0.0

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> ServiceManager:
        """The one that `environ` tells of. A watchdog that is meant for another process is none."""
        address = environ.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            return cls()
        microseconds = environ.get("WATCHDOG_USEC", "")
        ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        return cls(address, int(microseconds) / 1e6 if ours and microseconds.isdecimal() else 0.0)

    async def tell_ready(self, status: str) -> None:
        """Say that the service serves now; `status` is one line for people."""
        await self._tell("READY=1", f"STATUS={status}")

    async def tell_stopping(self, seconds: float) -> None:
        """Say that the service is on its way out, and ask for `seconds` where the unit grants less."""
        await self._tell("STOPPING=1", f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}", "STATUS=finishing requests")

    async def tell_successor(self, pid: int) -> None:
        """Say that the service is the process `pid` from now on, which is alive; and nothing any more after it."""
        await self._tell(f"MAINPID={pid}", "WATCHDOG=1")
        self.address, self.watchdog = "", 0.0

    async def pulse(self) -> None:
        """Say twice per watchdog period that whoever runs this is alive; without a watchdog, return.

        To be run by the nursery whose life it shall prove: a loop that hangs and a nursery that ended both fall silent.
        The first time is after half a period: who succeeds another one is not the service before.
        """
        while self.watchdog:
            await trio.sleep(self.watchdog / 2)
            await self._tell("WATCHDOG=1")

    async def _tell(self, *lines: str) -> None:
        """Send one datagram. One that cannot be sent is logged: whether that ends the service is systemd's affair."""
        if not self.address:
            return
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with trio.fail_after(PATIENCE), trio.socket.socket(sockets.AF_UNIX, sockets.SOCK_DGRAM) as socket:
                await socket.connect(address)  # an unconnected one is writable although systemd's queue is full
                await socket.send("\n".join(lines).encode())
        except (OSError, trio.TooSlowError) as fault:
            log.warning("systemd_not_told", message=lines[0], fault=str(fault) or "it does not read")


def inherited_sockets(environ: Mapping[str, str]) -> tuple[sockets.socket, ...]:
    """The listening sockets that systemd opened for this process; the caller closes them. None where there are none.

    To be called once, since each call takes the descriptors over anew. Raises `ConfigurationFault` for a descriptor
    that is no listening TCP socket.
    """
    if not _is_for_us(environ.get("LISTEN_PID", "")):
        return ()
    count = environ.get("LISTEN_FDS", "")
    last = FIRST_DESCRIPTOR + int(count) if count.isdecimal() else FIRST_DESCRIPTOR
    return tuple(_adopt(descriptor) for descriptor in range(FIRST_DESCRIPTOR, last))


def _is_for_us(pid: str) -> bool:
    """Whether sockets for `pid` are this process's. A container's init passes on what was given to it."""
    return pid == str(os.getpid()) or (pid == str(CONTAINER_INIT) == str(os.getppid()))


def _adopt(descriptor: int) -> sockets.socket:
    try:
        os.set_inheritable(descriptor, False)
        socket = sockets.socket(fileno=descriptor)
        listens = socket.getsockopt(sockets.SOL_SOCKET, sockets.SO_ACCEPTCONN)
    except OSError as fault:
        raise ConfigurationFault(f"LISTEN_FDS: descriptor {descriptor} is no socket ({fault.strerror})") from fault
    if not listens or socket.family not in (sockets.AF_INET, sockets.AF_INET6):
        socket.close()
        raise ConfigurationFault(
            f"LISTEN_FDS: descriptor {descriptor} is no listening TCP socket; "
            "the socket unit needs `ListenStream=` with a port or an address and port, and `Accept=no`"
        )
    return socket
