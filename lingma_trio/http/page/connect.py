"""What the page tells about connecting a client: the lines for each, with the address that the browser has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lingma_trio.clients import CLIENTS, Gateway, Lines
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.operator_sessions import is_encrypted
from lingma_trio.http.services import Services

PLACEHOLDER = "YOUR-KEY"
"""Stands in the lines until a key is made; it has nothing in it that a shell would read otherwise."""

_HOST = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class ClientTab:
    """One client with its lines."""

    name: str
    title: str
    lines: Sequence[Lines]


@dataclass(frozen=True, slots=True)
class ConnectPanel:
    """All of them. `makes_keys` says that there is a file to make one in, `key` which one stands in the lines."""

    address: str
    tabs: Sequence[ClientTab]
    key: str
    makes_keys: bool


def connect_panel(exchange: Exchange, services: Services, made: Mapping[str, str]) -> ConnectPanel:
    """The lines for whoever asks, with a key that was just made or a word in its place."""
    key = made.get("key", "")
    to = Gateway(address_of(exchange), key or PLACEHOLDER, services.dialogues.default_model)
    tabs = [ClientTab(name, client.title, client.lines(to)) for name, client in CLIENTS.items()]
    return ConnectPanel(to.address, tabs, key, makes_keys=services.key_watch is not None)


def address_of(exchange: Exchange) -> str:
    """The address that the browser reached, which clients reach as well; this machine's where it names none."""
    host = exchange.head.text(b"host")
    if _HOST.fullmatch(host) is None:
        server = exchange.scope.get("server")
        host = f"127.0.0.1:{server[1]}" if server else "127.0.0.1:8317"
    return f"{'https' if is_encrypted(exchange) else 'http'}://{host}"
