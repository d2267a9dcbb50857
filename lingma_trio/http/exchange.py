"""One request and its response: who asks, what was sent, and how far it came.

Knows ASGI messages and the headers every response carries. Does not know what is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeAlias

import trio
from starlette.types import Receive, Scope, Send

from lingma_trio.api.anthropic import envelope as anthropic
from lingma_trio.api.openai.envelope import error_body, error_headers
from lingma_trio.api.rate_limits import anthropic_headers, openai_headers
from lingma_trio.errors import ClientGone, GatewayError
from lingma_trio.http.body import RequestBody
from lingma_trio.http.holding import Holding
from lingma_trio.http.ledger import Ledger
from lingma_trio.http.progress import Progress
from lingma_trio.http.request_head import RequestHead
from lingma_trio.http.tenants import Tenant, utc_now
from lingma_trio.policy.byte_budget import ByteBudget
from lingma_trio.state.trips import Trips

Headers: TypeAlias = Iterable[tuple[bytes, bytes]]
Envelope: TypeAlias = Callable[[GatewayError, str], bytes]
"""How a surface writes an error as JSON, given the request's id."""

JSON = b"application/json"
_NO_ROOM = ByteBudget(0)
"""For what nobody is known to have sent."""

_NOBODYS_LINE = trio.Lock()

DEPARTURE = "lingma_trio.departure"
EVENTS = b"text/event-stream; charset=utf-8"
_STREAM_HEADERS = (
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)


class Departure(Protocol):
    """What a server that cancels a request when its client leaves puts into the scope's extensions, as DEPARTURE.

    Such a server can also write without waiting.
    """

    @property
    def departed(self) -> str:
        """Why the client is taken for gone; empty while it is there."""

    def arrived(self) -> bool:
        """Whether the whole of the request has come, so that reading it waits for nothing."""
        ...

    def offer(self, data: bytes) -> bool:
        """Write a piece of a body that has begun, as far as the client takes it at once; whether that was all.

        If not, the rest goes before what is sent next, which is due.
        """
        ...


