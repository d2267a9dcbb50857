"""Connections to the store over coredis, which is imported when the first one is made, and nowhere else.

One connection carries all calls: the store runs one script at a time anyway. Of coredis only the connection is used:
its clients send again what failed, and its pool loses a place with each connection that ends while it is lent.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import anyio
import anyio.abc
import trio

from lingma_trio.errors import ConfigurationFault
from lingma_trio.state.link import BEAT, RETRY_PAUSE, Call, Dial, StoreLink, WireLate, WireLost, WireRefused
from lingma_trio.state.script import script_digest, script_names, script_text
from lingma_trio.threads import Threads

if TYPE_CHECKING:
    from coredis.connection import TCPConnection

    from lingma_trio.policy.state_address import HostPort, StateAddress

LOOK_UPS = Threads("look-ups of the store's name", at_once=4)
"""Of its own: a name server that does not answer is asked twice a second, and nobody else is to wait for that."""

LATENESS = 0.02
"""Seconds after which a time-out that comes late says that this program is slow, and nothing of the store."""

SECOND_LOOK = 0.025
"""Seconds that such a wait goes on, so that the program can send and read what it did not come to."""

STRAGGLERS = 0.25
"""Seconds for the Sentinels that have not answered when most have; the one that knows best may be among them."""

# How a store's answer begins that takes no writes now, or not yet, while another may. Of those that coredis knows by a
# class of their own it cuts the word off.
_ELSEWHERE = ("MASTERDOWN", "NOREPLICAS")


class Command(NamedTuple):
    """What is sent as it is; words of a name that has several are apart in it."""

    name: bytes
    args: tuple[bytes | str | int, ...] = ()


def require_client() -> None:
    """Raise `ConfigurationFault` where coredis is not installed. Imports it, which takes half a second: no connection
    is to lose that of its time.
    """
    try:
        import_module("coredis.connection")
    except ModuleNotFoundError as fault:
        raise ConfigurationFault("STATE_URL: coredis is not installed; pip install 'lingma-trio[state]'") from fault


def link_to(
    address: StateAddress | None, name: str, dial: Dial | None = None, *, counted: bool = True
) -> StoreLink | None:
    """A link to the store at `address`, not yet kept, for the gateway of this name, or the agent, which is not
    `counted` as one; None where there is no address. It is reached by `dial`, or else over coredis. Raises
    `ConfigurationFault` as `require_client`.
    """
    if address is None:
        return None
    if dial is None:
        require_client()
        # Reading what the system trusts takes longer than a connection, and holds everybody up.
        context = ssl.create_default_context() if address.tls else None
        dial = partial(open_wire, address, context)
    return StoreLink(dial, name=name, boot=uuid4().hex, counted=counted)


class StoreWire:
    """One connection to the store, with every script loaded."""

    def __init__(self, connection: TCPConnection) -> None:
        self._connection = connection

    async def send(self, calls: Sequence[Call], seconds: float) -> list[Any]:
        """As `Wire.send`."""
        from coredis.exceptions import NoScriptError  # noqa: PLC0415 - see the module

        until = trio.current_time() + seconds
        replies = await _ask(self._connection, [_by_digest(call) for call in calls], until)
        # Whoever flushed the scripts took them from those calls that did not run for it: only these are sent again.
        unknown = [place for place, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            again = await _ask(self._connection, [_by_text(calls[place]) for place in unknown], until)
            for place, reply in zip(unknown, again, strict=True):
                replies[place] = reply
        faults = [_fault(reply) for reply in replies if isinstance(reply, Exception)]
        if lost := next((fault for fault in faults if isinstance(fault, WireLost)), None):
            raise lost
        if faults:
            answered = {place: reply for place, reply in enumerate(replies) if not isinstance(reply, Exception)}
            raise WireRefused(str(faults[0]), answered)
        return replies


@asynccontextmanager
async def open_wire(address: StateAddress, context: ssl.SSLContext | None = None) -> AsyncIterator[StoreWire]:
    """Connect to the store, or to the primary that its Sentinels name, for the length of the block. With TLS `context`
    says who is trusted; that is whom the system trusts where there is none.

    Raises `WireLost`, alone or in a group, where that does not come about within RETRY_PAUSE, when the connection ends,
    and when the Sentinels have come to name another primary. The block's end closes the connection.
    """
    if address.tls and context is None:
        context = ssl.create_default_context()
    place = await _primary(address, context) if address.sentinel else address.hosts[0]
    if place is None:
        raise WireLost(f"no Sentinel says where {address.sentinel} is")
    login = {
        "username": address.user or None,
        "password": address.password.get_secret_value() or None,
        "db": address.db,
    }
    async with _connected(place, context, login) as connection, trio.open_nursery() as nursery:
        await _prepare(connection, place)
        if address.sentinel:
            nursery.start_soon(_watch_primary, address, context, place, name="primary watch")
        yield StoreWire(connection)
        nursery.cancel_scope.cancel("the block has ended")


@asynccontextmanager
async def _connected(
    place: HostPort, context: ssl.SSLContext | None, login: Mapping[str, Any]
) -> AsyncIterator[TCPConnection]:
    """A connection for the length of the block, which its end leaves by `WireLost` in a group."""
    from coredis.exceptions import RedisError  # noqa: PLC0415 - see the module

    with _within(RETRY_PAUSE, place):
        connection = await _open(place, context, login)

    async def run(task_status: trio.TaskStatus[None]) -> None:
        try:
            await connection.run(task_status=task_status)
        except RedisError as fault:
            raise WireLost(f"{_named(place)}: {_cause(fault)}") from fault
        raise WireLost(f"{_named(place)}: the connection has ended")

    async with trio.open_nursery() as nursery:
        with _within(RETRY_PAUSE, place):
            await nursery.start(run, name=f"store {_named(place)}")
        yield connection
        nursery.cancel_scope.cancel("the block has ended")


async def _open(place: HostPort, context: ssl.SSLContext | None, login: Mapping[str, Any]) -> TCPConnection:
    """A connection whose stream is open. One that the library opens by itself leaks its channels where that fails."""
    from coredis.connection import TCPConnection, TCPLocation  # noqa: PLC0415 - see the module

    try:
        stream = await _connect(place, context)
    except (OSError, UnicodeError, anyio.BrokenResourceError, anyio.EndOfStream) as fault:
        raise WireLost(f"{_named(place)}: {_cause(fault)}") from fault

    class Opened(TCPConnection):
        async def _connect(self) -> anyio.abc.ByteStream:
            return stream

    return Opened(TCPLocation(*place), **login)


async def _connect(place: HostPort, context: ssl.SSLContext | None) -> anyio.abc.ByteStream:
    """A stream to one of the host's addresses, each of which gets its part of the time. Raises what anyio raises."""
    host, port = place
    found = await LOOK_UPS.run(partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM), leave=True)
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    fault: Exception = TimeoutError(errno.ETIMEDOUT, "")
    for address in addresses:
        try:
            with trio.move_on_after(RETRY_PAUSE / len(addresses)):
                if context is None:
                    return await anyio.connect_tcp(address, port)
                return await anyio.connect_tcp(
                    address, port, ssl_context=context, tls_hostname=host, tls_standard_compatible=False
                )
        except (OSError, anyio.BrokenResourceError, anyio.EndOfStream) as other:
            fault = other
    raise fault


