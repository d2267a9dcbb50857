"""`lingma-trio doctor`: prints what would keep the gateway from serving, with a remedy for each fault.

Parses, delegates and prints. Does not know how anything is checked.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

import click
import trio
from pydantic_core import to_json

from lingma_trio import __version__
from lingma_trio.commands.printing import coloured, entry, say
from lingma_trio.commands.starting import load_here
from lingma_trio.config import Settings
from lingma_trio.doctor.checks.settings import settings_faults
from lingma_trio.doctor.examination import examine
from lingma_trio.doctor.findings import Finding, Verdict, verdict
from lingma_trio.doctor.site import survey
from lingma_trio.errors import ConfigurationFault
from lingma_trio.logs import configure_logging

EXIT_STATUS: dict[Verdict, int] = {"fine": 0, "warning": 1, "fault": 2}
INTERRUPTED = 130


def doctor(as_json: bool, round_trip: bool) -> None:
    """Do what `lingma-trio doctor` is for, and end the process with the status that its help names."""
    try:
        settings = load_here()
    except ConfigurationFault as fault:
        findings = list(settings_faults(fault))
    else:
        # The findings say it all; the instance that is tried would say it again in another form.
        configure_logging("ERROR", settings.log_format, settings.secrets)
        findings = _examined(settings, round_trip=round_trip)
    if as_json:
        click.echo(to_json(_report(findings), indent=2))
    else:
        _print(findings)
    sys.exit(EXIT_STATUS[verdict(findings)])


def _examined(settings: Settings, *, round_trip: bool) -> list[Finding]:
    interrupted = False
    findings: list[Finding] = []
    try:
        findings = trio.run(partial(_examine, settings, round_trip=round_trip))
    except* KeyboardInterrupt:
        interrupted = True
    if interrupted:
        sys.exit(INTERRUPTED)
    return findings


async def _examine(settings: Settings, *, round_trip: bool) -> list[Finding]:
    return await examine(await survey(settings), round_trip=round_trip)


def _report(findings: Sequence[Finding]) -> dict[str, object]:
    return {
        "version": __version__,
        "verdict": verdict(findings),
        "findings": [asdict(finding) for finding in findings],
    }


def _print(findings: Sequence[Finding]) -> None:
    width = max(len(finding.check) for finding in findings) + 2
    for finding in findings:
        took = "" if finding.seconds is None else f" ({finding.seconds:.2f} s)"
        remedy = [f"→ {finding.remedy}"] if finding.remedy else []
        entry(finding.level, finding.check, [finding.what + took, *remedy], width=width)
    worst = verdict(findings)
    counts = {level: sum(finding.level == level for finding in findings) for level in ("fault", "warning")}
    said = ", ".join(f"{count} {level}{'s' * (count != 1)}" for level, count in counts.items() if count)
    say(coloured(said or "all is fine", worst))
