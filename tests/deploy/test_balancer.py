"""HAProxy, as `deploy/` configures it, in front of two gateways that know nothing of each other."""

from __future__ import annotations

import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio
from openai import OpenAI

from tests.end_to_end.client import Connection, chat, connected, events, fetch, question
from tests.end_to_end.gateway import Gateway, poll, started
from tests.end_to_end.official import MODEL
from tests.scaled.talk import API_KEYS, KEYS
from tests.servers import balancer, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow
LONG = "Tell me.\n#simulate first=0 gap=0.05 deltas=100"
LONGER = "Tell me.\n#simulate first=0 gap=1 deltas=100"  # than it takes to be reached, however busy the machine is


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[tuple[Gateway, Gateway]]:
    """Two of them; their simulators write down what they are asked."""
    given = {"LINGMA_SIMULATOR": "first=0,gap=0,record=1", "API_KEYS": API_KEYS, "LINGMA_SOCKET_PORT": "0"}
    with started(tmp_path / "1", **given) as first, started(tmp_path / "2", **given) as second:
        yield first, second


@pytest.fixture
def port(tmp_path: Path, gateways: tuple[Gateway, Gateway]) -> Iterator[int]:
    """Where the balancer in front of both listens."""
    with running(balancer(tmp_path, gateways[0].port, gateways[1].port)) as server:
        yield server.port


def of(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}", "content-type": "application/json"}


async def test_key_stays_with_its_gateway(port: int, gateways: tuple[Gateway, Gateway]) -> None:
    """One key's requests reach one gateway, and each gateway gets some keys; what names a conversation goes first."""

    async def kept(connection: Connection, key: str) -> list[int]:
        """A gateway whose check is late on a busy machine is passed by for a second: such a key is asked again."""
        first = await shares(gateways, connection, [of(key)] * 3)
        return first if 0 in first else await shares(gateways, connection, [of(key)] * 3)

    async with connected(port) as connection:
        reached = [await kept(connection, key) for key in KEYS]
        conversation = [{**of(key), "x-session-id": "one-conversation"} for key in KEYS]
        together = await shares(gateways, connection, conversation)
    assert {tuple(each) for each in reached} == {(0, 3), (3, 0)}, reached
    assert sorted(together) == [0, len(KEYS)]


async def test_official_client_survives_the_end_of_a_gateway(port: int, gateways: tuple[Gateway, Gateway]) -> None:
    """After a SIGKILL to a gateway its stream is seen to be cut, and every request is answered by the other one."""
    async with answered(port, gateways, LONGER) as (first, second, ends):
        first.process.send_signal(signal.SIGKILL)
    assert [complete for _, complete in ends] == [False]
    with OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=KEYS[0], max_retries=2) as client:
        for key in KEYS:
            ask = client.with_options(api_key=key).chat.completions.create
            said = ask(model=MODEL, messages=[{"role": "user", "content": "Hello"}])
            assert said.choices[0].message.content
    assert len(second.records) >= len(KEYS)


async def test_who_drains_ends_its_streams_and_gets_nothing_new(port: int, gateways: tuple[Gateway, Gateway]) -> None:
    """While one gateway drains its stream comes to a proper end, and every newcomer is answered by the other one."""
    async with answered(port, gateways, LONG) as (first, second, ends):
        first.process.send_signal(signal.SIGTERM)
        before = len(second.records)
        for key in KEYS:
            assert (await chat(port, "Hello", headers=of(key))).text
        assert len(second.records) == before + len(KEYS)
        assert first.running
    assert [complete for _, complete in ends] == [True]
    assert events(ends[0][0])[-1] == "[DONE]"


async def test_operators_are_not_served_at_random(port: int, gateways: tuple[Gateway, Gateway]) -> None:
    """Metrics are each gateway's own, and not to be had where the balancer would choose one."""
    assert (await fetch(port, "GET", "/metrics")).status == 404
    assert (await fetch(gateways[0].port, "GET", "/metrics", headers=of(KEYS[0]))).status == 200


async def shares(
    gateways: tuple[Gateway, Gateway], connection: Connection, requests: Iterable[dict[str, str]]
) -> list[int]:
    """How many of the requests with these headers, one after the other, each gateway got.

    They come on one connection, where the balancer is through with one before it reads the next. On connections of
    their own one may come while the last still counts, and be passed on for the balance's sake.
    """
    before = [len(gateway.records) for gateway in gateways]
    for headers in requests:
        await connection.ask(question("Hello"), headers)
        assert (await connection.answer()).status == 200
    return [len(gateway.records) - old for gateway, old in zip(gateways, before, strict=True)]


@asynccontextmanager
async def answered(
    port: int, gateways: tuple[Gateway, Gateway], text: str
) -> AsyncIterator[tuple[Gateway, Gateway, list[tuple[bytes, bool]]]]:
    """The gateway that is answering a question within the block, the other one, and the rest of it after the block.

    The answer has begun by then: before that the balancer may yet refuse, or ask the other one.
    """
    ends: list[tuple[bytes, bool]] = []
    async with connected(port) as connection, trio.open_nursery() as nursery:
        await connection.ask(question(text), of(KEYS[0]))
        await connection.head()
        await connection.first_event()

        async def listen() -> None:
            ends.append(await connection.rest())

        nursery.start_soon(listen)
        yield *await reached(gateways), ends


async def reached(gateways: tuple[Gateway, Gateway]) -> tuple[Gateway, Gateway]:
    """The gateway that a stream has reached, and the other: the balancer passes by who has more than its share."""
    found: list[Gateway] = []

    async def seen() -> bool:
        found.extend([gateway for gateway in gateways if (await gateway.limiter())[0] == 1])
        return bool(found)

    await poll(seen)
    return found[0], gateways[found[0] is gateways[0]]
