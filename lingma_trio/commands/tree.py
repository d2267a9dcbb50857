"""`lingma-trio tree`: draws the tasks of a gateway that runs, as that gateway's own Trio has them.

Parses, delegates and draws. The admin token goes into a header and nowhere else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click
import trio
from pydantic_core import to_json

from lingma_trio.commands.printing import clean, say
from lingma_trio.commands.starting import operator_settings_or_exit
from lingma_trio.doctor.running import NoGateway, Refused, RunningGateway, TaskNode, Tree

SHOWN, NOT_SHOWN, UNREACHABLE = 0, 1, 3


def tree(url: str, where: bool, as_json: bool) -> None:
    """Do what `lingma-trio tree` is for, and end the process with the status that its help names."""
    settings = operator_settings_or_exit("see the tree")
    try:
        found = trio.run(RunningGateway.of(settings, url).tree)
    except NoGateway as fault:
        say(str(fault))
        sys.exit(UNREACHABLE)
    except Refused:
        say("the gateway does not take this ADMIN_TOKEN, or is of a version that draws no tree")
        sys.exit(NOT_SHOWN)
    if as_json:
        click.echo(to_json(found, indent=2))
    else:
        _print(found, where=where)
    sys.exit(SHOWN)


def _print(found: Tree, *, where: bool) -> None:
    for line in _lines(found.root, where=where):
        say(line)
    say("")
    requests = "; ".join(f"{clean(state)}: {count}" for state, count in found.states.items())
    say(f"{found.tasks} tasks. Requests: {requests or 'none'}")


def _lines(node: TaskNode, *, where: bool) -> Iterator[str]:
    """The lines of a node and of what is below it."""
    yield "  ".join(clean(text) for text in (node.name, node.state, node.at if where else "") if text)
    below = [list(_lines(child, where=where)) for child in node.children]
    if node.left_out:
        below.append([f"… and {node.left_out} more"])
    for number, (first, *rest) in enumerate(below, start=1):
        last = number == len(below)
        yield ("└─ " if last else "├─ ") + first
        for line in rest:
            yield ("   " if last else "│  ") + line
