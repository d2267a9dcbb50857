"""`lingma-trio login`: signs an instance of a running gateway in by hand, also from another machine.

Parses, delegates and prints. The callback's address is as good as the account, so it is read without showing it.
"""

from __future__ import annotations

import sys
from functools import partial

import click
import trio

from lingma_trio.commands.printing import clean, say
from lingma_trio.commands.starting import operator_settings_or_exit
from lingma_trio.doctor.running import LoginReport, NoGateway, Refused, RunningGateway

SIGNED_IN, NOT_SIGNED_IN, UNREACHABLE = 0, 1, 3
SECONDS = 60.0  # for Lingma to confirm a login that was handed in


def login(instance: str, url: str) -> None:
    """Do what `lingma-trio login` is for, and end the process with the status that its help names."""
    settings = operator_settings_or_exit("sign in through a gateway")
    try:
        gateway = RunningGateway.of(settings, url)
        report = _converse(gateway, {"instance": instance} if instance else {})
    except NoGateway as fault:
        say(str(fault))
        sys.exit(UNREACHABLE)
    except Refused as fault:
        say(str(fault))
        sys.exit(NOT_SIGNED_IN)
    say(f"{report.instance} is {report.state.replace('_', ' ')}" + (f": {report.reason}" if report.reason else ""))
    sys.exit(NOT_SIGNED_IN if report.state == "needs_login" else SIGNED_IN)


def _converse(gateway: RunningGateway, wishes: dict[str, str]) -> LoginReport:
    report = _ask(gateway, wishes)
    if not report.login_url:
        return report
    account = f" as {clean(report.account_name)}" if report.account_name else ""
    say(f"Open this link in a browser and sign in {report.instance}{account}:\n\n  {report.login_url}\n")
    say("Then paste the address at which the browser ended, or press Enter where it reached Lingma by itself.")
    if sys.stdin.isatty():
        callback = click.prompt("Address", default="", show_default=False, hide_input=True)
    else:
        callback = sys.stdin.readline().strip()
    return _ask(gateway, {**wishes, "callback": callback} if callback else wishes)


def _ask(gateway: RunningGateway, wishes: dict[str, str]) -> LoginReport:
    return trio.run(partial(gateway.login, wishes, seconds=SECONDS))
