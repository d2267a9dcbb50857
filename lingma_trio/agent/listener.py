"""What one accepted connection is served: a page, how the instances stand, or one life of one of them.

Heads are read as the edge reads them. A connection serves one request and ends: only upgraded ones are long. Knows
streams; where they come from is `server`.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

import trio

from lingma_trio.agent.hosted import Hosted
from lingma_trio.agent.line import Line
from lingma_trio.agent.pages import Page, Pages, is_token
from lingma_trio.agent.refusals import Refusals, tls_reason
from lingma_trio.agent.socket import ServerSocket
from lingma_trio.agent.wishes import Wishes
from lingma_trio.edge.cycle import Clock
from lingma_trio.edge.head import END, Head, Unacceptable, read_head, reason_of
from lingma_trio.errors import ProtocolFault
from lingma_trio.protocol.fleet_messages import FLEET, LIFE_OVER

HEAD_SECONDS: Final = 4.0
"""For a handshake and a head: who sends none, or speaks another protocol, is known within five seconds."""

LAST_WORDS: Final = 2.0  # seconds for a page to be taken
MOST_HEAD: Final = 16 * 1024
MOST_CONNECTIONS: Final = 1024
MOST_FIELDS: Final = 50
READ_SIZE: Final = 16 * 1024
INSTANCE: Final = ("", "instance")
"""What the path of an instance's life begins with."""

BEARER: Final = "bearer "

NOT_FOUND: Final = Page(404, b'{"error":"there is nothing here"}')
NO_TOKEN: Final = Page(401, b'{"error":"send AGENT_TOKEN as `Authorization: Bearer`"}')
NOT_UPGRADED: Final = Page(426, b'{"error":"a gateway opens a WebSocket here"}')


class Listener:
    """Serves connections, one `serve` each.

    `token` is what a gateway has to show, empty where its certificate has done that. Without `hosted` there are pages
    and nothing else. More than `most` at a time are closed at once.
    """

    def __init__(
        self,
        pages: Pages,
        refusals: Refusals,
        *,
        hosted: Hosted | None = None,
        token: str = "",
        most: int = MOST_CONNECTIONS,
    ) -> None:
        self._pages = pages
        self._refusals = refusals
        self._hosted = hosted
        self._token = token
        self._most = most
        self._inside = 0
        self._clock = Clock()

    def __repr__(self) -> str:
        return f"<Listener of {self._hosted!r}>"

    async def serve(self, stream: trio.abc.Stream, who: str = "a gateway") -> None:
        """Serve what `who` is at the other end of the stream, which this closes, to its end.

        Cancelling tells a gateway goodbye.
        """
        self._inside += 1
        try:
            if self._inside > self._most:
                self._refusals.note("too many connections are open; see MAX_CONNECTIONS", who)
                return
            with trio.move_on_after(HEAD_SECONDS) as patience:
                raw, early = await self._read(stream)
            if patience.cancelled_caught:
                self._refusals.note("it said nothing for too long", who)
                return
            await self._route(stream, raw, early, who)
        except Unacceptable as refusal:
            self._refusals.note("what it sent is no HTTP request", who)
            await self._show(stream, Page(refusal.status, refusal.sentence.encode(), b"text/plain; charset=utf-8"))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as fault:
            if isinstance(stream, trio.SSLStream) and fault.__cause__ is not None:
                self._refusals.note(tls_reason(fault.__cause__), who)
        finally:
            self._inside -= 1
            await trio.aclose_forcefully(stream)

    async def _read(self, stream: trio.abc.Stream) -> tuple[bytes, bytes]:
        """A request's head, and what came behind it. Raises `Unacceptable`."""
        if isinstance(stream, trio.SSLStream):
            await stream.do_handshake()
        came = b""
        while (end := came.find(END)) < 0:
            if len(came) > MOST_HEAD:
                raise Unacceptable(431, "The request's head is too large.")
            if came and not came[:1].isalpha():
                raise Unacceptable(400, "This is no HTTP request.")  # TLS, above all, where none is spoken
            data = await stream.receive_some(READ_SIZE)
            if not data:
                raise trio.BrokenResourceError("it left before it said what it wants")
            came += data
        end += len(END)
        return came[:end], came[end:]

    async def _route(self, stream: trio.abc.Stream, raw: bytes, early: bytes, who: str) -> None:
        head = read_head(raw, most_fields=MOST_FIELDS)
        path = head.target.partition(b"?")[0].decode("ascii", "replace")
        parts = tuple(map(unquote, path.split("/")))
        hosted = self._hosted
        if hosted is None or not (path == FLEET or (parts[:2] == INSTANCE and len(parts) == len(INSTANCE) + 2)):
            page = self._pages.answer(path, _bearer_in(head)) if head.method in {"GET", "HEAD"} else None
            await self._show(stream, page or NOT_FOUND, mute=head.method == "HEAD")
        elif self._token and not is_token(_bearer_in(head), self._token):
            self._refusals.note("it showed no AGENT_TOKEN, or another one", who)
            await self._show(stream, NO_TOKEN)
        else:
            try:
                socket = ServerSocket(stream, raw, early)
            except ProtocolFault:
                await self._show(stream, NOT_UPGRADED)
                return
            line = Line(socket, who)
            await (_tell(hosted, line) if path == FLEET else _relay(hosted, line, *parts[2:]))

    async def _show(self, stream: trio.abc.Stream, page: Page, *, mute: bool = False) -> None:
        lines = (
            b"HTTP/1.1 %d %b" % (page.status, reason_of(page.status)),
            b"content-type: " + page.content_type,
            b"content-length: %d" % len(page.body),
            b"cache-control: no-store",
            b"connection: close",
            b"date: " + self._clock.date(),
        )
        with trio.move_on_after(LAST_WORDS):
            try:
                await stream.send_all(b"\r\n".join(lines) + END + (b"" if mute else page.body))
                await stream.aclose()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return


async def _tell(hosted: Hosted, line: Line) -> None:
    """Tell a gateway how the instances stand, and do what it wishes, until it is gone."""
    async with trio.open_nursery() as nursery:
        wishes = Wishes(hosted, nursery, post=line.post)
        with hosted.heard_by(line.post):
            await line.run(wishes.hear)
        nursery.cancel_scope.cancel("the gateway is gone")


async def _relay(hosted: Hosted, line: Line, name: str, life: str) -> None:
    """Relay between a gateway and one life, until either is gone."""
    with hosted.relay(name, life, line) as relay:
        if relay is None:
            await line.decline(LIFE_OVER)
        else:
            await line.run(relay.hear, gone=relay.close, at_work=lambda: relay.turns > 0)


def _bearer_in(head: Head) -> str:
    shown = next((value for name, value in head.fields if name == b"authorization"), b"").decode("latin-1")
    return shown[len(BEARER) :].strip() if shown.lower().startswith(BEARER) else ""
