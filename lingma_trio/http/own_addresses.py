"""Which network addresses are this host's own, as the kernel knows them now.

Knows sockets, and sends nothing. Which addresses are public is `policy.addresses`' business.
"""

from __future__ import annotations

import socket
from ipaddress import ip_address

from lingma_trio.policy.addresses import is_public


def is_public_elsewhere(address: str) -> bool:
    """Whether `address` is anybody's to reach, and is not one of this host's own, where more may listen than is meant
    for anybody.
    """
    return is_public(address) and not is_own(address)


def is_own(address: str) -> bool:
    """Whether `address`, as text and without a zone, is one of this host's own; False for what is no address.

    A public address that only a router before this host has is not known here.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    family = socket.AF_INET if parsed.version == 4 else socket.AF_INET6  # noqa: PLR2004 - of IP
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(parsed), 0))
            # Where net.ipv4.ip_nonlocal_bind is on, any address can be bound, and only one's own has a way from it.
            probe.connect((str(parsed), probe.getsockname()[1]))
    except OSError:
        return False
    return True
