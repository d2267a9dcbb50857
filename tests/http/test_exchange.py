"""One request and its response: identity, headers, order of bytes, and what a departure means when."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.errors import ClientGone, QuotaExceeded
from lingma_trio.http.exchange import Exchange


class Server:
    """ASGI's two callables, with all that was sent and read in the order in which it was."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.messages = list(messages)
        self.events: list[str] = []
        self.sent: list[MutableMapping[str, Any]] = []
        self.left = trio.Event()

    async def receive(self) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        if self.messages:
            self.events.append("read")
            return self.messages.pop(0)
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        await trio.lowlevel.checkpoint()
        self.events.append("start" if message["type"] == "http.response.start" else "body")
        self.sent.append(message)

    @property
    def headers(self) -> dict[bytes, bytes]:
        """The response's headers."""
        return dict(self.sent[0]["headers"])

    def exchange(self, **headers: str) -> Exchange:
        """A request that arrives now."""
        lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        return Exchange("chat", {"type": "http", "headers": lines}, self.receive, self.send)


async def test_response_has_the_requests_id() -> None:
    """It is given back under both names that clients look for."""
    server = Server()
    exchange = server.exchange(x_request_id="mine")
    await exchange.respond(200, b"{}")
    assert server.headers[b"x-request-id"] == server.headers[b"request-id"] == b"mine"


async def test_response_tells_its_type_length_and_time(autojump_clock: MockClock) -> None:
    """A whole response has its type, its length, and the milliseconds since the request came."""
    server = Server()
    exchange = server.exchange()
    await trio.sleep(1.234)
    await exchange.respond(200, b'{"a":1}')
    assert server.headers[b"content-type"] == b"application/json"
    assert server.headers[b"content-length"] == b"7"
    assert server.headers[b"openai-processing-ms"] == b"1234"
    assert [message.get("body") for message in server.sent] == [None, b'{"a":1}']
    assert server.sent[-1]["more_body"] is False
    assert (exchange.progress.stage, exchange.status) == ("sent", 200)


async def test_unread_body_is_read_behind_the_answer() -> None:
    """Who answers without having read sends the answer first, then reads what still comes, then ends the response."""
    rest = [{"type": "http.request", "body": b"x", "more_body": more} for more in (True, False)]
    server = Server(*rest)
    await server.exchange(content_length="2").respond(413, b"{}")
    assert server.events == ["start", "body", "read", "read", "body"]
    assert [message.get("more_body") for message in server.sent] == [None, True, False]


async def test_refusal_has_status_envelope_and_headers() -> None:
    """An error becomes its status, its envelope, and the headers that steer the next attempt."""
    server = Server()
    exchange = server.exchange()
    await exchange.refuse(QuotaExceeded("used up", retry_after=7), headers=[(b"x-more", b"1")])
    assert server.sent[0]["status"] == 429
    assert server.headers[b"retry-after"] == b"7"
    assert server.headers[b"x-more"] == b"1"
    assert b'"code":"upstream_quota_exceeded"' in server.sent[1]["body"]
    assert exchange.outcome == "upstream_quota_exceeded"


async def test_nothing_is_sent_to_nobody() -> None:
    """A client that has gone is not answered; the outcome says so."""
    server = Server()
    exchange = server.exchange()
    await exchange.refuse(ClientGone("gone"))
    assert not server.sent
    assert not exchange.started
    assert exchange.outcome == "client_gone"


async def test_stream_ends_only_when_it_is_told_to() -> None:
    """Pieces of a stream leave it open, so that one that is never ended is cut off visibly."""
    server = Server()
    exchange = server.exchange()
    await exchange.begin_stream()
    assert exchange.started
    await exchange.write(b"one")
    assert [message["more_body"] for message in server.sent[1:]] == [True]
    assert exchange.progress.stage != "sent"
    await exchange.end(b"two")
    assert [message["more_body"] for message in server.sent[1:]] == [True, False]


async def test_departure_cancels_the_request() -> None:
    """What comes before the departure is passed over; the departure cancels, and is remembered."""
    server = Server({"type": "http.request", "body": b"", "more_body": False})
    exchange = server.exchange()
    async with trio.open_nursery() as nursery:
        exchange.watch_departure(nursery)
        await wait_all_tasks_blocked()
        assert not nursery.cancel_scope.cancel_called
        server.left.set()
        await wait_all_tasks_blocked()
    assert exchange.departed
    assert nursery.cancel_scope.cancel_called


async def test_departure_after_the_last_byte_is_none() -> None:
    """Servers also tell of a departure when the response is complete; that cancels nothing."""
    server = Server()
    exchange = server.exchange()
    async with trio.open_nursery() as nursery:
        exchange.watch_departure(nursery)
        await exchange.respond(200, b"{}")
        server.left.set()
        await wait_all_tasks_blocked()
        assert not nursery.cancel_scope.cancel_called
    assert not exchange.departed


async def test_exchange_shows_where_it_stands() -> None:
    """What a debugger shows names the route, the id and the stage, and nothing of the request's content."""
    exchange = Server().exchange(x_request_id="mine", authorization="Bearer secret")
    await trio.lowlevel.checkpoint()
    assert repr(exchange) == "<Exchange chat mine receiving status=0>"


async def test_whole_response_in_pieces_tells_its_length_first() -> None:
    """Its head is that of any other JSON, and the pieces follow as they are."""
    server = Server()
    exchange = server.exchange()
    await exchange.begin_whole(7)
    await exchange.write(b'{"a":')
    await exchange.end(b"1}")
    assert server.headers[b"content-type"] == b"application/json"
    assert server.headers[b"content-length"] == b"7"
    assert [message.get("body") for message in server.sent] == [None, b'{"a":', b"1}"]
    assert exchange.status == 200
