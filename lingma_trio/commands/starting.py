"""What a command does first: reads the settings, and logs as they say."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from lingma_trio.config import Settings, load_settings
from lingma_trio.errors import ConfigurationFault
from lingma_trio.logs import configure_logging

FAILED = 1
BAD_SETTINGS = 2


def settings_or_exit() -> Settings:
    """The settings, with logging set up to standard error; faulty ones are printed and end the process with 2."""
    try:
        settings = load_settings()
    except ConfigurationFault as fault:
        click.echo(f"The settings do not fit:\n{fault}", err=True)
        sys.exit(BAD_SETTINGS)
    configure_logging(settings.log_level, settings.log_format, settings.secrets)
    return settings


def fail(reason: object) -> NoReturn:
    """Print why a command did not do what it was asked for, and end the process with 1."""
    click.echo(f"lingma-trio: {reason}", err=True)
    sys.exit(FAILED)
