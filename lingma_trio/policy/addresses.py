"""Says which network addresses are anybody's, and which are somebody's own network.

Knows addresses; must not know names, sockets or why it is asked.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_EMBEDDING = ip_network("64:ff9b::/96")  # addresses of IPv4 as networks without IPv4 write them


def is_public(address: str) -> bool:
    """Whether `address`, an IPv4 or IPv6 address as text, can be reached by anybody on the Internet.

    False for loopback, private, link-local, shared, documentation, multicast and reserved addresses, in whatever way
    IPv6 spells an IPv4 address, for addresses with a zone, and for what is no address at all.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address):
        if parsed.scope_id is not None or parsed.is_site_local:
            return False
        parsed = _embedded(parsed) or parsed
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved and not parsed.is_unspecified


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
