"""`lingma-trio sessions clear`: has a running gateway forget every session that could be continued.

Parses, delegates and prints.
"""

from __future__ import annotations

import sys

import trio

from lingma_trio.commands.printing import say
from lingma_trio.commands.starting import operator_settings_or_exit
from lingma_trio.doctor.running import NoGateway, Refused, RunningGateway

CLEARED, NOT_CLEARED, UNREACHABLE = 0, 1, 3


def clear_sessions(url: str) -> None:
    """Do what `lingma-trio sessions clear` is for, and end the process with the status that its help names."""
    settings = operator_settings_or_exit("clear sessions")
    try:
        cleared = trio.run(RunningGateway.of(settings, url).clear_sessions)
    except NoGateway as fault:
        say(str(fault))
        sys.exit(UNREACHABLE)
    except Refused as fault:
        say(str(fault))
        sys.exit(NOT_CLEARED)
    say(f"{cleared} sessions are forgotten: each conversation sends its whole transcript once")
    sys.exit(CLEARED)
