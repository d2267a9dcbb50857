"""A Lingma that dies costs the answers it was giving and nothing else."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from tests.end_to_end.client import PATIENCE, Answer, Connection, connected, fetch, question
from tests.end_to_end.gateway import SERVE, Gateway, started
from tests.end_to_end.upstreams import Upstream

HALFWAY = "Say half of it.\n#simulate first=0 fault=stall_mid"
QUICK = "#simulate first=0 gap=0"


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway whose Lingma will die several times."""
    with started(tmp_path_factory.mktemp("lost"), SERVE, upstream, LINGMA_SIMULATOR="record=1") as running:
        yield running


@asynccontextmanager
async def halfway(gateway: Gateway, *, stream: bool) -> AsyncIterator[Connection]:
    """A client whose answer is being given, and will not get any further."""
    await gateway.until_ready()
    async with connected(gateway.port) as client:
        seen = len(gateway.records)
        await client.ask(question(HALFWAY, stream=stream))
        await gateway.until(lambda: len(gateway.records) > seen)
        yield client


async def converse(gateway: Gateway, *messages: dict[str, Any]) -> Answer:
    """Ask with a whole conversation."""
    body = question("", stream=False, messages=[*messages])
    return await fetch(gateway.port, "POST", "/v1/chat/completions", body)


@pytest.mark.slow
async def test_stream_of_a_dead_lingma_ends_with_an_error(gateway: Gateway) -> None:
    """A stream whose Lingma is killed gets an error in-band and never looks finished; the next life serves again."""
    async with halfway(gateway, stream=True) as client:
        await client.head()
        await client.first_event()
        os.kill(gateway.simulator, signal.SIGKILL)
        with trio.fail_after(PATIENCE):
            body, complete = await client.rest()
    assert b'"code":"upstream_lost"' in body
    assert b"[DONE]" not in body
    assert not complete
    await gateway.until_ready()
    assert (await gateway.stats())["limiter"]["in_flight"] == 0


@pytest.mark.slow
async def test_answer_of_a_dead_lingma_is_a_502(gateway: Gateway) -> None:
    """A request that waits for its whole answer gets a status for it, and anybody can see the reason."""
    async with halfway(gateway, stream=False) as client:
        os.kill(gateway.simulator, signal.SIGKILL)
        with trio.fail_after(PATIENCE):
            answer = await client.answer()
        readiness = await gateway.fetch("/readyz")
    assert (answer.status, answer.error["code"], answer.complete) == (502, "upstream_lost", True)
    assert readiness.status == 503
    assert readiness.json["status"] == "not_ready"
    assert readiness.json["instances"][0]["state"] != "ready"
    assert readiness.json["instances"][0]["reason"]
    await gateway.until_ready()


@pytest.mark.slow
async def test_sessions_die_with_their_lingma(gateway: Gateway) -> None:
    """A conversation goes on after a restart, with all of it told anew, because its session is gone."""
    await gateway.until_ready()
    question_one = {"role": "user", "content": f"My number is 4711.\n{QUICK}"}
    first = await converse(gateway, question_one)
    told = {"role": "assistant", "content": first.json["choices"][0]["message"]["content"]}
    question_two = {"role": "user", "content": f"And now?\n{QUICK}"}
    before = await gateway.stats()
    os.kill(gateway.simulator, signal.SIGKILL)
    await gateway.until_generation(before["instances"][0]["generation"] + 1)
    await gateway.until_ready()
    second = await converse(gateway, question_one, told, question_two)
    after = await gateway.stats()
    assert second.status == 200
    assert after["sessions"]["hits"] == before["sessions"]["hits"]
    assert after["sessions"]["misses"] == before["sessions"]["misses"] + 1
    third = await converse(
        gateway, question_one, told, question_two,
        {"role": "assistant", "content": second.json["choices"][0]["message"]["content"]},
        {"role": "user", "content": f"And then?\n{QUICK}"},
    )  # fmt: skip
    assert third.status == 200
    assert (await gateway.stats())["sessions"]["hits"] == before["sessions"]["hits"] + 1


@pytest.mark.slow
async def test_request_between_two_lives_waits_for_the_next(gateway: Gateway) -> None:
    """A request that comes while Lingma is gone is answered by its next life."""
    await gateway.until_ready()
    os.kill(gateway.simulator, signal.SIGKILL)
    await gateway.until_lost()
    answer = await fetch(gateway.port, "POST", "/v1/chat/completions", question(QUICK))
    assert answer.status == 200
    await gateway.until_ready()
