"""Many clients in one process and one loop, as lean as they can be, so that they are not what is measured.

Reads a specification as JSON from stdin: where to, and plans of clients, each asking one question after another. Writes
what became of each answer as JSON to stdout. Times are in seconds of the system's monotonic clock, which all processes
share. `http` clients have a connection each; `websocket` clients share one, as the gateway's turns do.
"""

from __future__ import annotations

import heapq
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

from pydantic_core import from_json, to_json

KEY = "a-key-of-the-benchmark"
"""That every client of HTTP shows; who asks for none does not look at it."""

READ_SIZE = 1 << 18
TEXT = b'"delta":{"content":'
END_OF_STREAM = b"0\r\n\r\n"
END_OF_HEAD = b"\r\n\r\n"
LENGTH = b"content-length: "
LONGEST_HEAD = 10
WIDTHS = {126: 2, 127: 8}  # of a WebSocket message's length where it does not fit into the head
RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Plan:
    """`clients` that start evenly over `spread` seconds and take `answers` each.

    With `leave_after`, a client drops its connection between one and two times so many seconds after the first text.
    With `padding`, the questions are at least so long and each client's has a length of its own.
    """

    question: str
    clients: int
    answers: int = 1
    spread: float = 0.0
    stream: bool = True
    leave_after: float = 0.0
    padding: int = 0

    def text(self, index: int) -> str:
        """The question of one client."""
        return "x" * (self.padding + index) + self.question if self.padding else self.question


@dataclass(slots=True)
class Answer:
    """What became of one answer: when it was asked for, when its first text came, and when it ended or was left."""

    plan: int
    length: int
    asked: float
    first: float = 0.0
    ended: float = 0.0
    characters: int = 0
    complete: bool = False


class Loop:
    """Sockets and a timetable."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.running = 0
        self._epoll = select.epoll()
        self._readers: dict[int, Callable[[], None]] = {}
        self._timetable: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = count()

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Call `act` at that time."""
        heapq.heappush(self._timetable, (when, next(self._serial), act))

    def watch(self, descriptor: int, readable: Callable[[], None]) -> None:
        """Call `readable` whenever there is something to read."""
        self._readers[descriptor] = readable
        self._epoll.register(descriptor, select.EPOLLIN)

    def forget(self, descriptor: int) -> None:
        """The end of `watch`."""
        del self._readers[descriptor]
        self._epoll.unregister(descriptor)

    def run(self) -> None:
        """Go on until no client is running."""
        while self.running:
            timetable = self._timetable
            now = time.monotonic()
            while timetable and timetable[0][0] <= now:
                heapq.heappop(timetable)[2]()
            wait = max(timetable[0][0] - time.monotonic(), 0) if timetable else 10.0
            for descriptor, _ in self._epoll.poll(wait):
                if descriptor in self._readers:
                    self._readers[descriptor]()


class Client:
    """One client of a plan; what the two kinds of clients have in common."""

    def __init__(self, loop: Loop, plan: Plan, number: int, index: int) -> None:
        self.loop = loop
        self.plan = plan
        self.number = number
        self.index = index
        self.left = plan.answers
        self.text = plan.text(index)
        self.answer: Answer
        loop.running += 1

    def ask(self) -> None:
        """Ask the next question."""
        self.answer = Answer(self.number, len(self.text), time.monotonic())
        self.loop.answers.append(self.answer)
        self.send()

    def send(self) -> None:
        """Put the question on the wire."""
        raise NotImplementedError

    def leave(self) -> None:
        """Drop the connection, where the answer still runs."""
        raise NotImplementedError

    def began(self, now: float) -> None:
        """The first text has come."""
        self.answer.first = now
        if self.plan.leave_after:
            self.loop.at(now + self.plan.leave_after * (1 + self.index * 37 % 100 / 100), self.leave)

    def ended(self, now: float) -> None:
        """The answer is over."""
        self.answer.ended = now
        self.left -= 1
        if self.left:
            self.ask()
        else:
            self.loop.running -= 1
            self.close()

    def close(self) -> None:
        """Nothing more will be asked."""


def request(body: bytes) -> bytes:
    """The whole request for a chat completion with this body."""
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b" % (KEY.encode(), len(body), body)
    )


