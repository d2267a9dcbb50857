"""Says which network addresses and ports are anybody's, and which are somebody's own network.

Knows addresses; must not know names, sockets or why it is asked.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_FOR_ITS_OWN = frozenset({ip_address("168.63.129.16"), ip_address("192.0.0.192")})
"""Where Azure and Oracle answer their own machines. The first is global, the second is so for some versions of Python;
what other clouds have for that is not."""

_FIRST_OPEN_PORT = 1024
_SPOKEN_FOR = frozenset(
    {
        *(1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697),
        *(10080, 6379, 11211),
    }
)
"""Ports above the low ones that no web server has: those that the Fetch standard blocks, where whoever listens might
take a request's lines for commands of his own, and two stores that do.
"""

_EMBEDDING = ip_network("64:ff9b::/96")  # addresses of IPv4 as networks without IPv4 write them


def is_public(address: str) -> bool:
    """Whether `address`, an IPv4 or IPv6 address as text, can be reached by anybody on the Internet.

    False for loopback, private, link-local, shared, documentation, multicast and reserved addresses, and those at which
    clouds answer their own machines, in whatever way IPv6 spells an IPv4 address; for addresses with a zone, and for
    what is no address at all.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        if parsed.scope_id is not None or parsed.is_site_local:
            return False
        parsed = _embedded(parsed) or parsed
    if parsed in _FOR_ITS_OWN:
        return False
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved and not parsed.is_unspecified


def is_web_port(port: int) -> bool:
    """Whether a web server may be behind this port: 80, 443, and from 1024 on all but those that belong to others.

    Below 1024 are mail, shells and file servers, at every address.
    """
    return port in {80, 443} or (port >= _FIRST_OPEN_PORT and port not in _SPOKEN_FOR)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that `address` leads to, by any of the ways of writing one."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _EMBEDDING or int(address) >> 32 == 0:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return None
