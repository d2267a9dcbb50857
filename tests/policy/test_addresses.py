"""Which addresses and ports are anybody's."""

from __future__ import annotations

import pytest

from lingma_trio.policy.addresses import is_public, is_web_port

PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
OTHERS = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fe80::1%eth0", "2606:4700::1%eth0",
    "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "::7f00:1", "::1:808:808", "64:ff9b::7f00:1",
    "2002:7f00:1::", "2002:a9fe:a9fe::",
    "168.63.129.16", "::ffff:168.63.129.16", "64:ff9b::a83f:8110", "100.100.100.200", "192.0.0.192",
    "", "localhost", "2130706433", "0x7f.1", "127.1", "8.8.8.8/32", "[::1]",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_address_of_the_internet_is_public(address: str) -> None:
    """Anybody reaches it, in whatever way it is written."""
    assert is_public(address)


@pytest.mark.parametrize("address", OTHERS)
def test_every_other_address_is_not(address: str) -> None:
    """Somebody's own machine or network, also inside an IPv6 address, and what is no address at all."""
    assert not is_public(address)


@pytest.mark.parametrize("port", [80, 443, 1024, 3000, 8000, 8080, 8443, 65535])
def test_web_servers_have_these_ports(port: int) -> None:
    """The two of the web, and whatever a server without privileges may have."""
    assert is_web_port(port)


@pytest.mark.parametrize("port", [0, 1, 22, 25, 53, 110, 445, 587, 1023, 2049, 5060, 6000, 6379, 6667, 11211])
def test_other_services_have_these(port: int) -> None:
    """No picture comes from mail, shells, files or stores that take a request's lines for commands."""
    assert not is_web_port(port)
