"""The edge of `lingma-trio serve`, from outside: TLS, a path, departures behind bytes, and a full house."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio
import trustme

from tests.end_to_end.client import PATIENCE, connected, question
from tests.end_to_end.gateway import HYPERCORN, SERVE, Gateway, environment, launched, started

PLACE = re.compile(r"Running on (\S+) \(CTRL")
REQUEST = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
SLOW = "Wait.\n#simulate first=60"


async def place_of(gateway: Gateway) -> str:
    """Where it listens."""
    await gateway.until(lambda: PLACE.search(gateway.log) is not None)
    found = PLACE.search(gateway.log)
    assert found is not None
    return found[1]


async def status_of(directory: Path, **settings: str) -> str:
    """What `lingma-trio status` prints, once the gateway is ready."""
    command = [sys.executable, "-m", "lingma_trio", "status"]
    with trio.fail_after(PATIENCE):
        while True:
            done = await trio.run_process(
                command, capture_stdout=True, check=False, cwd=directory, env=environment(directory, settings)
            )
            if done.returncode == 0:
                return done.stdout.decode()
            await trio.sleep(0.1)


async def test_tls_is_spoken_and_renewed(tmp_path: Path) -> None:
    """The gateway's own commands trust its certificate; a new one is taken on SIGHUP."""
    authority = trustme.CA()
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"

    def issue(name: str) -> None:
        issued = authority.issue_cert(name)
        issued.private_key_pem.write_to_path(key)
        issued.cert_chain_pems[0].write_to_path(certificate)

    issue("localhost")
    tls = {"TLS_CERT_FILE": str(certificate), "TLS_KEY_FILE": str(key)}
    with launched(tmp_path, LINGMA_SIMULATOR="first=0", **tls) as gateway:
        place = await place_of(gateway)
        assert place.startswith("https://127.0.0.1:")
        port = place.rpartition(":")[2]
        assert "ready" in await status_of(tmp_path, PORT=port, **tls)
        issue("elsewhere")
        gateway.process.send_signal(signal.SIGHUP)
        await gateway.until(lambda: "certificate_renewed" in gateway.log)
        assert "ready" in await status_of(tmp_path, PORT=port, **tls)


@pytest.mark.parametrize(
    "words", [b"", bytes.fromhex("16030100a5010000a10303"), REQUEST], ids=["nothing", "half a greeting", "a request"]
)
async def test_handshake_that_does_not_come_is_hung_up_on(tmp_path: Path, words: bytes) -> None:
    """Within the time for a head, and without a word that is not TLS."""
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    issued = trustme.CA().issue_cert("localhost")
    issued.private_key_pem.write_to_path(key)
    issued.cert_chain_pems[0].write_to_path(certificate)
    with launched(tmp_path, HEAD_TIMEOUT_SEC="1", TLS_CERT_FILE=str(certificate), TLS_KEY_FILE=str(key)) as gateway:
        port = int((await place_of(gateway)).rpartition(":")[2])
        async with connected(port) as client:
            await client.stream.send_all(words)
            with trio.fail_after(PATIENCE):
                assert b"HTTP" not in await client.closed()


async def test_path_is_listened_at(tmp_path: Path) -> None:
    """Commands find the gateway there, and the name goes with it."""
    path = tmp_path / "gateway.sock"
    with launched(tmp_path, HOST=f"unix:{path}", API_KEYS="sk-of-the-test-long-enough") as gateway:
        assert await place_of(gateway) == f"unix:{path}"
        assert "ready" in await status_of(tmp_path, HOST=f"unix:{path}")
        gateway.process.send_signal(signal.SIGTERM)
        await gateway.exit_status()
    assert not path.exists()


@pytest.mark.parametrize("behind", [b"\r\n", REQUEST], ids=["CRLF", "request"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("launch", [SERVE, HYPERCORN], ids=["serve", "hypercorn"])
async def test_departure_behind_bytes_frees_the_slot(
    tmp_path: Path, launch: Sequence[str], behind: bytes, *, stream: bool
) -> None:
    """Before the first text, whatever the client sent behind its request; and nothing is left of the connection."""
    with started(tmp_path, launch) as gateway:
        async with connected(gateway.port) as client:
            await client.ask(question(SLOW, stream=stream))
            await client.stream.send_all(behind)
            await gateway.until_limiter(in_flight=1)
            port = client.local_port
            client.close()
            with trio.fail_after(1):
                await gateway.until_limiter(in_flight=0)
                await gateway.until(lambda: not gateway.holds(port))


async def test_full_house_turns_away_and_serves_on(tmp_path: Path) -> None:
    """One connection too many gets a 503; when others have left there is room."""
    with started(tmp_path, MAX_CONNECTIONS="3") as gateway:

        async def asks() -> int:
            connection = await here.enter_async_context(connected(gateway.port))
            await connection.send("GET", "/healthz")
            return (await connection.answer()).status

        with trio.fail_after(PATIENCE):
            async with AsyncExitStack() as here:
                inside = 0
                while inside < 3:  # who asked whether it is ready may not have left yet
                    inside += await asks() == 200
                assert await asks() == 503
            await gateway.until_ready()
