"""The tree of tasks as it runs at this moment, read from Trio itself.

Knows tasks, nurseries and the names they were given. Must not know what a task does: whoever starts it gives it its
name, and what a task works at it may tell by a label. Names and labels hold no text of a prompt and no secret.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import trio

MOST_SIBLINGS = 50
"""Tasks that are shown of one nursery; the others are counted."""

MOST_NODES = 1000
"""Tasks that are shown in all, so that a tree of ten thousand requests is still a page and costs milliseconds."""

MOST_DEPTH = 32

HOUSE = "lingma_trio"

ALARM = "lingma_trio.alarm"
"""Where tasks of ours wait, which says nothing of what for."""

LIBRARY_NAMES = {
    "<init>": "trio.run",
    "<TrioToken.run_sync_soon task>": "calls from threads",
    "hypercorn.trio.lifespan.Lifespan.handle_lifespan": "lifespan",
    "hypercorn.trio.run.worker_serve": "Hypercorn",
    "hypercorn.utils.raise_shutdown": "shutdown watch",
    "lingma_trio.agent.server.serve_agent": "agent",
    "lingma_trio.edge.server.serve_app": "server",
    "trio._highlevel_serve_listeners._run_handler": "connection",
    "trio._highlevel_serve_listeners._serve_one_listener": "listener",
    "trio.serve_listeners": "listeners",
}
"""What tasks that we cannot name ourselves are called here. A name that is missing is shown as it is."""


@dataclass(frozen=True, slots=True)
class Node:
    """A task and the tasks of its nurseries.

    `state` is what it says of itself, `at` the innermost line of the house's own code that it waits in, and `left_out`
    how many of its children are not shown.
    """

    name: str
    state: str
    at: str
    children: tuple[Node, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The tree at one moment; `tasks` counts all there are, and `states` those that say what they are doing."""

    tasks: int
    states: dict[str, int]
    root: Node


class _Label:
    """What a task says of itself for the length of a block. A class, since each request has one."""

    __slots__ = ("_labels", "_task", "name", "state")

    def __init__(self, labels: dict[trio.lowlevel.Task, _Label], name: str, state: Callable[[], str]) -> None:
        self._labels = labels
        self.name = name
        self.state = state

    def __enter__(self) -> None:
        self._task = trio.lowlevel.current_task()
        self._labels[self._task] = self

    def __exit__(self, *exception: object) -> None:
        self._labels.pop(self._task, None)


class TaskTree:
    """Draws the tree, and keeps what tasks say of themselves."""

    def __init__(self) -> None:
        self._labels: dict[trio.lowlevel.Task, _Label] = {}

    def __repr__(self) -> str:
        return f"<TaskTree labels={len(self._labels)}>"

    def labelled(self, name: str, state: Callable[[], str]) -> AbstractContextManager[None]:
        """Show the current task under `name` for the length of the block, with what `state` says when it is drawn."""
        return _Label(self._labels, name, state)

    def snapshot(self, *, most: int = MOST_NODES) -> Snapshot:
        """The tree of the Trio run that this is called in; looks closely at the `most` that it shows, and counts the
        rest.
        """
        root = trio.lowlevel.current_root_task()
        assert root is not None
        drawing = _Drawing(self._labels, most)
        return Snapshot(
            tasks=trio.lowlevel.current_statistics().tasks_living,
            states=dict(sorted(Counter(label.state() for label in self._labels.values()).items())),
            root=drawing.node(root, depth=0),
        )


class _Drawing:
    """One tree under way, with what is left of the tasks that are shown at most."""

    def __init__(self, labels: dict[trio.lowlevel.Task, _Label], most: int) -> None:
        self._labels = labels
        self._room = most - 1

    def node(self, task: trio.lowlevel.Task, *, depth: int) -> Node:
        label = self._labels.get(task)
        children: list[trio.lowlevel.Task] = []
        left_out = 0
        for nursery in task.child_nurseries:
            tasks = nursery.child_tasks
            shown = 0 if depth >= MOST_DEPTH else min(MOST_SIBLINGS, self._room, len(tasks))
            self._room -= shown
            left_out += len(tasks) - shown
            children += heapq.nsmallest(shown, tasks, key=self._name)
        return Node(
            name=self._name(task),
            state=label.state() if label is not None else "",
            at=_place(task),
            children=tuple(self.node(child, depth=depth + 1) for child in children),
            left_out=left_out,
        )

    def _name(self, task: trio.lowlevel.Task) -> str:
        label = self._labels.get(task)
        return label.name if label is not None else LIBRARY_NAMES.get(task.name, task.name)


def _place(task: trio.lowlevel.Task) -> str:
    """Module and line; of our own code where there is any on the way, for the rest is how it waits."""
    place = ""
    for frame, line in task.iter_await_frames():
        module = str(frame.f_globals.get("__name__", ""))
        if not place or (module.partition(".")[0] == HOUSE and module != ALARM):
            place = f"{module}:{line}"
    return place
