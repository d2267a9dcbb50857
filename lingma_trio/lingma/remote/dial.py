"""Reaches an agent: a stream to where it is, and over it a WebSocket that it agrees to.

Whatever keeps the two apart is known within CONNECT_SECONDS and told in words that say what to do: some refusals leave
nothing but silence behind.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from socket import SOCK_STREAM, gaierror
from typing import TypeAlias

import trio

from lingma_trio.errors import ChannelLost, ConfigurationFault, ProtocolFault
from lingma_trio.lingma.websocket import Declined, WebSocket, shake_hands
from lingma_trio.policy.agent_address import AgentAddress
from lingma_trio.private_files import ask_no_phrase

CONNECT_SECONDS = 4.0  # for the connection, TLS and the handshake together; a refusal is to be known within 5 s
MOST_ADDRESSES = 256  # of one name

OpenStream: TypeAlias = Callable[[AgentAddress], Awaitable[trio.abc.Stream]]
"""Connects to where an agent is. Raises `OSError` and what a stream raises."""

LookUp: TypeAlias = Callable[[AgentAddress], Awaitable[list[AgentAddress]]]
"""Finds every address that stands behind one of the settings; as `look_up`."""


class Unreachable(ChannelLost):
    """An agent cannot be reached; the message says why, and what to do about it."""


class Streams:
    """Connects over TCP, with TLS where the address says so, or to a socket of this machine's.

    The certificates are read again for each connection, so that renewed ones need no restart.
    """

    def __init__(self, certificate: Path | None = None, key: Path | None = None, authority: Path | None = None) -> None:
        self._files = certificate, key, authority

    def __repr__(self) -> str:
        return f"<Streams certificate={self._files[0]}>"

    async def open(self, address: AgentAddress) -> trio.abc.Stream:
        """As `OpenStream`, also `ConfigurationFault` where certificates cannot be used. Cancelling leaves nothing."""
        if address.scheme == "unix":
            return await trio.open_unix_socket(address.path)
        if address.scheme == "wss" and self._files[2] is None:  # a token is for no stranger with some certificate
            raise ConfigurationFault("wss:// needs AGENT_CERT_FILE, AGENT_KEY_FILE and AGENT_CA_FILE here")
        stream = await trio.open_tcp_stream(address.at or address.host, address.port)
        if address.scheme == "ws":
            return stream
        secured: trio.SSLStream[trio.SocketStream] | None = None
        try:
            context = await trio.to_thread.run_sync(self.context)
            tls = trio.SSLStream(stream, context, server_hostname=address.host)
            await tls.do_handshake()
            secured = tls
        finally:
            if secured is None:
                await trio.aclose_forcefully(stream)
        return secured

    def context(self) -> ssl.SSLContext:
        """What the files hold now, to speak TLS with. Raises `ConfigurationFault`. Reads the disk."""
        certificate, key, authority = self._files
        try:
            context = ssl.create_default_context(cafile=authority)
            if certificate is not None:
                context.load_cert_chain(certificate, key, password=ask_no_phrase)
        except OSError as fault:
            raise ConfigurationFault(
                f"AGENT_CERT_FILE, AGENT_KEY_FILE or AGENT_CA_FILE cannot be used: {fault.strerror or fault}; each has "
                "to be a file in PEM that this user may read, and the key the certificate's"
            ) from fault
        return context


async def look_up(address: AgentAddress) -> list[AgentAddress]:
    """Every address behind one of the settings, in a fixed order. Raises `Unreachable`. Cancelling leaves the look-up
    to its thread.
    """
    if address.scheme == "unix":
        return [address]
    try:
        found = await trio.socket.getaddrinfo(address.host, address.port, type=SOCK_STREAM)
    except (OSError, UnicodeError) as fault:
        raise Unreachable(_why(fault, tls=False)) from fault
    places = sorted({str(place[0]) for *_, place in found})[:MOST_ADDRESSES]
    return [AgentAddress(address.scheme, address.host, address.port, at=place) for place in places]


@dataclass(frozen=True, slots=True)
class Dialler:
    """Opens WebSockets to agents, and proves to them with `token`, where there is one, who asks.

    It is shown to those of this machine alone: where there is TLS the certificate does that.
    """

    open_stream: OpenStream
    token: str = field(default="", repr=False)

    async def open(self, address: AgentAddress, target: str) -> WebSocket:
        """A WebSocket to what stands there under `target`; whoever gets it closes it.

        Raises `Unreachable`, and `ProtocolFault` for an agent that declines this very target. Cancelling leaves
        nothing.
        """
        shows_token = self.token and address.scheme != "wss"
        headers = [(b"Authorization", f"Bearer {self.token}".encode())] if shows_token else []
        host = "agent" if address.scheme == "unix" else str(address).partition("://")[2].partition(" ")[0]
        try:
            with trio.fail_after(CONNECT_SECONDS):
                stream = await self.open_stream(address)
                return await shake_hands(stream, host, target=target, headers=headers, who="the agent")
        except Declined as declined:
            if declined.status == NOT_FOUND:
                raise
            raise Unreachable(_why_declined(declined.status)) from declined
        except trio.TooSlowError:
            raise Unreachable(f"it does not answer within {CONNECT_SECONDS:g} s; see its log and the network") from None
        except (OSError, ValueError, trio.BrokenResourceError, ConfigurationFault, ChannelLost, ProtocolFault) as fault:
            raise Unreachable(_why(fault, tls=address.scheme == "wss")) from fault


NOT_FOUND = 404
_UNAUTHORIZED = 401

BROKEN_OFF = (
    "it broke the connection off, as one does that does not take this gateway's certificate; sign AGENT_CERT_FILE by "
    "the authority in its AGENT_CA_FILE, and see its log"
)
_OF_TLS = (
    ("hostname mismatch", "its certificate does not name this host; name it there, or use its name in LINGMA_AGENTS"),
    ("ip address mismatch", "its certificate does not name this address; name it there, or use a name it has"),
    ("certificate has expired", "its certificate has expired; give it a new AGENT_CERT_FILE"),
    ("certificate verify failed", "its certificate is not signed by the authority in AGENT_CA_FILE"),
    ("certificate required", "it asks for a certificate of this gateway; set AGENT_CERT_FILE and AGENT_KEY_FILE"),
    (
        "unknown ca",
        "it does not take this gateway's certificate; sign that by the authority in its AGENT_CA_FILE",
    ),
    ("certificate expired", "this gateway's certificate has expired; renew AGENT_CERT_FILE"),
    ("bad certificate", "it does not take this gateway's certificate; sign that by the authority in its AGENT_CA_FILE"),
    ("wrong version number", "it speaks no TLS; give it AGENT_CERT_FILE, or name it with ws:// in LINGMA_AGENTS"),
    ("record layer failure", "it speaks no TLS; give it AGENT_CERT_FILE, or name it with ws:// in LINGMA_AGENTS"),
    ("unexpected eof", BROKEN_OFF),
    ("http request", "it speaks no TLS; give it AGENT_CERT_FILE, or name it with ws:// in LINGMA_AGENTS"),
)
"""What the library says of a TLS handshake that failed, in lower case, and what it means here."""


def _why(fault: BaseException, *, tls: bool) -> str:
    """Why there is no connection, as its operator can make use of it."""
    for each in _causes(fault):
        if isinstance(each, ConfigurationFault):
            return str(each)
        if isinstance(each, ssl.SSLError):
            said = str(each).lower().replace("_", " ")
            return next((meaning for words, meaning in _OF_TLS if words in said), f"TLS failed: {each.reason or each}")
    for each in _causes(fault):
        if isinstance(each, gaierror | UnicodeError):
            return f"its name cannot be looked up ({each}); see LINGMA_AGENTS"
        if isinstance(each, OSError) and each.errno:
            return f"{os.strerror(each.errno)}; see whether it runs, and the network"
    if tls:
        return BROKEN_OFF
    return "it broke the connection off; it may speak TLS, which wss:// in LINGMA_AGENTS asks for, or be no agent"


def _causes(fault: BaseException | None) -> Iterator[BaseException]:
    """The fault, what it came of, and the members of a group; the first that says most stands first."""
    while fault is not None:
        yield fault
        if isinstance(fault, BaseExceptionGroup):
            for member in fault.exceptions:
                yield from _causes(member)
        fault = fault.__cause__ or fault.__context__


def _why_declined(status: int) -> str:
    if status == _UNAUTHORIZED:
        return "it does not take AGENT_TOKEN; set the same one here and there"
    return f"what answers there is no agent: it says {status}; see LINGMA_AGENTS"
