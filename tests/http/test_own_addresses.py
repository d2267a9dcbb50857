"""Which addresses are this host's own."""

from __future__ import annotations

import pytest

from lingma_trio.http.own_addresses import is_own, is_public_elsewhere


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::ffff:127.0.0.1", "0.0.0.0"])
def test_host_knows_its_own_address(address: str) -> None:
    """Whatever this host answers at is its own, in whatever way it is written."""
    assert is_own(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "203.0.113.7", "2606:4700:4700::1111", "", "localhost", "fe80::1%none"])
def test_others_addresses_are_not(address: str) -> None:
    """Neither anybody else's, nor what is no address that a socket could have."""
    assert not is_own(address)


def test_public_address_of_another_host_may_be_asked() -> None:
    """Both have to hold: public, and another's."""
    assert is_public_elsewhere("8.8.8.8")
    assert not is_public_elsewhere("127.0.0.1")
    assert not is_public_elsewhere("10.0.0.1")
