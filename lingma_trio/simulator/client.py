"""One client of the simulator: its WebSocket, its JSON-RPC connection, and how pushes are put to it.

Knows framing and ids; must not know what is asked or answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lingma_trio.errors import ProtocolFault
from lingma_trio.protocol.jsonrpc import Connection, ErrorResponse, Junk, Notification, PeerId, Response, ServerRequest
from lingma_trio.simulator.dialect import DeltaEncoder, Dialect
from lingma_trio.simulator.script import Delta, Request
from lingma_trio.simulator.updates import as_push

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lingma_trio.simulator.knobs import Knobs
    from lingma_trio.simulator.outbox import Outbox
    from lingma_trio.simulator.script import Ask, Push
    from lingma_trio.simulator.wire import WebSocket

MALFORMED: Final = b"Content-Length: many\r\n\r\n{}"
"""A frame whose header cannot be read."""


class Client:
    """A connected client. Nothing here waits; the socket's own tasks move the bytes."""

    def __init__(self, socket: WebSocket, knobs: Knobs) -> None:
        self.socket = socket
        self.initialized = False
        self.pushes_with_ids = knobs.ids
        self._connection = Connection()
        self._dialect = Dialect(knobs)
        self._acknowledged: dict[int, Callable[[object], None]] = {}

    def receive(self, message: bytes) -> list[Notification | ServerRequest]:
        """Return the requests and notifications in one WebSocket message; replies to pushes are taken care of here.

        Raises ProtocolFault when the client breaks framing or JSON-RPC: a fault of the gateway's is to be seen.
        """
        calls: list[Notification | ServerRequest] = []
        for event in self._connection.receive(message):
            if isinstance(event, Notification | ServerRequest):
                calls.append(event)
            elif isinstance(event, Response):
                self._acknowledge(event.id, event.result)
            elif isinstance(event, ErrorResponse) and event.id is not None:
                self._acknowledge(event.id, None)
            elif isinstance(event, Junk):
                raise ProtocolFault(event.why)
        return calls

    @property
    def outbox(self) -> Outbox:
        """What waits to be written to it."""
        return self.socket.outbox

    def drop(self) -> None:
        """Break the connection off without a close frame."""
        self.socket.drop()

    def deafen(self) -> None:
        """Never read from it again."""
        self.socket.deafen()

    def encoder(self, ask: Ask) -> AnswerEncoder:
        """Return what encodes the answer to `ask`."""
        return AnswerEncoder(self, ask)

    def answer(self, call_id: PeerId, result: object) -> None:
        """Reply to the client's request `call_id`."""
        self.post([self._connection.answer(call_id, result)])

    def refuse(self, call_id: PeerId, code: int, message: str) -> None:
        """Reply to the client's request `call_id` with an error."""
        self.post([self._connection.refuse(call_id, code, message)])

    def push(self, method: str, params: dict[str, Any], *, wants_reply: bool = False) -> None:
        """Send a push: as a request where a reply is wanted or the knob says so, else as a notification."""
        if wants_reply:
            self.post([self._connection.request(method, params)[1]])
        else:
            self.post([self.push_frame(method, params)])

    def push_frame(self, method: str, params: dict[str, Any]) -> bytes:
        """Return a push as a frame that is still to be posted."""
        if self.pushes_with_ids:
            return self._connection.request(method, params)[1]
        return self._connection.notify(method, params)

    def push_and_wait(
        self, method: str, params: dict[str, Any], replied: Callable[[object], None]
    ) -> Callable[[], None]:
        """Send a push with an id and call `replied` once with the result of its reply, None for an error.

        Return a function that gives up waiting.
        """
        number, frame = self._connection.request(method, params)
        self._acknowledged[number] = replied
        self.post([frame])

        def give_up() -> None:
            self._connection.abandon(number)
            self._acknowledged.pop(number, None)

        return give_up

    def post(self, frames: Iterable[bytes]) -> None:
        """Send frames that belong together; a client that is gone gets nothing."""
        self.socket.post(self._dialect.messages(frames))

    def post_malformed(self) -> None:
        """Send something that is no frame."""
        self.socket.post([MALFORMED.decode()])

    def _acknowledge(self, number: int, result: object) -> None:
        if (acknowledged := self._acknowledged.pop(number, None)) is not None:
            acknowledged(result)


class AnswerEncoder:
    """Encodes the pushes of one answer to one client; each with an id of its own where pushes have them."""

    def __init__(self, client: Client, ask: Ask) -> None:
        self._client = client
        self._ask = ask
        self._deltas = DeltaEncoder(ask)

    def frame(self, step: Delta | Push) -> bytes:
        """Return the framed push of one step."""
        if isinstance(step, Delta) and not self._client.pushes_with_ids:
            return self._deltas.frame(step.text)
        return self._client.push_frame(*as_push(self._ask, step))

    def send(self, step: Delta | Push | Request, replied: Callable[[object], None]) -> Callable[[], None]:
        """Send one step as a request and call `replied` once when its reply comes; return what gives up waiting."""
        method, params = (step.method, step.params) if isinstance(step, Request) else as_push(self._ask, step)
        return self._client.push_and_wait(method, params, replied)
