"""Certificates keep out whoever has none of this fleet's, and both sides know within five seconds."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
import structlog
import trio
import trustme
from pydantic_core import from_json

from lingma_trio.agent.listener import Listener
from lingma_trio.agent.server import Door
from lingma_trio.edge.addresses import open_listeners
from lingma_trio.edge.tls import Certificate
from lingma_trio.lingma.remote.dial import Dialler, Streams, Unreachable
from lingma_trio.policy.agent_address import AgentAddress
from lingma_trio.protocol.fleet_messages import FLEET
from tests.agent.support import Town, town

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KNOWN = 5.0  # seconds within which a refusal is known


class Fleet:
    """An authority, with the files of it and of what it issued."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self._authority = trustme.CA()
        self.authority = directory / "ca.crt"
        self._authority.cert_pem.write_to_path(self.authority)

    def issue(self, name: str) -> tuple[Path, Path]:
        """A certificate for that name, and its key."""
        issued = self._authority.issue_cert(name)
        certificate, key = self._directory / f"{name}.crt", self._directory / f"{name}.key"
        issued.cert_chain_pems[0].write_to_path(certificate)
        issued.private_key_pem.write_to_path(key)
        return certificate, key


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """The authority of a fleet."""
    return Fleet(tmp_path / "fleet")


def begin(door: Door, nursery: trio.Nursery) -> None:
    """Serve who comes; the sockets listen already."""
    nursery.start_soon(door.serve, nursery)


@asynccontextmanager
async def served(fleet: Fleet) -> AsyncIterator[tuple[Town, AgentAddress]]:
    """An agent that speaks TLS, for the length of the block, and where it is."""
    async with town() as place, trio.open_nursery() as nursery:
        with open_listeners("127.0.0.1", 0, ()) as listeners:
            certificate = Certificate(*fleet.issue("localhost"), fleet.authority)
            door = Door(listeners.sockets, Listener(place.pages, place.refusals, hosted=place.hosted), certificate)
            begin(door, nursery)
            port = listeners.sockets[0].getsockname()[1]
            yield place, AgentAddress("wss", "localhost", port, at="127.0.0.1")
            nursery.cancel_scope.cancel("the test is over")


async def reason(place: Town) -> str:
    """Why the last connection was refused, as `/readyz` says it."""
    with trio.fail_after(KNOWN):
        while not place.refusals.counts:  # noqa: ASYNC110 - the agent has no event for it
            await trio.sleep(0.01)
    page = place.pages.answer("/readyz", "")
    assert page is not None
    (refused,) = from_json(page.body)["refused"]
    return str(refused["reason"])


async def test_a_gateway_of_the_fleet_is_let_in(fleet: Fleet) -> None:
    """Without a token: its certificate says enough."""
    async with served(fleet) as (place, address):
        socket = await Dialler(Streams(*fleet.issue("gateway"), fleet.authority).open).open(address, FLEET)
        with trio.fail_after(KNOWN):
            while not (told := await socket.receive()):
                pass
        assert b"fleet/state" in told
        await socket.aclose()
        assert not place.refusals.counts


async def test_bug_costs_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is served, and what went wrong is in the log with its place."""

    async def stumble(stream: trio.abc.Stream, who: str) -> NoReturn:
        await stream.receive_some()
        raise ZeroDivisionError

    async with town() as place, trio.open_nursery() as nursery:
        with open_listeners("127.0.0.1", 0, ()) as listeners, structlog.testing.capture_logs() as logs:
            door = Door(listeners.sockets, Listener(place.pages, place.refusals))
            begin(door, nursery)
            with monkeypatch.context() as broken:
                broken.setattr(door.listener, "serve", stumble)
                assert await healthz(door) == b""
            assert (await healthz(door)).startswith(b"HTTP/1.1 200 ")
            nursery.cancel_scope.cancel("the test is over")
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["connection_failed"]


async def healthz(door: Door) -> bytes:
    """What the agent says there, to its end."""
    with trio.fail_after(KNOWN):
        async with await trio.open_tcp_stream(*door.listeners[0].getsockname()) as client:
            await client.send_all(b"GET /healthz HTTP/1.1\r\nhost: test\r\n\r\n")
            return b"".join([bytes(piece) async for piece in client])


async def refused(address: AgentAddress, streams: Streams) -> str:
    """What a gateway is told that is refused."""
    with trio.fail_after(KNOWN), pytest.raises(Unreachable) as refusal:
        await Dialler(streams.open).open(address, FLEET)
    return str(refusal.value)


async def test_one_without_a_certificate_is_refused(fleet: Fleet) -> None:
    """Both sides know at once."""
    async with served(fleet) as (place, address):
        assert await refused(address, Streams(None, None, fleet.authority))
        assert "AGENT_CERT_FILE" in await reason(place)


async def test_one_of_another_authority_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    """Though it trusts ours."""
    other = Fleet(tmp_path / "other")
    async with served(fleet) as (place, address):
        assert await refused(address, Streams(*other.issue("gateway"), fleet.authority))
        assert "AGENT_CA_FILE" in await reason(place)


async def test_one_that_does_not_trust_us_is_told_of(fleet: Fleet, tmp_path: Path) -> None:
    """It breaks off; the agent says what to look for."""
    other = Fleet(tmp_path / "other")
    async with served(fleet) as (place, address):
        assert await refused(address, Streams(*fleet.issue("gateway"), other.authority))
        assert "our certificate" in await reason(place)


async def test_plain_text_is_refused(fleet: Fleet) -> None:
    """Known for what it is."""
    async with served(fleet) as (place, address):
        plain = AgentAddress("ws", "127.0.0.1", address.port)
        assert await refused(plain, Streams())
        assert "wss://" in await reason(place)


async def test_a_renewed_certificate_is_shown(fleet: Fleet) -> None:
    """From the next connection on, whoever replaced the files; clients still have to show theirs."""
    async with served(fleet) as (place, address):
        dialler = Dialler(Streams(*fleet.issue("gateway"), fleet.authority).open)
        await (await dialler.open(address, FLEET)).aclose()
        other = Fleet(fleet.authority.parent / "next")
        certificate, key = other.issue("localhost")
        certificate.replace(fleet.authority.parent / "localhost.crt")
        key.replace(fleet.authority.parent / "localhost.key")
        await refused(address, Streams(*fleet.issue("gateway"), fleet.authority))
        await refused(address, Streams(None, None, other.authority))
        await (await Dialler(Streams(*fleet.issue("gateway"), other.authority).open).open(address, FLEET)).aclose()
        assert len(place.refusals.counts) == 2


async def test_an_authority_that_was_replaced_lets_nobody_in(fleet: Fleet) -> None:
    """From the next connection on only what the new one signed is taken."""
    async with served(fleet) as (place, address):
        old = Streams(*fleet.issue("gateway"), fleet.authority)
        await (await Dialler(old.open).open(address, FLEET)).aclose()
        other = Fleet(fleet.authority.parent / "next")
        trust = fleet.authority.read_bytes()
        (fleet.authority.parent / "new").write_bytes(other.authority.read_bytes())
        (fleet.authority.parent / "new").replace(fleet.authority)
        (fleet.authority.parent / "old").write_bytes(trust)
        assert await refused(address, Streams(*fleet.issue("gateway"), fleet.authority.parent / "old"))
        assert "AGENT_CA_FILE" in await reason(place)
        shown = other.issue("gateway")
        await (await Dialler(Streams(*shown, fleet.authority.parent / "old").open).open(address, FLEET)).aclose()