async def _prepare(connection: TCPConnection, place: HostPort) -> None:
    loads = [Command(b"SCRIPT LOAD", (script_text(name),)) for name in script_names()]
    role, *loaded = await _ask(connection, [Command(b"ROLE"), *loads], trio.current_time() + RETRY_PAUSE)
    if isinstance(role, list) and role[0] != b"master":
        raise WireLost(f"{_named(place)} is a replica, which takes no writes")
    for reply in loaded:
        if isinstance(reply, Exception):
            raise _fault(reply)


async def _primary(address: StateAddress, context: ssl.SSLContext | None) -> HostPort | None:
    """Where the primary is by the word of that Sentinel which knows of the latest failover. The others hear of one
    seconds later, so all of them are asked; the few that are missing once most have answered get STRAGGLERS.
    """
    said: list[tuple[int, HostPort]] = []

    async def ask(sentinel: HostPort) -> None:
        name = (address.sentinel,)
        questions = [Command(b"SENTINEL GET-MASTER-ADDR-BY-NAME", name), Command(b"SENTINEL MASTER", name)]
        try:
            async with _connected(sentinel, context, {}) as connection:
                where, facts = await _ask(connection, questions, trio.current_time() + RETRY_PAUSE)
        except* WireLost:
            where, facts = None, None
        if isinstance(where, list) and isinstance(facts, dict):
            said.append((int(facts[b"config-epoch"]), (where[0].decode(), int(where[1]))))
        if len(said) > len(address.hosts) / 2:
            scope.deadline = min(scope.deadline, trio.current_time() + STRAGGLERS)

    with trio.move_on_after(RETRY_PAUSE) as scope:
        async with trio.open_nursery() as nursery:
            for sentinel in address.hosts:
                nursery.start_soon(ask, sentinel, name=f"question to {_named(sentinel)}")
    return max(said)[1] if said else None


