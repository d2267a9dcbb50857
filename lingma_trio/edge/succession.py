"""How a server is followed by its successor while it serves: who may take over, one at a time, and what then happens.

A successor is started here, or comes by itself and asks at the door, a socket at a path that is this user's alone.
Whatever goes wrong is logged, and the server serves on.
"""

from __future__ import annotations

import os
import socket as sockets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, Self

import structlog
import trio

from lingma_trio.edge.addresses import Listeners, listen_at
from lingma_trio.edge.handover import KIND, HandoverFailed, Message, Predecessor, is_ours, offer, say
from lingma_trio.edge.successor import Successor, command_again, ends_a_container, parent_name, start_successor
from lingma_trio.private_files import check_owner

READY_SECONDS: Final = 30.0
"""Seconds that a successor has to read its settings and to start."""

RESIGN_SECONDS: Final = 5.0
"""Seconds in which this server lets go of what its successor is to have; it takes milliseconds."""

PAUSE: Final = 1.0  # seconds until an asker that could not be let in is looked for again

PRIVATE: Final = 0o600

IN_CONTAINER = "the container ends with this process: restart the container instead"
UNDER_SYSTEMD = (
    "systemd follows this gateway's own process: `systemctl kill --kill-whom=main --signal=SIGUSR2 UNIT` has it start"
    " its successor itself"
)
NOT_YET = "the gateway does not serve yet"
HANDED_OVER = "another gateway has taken over already"
STILL_THERE = "the gateway before this one still finishes its streams: try again when it has ended"
UNDER_WAY = "another takeover is under way"

log = structlog.get_logger("lingma_trio.takeover")


class Succession:
    """The end of one server's time, where another one follows. `predecessor` is whom it has followed itself.

    `resign` is awaited once the successor is ready, with its pid or 0; after it nobody is accepted here any more. With
    `supervised` somebody watches over this very process, so that only a child of it may follow. To be left, as a
    context manager, when all that the server ran has ended.
    """

    def __init__(
        self,
        listeners: Listeners,
        resign: Callable[[int], Awaitable[None]],
        *,
        predecessor: Predecessor | None = None,
        supervised: bool = False,
        command: Sequence[str] = (),
    ) -> None:
        self._listeners = listeners
        self._resign = resign
        self._predecessor = predecessor
        self._supervised = supervised
        self._command = list(command) or command_again()
        self._obstacle = NOT_YET
        self._talk: trio.CancelScope | None = None
        self._kept = ExitStack()
        if predecessor is not None:
            self._kept.callback(predecessor.close)

    def __repr__(self) -> str:
        return f"<Succession talks={self._talk is not None} obstacle={self._obstacle!r}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()

    def allow(self) -> None:
        """The server serves, so that another one may follow."""
        self._obstacle = ""

    def refuse(self, reason: str) -> None:
        """Let nobody take over from now on; a handover that is under way ends, and its successor with it."""
        self._obstacle = reason
        if self._talk is not None:
            self._talk.cancel(reason)

    async def replace(self) -> None:
        """Start a successor and hand over to it. Cancelling ends it, unless it serves by then."""
        successor: Successor | None = None
        try:
            with self._alone():
                if ends_a_container(os.getpid(), parent_name()):
                    raise HandoverFailed(IN_CONTAINER)
                async with start_successor(self._command, os.environ) as successor:
                    log.info("takeover_begun", successor=successor.process.pid)
                    await self._hand_over(successor.socket, successor.process.pid)
                    successor.serves = True
                    self._kept.callback(successor.socket.close)
                    self._kept.callback(successor.process.poll)  # held until then, for nobody waits for its end
        except HandoverFailed as fault:
            status = None if successor is None else successor.process.returncode
            log.error("takeover_failed", reason=str(fault), exit_status=status)

    async def answer(self, socket: trio.socket.SocketType) -> None:
        """Hand over to who asks by itself, or tell it why not; takes `socket` over. Cancelling ends the talk."""
        with ExitStack() as stack:
            stack.callback(socket.close)
            try:
                with self._alone():
                    if not is_ours(socket):
                        raise HandoverFailed("another user's process may not take over")
                    if self._supervised:
                        raise HandoverFailed(UNDER_SYSTEMD)
                    log.info("takeover_asked_for")
                    await self._hand_over(socket, 0)
                    self._kept.push(stack.pop_all())
            except HandoverFailed as fault:
                log.error("takeover_failed", reason=str(fault))
                say(socket, Message("refused", str(fault)))

    async def hear_askers(self, door: Path, nursery: trio.Nursery) -> None:
        """Answer in `nursery` who asks at the path `door`, until cancelled; where there is no place for it, return."""
        with ExitStack() as stack:
            try:
                listener = trio.socket.from_stdlib_socket(stack.enter_context(open_door(door)))
            except OSError as fault:
                log.info("no_takeover_from_outside", fault=str(fault))
                return
            while True:
                try:
                    socket, _ = await listener.accept()
                except OSError as fault:  # no descriptor is left, or the asker has left again
                    log.warning("asker_not_heard", fault=str(fault))
                    await trio.sleep(PAUSE)
                else:
                    nursery.start_soon(self.answer, socket, name="handover")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One at a time. Raises `HandoverFailed` where nobody may take over, also when that comes to be so."""
        if self._obstacle:
            raise HandoverFailed(self._obstacle)
        if self._talk is not None:
            raise HandoverFailed(UNDER_WAY)
        if self._predecessor is not None and not self._predecessor.gone:
            raise HandoverFailed(STILL_THERE)
        self._talk = talk = trio.CancelScope()
        try:
            with talk:
                yield
        finally:
            self._talk = None
        if talk.cancelled_caught:
            raise HandoverFailed(self._obstacle)

    async def _hand_over(self, socket: trio.socket.SocketType, pid: int) -> None:
        with trio.move_on_after(READY_SECONDS) as patience:
            await offer(socket, self._listeners.sockets)
        if patience.cancelled_caught:
            raise HandoverFailed(f"the successor was not ready within {READY_SECONDS:g} s")
        self._obstacle = HANDED_OVER
        self._listeners.handed_on = True
        with trio.move_on_after(RESIGN_SECONDS, shield=True):  # half of it would be the end of both
            await self._resign(pid)
        log.info("handed_over")
        say(socket, Message("released"))


@contextmanager
def open_door(path: Path) -> Iterator[sockets.socket]:
    """A socket that this user's processes alone can ask at. Raises OSError where there is no place for it, or somebody
    else listens there.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _reachable(path) as reached, listen_at(reached, kind=KIND, mode=PRIVATE) as listener:
        try:
            yield listener
        finally:
            with suppress(OSError):
                reached.unlink()


def knock(path: Path) -> sockets.socket:
    """A socket to ask at, connected with the server whose door is at `path`. Raises OSError where nobody answers."""
    socket = sockets.socket(sockets.AF_UNIX, KIND)
    try:
        with _reachable(path) as reached:
            socket.connect(str(reached))
        if not is_ours(socket):
            raise PermissionError("it is another user's")
    except OSError:
        socket.close()
        raise
    return socket


@contextmanager
def _reachable(path: Path) -> Iterator[Path]:
    """The path in a form that is short enough for the address of a socket, however deep it lies."""
    check_owner(path.parent)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{directory}") / path.name
    finally:
        os.close(directory)
