"""Where the server listens."""

from __future__ import annotations

import socket as sockets
import stat
from pathlib import Path

import pytest

from lingma_trio.edge.addresses import BACKLOG, open_listener, open_listeners, place_of


@pytest.mark.parametrize(
    ("host", "family"), [("127.0.0.1", sockets.AF_INET), ("0.0.0.0", sockets.AF_INET), ("::1", sockets.AF_INET6)]
)
def test_either_kind_of_address(host: str, family: sockets.AddressFamily) -> None:
    """The socket listens, and nothing about it blocks."""
    with open_listener(host, 0) as listener:
        assert listener.family == family
        assert listener.getsockopt(sockets.SOL_SOCKET, sockets.SO_ACCEPTCONN)
        assert not listener.getblocking()
    assert BACKLOG >= 1000


def test_any_address_is_of_both_kinds() -> None:
    """At `::` a client of IPv4 is heard as well."""
    with open_listener("::", 0) as listener:
        port = listener.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            sockets.create_connection((host, port)).close()


def test_taken_address_is_an_os_error() -> None:
    """An address that somebody else has is told as such."""
    with open_listener("127.0.0.1", 0) as first, pytest.raises(OSError, match="in use"):
        open_listener("127.0.0.1", first.getsockname()[1])


@pytest.mark.parametrize("host", ["gateway..example.com", "a" * 64])
def test_what_can_be_no_name_is_an_os_error(host: str) -> None:
    """As any other host that cannot be found."""
    with pytest.raises(OSError, match="no host can have this name"):
        open_listener(host, 0)


def test_path_is_for_owner_and_group_and_goes_with_the_server(tmp_path: Path) -> None:
    """The name of the socket is there for as long as somebody listens at it."""
    path = tmp_path / "gateway.sock"
    with open_listeners(f"unix:{path}", 1, ()) as listeners:
        (listener,) = listeners.sockets
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert place_of(listener, "http") == f"unix:{path}"
        with sockets.socket(sockets.AF_UNIX) as client:
            client.connect(str(path))
        with pytest.raises(OSError, match="in use"):
            open_listener(f"unix:{path}", 1)
    assert not path.exists()


def test_path_that_nobody_listens_at_is_taken_over(tmp_path: Path) -> None:
    """What a killed server left behind is in nobody's way; what is no socket is left alone."""
    path = tmp_path / "gateway.sock"
    with sockets.socket(sockets.AF_UNIX) as left:
        left.bind(str(path))
    with open_listeners(f"unix:{path}", 1, ()):
        assert path.is_socket()
    path.write_text("mine")
    with pytest.raises(OSError, match="in use"):
        open_listener(f"unix:{path}", 1)
    assert path.read_text() == "mine"


def test_newcomer_at_the_path_keeps_it(tmp_path: Path) -> None:
    """A server that ends leaves the name to the one that took its place."""
    path = tmp_path / "gateway.sock"
    with open_listeners(f"unix:{path}", 1, ()):
        path.unlink()
        successor = open_listener(f"unix:{path}", 1)
    with successor:
        assert path.is_socket()


def test_path_that_is_handed_on_stays_and_goes_with_who_has_it(tmp_path: Path) -> None:
    """Its name is there without a gap: the successor, which was given the socket, takes it away in the end."""
    path = tmp_path / "gateway.sock"
    with open_listeners(f"unix:{path}", 1, ()) as before:
        passed = before.sockets[0].dup()
        with open_listeners("host.invalid", 1, [passed]) as after:
            before.handed_on = True
            assert place_of(after.sockets[0], "http") == f"unix:{path}"
        assert not path.exists()
    with open_listeners(f"unix:{path}", 1, ()) as before:
        before.handed_on = True
    assert path.is_socket()


def test_inherited_sockets_go_first_and_are_closed() -> None:
    """With any, the address counts for nothing."""
    inherited = [sockets.create_server(("127.0.0.1", 0)) for _ in range(2)]
    with open_listeners("host.invalid", 1, inherited) as listeners:
        assert listeners.sockets == inherited
        assert not any(listener.getblocking() for listener in listeners.sockets)
    assert [listener.fileno() for listener in inherited] == [-1, -1]


def test_places_are_to_be_read() -> None:
    """An IPv6 address stands in brackets."""
    with open_listener("::1", 0) as listener:
        assert place_of(listener, "https") == f"https://[::1]:{listener.getsockname()[1]}"