async def _watch_primary(address: StateAddress, context: ssl.SSLContext | None, place: HostPort) -> None:
    """Raise `WireLost` once the Sentinels name another primary: the old one may be cut off from them, not from us."""
    while True:
        await trio.sleep(BEAT)
        found = await _primary(address, context)
        if found not in (place, None):
            raise WireLost(f"{_named(place)} is no longer the primary")


async def _ask(connection: TCPConnection, commands: Sequence[Command], until: float) -> list[Any]:
    """The replies to commands that are sent together; an error is a value among them. Raises `WireLate` after `until`.

    Where this very program was late, by other work or for want of a processor, it waits for SECOND_LOOK more.
    """
    from coredis.exceptions import ConnectionError as Gone  # noqa: PLC0415 - see the module

    try:
        requests = [connection.create_request(each.name, *each.args, raise_exceptions=False) for each in commands]
    except Gone as fault:
        raise WireLost(_cause(fault)) from fault
    began, read = trio.current_time(), connection.statistics.bytes_read
    with trio.move_on_at(until):
        return await _replies(requests)
    ours = trio.current_time() - until > LATENESS
    with trio.move_on_after(SECOND_LOOK if ours else 0):
        return await _replies(requests)
    silent = connection.statistics.bytes_read == read
    raise WireLate(f"no answer within {until - began:.3f} s", silent=silent, ours=ours)


async def _replies(requests: Sequence[Awaitable[Any]]) -> list[Any]:
    return [await request for request in requests]


def _by_digest(call: Call) -> Command:
    return Command(b"EVALSHA", (script_digest(call.script), len(call.keys), *call.keys, *call.args))


def _by_text(call: Call) -> Command:
    return Command(b"EVAL", (script_text(call.script), len(call.keys), *call.keys, *call.args))


def _fault(error: Exception) -> WireLost | WireRefused:
    """What a reply that is an error says of the connection."""
    from coredis.exceptions import ConnectionError as Gone  # noqa: PLC0415 - see the module
    from coredis.exceptions import ReadOnlyError  # noqa: PLC0415

    elsewhere = isinstance(error, (Gone, ReadOnlyError)) or str(error).startswith(_ELSEWHERE)
    return (WireLost if elsewhere else WireRefused)(_cause(error))


def _cause(fault: BaseException) -> str:
    """The innermost reason, which is the one that helps."""
    while isinstance(fault, BaseExceptionGroup) or fault.__cause__ is not None:
        fault = fault.exceptions[0] if isinstance(fault, BaseExceptionGroup) else fault.__cause__ or fault
    if (
        isinstance(fault, OSError)
        and not isinstance(fault, ssl.SSLError)
        and fault.errno is not None
        and fault.errno > 0
    ):
        return os.strerror(fault.errno)  # without the address, which stands before it
    return str(fault) or type(fault).__name__


def _named(place: HostPort) -> str:
    host, port = place
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextmanager
def _within(seconds: float, place: HostPort) -> Iterator[None]:
    try:
        with trio.fail_after(seconds):
            yield
    except trio.TooSlowError:
        raise WireLost(f"{_named(place)}: no answer within {seconds:g} s") from None
