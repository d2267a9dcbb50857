"""What a command does first: reads the settings, logs as they say, and takes over the sockets it was given."""

from __future__ import annotations

import gc
import os
import socket as sockets
import sys
from typing import NoReturn

import click

from lingma_trio.config import Settings, load_settings
from lingma_trio.errors import ConfigurationFault
from lingma_trio.http.key_watch import examine_keys
from lingma_trio.logs import configure_logging
from lingma_trio.systemd import inherited_sockets

FAILED = 1
BAD_SETTINGS = 2
COLLECTED_AFTER = (1000, 3, 3)
"""New objects that make a young collection due, and how many of each kind make the next larger one due."""


def settings_or_exit() -> Settings:
    """The settings, with logging set up to standard error; faulty ones are printed and end the process with 2."""
    try:
        settings = load_settings()
    except ConfigurationFault as fault:
        click.echo(f"The settings do not fit:\n{fault}", err=True)
        sys.exit(BAD_SETTINGS)
    configure_logging(settings.log_level, settings.log_format, settings.secrets)
    return settings


def check_keys_or_exit(settings: Settings) -> None:
    """See that KEYS_FILE, as far as there is one, can be used; one that cannot is told, and ends the process with 2."""
    if settings.keys_file is None:
        return
    try:
        examine_keys(settings.keys_file, settings.api_keys)
    except ConfigurationFault as fault:
        click.echo(f"The settings do not fit:\n{fault}", err=True)
        sys.exit(BAD_SETTINGS)


def inherited_or_exit() -> tuple[sockets.socket, ...]:
    """The sockets that systemd opened for this process; one that is of no use is told, and ends the process with 2."""
    try:
        return inherited_sockets(os.environ)
    except ConfigurationFault as fault:
        click.echo(f"What systemd handed over does not fit:\n{fault}", err=True)
        sys.exit(BAD_SETTINGS)


def settle() -> None:
    """Have the garbage collector pass over everything that is there now, for good, and come often for what comes later.

    Modules and settings stay as long as the process does; looked through in each full collection they hold the loop for
    longer than all that requests make. What these leave in cycles is cheap to clear away as long as it is little.
    """
    gc.collect()
    gc.freeze()
    gc.collect()  # of nothing: when a full collection is due goes by what the last one left
    gc.set_threshold(*COLLECTED_AFTER)


def fail(reason: object) -> NoReturn:
    """Print why a command did not do what it was asked for, and end the process with 1."""
    click.echo(f"lingma-trio: {reason}", err=True)
    sys.exit(FAILED)
