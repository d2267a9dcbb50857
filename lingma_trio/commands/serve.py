"""`lingma-trio serve`: the gateway itself, until a signal ends it.

Parses, delegates and prints. A start that cannot be says why, and what to do, before anything runs.
"""

from __future__ import annotations

import errno
import os
import socket as sockets
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click
import trio

from lingma_trio.application import Application
from lingma_trio.commands.printing import own_command
from lingma_trio.commands.starting import (
    BAD_SETTINGS,
    FAILED,
    NO_ADDRESS,
    bounds_of,
    certificate_or_exit,
    check_certificates_or_exit,
    check_keys_or_exit,
    check_store_or_exit,
    inherited_or_exit,
    settings_or_exit,
    settle,
    tell_of_the_address,
)
from lingma_trio.commands.welcome import reached_at, say_welcome
from lingma_trio.config import Settings
from lingma_trio.config.note import Note, door_of, leave_note
from lingma_trio.doctor.port_holder import holder_of
from lingma_trio.edge.handover import HandoverFailed, Predecessor
from lingma_trio.edge.lifespan import LifespanFailed
from lingma_trio.edge.server import Listening, serve_app
from lingma_trio.edge.succession import knock
from lingma_trio.edge.successor import started_as_successor
from lingma_trio.fleet import is_unconfigured
from lingma_trio.logs import say
from lingma_trio.systemd import ServiceManager


def serve(
    host: str, port: int | None, simulator: bool, or_simulator: bool, env_file: Path | None, takeover: bool
) -> None:
    """Do what `lingma-trio serve` is for, and end the process with the status that its help names."""
    overrides = {
        "HOST": host,
        "PORT": "" if port is None else str(port),
        "LINGMA_UPSTREAM": "simulator" if simulator else "",
    }
    env_file = env_file or Path(".env")
    settings = settings_or_exit({name: value for name, value in overrides.items() if value}, env_file)
    if is_unconfigured(settings):
        if not or_simulator:
            _tell_what_is_missing(settings)
        settings = settings.model_copy(update={"lingma_upstream": "auto"})
    check_keys_or_exit(settings)
    check_store_or_exit(settings)
    check_certificates_or_exit(settings)
    sys.exit(_served(settings, env_file.absolute(), takeover=takeover))


def _tell_what_is_missing(settings: Settings) -> None:
    click.echo(
        f"lingma-trio: nothing is configured: no account, no login, and no Lingma at {settings.lingma_bin}.\n"
        f"`{own_command()} init` writes a .env to begin with; `{own_command()} serve --simulator` needs neither.",
        err=True,
    )
    sys.exit(BAD_SETTINGS)


def _served(settings: Settings, env_file: Path, *, takeover: bool) -> int:
    """Serve until a signal; returns the exit status."""
    manager = ServiceManager.of(os.environ)
    certificate = certificate_or_exit(settings)
    door = door_of(Path(), os.environ)
    predecessor = _predecessor_or_exit(takeover, door)
    application = Application(lambda: settings, manager, succeeds=predecessor is not None)
    listening = Listening(
        host=settings.host,
        port=settings.port,
        grace=settings.shutdown_grace_sec,
        bounds=bounds_of(settings),
        certificate=certificate,
        inherited=inherited_or_exit() if predecessor is None else predecessor.listeners,
        predecessor=predecessor,
        door=door,
    )
    status = 0
    try:
        serving = partial(
            serve_app,
            drain=application.drain,
            reload=application.reload,
            manager=manager,
            welcome=partial(_welcome, settings, application, env_file),
        )
        settle()
        try:
            trio.run(serving, application, listening)
        except OSError as fault:  # one of a task comes in a group: it is a bug, whose traceback is wanted
            _tell_of_the_way_out(settings, fault, door)
            status = NO_ADDRESS
    except* LifespanFailed:
        status = FAILED  # the log has said why
    except* HandoverFailed as group:
        _tell_of_the_takeover(group.exceptions[0])
        status = FAILED
    return status


def _predecessor_or_exit(takeover: bool, door: Path | None) -> Predecessor | None:
    """The gateway to take over from, which has started this process or is asked at its door with `takeover`. One that
    does not hand over is told, and ends the process with 1.
    """
    try:
        socket = started_as_successor(os.environ)
        if socket is None and takeover:
            if door is None:
                raise HandoverFailed("without HOME or XDG_STATE_HOME nobody knows where")
            socket = knock(door)
        return None if socket is None else Predecessor.ask(socket)
    except OSError as fault:
        _tell_of_the_takeover(f"no gateway answers for this folder ({fault.strerror}); start one without --takeover")
    except HandoverFailed as fault:
        _tell_of_the_takeover(fault)
    sys.exit(FAILED)


def _tell_of_the_takeover(fault: object) -> None:
    click.echo(f"lingma-trio: the takeover came to nothing: {fault}", err=True)


async def _welcome(settings: Settings, application: Application, env_file: Path, places: Sequence[str]) -> None:
    """Let commands in this folder find the gateway as long as it serves, and greet whoever looks at a terminal."""
    here = reached_at(settings, places)
    overrides = {"HOST": here.host, "PORT": str(here.port), "LINGMA_UPSTREAM": here.lingma_upstream}
    note = Note(pid=os.getpid(), env_file=str(env_file), overrides=overrides)
    with leave_note(Path(), note, os.environ):
        if sys.stderr.isatty() and application.services is not None:
            await say_welcome(here, application.services, say)
        await trio.sleep_forever()


def _tell_of_the_way_out(settings: Settings, fault: OSError, door: Path | None) -> None:
    """Print why the address cannot be had, who has it, and the way out."""
    tell_of_the_address(settings, fault)
    if fault.errno == errno.EADDRINUSE:
        holder = holder_of(settings.port)
        if holder is not None:
            click.echo(f"It is held by {holder}.", err=True)
        end = "End that one" if holder is None else f"End it with `kill {holder.pid}`"
        click.echo(f"{end}, or take another port: {own_command()} serve --port {_free_port()}", err=True)
        if door is not None and door.exists():
            click.echo(f"Or take over from the gateway of this folder: {own_command()} serve --takeover", err=True)


def _free_port() -> int:
    """A port that nobody has at this moment."""
    with sockets.socket() as socket:
        socket.bind(("127.0.0.1", 0))
        port: int = socket.getsockname()[1]
        return port
