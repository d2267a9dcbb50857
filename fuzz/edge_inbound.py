"""What a client sends to the edge, held against h11 alone: the edge takes for a request what h11 does, or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Final
from zlib import crc32

import h11

from fuzz.target import Target
from lingma_trio.edge.bounds import Bounds
from lingma_trio.edge.head import Unacceptable
from lingma_trio.edge.inbound import Inbound

MOST_CUTS: Final = 6


@dataclass
class Request:
    """A request whose head is read. `whole` says whether all of its body is."""

    method: str
    target: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes = b""
    whole: bool = False


@dataclass
class Reading:
    """What came of some bytes. `refused` says that more of them would be of no use."""

    requests: list[Request] = field(default_factory=list)
    refused: bool = False


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    """The same bytes in several pieces; a cut may be any number."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges) if start < end]


def as_the_edge_reads(pieces: list[bytes]) -> Reading:
    """As a connection does that answers each request once it is whole: up to the first that is refused or the last."""
    inbound, reading = Inbound(Bounds()), Reading()
    request: Request | None = None
    keeps = True
    try:
        for piece in pieces:
            inbound.feed(piece)
            while True:
                if request is None:
                    head = inbound.next_head()
                    if head is None:
                        break
                    keeps = head.keeps
                    request = Request(head.method, head.target, head.fields)
                    reading.requests.append(request)
                _take(inbound, request)
                if not inbound.complete:
                    break
                request.whole = True
                request = None
                if not keeps:
                    return reading
    except Unacceptable:
        reading.refused = True
        if request is not None:
            _take(inbound, request)
    return reading


def _take(inbound: Inbound, request: Request) -> None:
    while piece := inbound.take():
        request.body += piece


def as_h11_reads(data: bytes) -> Reading:
    """The same by h11 alone, which knows nothing of the empty lines that RFC 9112 lets stand before a request."""
    reading, left = Reading(), data
    while left := _without_empty_lines(left):
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(left)
        try:
            if not _read_one(connection, reading):
                return reading
        except h11.RemoteProtocolError:
            reading.refused = True
            return reading
        left = connection.trailing_data[0]
    return reading


def _without_empty_lines(data: bytes) -> bytes:
    while data.startswith(b"\r\n"):
        data = data[2:]
    return data


def _read_one(connection: h11.Connection, reading: Reading) -> bool:
    """Read a request; returns whether another may come behind it."""
    while not isinstance(event := connection.next_event(), type):
        if isinstance(event, h11.Request):
            reading.requests.append(Request(event.method.decode(), event.target, list(event.headers)))
        elif isinstance(event, h11.Data):
            reading.requests[-1].body += event.data
        elif isinstance(event, h11.EndOfMessage):
            reading.requests[-1].whole = True
            connection.send(h11.Response(status_code=404, headers=[("content-length", "0")]))
            connection.send(h11.EndOfMessage())
            return connection.our_state is h11.DONE
    return False


def disagreement(ours: Reading, theirs: Reading) -> str:
    """What the edge took for something that h11 did not; empty where there is nothing."""
    for number, request in enumerate(ours.requests):
        if number >= len(theirs.requests):
            return f"{request} is none to h11"
        other = theirs.requests[number]
        same = (request.method, request.target, request.fields) == (other.method, other.target, other.fields)
        if not same or not other.body.startswith(request.body):
            return f"{request} is {other} to h11"
        if request.whole and request != other:
            return f"{request} ends, and {other} does not end there to h11"
    return ""


def check(data: bytes) -> None:
    """Hold the edge against h11, and against itself with the bytes cut."""
    reading = as_the_edge_reads([data])
    assert not (found := disagreement(reading, as_h11_reads(data))), found
    random = Random(crc32(data))  # noqa: S311 - no secret: the same cuts whenever these bytes are tried
    cuts = [random.randrange(len(data) + 1) for _ in range(random.randint(1, MOST_CUTS))]
    for name, pieces in (
        ("somewhere", pieces_of(data, cuts)),
        ("everywhere", [data[at : at + 1] for at in range(len(data))]),
    ):
        cut = as_the_edge_reads(pieces)
        assert _same(cut, reading), f"{cut} where it is cut {name}, {reading} otherwise"


def _same(one: Reading, other: Reading) -> bool:
    """Whether two readings led to the same. Of a request that is refused halfway more or less may have been heard."""
    if one.refused and other.refused:
        return [each for each in one.requests if each.whole] == [each for each in other.requests if each.whole]
    return one == other


TARGET = Target("edge_inbound", check, size=4096, calls=2000, calls_per_byte=100)
