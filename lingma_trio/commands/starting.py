"""What a command does first: reads the settings, and logs as they say. And how it ends when it cannot go on."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import socket as sockets
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import click

from lingma_trio.config import Settings, load_settings
from lingma_trio.config.note import find_note
from lingma_trio.edge.addresses import path_in
from lingma_trio.edge.bounds import Bounds
from lingma_trio.edge.tls import Certificate
from lingma_trio.errors import ConfigurationFault
from lingma_trio.http.key_watch import examine_keys
from lingma_trio.lingma.remote.dial import Streams
from lingma_trio.logs import configure_logging
from lingma_trio.state.wire import require_client
from lingma_trio.systemd import inherited_sockets

FAILED = 1
BAD_SETTINGS = 2
NO_ADDRESS = 3

COLLECTED_AFTER = (1000, 3, 3)
"""New objects that make a young collection due, and how many of each kind make the next larger one due."""

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # of malloc.h
LARGE = 256 * 1024
"""Bytes of a block that is large: above what is read, written or said at once."""


def settings_or_exit(
    overrides: Mapping[str, str] | None = None, env_file: Path = Path(".env"), *, for_agent: bool = False
) -> Settings:
    """The settings, with logging set up to standard error, in a process that leaves no core. Faulty ones are printed
    and end the process with 2.
    """
    leave_no_core()
    try:
        settings = load_settings(env_file=env_file, overrides=overrides, for_agent=for_agent)
    except ConfigurationFault as fault:
        refuse_settings(fault)
    configure_logging(settings.log_level, settings.log_format, settings.secrets, replica=settings.replica)
    return settings


def load_here() -> Settings:
    """The settings of the gateway that runs for this folder, or else those that one would have.

    Raises `ConfigurationFault`.
    """
    note = find_note(Path(), os.environ)
    return load_settings() if note is None else load_settings(env_file=note.env_file, overrides=note.overrides)


def settings_here_or_exit() -> Settings:
    """As `load_here`; faulty ones are printed and end the process with 2."""
    try:
        return load_here()
    except ConfigurationFault as fault:
        refuse_settings(fault)


def check_keys_or_exit(settings: Settings) -> None:
    """See that KEYS_FILE, as far as there is one, can be used; one that cannot is told, and ends the process with 2."""
    if settings.keys_file is None:
        return
    try:
        examine_keys(settings.keys_file, settings.api_keys)
    except ConfigurationFault as fault:
        refuse_settings(fault)


def check_store_or_exit(settings: Settings) -> None:
    """See that there is a client for the store of STATE_URL, as far as there is one; else end the process with 2."""
    if settings.state_url is None:
        return
    try:
        require_client()
    except ConfigurationFault as fault:
        refuse_settings(fault)


def check_certificates_or_exit(settings: Settings) -> None:
    """See that the certificates for agents, as far as there are such, can be used; else end the process with 2."""
    if settings.lingma_upstream != "agents" or settings.agent_cert_file is None:
        return
    try:
        Streams(settings.agent_cert_file, settings.agent_key_file, settings.agent_ca_file).context()
    except ConfigurationFault as fault:
        refuse_settings(fault)


def operator_settings_or_exit(purpose: str) -> Settings:
    """As `settings_here_or_exit`, for what only an operator may do: without ADMIN_TOKEN, which `purpose` says it is
    needed for, the process ends with 2.
    """
    settings = settings_here_or_exit()
    if not settings.admin_token:
        refuse_settings(
            ConfigurationFault(f"ADMIN_TOKEN: is needed to {purpose} (example: ADMIN_TOKEN=long-and-random)")
        )
    return settings


def refuse_settings(fault: ConfigurationFault) -> NoReturn:
    """Print what is wrong with the settings, and end the process with 2."""
    click.echo(f"The settings do not fit:\n{fault}", err=True)
    sys.exit(BAD_SETTINGS)


def bounds_of(settings: Settings) -> Bounds:
    """What one client may take of the server."""
    return Bounds(
        connections=settings.max_connections,
        per_address=settings.max_connections_per_address or settings.max_connections,
        head_size=int(settings.max_head_bytes),
        fields=settings.max_head_fields,
        head_seconds=settings.head_timeout_sec,
        idle_seconds=settings.idle_timeout_sec,
        stall_seconds=settings.client_stall_sec,
        min_rate=settings.client_min_rate,
    )


def certificate_or_exit(settings: Settings) -> Certificate | None:
    """The certificate, if there is to be one; one that does not fit is told, and ends the process with 2."""
    if settings.tls_cert_file is None and settings.tls_key_file is None:
        return None
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        click.echo("TLS_CERT_FILE and TLS_KEY_FILE need each other: set both, or neither.", err=True)
        sys.exit(BAD_SETTINGS)
    try:
        return Certificate(settings.tls_cert_file, settings.tls_key_file)
    except OSError as fault:
        click.echo(f"TLS_CERT_FILE and TLS_KEY_FILE do not fit: {fault}", err=True)
        sys.exit(BAD_SETTINGS)


def tell_of_the_address(settings: Settings, fault: OSError) -> None:
    """Print why it cannot be listened at the address of the settings, or at the one that the fault names."""
    here = settings.host if path_in(settings.host) else f"{settings.host}:{settings.port}"
    click.echo(f"{fault.filename or here} cannot be listened on: {fault.strerror or fault}", err=True)


def fail(reason: object) -> NoReturn:
    """Print why a command did not do what it was asked for, and end the process with 1."""
    click.echo(f"lingma-trio: {reason}", err=True)
    sys.exit(FAILED)


def inherited_or_exit() -> tuple[sockets.socket, ...]:
    """The sockets that systemd opened for this process; one that is of no use is told, and ends the process with 2."""
    try:
        return inherited_sockets(os.environ)
    except ConfigurationFault as fault:
        click.echo(f"What systemd handed over does not fit:\n{fault}", err=True)
        sys.exit(BAD_SETTINGS)


def leave_no_core() -> None:
    """Have neither this process nor what it starts leave a core where it crashes: keys, logins and prompts would stand
    in it, and a few of them fill the disk that the logins are on.

    Of one byte, which no core fits into: Linux heeds no other limit, not even none, where it hands a core to a program
    (core_pattern with a pipe). Only the soft limit is lowered: whoever looks for a fault raises it with `prlimit`.
    """
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (1 if most else 0, most))


def settle() -> None:
    """Have the garbage collector pass over everything that is there now, for good, and come often for what comes later.

    Modules and settings stay as long as the process does; looked through in each full collection they hold the loop for
    longer than all that requests make. What these leave in cycles is cheap to clear away as long as it is little.

    Blocks of LARGE bytes and more go back to the system as soon as they are free, and grow without leaving holes. glibc
    takes them out of the heap once such a block was freed, and texts that grow side by side break that to pieces.

    All threads have one heap. Of the interpreter's only one runs at a time, and what each leaves free in a heap of its
    own is lost to the others.

    What reading modules left free between what stays goes back to the system.
    """
    gc.collect()
    gc.freeze()
    gc.collect()  # of nothing: when a full collection is due goes by what the last one left
    gc.set_threshold(*COLLECTED_AFTER)
    with suppress(AttributeError, OSError):  # where the C library has no such thing
        allocator = ctypes.CDLL(None)
        allocator.mallopt(M_MMAP_THRESHOLD, LARGE)
        allocator.mallopt(M_ARENA_MAX, 1)
        allocator.malloc_trim(0)
