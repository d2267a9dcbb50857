"""The pool as clients and operators meet it: limits, affinity and sessions, and one gateway to a directory."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from tests.end_to_end.client import Answer, Json, chat
from tests.end_to_end.fleet import Fleet, accounts
from tests.end_to_end.gateway import SERVE, Gateway, launched, started
from tests.end_to_end.upstreams import Upstream

pytestmark = pytest.mark.slow

QUICK = "#simulate first=0 gap=0"
SLOW = "Take your time.\n#simulate first=2 gap=0"
LATEST = 30.0
"""Seconds within which every request of a crowd has its answer, be it a refusal."""


async def crowd(gateway: Gateway, size: int) -> list[Answer]:
    """The answers to so many slow questions asked at once."""
    answers: list[Answer] = []

    async def ask() -> None:
        answers.append(await chat(gateway.port, SLOW))

    with trio.fail_after(LATEST):
        async with trio.open_nursery() as nursery:
            for _ in range(size):
                nursery.start_soon(ask)
    return answers


# --- two limits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "each"),
    [("0", "2"), ("10", "2"), ("3", "2"), ("4", "0")],
    ids=["no limit for all", "a wider limit for all", "a narrower limit for all", "no limit for each"],
)
async def test_crowd_waits_for_room(program: Upstream, tmp_path: Path, total: str, each: str) -> None:
    """Ten at once on two instances: what a limit holds back waits in the queue, be it the one for all or for each."""
    limits = {"GATEWAY_MAX_IN_FLIGHT": total, "LINGMA_MAX_IN_FLIGHT_PER_INSTANCE": each}
    with started(tmp_path, SERVE, program, LINGMA_ACCOUNTS=accounts(2), **limits) as gateway:
        fleet = Fleet(gateway)
        await fleet.until_ready(2)
        answers = await crowd(gateway, 10)
        await gateway.until(lambda: len(fleet.requests()) >= 10)  # each line is written when its slot is free
        assert [answer.status for answer in answers] == [200] * 10
        assert {line["instance"] for line in fleet.requests() if line["status"] == 200} == set(await fleet.ready())
        assert await gateway.limiter() == (0, 0)


# --- affinity and sessions -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fleet(program: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Three instances."""
    with started(tmp_path_factory.mktemp("pool"), SERVE, program, LINGMA_ACCOUNTS=accounts(3)) as gateway:
        yield Fleet(gateway)


async def ask(fleet: Fleet, text: str, **fields: Json) -> tuple[str, Json]:
    """Ask, and return the answer's text with the log's line about the request."""
    asked = len(fleet.requests())
    answer = await chat(fleet.gateway.port, f"{text}\n{QUICK}", **fields)
    assert answer.events[-1] == "[DONE]"
    await fleet.gateway.until(lambda: len(fleet.requests()) > asked)
    return answer.text, fleet.requests()[-1]


async def whom(fleet: Fleet, text: str, **fields: Json) -> str:
    """Ask, and return the name of the instance that answered."""
    _, line = await ask(fleet, text, **fields)
    return str(line["instance"])


async def test_user_stays_with_an_instance(fleet: Fleet) -> None:
    """Requests of one user go to one instance, in either notation, and those of many users to all of them."""
    await fleet.until_ready(3)
    first = {f"user {number}": {await whom(fleet, "Hello.", user=f"user {number}")} for number in range(20)}
    assert {name for names in first.values() for name in names} == set(await fleet.ready())
    for user, names in first.items():
        assert {await whom(fleet, "And again.", user=user)} == names
    assert {await whom(fleet, "And again.", metadata={"user_id": "user 1"})} == first["user 1"]


async def test_system_prompt_stays_with_an_instance(fleet: Fleet) -> None:
    """Without a user, requests with the same system prompt go to one instance."""
    await fleet.until_ready(3)
    for prompt in ("You are a pirate.", "You are a poet."):
        told = {"role": "system", "content": prompt}
        found = {
            await whom(fleet, "", messages=[told, {"role": "user", "content": f"{question}\n{QUICK}"}])
            for question in ("Who?", "What?", "Where?")
        }
        assert len(found) == 1


@pytest.mark.parametrize("dies", [False, True])
async def test_session_of_a_dead_life_is_a_miss(fleet: Fleet, dies: bool) -> None:
    """A conversation is continued in its session as long as its Lingma lives, and from its transcript after that."""
    await fleet.until_ready(3)
    opening = {"role": "user", "content": f"I like the colour green, dead or alive: {dies}.\n{QUICK}"}
    said, line = await ask(fleet, "", messages=[opening], user="somebody")
    name = line["instance"]
    if dies:
        before = await fleet.of([name])
        fleet.signal(name, signal.SIGKILL)
        await fleet.until_restarted(before)
        await fleet.until_ready(3)
    question = {"role": "user", "content": f"What did I say first?\n{QUICK}"}
    conversation = [opening, {"role": "assistant", "content": said}, question]
    _, line = await ask(fleet, "", messages=conversation, user="somebody")
    assert (line["instance"], line["session"]) == (name, "miss" if dies else "hit")


# --- one gateway to a directory --------------------------------------------------------------------------------------


@pytest.fixture
def lingma(tmp_path: Path) -> dict[str, str]:
    """Settings for a Lingma that is a program of its own, in a directory that outlives its gateway."""
    program = tmp_path / "Lingma"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m lingma_trio.simulator "$@"\n')
    program.chmod(0o755)
    work_dir = str(tmp_path / "work")
    return {
        "LINGMA_UPSTREAM": "lingma",
        "LINGMA_BIN": str(program),
        "LINGMA_WORK_DIR": work_dir,
        "LINGMA_SOCKET_PORT": "0",
    }


@pytest.mark.parametrize("count", [1, 2])
async def test_second_gateway_is_refused(tmp_path: Path, lingma: dict[str, str], count: int) -> None:
    """Who starts a second gateway on a work directory learns which process has it, and the first is left in peace."""
    settings = {**lingma, "LINGMA_INSTANCE_COUNT": str(count)}
    with started(tmp_path / "first", **settings) as first:
        await Fleet(first).until_ready(count)
        with launched(tmp_path / "second", **settings) as second:
            assert await second.exit_status() == 1
            assert f"in use by another gateway (pid {first.process.pid})" in second.log
        assert len(await Fleet(first).ready()) == count
        assert {instance["generation"] for instance in (await Fleet(first).instances()).values()} == {1}
        assert (await chat(first.port, f"Still there?\n{QUICK}")).complete


async def test_directory_is_free_after_a_kill(tmp_path: Path, lingma: dict[str, str]) -> None:
    """A gateway that was killed leaves nothing that keeps the next one from its directory."""
    with started(tmp_path / "first", **lingma) as first:
        first.process.kill()
        first.process.wait()
        with started(tmp_path / "second", **lingma) as second:
            assert (await chat(second.port, f"Who is there?\n{QUICK}")).complete
