"""What a command does first: reads the settings, and logs as they say. And how it ends when it cannot go on."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import click

from lingma_trio.config import Settings, load_settings
from lingma_trio.config.note import find_note
from lingma_trio.edge.bounds import Bounds
from lingma_trio.edge.tls import Certificate
from lingma_trio.errors import ConfigurationFault
from lingma_trio.http.key_watch import examine_keys
from lingma_trio.logs import configure_logging
from lingma_trio.state.wire import require_client

FAILED = 1
BAD_SETTINGS = 2


def settings_or_exit(overrides: Mapping[str, str] | None = None, env_file: Path = Path(".env")) -> Settings:
    """The settings, with logging set up to standard error; faulty ones are printed and end the process with 2."""
    try:
        settings = load_settings(env_file=env_file, overrides=overrides)
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


def fail(reason: object) -> NoReturn:
    """Print why a command did not do what it was asked for, and end the process with 1."""
    click.echo(f"lingma-trio: {reason}", err=True)
    sys.exit(FAILED)
