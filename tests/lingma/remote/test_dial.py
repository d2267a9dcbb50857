"""What keeps a gateway and an agent apart is known within 5 s, in words that say what to do."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
import trio
import trustme
from trio.testing import memory_stream_pair
from trio_websocket import wrap_server_stream

from lingma_trio.errors import ProtocolFault
from lingma_trio.lingma.remote.dial import CONNECT_SECONDS, Dialler, Streams, Unreachable, look_up
from lingma_trio.policy.agent_address import AgentAddress

if TYPE_CHECKING:
    from trio.testing import MockClock

OURS, ANOTHER = trustme.CA(), trustme.CA()


def files(folder: Path, *, by: trustme.CA = OURS, trusting: trustme.CA = OURS, name: str = "gateway") -> Streams:
    """What connects with a certificate that `by` signed, and takes those that `trusting` signed."""
    certificate = by.issue_cert(name)
    certificate.cert_chain_pems[0].write_to_path(folder / "cert")
    certificate.private_key_pem.write_to_path(folder / "key")
    trusting.cert_pem.write_to_path(folder / "ca")
    return Streams(folder / "cert", folder / "key", folder / "ca")


def agents_context(*names: str) -> ssl.SSLContext:
    """An agent's: a certificate of these names, and only those of OURS are taken."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    OURS.issue_cert(*names).configure_cert(context)
    OURS.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@asynccontextmanager
async def listening(context: ssl.SSLContext | None, *, status: int = 0) -> AsyncIterator[int]:
    """An agent that speaks TLS where there is a context, and declines with `status` where that is one; its port."""

    async def serve(connection: trio.SocketStream) -> None:
        stream: trio.abc.Stream = connection
        async with trio.open_nursery() as nursery:
            try:
                if context is not None:
                    tls = trio.SSLStream(connection, context, server_side=True)
                    await tls.do_handshake()
                    stream = tls
                request = await wrap_server_stream(nursery, stream)
                socket = await (request.reject(status) if status else request.accept())
                if socket is not None:
                    await socket.get_message()
            except Exception:  # noqa: BLE001 - what becomes of a refused connection is the client's to tell
                await trio.aclose_forcefully(connection)
                nursery.cancel_scope.cancel("the connection is over")

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel("the test is over")


async def refusal(streams: Streams, address: AgentAddress) -> str:
    """Why there is no connection, and that this is known soon."""
    began = trio.current_time()
    with pytest.raises(Unreachable) as caught:
        await Dialler(streams.open).open(address, "/fleet")
    assert trio.current_time() - began < 5
    return str(caught.value)


def at(port: int, host: str = "localhost", scheme: str = "wss") -> AgentAddress:
    """An address of this machine's."""
    return AgentAddress(scheme, host, port, at="127.0.0.1")  # type: ignore[arg-type] # one of them


async def test_certificates_that_fit_make_a_connection(tmp_path: Path) -> None:
    """Both sides proved who they are."""
    async with listening(agents_context("localhost")) as port:
        socket = await Dialler(files(tmp_path).open).open(at(port), "/fleet")
        await socket.aclose()


async def test_no_certificate_of_ours_is_told(tmp_path: Path) -> None:
    """TLS 1.3 lets the client believe that all is well until it reads."""
    OURS.cert_pem.write_to_path(tmp_path / "ca")
    async with listening(agents_context("localhost")) as port:
        said = await refusal(Streams(authority=tmp_path / "ca"), at(port))
    assert "AGENT_CERT_FILE" in said


async def test_certificate_of_another_authority_is_told(tmp_path: Path) -> None:
    """Ours is not taken there, or theirs not here."""
    async with listening(agents_context("localhost")) as port:
        assert "this gateway's certificate" in await refusal(files(tmp_path, by=ANOTHER), at(port))
        assert "AGENT_CA_FILE" in await refusal(files(tmp_path, trusting=ANOTHER), at(port))


async def test_certificate_of_another_name_is_told(tmp_path: Path) -> None:
    """It must name the host in LINGMA_AGENTS."""
    async with listening(agents_context("elsewhere.example.com")) as port:
        assert "does not name this host" in await refusal(files(tmp_path), at(port))


