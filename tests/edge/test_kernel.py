"""What the kernel is told of a client's socket."""

from __future__ import annotations

import socket as sockets

import pytest
import trio

from lingma_trio.edge.kernel import KERNEL_PATIENCE, LONGEST_PATIENCE, set_up


@pytest.mark.parametrize(("stall", "told"), [(20.0, 20_000 * KERNEL_PATIENCE), (1e6, LONGEST_PATIENCE)])
def test_patience_is_no_longer_than_the_kernel_takes(stall: float, told: int) -> None:
    """Who sets a stall of days, to mean never, has a gateway that serves."""
    with sockets.socket(sockets.AF_INET, sockets.SOCK_STREAM) as socket:
        set_up(trio.socket.from_stdlib_socket(socket), stall)
        assert socket.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_USER_TIMEOUT) == told
