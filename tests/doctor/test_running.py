"""A running gateway is asked over real sockets, and whatever else answers there is told from it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from pydantic import SecretStr

from lingma_trio.config import Settings
from lingma_trio.doctor.running import (
    MAX_ANSWER,
    InstanceReport,
    NoGateway,
    Readiness,
    Refused,
    RunningGateway,
    is_loopback,
    own_url,
)
from tests.doctor.support import PATIENCE
from tests.servers import free_port

READY = (
    b'{"status":"ready","upstream":"lingma","instances":[{"name":"a","state":"ready","reason":"","new":1}],"more":2}'
)
STATS = b"""{"version":"1","uptime_seconds":2.5,"upstream":"lingma","draining":false,"limiter":{"in_flight":1},
"sessions":{"size":0},"metrics":{},"instances":[{"name":"a","state":"ready","reason":"","detail":"","generation":1,
"turns":2,"restarts":0,"rpc_errors":{},"models":["auto"]}]}"""


class Answerer:
    """Something that answers each request with the same bytes; `asked` has the requests' heads and bodies."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.asked = ""


@asynccontextmanager
async def answering(body: bytes, *, status: int = 200, raw: bool = False) -> AsyncIterator[Answerer]:
    """Answer with `body` for the length of the block; `raw` sends it without a head."""
    head = f"HTTP/1.1 {status} So\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    answerer = Answerer(listeners[0].socket.getsockname()[1])

    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            asked = ""
            while not asked.endswith("}" if asked.startswith("POST") else "\r\n\r\n"):
                asked += (await stream.receive_some()).decode()
            answerer.asked += asked
            try:
                await stream.send_all(body if raw else head + body)
            except trio.BrokenResourceError:
                return

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, answer, listeners)
            yield answerer
            nursery.cancel_scope.cancel("the block is over")


async def test_readiness_is_read() -> None:
    """Fields of later versions are no reason not to understand it."""
    async with answering(READY) as answerer:
        readiness = await RunningGateway(answerer.url, SecretStr("planted")).readiness()
    instance = InstanceReport(name="a", state="ready")
    assert readiness == Readiness(status="ready", upstream="lingma", instances=(instance,))
    assert "planted" not in answerer.asked


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"status":"ok"}', b"", b"[]"])
async def test_what_is_no_gateway_is_told(body: bytes) -> None:
    """Another server's page, another service's health, and nothing."""
    async with answering(body) as answerer:
        with pytest.raises(NoGateway, match=r"no lingma-trio"):
            await RunningGateway(answerer.url).readiness()


@pytest.mark.parametrize("body", [b"SSH-2.0-OpenSSH_9.2\r\n", b""])
async def test_what_speaks_no_http_is_told(body: bytes) -> None:
    """Whatever listens there."""
    async with answering(body, raw=True) as answerer:
        with pytest.raises(NoGateway, match=r"nothing answers"):
            await RunningGateway(answerer.url).readiness()


async def test_endless_answer_is_given_up() -> None:
    """Nothing fills the memory."""
    async with answering(b"x" * (MAX_ANSWER + 1)) as answerer:
        with pytest.raises(NoGateway, match="too much"):
            await RunningGateway(answerer.url).readiness()


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "http://", "nonsense", "http://[::", "ftp://127.0.0.1"])
async def test_nobody_there_is_told(url: str) -> None:
    """A port without a listener, and an address that is none."""
    with pytest.raises(NoGateway):
        await RunningGateway(url.format(port=free_port())).readiness()


async def test_statistics_are_asked_with_the_token() -> None:
    """In a header, and in no other place."""
    async with answering(STATS) as answerer:
        gateway = RunningGateway(answerer.url, SecretStr("planted"))
        stats = await gateway.stats()
    assert stats is not None
    assert (stats.uptime_seconds, stats.instances[0].turns) == (2.5, 2)
    assert "authorization: bearer planted" in answerer.asked.lower()
    assert answerer.asked.count("planted") == 1
    assert "planted" not in repr(gateway)


async def test_statistics_need_a_token_that_is_taken() -> None:
    """Without one nothing is asked, and a gateway with another one says that there is nothing there."""
    async with answering(b'{"error":{"message":"no such path"}}', status=404) as answerer:
        assert await RunningGateway(answerer.url).stats() is None
        assert answerer.asked == ""
        assert await RunningGateway(answerer.url, SecretStr("other")).stats() is None


async def test_statistics_of_another_form_are_told() -> None:
    """They are not shown half understood."""
    async with answering(b'{"version":"99"}') as answerer:
        with pytest.raises(NoGateway, match="another version"):
            await RunningGateway(answerer.url, SecretStr("token")).stats()


async def test_tree_is_asked_with_the_token() -> None:
    """It comes as it was drawn, and fields of later versions do not matter."""
    body = b'{"tasks":2,"states":{"chat, queued":1},"root":{"name":"trio.run","new":1,"children":[{"name":"main"}]}}'
    async with answering(body) as answerer:
        tree = await RunningGateway(answerer.url, SecretStr("planted")).tree()
    assert (tree.tasks, tree.states) == (2, {"chat, queued": 1})
    assert [child.name for child in tree.root.children] == ["main"]
    assert "authorization: bearer planted" in answerer.asked.lower()


