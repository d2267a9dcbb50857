"""Puts what was found on a terminal: plain columns, with colours where somebody looks at them.

Knows click and the width of a terminal. Does not know what the words mean.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

COLOURS = {"fine": "green", "skipped": "bright_black", "warning": "yellow", "fault": "red"}
NARROWEST, WIDEST = 60, 120


def say(text: str) -> None:
    """Print a line. Colours are left out where no terminal reads, and where NO_COLOR asks for that.

    What standard output cannot take becomes a question mark: Lingma's words may be Chinese, whatever the locale.
    """
    encoding = sys.stdout.encoding or "utf-8"
    text = text.encode(encoding, "replace").decode(encoding)
    click.echo(text, color=False if os.environ.get("NO_COLOR") else None)


def say_piece(text: str) -> None:
    """Print a piece of another's text as it is, at once and without what a terminal takes for a command."""
    encoding = sys.stdout.encoding or "utf-8"
    shown = "".join(letter if letter.isprintable() or letter in "\n\t" else " " for letter in text)
    click.echo(shown.encode(encoding, "replace").decode(encoding), nl=False)
    sys.stdout.flush()


def clean(text: str) -> str:
    """Another machine's words without what a terminal takes for a command."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def coloured(text: str, level: str) -> str:
    """The text in the colour of a level of `COLOURS`, or as it is."""
    return click.style(text, fg=COLOURS[level]) if level in COLOURS else text


def entry(level: str, subject: str, paragraphs: Sequence[str], *, width: int) -> None:
    """Print one row: the level, the subject in `width` columns, and the paragraphs below one another.

    Words such as paths and commands are not cut, so that they can be copied.
    """
    margin = " " * (9 + width)
    columns = min(max(shutil.get_terminal_size().columns, NARROWEST + len(margin)), WIDEST)
    lines = [
        line
        for paragraph in paragraphs
        for line in textwrap.wrap(paragraph, columns - len(margin), break_long_words=False, break_on_hyphens=False)
    ]
    first, *rest = lines or [""]
    say(f"{coloured(f'{level:8}', level)} {subject:{width}}{first}")
    for line in rest:
        say(margin + line)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows below their head, each column as wide as its longest cell."""
    cells = [list(head), *(list(row) for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    for row in cells:
        say("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def own_command() -> str:
    """How this program is called, so that what is printed can be typed: its name where the shell finds it by that, and
    else its path, or that of Python.
    """
    program = Path(sys.argv[0])
    if program.suffix == ".py" or not program.name:
        return f"{shlex.quote(sys.executable)} -m lingma_trio"
    found = shutil.which(program.name)
    return program.name if found and Path(found).samefile(program) else shlex.quote(str(program))
