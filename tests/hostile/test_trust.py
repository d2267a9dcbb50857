"""Who may do what: keys, tokens, web pages, other users of the machine, and addresses that a request may name."""

from __future__ import annotations

import pytest
import trio

from lingma_trio.errors import ImageUnavailable
from lingma_trio.http.pictures import CheckedNetwork

# --- where a request may send the gateway -----------------------------------------------------------------------------


@pytest.mark.parametrize(("address", "port"), [("168.63.129.16", 80), ("8.8.8.8", 25), ("8.8.8.8", 6379)])
async def test_clouds_wire_server_and_foreign_services_are_not_asked(address: str, port: int) -> None:
    """No picture's address reaches what a cloud answers its own machines at, or a port that is no web server's."""

    async def resolve(host: str, at: int) -> list[str]:
        await trio.lowlevel.checkpoint()
        assert (host, at) == ("pictures.example", port)
        return [address]

    with pytest.raises(ImageUnavailable):
        await CheckedNetwork(resolve=resolve).connect_tcp("pictures.example", port, timeout=0.001)