class HttpClient(Client):
    """A client of an OpenAI-compatible server, on one connection that is kept."""

    def __init__(self, loop: Loop, plan: Plan, number: int, index: int, port: int) -> None:
        super().__init__(loop, plan, number, index)
        self.bodies: list[tuple[Answer, bytearray]] = []
        body = to_json(
            {"model": "org_auto", "stream": plan.stream, "messages": [{"role": "user", "content": self.text}]}
        )
        self._request = request(body)
        self._port = port
        self._socket: socket.socket | None = None

    def send(self) -> None:
        """Put the question on the wire, connecting first where there is no connection."""
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.loop.watch(self._socket.fileno(), self._readable)
        self.bodies.append((self.answer, bytearray()))
        self._socket.sendall(self._request)

    def close(self) -> None:
        """Drop the connection."""
        if self._socket is not None:
            self.loop.forget(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def leave(self) -> None:
        """Drop the connection in the middle, every other client with a reset."""
        if self._socket is None:
            return
        if self.index % 2:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.ended(time.monotonic())

    def _readable(self) -> None:
        assert self._socket is not None
        data = self._socket.recv(READ_SIZE)
        now = time.monotonic()
        body = self.bodies[-1][1]
        body += data
        if not self.answer.first and (TEXT in body if self.plan.stream else body):
            self.began(now)
        over = body.endswith(END_OF_STREAM) if self.plan.stream else _is_whole(body)
        if over or not data:
            self.answer.complete = over
            self.ended(now)

    def count_characters(self) -> None:
        """Read the bodies, which takes too long to be done while others are measured."""
        for answer, body in self.bodies:
            if answer.complete:
                answer.characters = _characters(bytes(body), stream=self.plan.stream)


def _is_whole(response: bytearray) -> bool:
    head = response.find(END_OF_HEAD)
    if head < 0:
        return False
    fields = bytes(response[:head]).lower() + b"\r\n"
    start = fields.index(LENGTH) + len(LENGTH)
    return len(response) == head + len(END_OF_HEAD) + int(fields[start : fields.index(b"\r\n", start)])


def _characters(response: bytes, *, stream: bool) -> int:
    """The length of an answer's text; that of a broken one is 0."""
    head, _, body = response.partition(END_OF_HEAD)
    if not head.startswith(b"HTTP/1.1 200"):
        return 0
    if not stream:
        return len(from_json(body)["choices"][0]["message"]["content"])
    events = unchunked(body).split(b"\n\n")
    if events[-2:] != [b"data: [DONE]", b""]:
        return 0
    chunks = [from_json(event.removeprefix(b"data: ")) for event in events[:-2]]
    return sum(len(choice["delta"].get("content", "")) for chunk in chunks for choice in chunk["choices"])


def unchunked(body: bytes) -> bytes:
    """A whole body, without the marks between its chunks."""
    parts = []
    at = 0
    while size := int(body[at : (line := body.index(b"\r\n", at))], 16):
        parts.append(body[line + 2 : line + 2 + size])
        at = line + 2 + size + 2
    return b"".join(parts)


class LingmaSocket:
    """A WebSocket to Lingma, and the turns that run on it."""

    def __init__(self, loop: Loop, port: int) -> None:
        self._turns: dict[str, LingmaClient] = {}
        self._buffer = b""
        self._serial = count(1)
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        while END_OF_HEAD not in self._buffer:
            self._buffer += self._socket.recv(READ_SIZE)
        self._buffer = b""
        self.call("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
        loop.watch(self._socket.fileno(), self._readable)

    def register(self, client: LingmaClient) -> str:
        """Give a turn its name."""
        name = f"{time.monotonic_ns()}-{next(self._serial)}"
        self._turns[name] = client
        return name

    def call(self, method: str, params: dict[str, Any]) -> None:
        """Send a request."""
        body = to_json({"jsonrpc": "2.0", "id": next(self._serial), "method": method, "params": params})
        data = b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        # A mask of zeros leaves the payload as it is.
        self._socket.sendall(struct.pack("!BBH4x", 0x81, 0x80 | 126, len(data)) + data)

    def _readable(self) -> None:
        data = self._socket.recv(READ_SIZE)
        now = time.monotonic()
        if not data:
            raise SystemExit("the simulator has closed the connection")
        self._buffer += data
        at = 0
        while (bounds := _message_at(self._buffer, at)) is not None:
            self._take(self._buffer[bounds[0] : bounds[1]], now)
            at = bounds[1]
        self._buffer = self._buffer[at:]

    def _take(self, message: bytes, now: float) -> None:
        push = from_json(message[message.index(END_OF_HEAD) + len(END_OF_HEAD) :])
        params = push.get("params", {})
        client = self._turns.get(params.get("requestId"))
        if client is None:
            return
        if push["method"] == "chat/answer":
            client.take(params["text"], now)
        elif push["method"] == "chat/finish":
            del self._turns[params["requestId"]]
            client.answer.complete = True
            client.ended(now)


def _message_at(data: bytes, start: int) -> tuple[int, int] | None:
    """Where the payload of the WebSocket message at `start` begins and ends, once it is there."""
    if len(data) < start + LONGEST_HEAD:
        return None  # no message of Lingma's is as short as that
    length, body = data[start + 1], start + 2
    if (width := WIDTHS.get(length, 0)) != 0:
        length, body = int.from_bytes(data[body : body + width], "big"), body + width
    return (body, body + length) if len(data) >= body + length else None


class LingmaClient(Client):
    """A client straight on Lingma's socket."""

    def __init__(self, loop: Loop, plan: Plan, number: int, index: int, upstream: LingmaSocket) -> None:
        super().__init__(loop, plan, number, index)
        self._upstream = upstream

    def send(self) -> None:
        """Put the question on the common socket."""
        params = {"requestId": self._upstream.register(self), "questionText": self.text, "stream": True}
        self._upstream.call("chat/ask", params)

    def take(self, text: str, now: float) -> None:
        """A delta."""
        if text and not self.answer.first:
            self.began(now)
        self.answer.characters += len(text)


def main() -> None:
    """Run the plans of the specification."""
    given = from_json(sys.stdin.buffer.read())
    loop = Loop()
    clients: list[Client] = []
    upstream = LingmaSocket(loop, given["port"]) if given["kind"] == "websocket" else None
    began = time.monotonic() + 0.05
    for number, plan in enumerate(Plan(**fields) for fields in given["plans"]):
        for index in range(plan.clients):
            client: Client
            if upstream is None:
                client = HttpClient(loop, plan, number, index, given["port"])
            else:
                client = LingmaClient(loop, plan, number, index, upstream)
            clients.append(client)
            loop.at(began + plan.spread * index / plan.clients, client.ask)
    loop.run()
    cpu = time.process_time()
    for client in clients:
        if isinstance(client, HttpClient):
            client.count_characters()
    sys.stdout.buffer.write(to_json({"answers": [asdict(answer) for answer in loop.answers], "cpu": cpu}))


if __name__ == "__main__":
    main()
