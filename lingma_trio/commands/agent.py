"""`lingma-trio agent`: runs Lingmas for gateways elsewhere, until a signal ends it.

Parses, delegates and prints. A start that cannot be says why, and what to do, before anything runs.
"""

from __future__ import annotations

import os
import socket as sockets
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click
import trio

from lingma_trio.agent.opening import name_of
from lingma_trio.agent.server import serve_agent
from lingma_trio.commands.printing import own_command
from lingma_trio.commands.starting import (
    BAD_SETTINGS,
    FAILED,
    NO_ADDRESS,
    check_store_or_exit,
    inherited_or_exit,
    refuse_settings,
    settings_or_exit,
    settle,
    tell_of_the_address,
)
from lingma_trio.config import Settings
from lingma_trio.edge.addresses import path_in
from lingma_trio.edge.tls import Certificate
from lingma_trio.errors import ConfigurationFault
from lingma_trio.fleet import is_unconfigured
from lingma_trio.logs import configure_logging
from lingma_trio.policy.agent_address import is_loopback
from lingma_trio.systemd import ServiceManager


def agent(host: str, port: int | None, env_file: Path | None) -> None:
    """Do what `lingma-trio agent` is for, and end the process with the status that its help names."""
    overrides = {"HOST": host, "PORT": "" if port is None else str(port)}
    settings = settings_or_exit(
        {name: value for name, value in overrides.items() if value}, env_file or Path(".env"), for_agent=True
    )
    name = name_of(settings, sockets.gethostname())  # as its instances are called after it
    configure_logging(settings.log_level, settings.log_format, settings.secrets, replica=name)
    if is_unconfigured(settings):
        click.echo(
            f"lingma-trio: nothing is configured: no account, no login, and no Lingma at {settings.lingma_bin}.\n"
            f"`{own_command()} init` writes a .env to begin with; LINGMA_UPSTREAM=simulator needs none.",
            err=True,
        )
        sys.exit(BAD_SETTINGS)
    check_store_or_exit(settings)
    inherited = inherited_or_exit()
    try:
        certificate = _guard(settings, inherited)
    except ConfigurationFault as fault:
        refuse_settings(fault)
    sys.exit(_served(settings, certificate, inherited))


def _guard(settings: Settings, inherited: Sequence[sockets.socket]) -> Certificate | None:
    """What gateways are known by: certificates, or else the token, on this machine alone. Raises `ConfigurationFault`
    where there is neither, or where the token would be shown to others. With sockets that are `inherited` HOST counts
    for nothing.
    """
    files = (settings.agent_cert_file, settings.agent_key_file, settings.agent_ca_file)
    if files[0] is not None and files[1] is not None:
        try:
            return Certificate(files[0], files[1], files[2])
        except OSError as fault:
            raise ConfigurationFault(
                f"AGENT_CERT_FILE, AGENT_KEY_FILE and AGENT_CA_FILE do not fit: {fault}"
            ) from fault
    if not all(is_loopback(str(socket.getsockname()[0])) for socket in inherited):
        raise ConfigurationFault(
            "What systemd listens at is no address of this machine alone, and there are no certificates; set "
            "AGENT_CERT_FILE, AGENT_KEY_FILE and AGENT_CA_FILE, or `ListenStream=127.0.0.1:8327` in the socket unit"
        )
    if not inherited and not path_in(settings.host) and not is_loopback(settings.host):
        raise ConfigurationFault(
            "HOST: is no address of this machine alone, and there are no certificates; set AGENT_CERT_FILE, "
            "AGENT_KEY_FILE and AGENT_CA_FILE, or HOST=127.0.0.1, or a path (example: "
            "HOST=unix:/run/lingma-trio/agent.sock)"
        )
    if not settings.agent_token:
        raise ConfigurationFault(
            "AGENT_TOKEN: is needed without certificates, and the same at the gateways "
            "(example: AGENT_TOKEN=a-long-random-token)"
        )
    return None


def _served(settings: Settings, certificate: Certificate | None, inherited: Sequence[sockets.socket]) -> int:
    """Serve until a signal; returns the exit status."""
    status = 0
    serving = partial(
        serve_agent,
        settings,
        certificate=certificate,
        inherited=inherited,
        manager=ServiceManager.of(os.environ),
    )
    settle()
    try:
        try:
            trio.run(serving)
        except OSError as fault:  # one of a task comes in a group: it is a bug, whose traceback is wanted
            tell_of_the_address(settings, fault)
            status = NO_ADDRESS
    except* ConfigurationFault as group:
        click.echo(f"lingma-trio: {group.exceptions[0]}", err=True)
        status = FAILED
    return status