async def test_tree_that_is_none_is_told() -> None:
    """A token that is not taken, and another version's form."""
    async with answering(b'{"error":{"message":"no such path"}}', status=404) as answerer:
        with pytest.raises(Refused):
            await RunningGateway(answerer.url, SecretStr("other")).tree()
    async with answering(b'{"root":1}') as answerer:
        with pytest.raises(NoGateway, match="another version"):
            await RunningGateway(answerer.url, SecretStr("token")).tree()


async def test_models_are_counted_with_the_key() -> None:
    """As any client would."""
    async with answering(b'{"object":"list","data":[{},{}]}') as answerer:
        assert await RunningGateway(answerer.url, api_key=SecretStr("planted")).models() == 2
    assert "authorization: bearer planted" in answerer.asked.lower()


async def test_chat_returns_the_length_of_the_answer() -> None:
    """The answer itself is nobody's business here."""
    async with answering(b'{"choices":[{"message":{"content":"pong"}}]}') as answerer:
        assert await RunningGateway(answerer.url).chat("ping", model="auto", seconds=PATIENCE) == 4
    assert '"model":"auto"' in answerer.asked


@pytest.mark.parametrize("body", [b'{"error":{"message":"no slot"}}', b'{"choices":[]}'])
async def test_refusal_is_the_gateways_own_word(body: bytes) -> None:
    """An error, and an answer without text."""
    async with answering(body, status=200) as answerer:
        with pytest.raises(Refused, match=r"no slot|no text"):
            await RunningGateway(answerer.url).chat("ping", model="auto", seconds=PATIENCE)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"detail":"bad gateway"}'])
async def test_proxys_own_error_is_no_refusal(body: bytes) -> None:
    """What stands in front of the gateway may answer in its place."""
    async with answering(body, status=502) as answerer:
        with pytest.raises(NoGateway, match="502"):
            await RunningGateway(answerer.url).models()


async def test_silence_is_not_waited_for() -> None:
    """A gateway answers from memory, so a short time is enough."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listeners[0] as listener:
        port = listener.socket.getsockname()[1]
        with pytest.raises(NoGateway, match=r"within 0\.2 s"):
            await RunningGateway(f"http://127.0.0.1:{port}").chat("ping", model="auto", seconds=0.2)


async def test_no_proxy_stands_before_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment would look for the gateway on its own loopback address, and see the token."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with answering(READY) as answerer:
        assert (await RunningGateway(answerer.url).readiness()).status == "ready"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("127.0.0.2", "http://127.0.0.2:80"),
        ("gateway.example", "http://gateway.example:80"),
    ],
)
def test_own_address_can_be_dialled(host: str, url: str) -> None:
    """What is listened on everywhere is reached on the loopback address."""
    assert own_url(Settings(host=host, port=80)) == url


def test_own_address_speaks_tls_where_the_gateway_does() -> None:
    """And is a path where it listens at one."""
    certificate = Path("tls.crt")
    secured = Settings(host="127.0.0.1", port=80, tls_cert_file=certificate)
    assert own_url(secured) == "https://127.0.0.1:80"
    assert RunningGateway.of(secured).certificate == certificate
    assert RunningGateway.of(secured, "http://elsewhere/").certificate is None
    assert RunningGateway.of(Settings(host="unix:/run/gateway.sock")).path == "/run/gateway.sock"


async def test_certificate_that_cannot_be_read_is_told() -> None:
    """And nothing is asked without it."""
    with pytest.raises(NoGateway, match="TLS_CERT_FILE"):
        await RunningGateway("https://127.0.0.1:1", certificate=Path("/nonexistent")).readiness()


def test_own_address_is_unknown_with_port_0() -> None:
    """Another address has to be given then."""
    with pytest.raises(NoGateway, match="PORT is 0"):
        RunningGateway.of(Settings(port=0))
    assert RunningGateway.of(Settings(port=0), "http://a/").url == "http://a"


def test_address_with_a_password_is_refused() -> None:
    """And not repeated."""
    with pytest.raises(NoGateway, match="password") as fault:
        RunningGateway.of(Settings(), "http://user:planted@gateway.example")
    assert "planted" not in str(fault.value)


def test_key_and_token_come_from_the_settings() -> None:
    """The first key of several."""
    gateway = RunningGateway.of(Settings.model_validate({"api_keys": "one,two", "admin_token": "three"}))
    assert (gateway.api_key.get_secret_value(), gateway.admin_token.get_secret_value()) == ("one", "three")


@pytest.mark.parametrize(
    ("host", "local"),
    [("localhost", True), ("127.8.9.1", True), ("::1", True), ("10.0.0.1", False), ("host", False), ("", False)],
)
def test_loopback_is_recognised(host: str, local: bool) -> None:
    """By name and by number."""
    assert is_loopback(host) is local
