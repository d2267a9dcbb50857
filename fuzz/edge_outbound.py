"""What an app answers through the edge, held against h11's client: it reads that answer, or the edge did not send it.

An input is lines that end with SEPARATOR: method and version, status, fields, an empty one, and the body's pieces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import h11

from fuzz.target import Target
from lingma_trio.edge.head import Head
from lingma_trio.edge.outbound import Outbound

SEPARATOR: Final = b"|"
NAMES: Final = (b"content-type", b"content-length", b"connection", b"x-request-id", b"set-cookie")
"""Names are the app's own; values may be its client's."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an app gives."""

    head: Head
    status: int
    fields: list[tuple[bytes, bytes]]
    pieces: list[bytes]


def answer_in(data: bytes) -> Answer:
    """The answer that an input stands for."""
    first, _, rest = data.partition(SEPARATOR)
    status, _, rest = rest.partition(SEPARATOR)
    lines, _, pieces = rest.partition(SEPARATOR * 2)
    method = ("HEAD", "POST", "GET")[first[:1] != b"H" and 1 + (first[:1] != b"P")]
    head = Head(method, b"/", "1.0" if first.endswith(b"0") else "1.1", [], 0, keeps=first[1:2] != b"c", expects=False)
    fields = [(NAMES[line[0] % len(NAMES)], line[1:]) for line in lines.split(SEPARATOR) if line]
    return Answer(head, 200 + int.from_bytes(status) % 400, fields, pieces.split(SEPARATOR))


def written(answer: Answer) -> tuple[bytes, Outbound]:
    """What the edge writes for it. Raises ValueError for what it does not."""
    outbound = Outbound(answer.head)
    outbound.start(answer.status, answer.fields, b"now")
    last = len(answer.pieces) - 1
    return b"".join(outbound.body(piece, more=at < last) for at, piece in enumerate(answer.pieces)), outbound


def check(data: bytes) -> None:
    """Read what is written, as a client does that asked for it."""
    answer = answer_in(data)
    try:
        said, outbound = written(answer)
    except ValueError:
        return
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=answer.head.method, target="/", headers=[("host", "a"), ("content-length", "0")]))
    client.send(h11.EndOfMessage())
    client.receive_data(said)
    response = client.next_event()
    assert isinstance(response, h11.Response), response
    assert response.status_code == answer.status
    heard = list(response.headers)
    for name, value in answer.fields:
        assert (name, value.strip(b" \t")) in heard, (name, value, heard)
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    if event is h11.NEED_DATA:
        assert not outbound.keeps, "the body ends with the connection, and that does not end"
        client.receive_data(b"")
        event = client.next_event()
    assert isinstance(event, h11.EndOfMessage), event
    mute = answer.head.method == "HEAD" or answer.status in (204, 304)
    assert body == (b"" if mute else b"".join(answer.pieces)), body
    assert not client.trailing_data[0], client.trailing_data
    if outbound.keeps and answer.head.version == "1.1":
        assert client.their_state is h11.DONE, "the edge goes on with a connection that ends to its client"


TARGET = Target("edge_outbound", check, size=1024, calls=1000, calls_per_byte=100)