class Exchange:
    """What a handler works with: the request's `head`, its `body`, its `progress`, and the ways to respond.

    Without an `envelope` errors come in that of the client's own API.

    What the request has under way it holds as `held`: nothing before `take_in` knows whose it is. What it uses of its
    key's limits is on its `ledger`, once it is admitted. `shared` are headers
    that say which web pages may read the response, and `stream_type` is what a stream of this surface consists of.
    """

    def __init__(
        self, route: str, scope: Scope, receive: Receive, send: Send, *, envelope: Envelope | None = None
    ) -> None:
        self.route = route
        self.scope = scope
        self.head = RequestHead(scope)
        self.progress = Progress()
        self.envelope = envelope or (anthropic.error_body if self.head.for_anthropic else error_body)
        self._departure: Departure | None = scope.get("extensions", {}).get(DEPARTURE)
        self.body = (
            RequestBody(self.head.headers, receive)
            if self._departure is None
            else RequestBody(self.head.headers, receive, arrived=self._departure.arrived)
        )
        self.held = Holding(_NO_ROOM, "", _NOBODYS_LINE)
        self.status = 0
        self.outcome = ""
        self.open_ended = False
        self.facts: dict[str, Any] = {}
        self.tenant: Tenant | None = None
        self.ledger: Ledger | None = None
        self.shared: Headers = ()
        self.stream_type = EVENTS
        self._departed = False
        self._receive = receive
        self._send = send

    def __repr__(self) -> str:
        return f"<Exchange {self.route} {self.head.request_id} {self.progress.stage} status={self.status}>"

    @property
    def trips(self) -> Trips | None:
        """Those of the request to the store that gateways share, once it is admitted; None where there are none."""
        return None if self.ledger is None else self.ledger.dues.trips

    def describe(self) -> str:
        """What is asked, and how far it has come."""
        return f"{self.route}, {self.progress.stage}"

    @property
    def started(self) -> bool:
        """Whether a status is on the wire, so that a fault can only be told in-band."""
        return self.status != 0

    @property
    def departed(self) -> bool:
        """Whether the client left before it had the whole response."""
        return self._departed or (self._departure is not None and bool(self._departure.departed))

    @property
    def watched(self) -> bool:
        """Whether the server itself cancels the request when its client leaves."""
        return self._departure is not None

    def watch_departure(self, nursery: trio.Nursery) -> None:
        """See that `nursery` is cancelled when the client leaves; called once the body has been read.

        Our own edge does that by itself. Hypercorn neither cancels a handler nor fails its sends when the client goes
        away: whoever does not wait for its message never learns of it.
        """
        if not self.watched:
            nursery.start_soon(self._watch_departure, nursery.cancel_scope, name="departure watch")

    async def _watch_departure(self, request: trio.CancelScope) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self.progress.stage != "sent":
            self._departed = True
            request.cancel("client disconnected")

    def tell_ignored(self, fields: tuple[str, ...]) -> None:
        """Name fields of the request that are served without effect, in the log and in a header of the response."""
        self.facts["ignored"] = ",".join(fields)

    async def respond(self, status: int, body: bytes, *, content_type: bytes = JSON, headers: Headers = ()) -> None:
        """Send a whole response. What the client still sends is read and dropped first, within bounds.

        The request's bytes are given back before, since nothing more is made of them.
        """
        self.held.release()
        length = b"%d" % len(body)
        await self._start(status, ((b"content-type", content_type), (b"content-length", length), *headers))
        if not self.body.complete:
            # The bytes first: a client that waits for its answer before it goes on sending would wait for ever.
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
            await self.body.discard()
            body = b""
        await self.end(body)

    async def refuse(self, error: GatewayError, *, headers: Headers = ()) -> None:
        """Send the error as a whole response, or nothing where nobody is left to read it."""
        self.outcome = error.code
        if not isinstance(error, ClientGone):
            await self.respond(
                error.status, self.envelope(error, self.head.request_id), headers=(*error_headers(error), *headers)
            )

    async def begin_whole(self, size: int) -> None:
        """Send the head of a response in one piece, of `size` bytes of JSON."""
        await self._start(200, ((b"content-type", JSON), (b"content-length", b"%d" % size)))

    async def begin_stream(self) -> None:
        """Send the head of a stream."""
        await self._start(200, ((b"content-type", self.stream_type), *_STREAM_HEADERS))

    async def write(self, data: bytes) -> None:
        """Send a piece of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    def offer(self, data: bytes) -> bool:
        """Send a piece of the body without waiting; for a `watched` response that has begun.

        Returns whether that is done. If not, a `write` is due, be it of nothing.
        """
        return self._departure is not None and self._departure.offer(data)

    async def end(self, data: bytes = b"") -> None:
        """Send the last piece. A stream that is never ended is cut off visibly: that is how a failed one ends."""
        if not self.watched:
            self.progress.stage = "sent"  # before it is, since such a server tells of a departure at any time after
        await self._send({"type": "http.response.body", "body": data, "more_body": False})
        self.progress.stage = "sent"

    async def _start(self, status: int, headers: Headers) -> None:
        self.status = status
        identity = self.head.request_id.encode()
        now = self.progress.now()
        elapsed = b"%d" % round((now - self.progress.began) * 1000)
        always = ((b"x-request-id", identity), (b"request-id", identity), (b"openai-processing-ms", elapsed))
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    *(*headers, *always, *self._ignored()),
                    *(*self.progress.trace.headers, *self._limits(now), *self.shared),
                ],
            }
        )

    def _ignored(self) -> Headers:
        named = self.facts.get("ignored")
        return ((b"x-ignored-fields", named.encode()),) if named else ()

    def _limits(self, now: float) -> Iterator[tuple[bytes, bytes]]:
        """What the tenant may still use, where it has limits."""
        if self.tenant is not None:
            for kind, allowance in self.tenant.limits.allowances(now):
                yield from openai_headers(kind, allowance)
                if self.head.for_anthropic:
                    yield from anthropic_headers(kind, allowance, utc_now())
