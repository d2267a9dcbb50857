"""Another program is asked, and nothing of it stays when it takes too long."""

from __future__ import annotations

import sys

import pytest
import trio

from lingma_trio.doctor.program import Reply, ask_program
from tests.lingma.support import PATIENCE, open_lifelines, python


async def test_both_outputs_and_the_status_are_heard() -> None:
    """Programs complain on standard error, and what they say there is the point."""
    source = "import sys; print('one', flush=True); print('two', file=sys.stderr); sys.exit(7)"
    reply = await ask_program([sys.executable, "-c", source], environment={}, seconds=PATIENCE)
    assert reply == Reply(7, "one\ntwo\n")


@pytest.mark.parametrize(("output", "last"), [("", ""), ("a\nb \n\n", "b"), ("\n \n", "")])
def test_last_line_is_the_last_that_says_something(output: str, last: str) -> None:
    """Blank lines at the end say nothing."""
    assert Reply(1, output).last_line == last


async def test_program_that_is_not_there_is_an_error() -> None:
    """The caller says what is missing."""
    with pytest.raises(FileNotFoundError):
        await ask_program(["/nowhere/program"], environment=None, seconds=PATIENCE)


async def test_program_that_takes_too_long_is_killed() -> None:
    """The deadline ends it, and the line it held breaks."""
    async with open_lifelines() as lifelines, trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(trio.TooSlowError):
                await ask_program(python("endless('program')"), environment=lifelines.environment, seconds=4)

        nursery.start_soon(ask)
        await (await lifelines.gather(1))["program"].cut()


async def test_cancelling_kills_the_program() -> None:
    """With its deadline still far away."""
    async with open_lifelines() as lifelines, trio.open_nursery() as nursery:
        command = python("if os.fork() == 0: endless('child')\nendless('program')")
        nursery.start_soon(lambda: ask_program(command, environment=lifelines.environment, seconds=PATIENCE))
        lines = await lifelines.gather(2)
        nursery.cancel_scope.cancel("the test has seen it run")
        with trio.CancelScope(shield=True):
            for line in lines.values():
                await line.cut()