async def test_plain_text_where_tls_is_spoken_is_told(tmp_path: Path) -> None:
    """In either direction."""
    async with listening(None) as port:
        assert "speaks no TLS" in await refusal(files(tmp_path), at(port))
    async with listening(agents_context("localhost")) as port:
        assert "wss://" in await refusal(Streams(), at(port, scheme="ws"))


async def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """They are read for each connection, so that they can be mended, or renewed, while the gateway runs."""
    async with listening(agents_context("localhost")) as port:
        streams = Streams(tmp_path / "cert", tmp_path / "key", tmp_path / "ca")
        assert "AGENT_CERT_FILE" in await refusal(streams, at(port))
        files(tmp_path)
        await (await Dialler(streams.open).open(at(port), "/fleet")).aclose()


async def test_token_goes_to_no_stranger() -> None:
    """Without an authority of ours, any certificate would do."""
    async with listening(agents_context("localhost")) as port:
        assert "AGENT_CA_FILE" in await refusal(Streams(), at(port))


@pytest.mark.parametrize(("scheme", "shown"), [("wss", False), ("ws", True), ("unix", True)])
async def test_token_is_shown_on_this_machine_alone(scheme: Literal["wss", "ws", "unix"], *, shown: bool) -> None:
    """Also by a gateway that has certificates for its agents elsewhere."""
    ours, theirs = memory_stream_pair()

    async def open_stream(address: AgentAddress) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        return ours

    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            Dialler(open_stream, "a-secret").open, AgentAddress(scheme, "localhost", path="/a"), "/fleet"
        )
        assert (b"a-secret" in await theirs.receive_some()) is shown
        nursery.cancel_scope.cancel("the request was seen")


async def test_nobody_there_is_told(tmp_path: Path) -> None:
    """With what the system says."""
    async with listening(None) as port:
        pass
    assert "Connection refused" in await refusal(Streams(), at(port, scheme="ws"))
    missing = AgentAddress("unix", port=0, path=str(tmp_path / "agent.sock"))
    assert "No such file" in await refusal(Streams(), missing)


async def test_name_that_leads_nowhere_is_told() -> None:
    """Both one that no resolver knows and one that none would be asked for."""
    for host in ("agents.invalid", "a" * 100 + ".example.com"):
        with pytest.raises(Unreachable, match=r"cannot be looked up .*LINGMA_AGENTS"):
            await look_up(AgentAddress("wss", host, 1))


async def test_each_address_behind_a_name_is_an_agent() -> None:
    """The name stays, for the certificate has that."""
    found = await look_up(AgentAddress("ws", "127.0.0.1", 8327))
    assert found == [AgentAddress("ws", "127.0.0.1", 8327, at="127.0.0.1")]
    socket = AgentAddress("unix", port=0, path="/run/agent.sock")
    assert await look_up(socket) == [socket]


@pytest.mark.parametrize(("status", "words"), [(401, "AGENT_TOKEN"), (500, "no agent: it says 500")])
async def test_what_declines_is_told(status: int, words: str) -> None:
    """Over plain text on this machine, where a token stands for certificates."""
    async with listening(None, status=status) as port:
        assert words in await refusal(Streams(), at(port, scheme="ws"))


async def test_path_that_is_not_there_is_no_fault_of_the_way() -> None:
    """It was a life that is over; the agent itself is well."""
    async with listening(None, status=404) as port:
        with pytest.raises(ProtocolFault):
            await Dialler(Streams().open).open(at(port, scheme="ws"), "/instance/a/b")


async def test_silence_is_bounded(autojump_clock: MockClock) -> None:
    """Some refusals leave nothing else behind."""

    async def silent(address: AgentAddress) -> trio.abc.Stream:
        del address
        await trio.lowlevel.checkpoint()
        ours, theirs = trio.testing.memory_stream_pair()
        kept.append(theirs)
        return ours

    kept: list[trio.abc.Stream] = []
    began = trio.current_time()
    with pytest.raises(Unreachable, match="does not answer"):
        await Dialler(silent).open(at(1), "/fleet")
    assert trio.current_time() - began == CONNECT_SECONDS
