"""Whether the ports, or the path, can be listened on, or are held by what should hold them."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from pathlib import Path

from lingma_trio.doctor.findings import Finding
from lingma_trio.doctor.port_holder import holder_of
from lingma_trio.doctor.site import Site
from lingma_trio.edge.addresses import listen_at, look_up, path_in

NAME = "port"
LOOPBACK = "127.0.0.1"
_REMEDIES = {
    errno.EACCES: "take a PORT from 1024 up, or allow it with CAP_NET_BIND_SERVICE",
    errno.EADDRNOTAVAIL: "HOST has to be an address of this machine, or 0.0.0.0 for all of them",
}
_OTHER_PATH = "end what is there, or have HOST name a path in a directory that is there and may be written to"


def check_gateway_port(site: Site) -> Iterator[Finding]:
    """HOST and PORT, or the path that HOST names: free, or the running gateway's."""
    host, port = site.settings.host, site.settings.port
    path = path_in(host)
    place = f"HOST {host}" if path else f"PORT {port}"
    if port == 0 and not path:
        yield Finding(NAME, "fine", "PORT is 0: the system chooses one")
    elif site.served is not None:
        yield Finding(NAME, "fine", f"{place} is the running gateway's")
    elif site.readiness is not None:
        what = f"{place} is held by a gateway with other settings than these"
        yield Finding(NAME, "fault", what, f"stop that one, or set {'HOST' if path else 'PORT'} to another one")
    elif path:
        yield _path_finding(host, Path(path))
    elif (error := _listen_fault(host, port)) is None:
        yield Finding(NAME, "fine", f"PORT {port} is free on {host}")
    elif isinstance(error, socket.gaierror):
        yield Finding(NAME, "fault", f"HOST {host} is not known ({error.strerror})", _REMEDIES[errno.EADDRNOTAVAIL])
    else:
        yield Finding(
            NAME, "fault", f"PORT {port} cannot be listened on at {host} ({error.strerror})", _way_out(error, port)
        )


def check_lingma_port(site: Site) -> Iterator[Finding]:
    """LINGMA_SOCKET_PORT, where one instance has a fixed one: free, or used by the instance of a running gateway."""
    port = site.settings.lingma_socket_port
    if site.agents or len(site.fleet) != 1:
        return
    if port == 0:
        yield Finding(NAME, "fine", "LINGMA_SOCKET_PORT is 0: Lingma chooses one")
    elif site.holders:
        yield Finding(NAME, "skipped", f"LINGMA_SOCKET_PORT {port} belongs to the running gateway's Lingma")
    elif _listen_fault(LOOPBACK, port) is None:
        yield Finding(NAME, "fine", f"LINGMA_SOCKET_PORT {port} is free")
    else:
        what = f"LINGMA_SOCKET_PORT {port} is held by another program, such as the Lingma of an editor"
        yield Finding(NAME, "fault", what, "LINGMA_SOCKET_PORT=0 lets Lingma choose a free one")


def _path_finding(host: str, path: Path) -> Finding:
    """Whether there can be a socket at a path; it is taken away at once, as the start takes one that nobody hears."""
    try:
        listen_at(path).close()
        path.unlink()
    except OSError as error:
        return Finding(NAME, "fault", f"HOST {host} cannot be listened at ({error.strerror or error})", _OTHER_PATH)
    return Finding(NAME, "fine", f"HOST {host} is free")


def _way_out(error: OSError, port: int) -> str:
    if error.errno in _REMEDIES:
        return _REMEDIES[error.errno]
    holder = holder_of(port)
    found = f"`ss -ltnp sport = :{port}` says who has it" if holder is None else f"{holder} has it"
    return f"{found}; end that, or set PORT to another number"


def _listen_fault(host: str, port: int) -> OSError | None:
    """Why the address cannot be listened on, or None; it is let go of at once."""
    try:
        for family, kind, protocol, _, address in look_up(host, port):
            with socket.socket(family, kind, protocol) as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    trial.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                trial.bind(address)
                trial.listen()
    except OSError as error:
        return error
    return None
