"""A conversation with a gateway: pieces as they come, errors in its own words, and no half answer taken for a whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from pydantic import SecretStr

from lingma_trio.doctor.running import NoGateway, Refused, RunningGateway
from lingma_trio.doctor.talk import ask

DELTA = b'data: {"choices": [{"delta": {"content": "%s"}}]}\n\n'
REFUSAL = b'{"error": {"message": "not today"}}'


@asynccontextmanager
async def answering(body: bytes, *, status: int = 200) -> AsyncIterator[tuple[RunningGateway, list[bytes]]]:
    """A peer that answers one request with these bytes, and what it was sent."""
    heard: list[bytes] = []

    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            heard.append(b"")
            while b'"messages"' not in heard[0]:  # closing with bytes unread would reset the connection
                heard[0] += await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 %d X\r\nconnection: close\r\n\r\n" % status + body)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        yield RunningGateway(f"http://127.0.0.1:{port}", api_key=SecretStr("sk-of-the-talk")), heard
        nursery.cancel_scope.cancel("the test is over")


async def test_pieces_are_shown_as_they_come() -> None:
    """And the whole is returned; the key goes into its header."""
    shown: list[str] = []
    comment = b": keep-alive\n\n"
    async with answering(DELTA % b"Hel" + comment + DELTA % b"lo" + b"data: [DONE]\n\n") as (gateway, heard):
        assert await ask(gateway, [{"role": "user", "content": "x"}], model="m", show=shown.append) == "Hello"
    assert shown == ["Hel", "lo"]
    assert b"authorization: Bearer sk-of-the-talk\r\n" in heard[0]


@pytest.mark.parametrize(
    ("body", "status"),
    [(REFUSAL, 429), (DELTA % b"Hel" + b"data: " + REFUSAL + b"\n\ndata: [DONE]\n\n", 200)],
    ids=["at once", "after text"],
)
async def test_refusal_is_told_in_the_gateways_words(body: bytes, status: int) -> None:
    """Whether it comes before the answer or within it."""
    async with answering(body, status=status) as (gateway, _):
        with pytest.raises(Refused, match="not today"):
            await ask(gateway, [], model="m", show=lambda _: None)


@pytest.mark.parametrize("body", [b"", DELTA % b"Hel", b"<html>"], ids=["nothing", "half", "another"])
async def test_answer_without_its_end_is_none(body: bytes) -> None:
    """It is not taken for a whole one."""
    async with answering(body) as (gateway, _):
        with pytest.raises(NoGateway, match="broke off"):
            await ask(gateway, [], model="m", show=lambda _: None)


async def test_nobody_there_is_told() -> None:
    """With the address."""
    with pytest.raises(NoGateway, match=r"nothing answers at http://127\.0\.0\.1:1 "):
        await ask(RunningGateway("http://127.0.0.1:1"), [], model="m", show=lambda _: None)
