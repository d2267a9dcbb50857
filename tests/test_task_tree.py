"""The task tree is drawn as it runs, with names and labels, and stays a page however much there is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lingma_trio import task_tree
from lingma_trio.lingma.limiter import Limiter
from lingma_trio.task_tree import MOST_SIBLINGS, Node, TaskTree


def nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from nodes(child)


def find(node: Node, name: str) -> Node:
    (found,) = (each for each in nodes(node) if each.name == name)
    return found


async def parent() -> None:
    async with trio.open_nursery() as outer:
        outer.start_soon(trio.sleep_forever, name="zebra")
        async with trio.open_nursery() as inner:
            inner.start_soon(trio.sleep_forever, name="ant")
            inner.start_soon(trio.sleep_forever, name="ape")


async def test_tasks_hang_below_their_parents(nursery: trio.Nursery) -> None:
    """Those of outer nurseries first, each nursery's by name."""
    nursery.start_soon(parent, name="parent")
    await wait_all_tasks_blocked()
    drawn = TaskTree().snapshot()
    assert [child.name for child in find(drawn.root, "parent").children] == ["zebra", "ant", "ape"]
    assert drawn.root.name == "trio.run"
    assert drawn.tasks == len(list(nodes(drawn.root)))


async def test_label_lasts_as_long_as_its_block(nursery: trio.Nursery) -> None:
    """A labelled task bears that name, and its state is the one of the moment in which it is drawn."""
    tree = TaskTree()
    states = iter(["queued", "queued", "sent", "sent"])
    end = trio.Event()

    async def work() -> None:
        with tree.labelled("request 1", lambda: next(states)):
            await end.wait()
        await trio.sleep_forever()

    nursery.start_soon(work, name="plain")
    await wait_all_tasks_blocked()
    first, second = tree.snapshot(), tree.snapshot()
    assert find(first.root, "request 1").state == "queued"
    assert (find(second.root, "request 1").state, second.states) == ("sent", {"sent": 1})
    end.set()
    await wait_all_tasks_blocked()
    third = tree.snapshot()
    assert find(third.root, "plain").state == ""
    assert third.states == {}


async def test_label_goes_with_its_task(nursery: trio.Nursery) -> None:
    """A task that is cancelled leaves no label behind."""
    tree = TaskTree()

    async def work() -> None:
        with tree.labelled("request 1", lambda: "queued"):
            await trio.sleep_forever()

    nursery.start_soon(work)
    await wait_all_tasks_blocked()
    nursery.cancel_scope.cancel("the test is over")
    with trio.CancelScope(shield=True):
        await wait_all_tasks_blocked()
        assert tree.snapshot().states == {}


async def test_place_is_in_code_of_the_house(nursery: trio.Nursery) -> None:
    """The line is the innermost one of ours, and a library's where none of ours is on the way."""
    limiter = Limiter(limit=1, queue_timeout=60, max_queue=1)

    async def queue() -> None:
        async with limiter.slot(), limiter.slot():
            pass

    nursery.start_soon(queue, name="ours")
    nursery.start_soon(trio.sleep_forever, name="library's")
    await wait_all_tasks_blocked()
    root = TaskTree().snapshot().root
    assert find(root, "ours").at.startswith("lingma_trio.lingma.limiter:")
    assert find(root, "library's").at.startswith("trio.")


async def test_many_siblings_are_counted(nursery: trio.Nursery) -> None:
    """Beyond MOST_SIBLINGS of one nursery they are a number, and every label still counts among the states."""
    tree = TaskTree()

    async def work(number: int) -> None:
        with tree.labelled(f"request {number:04}", lambda: "queued" if number else "streaming"):
            await trio.sleep_forever()

    async def crowd() -> None:
        async with trio.open_nursery() as inner:
            for number in range(MOST_SIBLINGS + 30):
                inner.start_soon(work, number)

    nursery.start_soon(crowd, name="crowd")
    await wait_all_tasks_blocked()
    drawn = tree.snapshot()
    found = find(drawn.root, "crowd")
    assert (len(found.children), found.left_out) == (MOST_SIBLINGS, 30)
    assert found.children[0].name == "request 0000"
    assert drawn.states == {"queued": MOST_SIBLINGS + 29, "streaming": 1}


async def test_whole_tree_is_bounded(nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
    """In number and in depth, whatever its shape; what is left out is counted where it is left out."""
    monkeypatch.setattr(task_tree, "MOST_NODES", 60)
    monkeypatch.setattr(task_tree, "MOST_DEPTH", 6)

    async def branch(depth: int) -> None:
        async with trio.open_nursery() as inner:
            inner.start_soon(trio.sleep_forever)
            if depth:
                for _ in range(2):
                    inner.start_soon(branch, depth - 1)

    nursery.start_soon(branch, 9)
    await wait_all_tasks_blocked()
    drawn = list(nodes(TaskTree().snapshot().root))
    assert len(drawn) <= 60
    assert sum(node.left_out for node in drawn) > 0
    nursery.cancel_scope.cancel("the test is over")
