"""Who holds a port is found, or it is not known."""

from __future__ import annotations

import os
from socket import create_connection

from lingma_trio.doctor.port_holder import LONGEST_COMMAND, holder_of
from tests.doctor.support import taken_port
from tests.servers import free_port


def test_holder_is_found_with_its_command() -> None:
    """In one line that is not too long for a terminal."""
    with taken_port() as port:
        holder = holder_of(port)
    assert holder is not None
    assert holder.pid == os.getpid()
    assert "python" in holder.command
    assert len(holder.command) <= LONGEST_COMMAND + 1
    assert str(holder) == f"pid {holder.pid} ({holder.command})"


def test_port_that_nobody_holds_has_no_holder() -> None:
    """None is found, and nothing is raised; who only calls from a port does not hold it."""
    assert holder_of(free_port()) is None
    with taken_port() as port, create_connection(("127.0.0.1", port)) as caller:
        assert holder_of(caller.getsockname()[1]) is None
