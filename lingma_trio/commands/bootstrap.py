"""`lingma-trio bootstrap`: fetches Lingma's binary, with a bar where somebody watches and log lines elsewhere.

Parses, delegates and prints. Does not know where the binary comes from.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Self

import click
import structlog
import trio

from lingma_trio.bootstrap.binary import BinaryOptions, binary_options, ensure_binary
from lingma_trio.bootstrap.faults import BootstrapFault
from lingma_trio.bootstrap.install import Binary
from lingma_trio.commands.starting import fail, settings_or_exit

MEGABYTE = 1_000_000  # bytes between two paintings of the bar

log = structlog.get_logger("lingma_trio.bootstrap")


def bootstrap(force: bool) -> None:
    """Do what `lingma-trio bootstrap` is for, and end the process with the status that its help names."""
    options = binary_options(settings_or_exit())
    # Nobody waits here for the gateway to start, so no source is given up early.
    options = replace(options, force=options.force or force, patience=options.deadline)
    fault = ""
    try:
        binary = _fetch(options)
        click.echo(f"{binary.digest}  {binary.path}")
    except* KeyboardInterrupt:
        fault = "interrupted; the next time goes on from here"
    except* BootstrapFault as group:
        fault = "; ".join(str(each) for each in group.exceptions)
    if fault:
        fail(fault)


def _fetch(options: BinaryOptions) -> Binary:
    with _Bar() if sys.stderr.isatty() else _Lines() as progress:
        return trio.run(partial(ensure_binary, options, on_progress=progress.show))


class _Lines:
    """Progress as lines of the log: one for each tenth, or for each ten megabytes where the whole is not known."""

    def __init__(self) -> None:
        self._told = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        """There is nothing to end."""

    def show(self, done: int, total: int | None) -> None:
        step = done * 10 // total if total else done // 10_000_000
        if step != self._told:
            self._told = step
            log.info("download", size=done, total=total)


class _Bar:
    """Progress as a bar on standard error, a new one where a download starts anew; as lines where no end is known."""

    def __init__(self) -> None:
        self._lines = _Lines()
        self._bar = ExitStack()
        self._update: Callable[[int], None] | None = None
        self._done = 0
        self._total: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._bar.close()

    def show(self, done: int, total: int | None) -> None:
        if total is None:
            self._lines.show(done, total)
            return
        if self._update is None or total != self._total or done < self._done:
            self._bar.close()
            bar = click.progressbar(length=total, label="Lingma", file=sys.stderr, update_min_steps=MEGABYTE)
            self._update = self._bar.enter_context(bar).update
            self._done, self._total = 0, total
        self._update(done - self._done)
        self._done = done
