"""Whether a program of this machine asks for itself."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from lingma_trio.http.exchange import Exchange
from lingma_trio.http.locality import FORWARDING_HEADERS, is_local

LOCAL_ADDRESSES = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]
FOREIGN_ADDRESSES = ["203.0.113.7", "10.0.0.1", "::ffff:203.0.113.7", "2001:db8::1", "", "unix:", None]
OF_FAMILIES = [
    "x-forwarded-for", "x-forwarded-proto", "x-forwarded-client-cert", "x-original-host", "x-envoy-external-address",
    "cf-connecting-ip", "cf-ray", "fly-client-ip", "x-azure-clientip", "x-amzn-trace-id", "tailscale-user-login",
]  # fmt: skip


async def nothing_more(*_: object) -> Any:  # noqa: ANN401 - stands in for both of ASGI's callables
    await trio.lowlevel.checkpoint()


async def asked(address: str | None = "127.0.0.1", /, **headers: str) -> bool:
    """Whether a request with these headers is local; within Trio, because it begins at a moment of Trio's clock."""
    await trio.lowlevel.checkpoint()
    lines = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"type": "http", "headers": lines, "client": None if address is None else (address, 50000)}
    return is_local(Exchange("chat", scope, nothing_more, nothing_more))


@pytest.mark.parametrize("address", LOCAL_ADDRESSES)
async def test_program_of_this_machine_is_local(address: str) -> None:
    """Also where IPv4 comes mapped into IPv6; a program that names no host at all is no browser."""
    assert await asked(address)
    assert await asked(address, host="localhost:8317")


@pytest.mark.parametrize("address", FOREIGN_ADDRESSES)
async def test_others_are_not(address: str | None) -> None:
    """Another machine, and a peer without an address, whatever host they name."""
    assert not await asked(address, host="localhost")


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "LOCALHOST:80", "127.0.0.1:8317", "[::1]:80"])
async def test_loopback_has_these_names(host: str) -> None:
    """With any port, since a program may come through one that leads here."""
    assert await asked(host=host)


@pytest.mark.parametrize(
    "host",
    ["rebound.example", "rebound.example:8317", "127.0.0.1.example", "10.0.0.1", "localhost.example", "", "["],
)
async def test_name_that_leads_here_from_elsewhere_does_not_count(host: str) -> None:
    """A page whose name was made to mean this machine brings its own name along."""
    assert not await asked(host=host)


@pytest.mark.parametrize("header", [*sorted(FORWARDING_HEADERS), *OF_FAMILIES])
async def test_proxy_of_this_machine_is_not_local(header: str) -> None:
    """A request that a proxy passes on is somebody else's, whatever it says of whom."""
    assert not await asked(**{header: "127.0.0.1"})


@pytest.mark.parametrize(
    "origin",
    [
        *("https://example.org", "null", "http://localhost.example.org", "http://[", "file://", ""),
        *("http://localhost:3000", "http://127.0.0.1:8317", "https://localhost:8317", "http://localhost"),
    ],
)
async def test_page_of_another_origin_is_not_local(origin: str) -> None:
    """Neither one of the Internet nor one of another server on this machine."""
    assert not await asked(host="localhost:8317", origin=origin)
    assert not await asked(origin=origin)


@pytest.mark.parametrize(
    ("host", "origin"), [("localhost:8317", "http://localhost:8317"), ("[::1]", "http://[::1]:80")]
)
async def test_own_page_is_local(host: str, origin: str) -> None:
    """Those that the gateway itself serves."""
    assert await asked(host=host, origin=origin, sec_fetch_site="same-origin")


@pytest.mark.parametrize(("site", "local"), [("none", True), ("same-site", False), ("cross-site", False), ("", False)])
async def test_browser_says_who_asks(site: str, *, local: bool) -> None:
    """A picture's or a link's request has no origin, and a browser still tells that another site has made it."""
    assert await asked(host="localhost", sec_fetch_site=site) is local


@pytest.mark.parametrize(
    ("host", "origin", "local"),
    [
        ("localhost:8317", "https://localhost:8317", True),
        ("localhost", "https://localhost:443", True),
        ("localhost:8317", "http://localhost:8317", False),
        ("localhost", "https://localhost:80", False),
    ],
)
async def test_own_page_over_tls_has_its_own_scheme_and_port(host: str, origin: str, *, local: bool) -> None:
    """A page of the same place without TLS is another one's."""
    await trio.lowlevel.checkpoint()
    lines = [(b"host", host.encode()), (b"origin", origin.encode())]
    scope = {"type": "http", "scheme": "https", "headers": lines, "client": ("127.0.0.1", 50000)}
    assert is_local(Exchange("chat", scope, nothing_more, nothing_more)) is local
