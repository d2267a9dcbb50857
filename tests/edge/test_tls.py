"""TLS: spoken with the certificate there is, with the bounds of every connection."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import structlog
import trio
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from lingma_trio.edge.bounds import Bounds
from lingma_trio.edge.tls import Certificate
from lingma_trio.errors import ConfigurationFault
from lingma_trio.http.exchange import DEPARTURE
from lingma_trio.lingma.remote.dial import Streams
from tests.edge.served import GET, LARGE, PATIENCE, Served, at_some_pace, served

SHORT = 0.3


class Authority:
    """An authority of the test's own, and the files of what it issued last."""

    def __init__(self, directory: Path) -> None:
        self._authority = trustme.CA()
        self.certificate, self.key = directory / "tls.crt", directory / "tls.key"

    def issue(self, name: str) -> None:
        """Write a certificate for that name, and its key."""
        issued = self._authority.issue_cert(name)
        issued.private_key_pem.write_to_path(self.key)
        issued.cert_chain_pems[0].write_to_path(self.certificate)

    def another(self, name: str) -> bytes:
        """A certificate for that name, whose key nobody gets."""
        return self._authority.issue_cert(name).cert_chain_pems[0].bytes()

    def shake_hands(self, context: ssl.SSLContext, name: str) -> None:
        """Let a client that trusts this authority alone meet a server of that name in memory."""
        trusting = ssl.create_default_context()
        self._authority.configure_trust(trusting)
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        ends = (
            trusting.wrap_bio(back, there, server_hostname=name),
            context.wrap_bio(there, back, server_side=True),
        )
        for end in (*ends, *ends):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
        assert ends[0].version() is not None

    async def trusted(self, being: Served, name: str) -> trio.SSLStream[trio.SocketStream]:
        """The client's end of the connection, which trusts this authority alone."""
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        stream = trio.SSLStream(being.client, context, server_hostname=name, https_compatible=True)
        await stream.do_handshake()
        return stream


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority that has issued a certificate for `gateway`."""
    authority = Authority(tmp_path)
    authority.issue("gateway")
    return authority


async def test_requests_are_served_over_tls(authority: Authority) -> None:
    """And the app is told that it is https."""
    async with served(tls=Certificate(authority.certificate, authority.key).context) as being:
        stream = await authority.trusted(being, "gateway")
        await stream.send_all(GET)
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 ")
        assert being.app.scopes[0]["scheme"] == "https"


async def test_offer_over_tls_is_for_whoever_sends(authority: Authority) -> None:
    """Nothing leaves unencrypted: what is offered is sent with the next write."""
    async with served(tls=Certificate(authority.certificate, authority.key).context) as being:
        stream = await authority.trusted(being, "gateway")
        await stream.send_all(b"GET /stream HTTP/1.1\r\nhost: test\r\n\r\n")
        said = b""
        while not said.endswith(b"begun\r\n"):
            said += await stream.receive_some()
        cycle = being.app.scopes[0]["extensions"][DEPARTURE]
        assert not cycle.offer(b"one")
        await cycle.send({"type": "http.response.body", "body": b"two", "more_body": True})
        assert await stream.receive_some() == b"3\r\none\r\n3\r\ntwo\r\n"


async def test_departure_over_tls_cancels(authority: Authority) -> None:
    """As over a plain connection."""
    async with served(tls=Certificate(authority.certificate, authority.key).context) as being:
        stream = await authority.trusted(being, "gateway")
        await stream.send_all(GET.replace(b"/ ", b"/never "))
        await being.app.asked.wait()
        await being.client.aclose()
        await being.ended.wait()
    assert being.app.ended == ["cancelled"]


async def test_handshake_is_part_of_the_head(authority: Authority) -> None:
    """A client that does not finish it is hung up on when a head's time is over."""
    bounds = Bounds(head_seconds=SHORT)
    began = trio.current_time()  # before the server's clock begins
    async with served(bounds, tls=Certificate(authority.certificate, authority.key).context) as being:
        await being.client.send_all(b"\x16\x03\x01\x00\xa5")
        await being.ended.wait()
        assert SHORT <= trio.current_time() - began < PATIENCE


