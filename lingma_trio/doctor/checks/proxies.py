"""Whether a proxy of the environment would catch what is meant for this very machine."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from lingma_trio.doctor.findings import Finding
from lingma_trio.doctor.site import Site

NAME = "proxies"
LOOPBACK = ("127.0.0.1", "localhost")
_PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


def check_proxies(site: Site) -> Iterator[Finding]:
    """Proxies for plain HTTP, without showing their addresses: those may hold a password."""
    named = [name for name in _PROXIES if site.environment.get(name)]
    if not named:
        yield Finding(NAME, "fine", "the environment names none for plain HTTP")
        return
    around = site.environment.get("no_proxy") or site.environment.get("NO_PROXY") or ""
    caught = [host for host in LOOPBACK if not passes_by(around, host)]
    if caught:
        what = f"{', '.join(named)} would catch {' and '.join(caught)}, so that local clients may miss the gateway"
        yield Finding(NAME, "warning", what, f"NO_PROXY={','.join(filter(None, [around, *caught]))}")
    else:
        yield Finding(NAME, "fine", f"{', '.join(named)} leaves this machine's own addresses alone")


def passes_by(around: str, host: str) -> bool:
    """Whether `around`, the value of NO_PROXY, keeps `host` from the proxy: by name, domain, network or `*`."""
    return any(_covers(entry.strip().lower(), host) for entry in around.split(","))


def _covers(entry: str, host: str) -> bool:
    if not entry:
        return False
    if entry == "*" or host == entry.lstrip(".") or host.endswith(f".{entry.lstrip('.')}"):
        return True
    try:
        return ip_address(host) in ip_network(entry, strict=False)
    except ValueError:
        return False
