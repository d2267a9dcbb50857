"""The simulated agent's one client, and how steps of a turn are put to it.

Knows lines and ids; must not know what is asked or answered.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_json

from lingma_trio.simulator.acp.script import HALF_LINE, RESPONSE, STRAY, UPDATE
from lingma_trio.simulator.acp.wire import Id, Reply, notification, request, response
from lingma_trio.simulator.outbox import Outbox
from lingma_trio.simulator.script import Delta, Push, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import trio

    from lingma_trio.simulator.acp.knobs import AcpKnobs

JUNK: Final = b"(node:7) Warning: this line is no JSON\n"
_MALFORMED: Final = b'{"jsonrpc":"2.0","method":7}\n'
_HALF: Final = b'{"jsonrpc":"2.0","method":"session/upd'
_NEVER_MADE: Final = 4_000_000_000
_MARK: Final = "\x00"


class AcpClient:
    """The other end of the pipes. Nothing here waits; its owner runs the outbox and reads while it is not `deaf`.

    `dropped` is called when the pipes are to be closed while the process goes on.
    """

    pushes_with_ids = False

    def __init__(self, stream: trio.abc.SendStream, knobs: AcpKnobs, *, dropped: Callable[[], None]) -> None:
        self.deaf = False
        self._outbox = Outbox(stream)
        self._knobs = knobs
        self._dropped = dropped
        self._numbers = count()
        self._posts = 0
        self._waiting: dict[Id, Callable[[object], None]] = {}

    @property
    def outbox(self) -> Outbox:
        """What waits to be written to it."""
        return self._outbox

    def post(self, frames: Iterable[bytes]) -> None:
        """Send lines that belong together; a client that is gone or going gets nothing."""
        if self._outbox.closed:
            return
        lines = list(frames)
        self._posts += 1
        if self._knobs.junk and self._posts % self._knobs.junk == 0:
            lines.append(JUNK)
        if self._knobs.crlf:
            lines = [line.replace(b"\n", b"\r\n") for line in lines]
        for line in lines:
            self._outbox.put(line)

    def post_malformed(self) -> None:
        """Send JSON that is no message."""
        self.post([_MALFORMED])

    def answer(self, number: Id, result: object) -> None:
        """Reply to the client's request."""
        self.post([response(number, {"result": result})])

    def refuse(self, number: Id | None, code: int, message: str, data: object = None) -> None:
        """Reply to the client's request with an error; without a number to what could not be read."""
        error = {"code": code, "message": message} | ({} if data is None else {"data": data})
        self.post([response(number, {"error": error})])

    def tell(self, method: str, params: dict[str, Any]) -> None:
        """Send a notification."""
        self.post([notification(method, params)])

    def ask(self, wanted: Id | None, step: Request, replied: Callable[[object], None]) -> Callable[[], None]:
        """Send a request, with the id that is wanted where that is free; see the stage for the rest."""
        number = self._fresh() if wanted is None or wanted in self._waiting else wanted
        self._waiting[number] = replied
        self.post([request(number, step.method, step.params)])

        def give_up() -> None:
            self._waiting.pop(number, None)

        return give_up

    def take(self, reply: Reply) -> bool:
        """Give a reply to whoever waits for it; False where nobody does."""
        replied = self._waiting.pop(reply.id, None) if isinstance(reply.id, int | str) else None
        if replied is None:
            return False
        # An error is an answer to those who only wait for one, and nothing to those who wait for a choice.
        replied(reply.result if reply.error is None else reply.error)
        return True

    def drop(self) -> None:
        """Close the pipes and go on."""
        self._outbox.lose()
        self._dropped()

    def deafen(self) -> None:
        """Never read from it again."""
        self.deaf = True

    def _fresh(self) -> int:
        number = next(self._numbers)
        return number if number not in self._waiting else self._fresh()


class TurnEncoder:
    """Encodes the steps of one turn, whose prompt is the client's request `number`."""

    def __init__(self, client: AcpClient, number: Id, session_id: str, knobs: AcpKnobs) -> None:
        self._client = client
        self._number = number
        self._session_id = session_id
        self._message = {"messageId": f"message-{number}"} if knobs.message_ids else {}
        self._wanted: Id | None = {"zero": 0, "prompt": number, "text": f"permission-{number}"}.get(knobs.permission)
        chunk = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": _MARK}}
        self._before, self._after = self._update(chunk).split(to_json(_MARK), 1)

    def frame(self, step: Delta | Push) -> bytes:
        """Return the line of one step."""
        if isinstance(step, Delta):
            return b"%b%b%b" % (self._before, to_json(step.text), self._after)
        match step.method:
            case str(method) if method == UPDATE:
                return self._update(step.params)
            case str(method) if method == RESPONSE:
                return response(self._number, step.params)
            case str(method) if method == STRAY:
                return response(_NEVER_MADE, step.params)
            case str(method) if method == HALF_LINE:
                return _HALF
        return notification(step.method, step.params)

    def send(self, step: Delta | Push | Request, replied: Callable[[object], None]) -> Callable[[], None]:
        """Send a request of the turn's; see the stage."""
        if not isinstance(step, Request):
            raise TypeError(step)
        return self._client.ask(self._wanted, step, replied)

    def _update(self, update: dict[str, Any]) -> bytes:
        message = self._message if "content" in update else {}
        return notification(UPDATE, {"sessionId": self._session_id, "update": {**update, **message}})