async def test_request_over_tls_may_outlast_the_time_for_a_head(authority: Authority) -> None:
    """What is heard after that is heard as before, and the connection serves a next request."""

    async def scene(seconds: float) -> None:
        bounds = Bounds(head_seconds=seconds)
        async with served(bounds, tls=Certificate(authority.certificate, authority.key).context) as being:
            stream = await authority.trusted(being, "gateway")
            await stream.send_all(b"POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 2\r\n\r\na")
            await trio.sleep(2 * seconds)
            await stream.send_all(b"b")
            assert (await stream.receive_some()).endswith(b"\r\n\r\nab")
            await stream.send_all(GET)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 ")

    await at_some_pace(scene)


async def test_write_over_tls_is_judged_by_progress(authority: Authority) -> None:
    """A client that takes a little at a time is no stalled one; one that takes nothing is."""

    async def scene(seconds: float) -> None:
        bounds = Bounds(stall_seconds=seconds, min_rate=0)
        with structlog.testing.capture_logs() as logs:
            async with served(bounds, tls=Certificate(authority.certificate, authority.key).context) as being:
                stream = await authority.trusted(being, "gateway")
                await stream.send_all(GET.replace(b"/ ", b"/large "))
                taken, began = 0, trio.current_time()
                while trio.current_time() - began < 1.5 * seconds:
                    taken += len(await stream.receive_some(256 * 1024))
                    await trio.sleep(seconds / 20)
                assert logs == []
                await being.ended.wait()
                assert taken < LARGE
        assert [entry["event"] for entry in logs] == ["client_stalled"]

    await at_some_pace(scene)


def test_certificate_is_renewed(authority: Authority) -> None:
    """With what the files hold by then; what does not fit is told, and changes nothing."""
    certificate = Certificate(authority.certificate, authority.key)
    authority.issue("other")
    with structlog.testing.capture_logs() as logs:
        certificate.reload()
        authority.key.write_text("no key")
        certificate.reload()
    assert [entry["event"] for entry in logs] == ["certificate_renewed", "certificate_not_renewed"]


def test_renewal_is_whole_or_none(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that become others while they are read leave no certificate without its key."""
    certificate = Certificate(authority.certificate, authority.key)
    authority.issue("other")
    load = ssl.SSLContext.load_cert_chain

    def load_before_the_next(context: ssl.SSLContext, file: str, key: str, password: Callable[[], str]) -> None:
        load(context, file, key, password)
        authority.certificate.write_bytes(authority.another("third"))

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", load_before_the_next)
    certificate.reload()
    authority.shake_hands(certificate.context, "other")


def test_encrypted_key_is_told_and_not_asked_for(authority: Authority) -> None:
    """A question at the terminal would hold the gateway until somebody answers."""
    plain = load_pem_private_key(authority.key.read_bytes(), None)
    locked = plain.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a phrase"))
    authority.key.write_bytes(locked)
    with pytest.raises(OSError, match=r"encrypted.*without a phrase"):
        Certificate(authority.certificate, authority.key)
    with pytest.raises(ConfigurationFault, match=r"AGENT_KEY_FILE.*without a phrase"):
        Streams(authority.certificate, authority.key, None).context()


def test_files_that_are_none_are_os_errors(tmp_path: Path) -> None:
    """Whether they are missing or hold something else."""
    with pytest.raises(OSError, match="No such file"):
        Certificate(tmp_path / "none", tmp_path / "none")
    (tmp_path / "tls").write_text("nothing")
    with pytest.raises(ssl.SSLError, match="PEM"):
        Certificate(tmp_path / "tls", tmp_path / "tls")
