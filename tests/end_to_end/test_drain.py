"""How connections end when the gateway does: over TCP, over TLS and at a path."""

from __future__ import annotations

import re
import signal
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio
import trustme

from tests.end_to_end.client import PATIENCE, question
from tests.end_to_end.gateway import Gateway, launched

PLACE = re.compile(r"Running on (\S+) \(CTRL")
READY = re.compile(r'"state": ?"ready"')
KEY = "sk-of-the-test-long-enough"
QUESTION = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer %b\r\ncontent-length: %d\r\n\r\n"
)
HEAD = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
SHORT = "Finish.\n#simulate first=0.5 gap=0.02 deltas=50"
AT_ONCE = 0.5


@dataclass
class Client:
    """One connection, with the bytes that came on it."""

    stream: trio.abc.Stream
    came: bytes = b""

    async def ask(self, text: str, *, stream: bool) -> None:
        """Put a question."""
        body = question(text, stream=stream)
        await self.stream.send_all(QUESTION % (KEY.encode(), len(body)) + body)

    async def hear(self, until: bytes = b"") -> bytes:
        """Read up to `until`, or to the end of what the gateway says; returns all that came."""
        while not until or until not in self.came:
            piece = await self.stream.receive_some()
            if not piece:
                break
            self.came += bytes(piece)
        return self.came


@asynccontextmanager
async def reached(directory: Path, way: str) -> AsyncIterator[tuple[Gateway, Callable[[], Awaitable[Client]]]]:
    """A gateway that is ready, and how to connect to it on that way."""
    authority = trustme.CA()
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    settings = {"API_KEYS": KEY}
    if way == "path":
        settings["HOST"] = f"unix:{directory}/gateway.sock"
    if way == "tls":
        issued = authority.issue_cert("localhost")
        issued.private_key_pem.write_to_path(directory / "tls.key")
        issued.cert_chain_pems[0].write_to_path(directory / "tls.crt")
        settings |= {"TLS_CERT_FILE": f"{directory}/tls.crt", "TLS_KEY_FILE": f"{directory}/tls.key"}

    async def connect() -> Client:
        found = PLACE.search(gateway.log)
        assert found is not None
        if way == "path":
            return Client(await trio.open_unix_socket(directory / "gateway.sock"))
        stream = await trio.open_tcp_stream("127.0.0.1", int(found[1].rpartition(":")[2]))
        if way == "tls":
            encrypted = trio.SSLStream(stream, trust, server_hostname="localhost", https_compatible=True)
            await encrypted.do_handshake()
            return Client(encrypted)
        return Client(stream)

    with launched(directory, **settings) as gateway:
        await gateway.until(lambda: READY.search(gateway.log) is not None)
        yield gateway, connect


@pytest.mark.slow
@pytest.mark.parametrize("way", ["tcp", "tls", "path"])
async def test_drain_of_every_kind_of_connection(tmp_path: Path, way: str) -> None:
    """Idle ones end at once, those that were never used too; who waits for an answer has it and is told that it is the
    last; a stream comes to its end; and then the gateway is gone.
    """
    with trio.fail_after(PATIENCE):
        async with reached(tmp_path, way) as (gateway, connect):
            used, fresh, waiting, streaming = [await connect() for _ in range(4)]
            await used.stream.send_all(HEAD)
            await used.hear(b"}")
            await waiting.ask(SHORT, stream=False)
            await streaming.ask(SHORT, stream=True)
            await streaming.hear(b"data: ")
            gateway.process.send_signal(signal.SIGTERM)
            with trio.fail_after(AT_ONCE):
                before = used.came
                assert await used.hear() == before
                assert await fresh.hear() == b""
            assert b"\r\nconnection: close\r\n" in await waiting.hear()
            assert b"data: [DONE]\n\n" in await streaming.hear()
            assert await gateway.exit_status() == 0
            for client in (used, fresh, waiting, streaming):
                await trio.aclose_forcefully(client.stream)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["tcp", "tls", "path"])
async def test_takeover_of_every_kind_of_connection(tmp_path: Path, way: str) -> None:
    """Those that are used within a second are answered a last time, and so is who was let in and has not asked yet;
    the others end after it; what runs comes to its end; and who connects next is the successor's.
    """
    with trio.fail_after(PATIENCE):
        async with reached(tmp_path, way) as (gateway, connect):
            used, unused, fresh, streaming = [await connect() for _ in range(4)]
            for client in (used, unused):
                await client.stream.send_all(HEAD)
                await client.hear(b"}")
            await streaming.ask(SHORT, stream=True)
            await streaming.hear(b"data: ")
            gateway.process.send_signal(signal.SIGUSR2)
            await gateway.until(lambda: '"handed_over"' in gateway.log)
            for client in (used, fresh):
                await client.stream.send_all(HEAD)
                assert b"\r\nconnection: close\r\n" in await client.hear()
            before = unused.came
            assert await unused.hear() == before
            assert b"data: [DONE]\n\n" in await streaming.hear()
            assert await gateway.exit_status() == 0
            late = await connect()
            await late.stream.send_all(HEAD)
            assert b"connection: close" not in await late.hear(b"}")
            for client in (used, unused, fresh, streaming, late):
                await trio.aclose_forcefully(client.stream)
