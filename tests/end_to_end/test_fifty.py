"""A pool of fifty instances starts, serves and stops on two cores."""

from __future__ import annotations

import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from tests.end_to_end.client import Answer, chat, connected, question
from tests.end_to_end.fleet import Fleet, accounts
from tests.end_to_end.gateway import launched

SIZE = 50
PROMPTLY = 60.0
"""Seconds for all of it, on a machine that does nothing else a quarter of that."""


def left_in(directory: Path) -> list[str]:
    """The names of what lies in a directory."""
    return sorted(path.name for path in directory.iterdir())


async def turns(fleet: Fleet) -> list[int]:
    """Turns under way on each instance."""
    return [instance["turns"] for instance in (await fleet.instances()).values()]


@pytest.mark.alone
@pytest.mark.slow
async def test_fifty_start_serve_and_stop(tmp_path: Path) -> None:
    """All become ready in their first life, share what is asked, answer it, and leave their counts alone behind."""
    with launched(tmp_path, LINGMA_ACCOUNTS=accounts(SIZE), GATEWAY_MAX_IN_FLIGHT="0") as gateway:
        fleet = Fleet(gateway)
        with trio.fail_after(PROMPTLY):
            await gateway.until(lambda: gateway.port != 0)
            await fleet.until_ready(SIZE)
            assert {instance["generation"] for instance in await fleet.of(await fleet.ready())} == {1}

            async with AsyncExitStack() as stack:
                for _ in range(2 * SIZE):
                    client = await stack.enter_async_context(connected(gateway.port))
                    await client.ask(question("Wait.\n#simulate fault=stall_first"))
                await gateway.until_limiter(2 * SIZE)
                assert await turns(fleet) == [2] * SIZE
            await gateway.until_limiter(0)
            assert await turns(fleet) == [0] * SIZE

            answers: list[Answer] = []

            async def ask(number: int) -> None:
                answers.append(await chat(gateway.port, f"Are you number {number}?\n#simulate first=0.1 gap=0"))

            async with trio.open_nursery() as nursery:
                for number in range(2 * SIZE):
                    nursery.start_soon(ask, number)
            assert [answer.events[-1] for answer in answers] == ["[DONE]"] * 2 * SIZE

            gateway.process.send_signal(signal.SIGTERM)
            assert await gateway.exit_status() == 0
        assert fleet.processes == []
        assert left_in(tmp_path) == ["data", "stderr"]
        assert left_in(tmp_path / "data") == ["use.sqlite"]
