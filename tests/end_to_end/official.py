"""The official OpenAI client, unmodified, sync and async, for a gateway process.

Knows how it is pointed at a gateway; must not know what is asked.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import trio
from openai import AsyncOpenAI, DefaultAsyncHttpx2Client, DefaultHttpx2Client, OpenAI

from tests.end_to_end.client import PATIENCE
from tests.end_to_end.gateway import Gateway

KEY = "key-of-the-tests-of-the-client"
MODEL = "org_auto"
AT_ONCE = "first=0,gap=0"
"""The simulator's knobs for an answer without waiting."""


@contextmanager
def client_of(
    gateway: Gateway, *, key: str = KEY, retries: int = 0, sent: list[float] | None = None
) -> Iterator[OpenAI]:
    """The sync client; `sent` takes the monotonic time of each request it sends."""
    times: list[float] = [] if sent is None else sent
    hooks = {"request": [lambda _request: times.append(time.monotonic())]}
    with OpenAI(
        base_url=f"http://127.0.0.1:{gateway.port}/v1",
        api_key=key,
        max_retries=retries,
        timeout=PATIENCE,
        http_client=DefaultHttpx2Client(event_hooks=hooks),
    ) as client:
        yield client


@asynccontextmanager
async def async_client_of(
    gateway: Gateway, *, retries: int = 0, sent: list[float] | None = None
) -> AsyncIterator[AsyncOpenAI]:
    """The async client, which runs on Trio here; `sent` as with the sync one."""
    times: list[float] = [] if sent is None else sent

    async def note(_request: object) -> None:
        times.append(time.monotonic())
        await trio.lowlevel.checkpoint()

    async with AsyncOpenAI(
        base_url=f"http://127.0.0.1:{gateway.port}/v1",
        api_key=KEY,
        max_retries=retries,
        timeout=PATIENCE,
        http_client=DefaultAsyncHttpx2Client(event_hooks={"request": [note]}),
    ) as client:
        yield client
