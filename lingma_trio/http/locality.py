"""Whether a program of this machine asks for itself: no proxy, no web page, and no name that leads here from elsewhere.

Knows headers and peer addresses. Does not know what follows from the answer.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from lingma_trio.http.exchange import Exchange

FORWARDING_HEADERS = frozenset(
    {
        *("forwarded", "via", "cdn-loop", "front-end-https", "x-scheme", "x-url-scheme", "x-real-ip"),
        *("client-ip", "true-client-ip", "x-client-ip", "x-cluster-client-ip", "fastly-client-ip", "proxy-client-ip"),
        *("wl-proxy-client-ip", "x-proxyuser-ip", "x-remote-addr", "x-remote-ip", "x-originating-ip"),
    }
)
"""What says that a request was passed on, by its whole name."""

FORWARDING_FAMILIES = (
    *("x-forwarded", "x-original-", "x-envoy-", "x-traefik-", "x-arr-", "x-appengine-", "x-azure-", "x-amzn-"),
    *("x-amz-cf-", "x-vercel-", "x-nf-", "x-akamai-", "akamai-", "cf-", "fly-", "tailscale-", "ngrok-"),
)
"""What says so by how its name begins: proxies, clouds and tunnels add headers as they grow, each in its family."""

_PORTS = {"http": 80, "https": 443}


def is_local(exchange: Exchange) -> bool:
    """Whether the peer is loopback, nothing says that a proxy passed the request on, and no browser let another site
    ask: its `Host` is loopback, its `Origin` the same, and `Sec-Fetch-Site` no other site.

    A request without `Host` came from no browser, and a peer without an address from nobody who is known.
    """
    client = exchange.scope.get("client")
    if client is None or not _is_loopback(client[0]) or any(map(_is_forwarding, exchange.head.headers)):
        return False
    if exchange.head.from_another_site:
        return False
    host, origin = exchange.head.headers.get(b"host"), exchange.head.headers.get(b"origin")
    if host is None:
        return origin is None
    scheme = exchange.scope.get("scheme", "http")
    asked = _place(f"{scheme}://{host.decode('latin-1')}")
    return (
        asked is not None and _is_loopback(asked[1]) and (origin is None or _place(origin.decode("latin-1")) == asked)
    )


def _is_forwarding(header: bytes) -> bool:
    name = header.decode("latin-1").lower()
    return name in FORWARDING_HEADERS or name.startswith(FORWARDING_FAMILIES)


def _place(origin: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an origin; None for `null` and for what is no address."""
    try:
        parts = urlsplit(origin)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
