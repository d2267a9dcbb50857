"""A local sign-in site, and a look at the processes that a login starts."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trio
from pydantic import SecretStr

from lingma_trio.accounts import Account
from lingma_trio.simulator.knobs import Knobs
from lingma_trio.simulator.sign_in import SignInSite

PATIENCE = 90.0  # seconds after which a browser on a busy machine has failed
USERNAME = "planted-user-name"
PASSWORD = "planted-pass,word"
ACCOUNT = Account(USERNAME, SecretStr(PASSWORD))


@dataclass
class Site:
    """A running sign-in site."""

    port: int
    redeemed: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/lingma/login?state=2-0011&nonce=ffee&port={self.port}"


@asynccontextmanager
async def sign_in_site(*words: str) -> AsyncIterator[Site]:
    """A site with these knobs, at which ACCOUNT may sign in; the block has to be over within PATIENCE."""
    redeemed: list[str] = []

    def redeem(state: str) -> bool:
        redeemed.append(state)
        return True

    served = SignInSite(Knobs().turned([f"passwords={USERNAME}:{PASSWORD}", *words]), redeem=redeem)
    with trio.fail_after(PATIENCE):
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port: int = listener.socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, served.serve, [listener])
            yield Site(port, redeemed)
            nursery.cancel_scope.cancel("the test is over")


@dataclass
class Watched:
    """A process, by a handle that is never another's."""

    pid: int
    handle: int
    command: str
    environment: bytes

    @property
    def runs(self) -> bool:
        """Whether the process is there; one that ended and nobody has waited for is not."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] not in "ZX"

    async def ended(self) -> None:
        """Wait for its end."""
        await trio.lowlevel.wait_readable(self.handle)


@contextmanager
def descendants(pid: int) -> Iterator[list[Watched]]:
    """All processes that `pid` has started, directly or not, and that run at this moment."""
    with ExitStack() as stack:
        found = []
        for child in _children_of_all(pid):
            try:
                handle = os.pidfd_open(child)
            except ProcessLookupError:
                continue
            stack.callback(os.close, handle)
            process = Path(f"/proc/{child}")
            try:
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                found.append(Watched(child, handle, command, (process / "environ").read_bytes()))
            except OSError:
                continue
        yield found


def profiles(processes: list[Watched]) -> set[Path]:
    """The private directories of the logins that these browsers belong to."""
    return {
        Path("/", *Path(word.partition("=")[2]).parts[1:-1])
        for process in processes
        for word in process.command.split()
        if word.startswith("--user-data-dir=")
    }


def _children_of_all(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found = list(parents.get(pid, []))
    for each in found:  # which grows meanwhile
        found.extend(parents.get(each, []))
    return found
