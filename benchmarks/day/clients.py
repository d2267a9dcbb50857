"""The clients of a day, in one process and one loop, each with a connection that it keeps until it leaves.

Reads a `Given` as JSON from stdin, and writes a line of JSON after each so many requests: what was told since the line
before, and how long the short ones waited. Knows sockets and time; must not know what is asked.
"""

from __future__ import annotations

import heapq
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import count

from pydantic_core import from_json, to_json

from benchmarks.clients import END_OF_HEAD, END_OF_STREAM, LENGTH, READ_SIZE, RESET, unchunked
from benchmarks.day.asking import LONGEST_WAIT, MOST_READ, Client, Request, ended_badly
from benchmarks.day.traffic import FIRST_WORDS, head

PATIENCE = 60.0  # seconds for one answer
LOOK = 5.0  # seconds between two looks for answers that do not come
MOST_SHOWN = 20
STATUS = slice(9, 12)
MILLI = 1e3
CLOSING = b"connection: close"
FORM = b"application/x-www-form-urlencoded"
WELL = b"HTTP/1.1 200 "


@dataclass(frozen=True, slots=True)
class Given:
    """What is to be done; a line is written for each `tick` requests, and `cut` is the part that is left."""

    port: int
    requests: int
    clients: int
    seed: int
    cut: float
    tick: int
    operator: str


@dataclass(slots=True)
class Told:
    """What came of some requests: outcomes that are not as they should be, and milliseconds until the first text and
    until the end of those that are measured.
    """

    done: int = 0
    left: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    cpu: float = 0.0


class Answer:
    """The bytes of one answer, as they come."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.status = 0
        self._body = -1
        self._length = -1

    def take(self, data: bytes) -> bool:
        """Whether it is whole now."""
        self.data += data
        if self._body < 0:
            end = self.data.find(END_OF_HEAD)
            if end < 0:
                return False
            self._body = end + len(END_OF_HEAD)
            self.status = int(self.data[STATUS])
            fields = bytes(self.data[:end]).lower() + b"\r\n"
            if (at := fields.find(LENGTH)) >= 0:
                self._length = int(fields[at + len(LENGTH) : fields.index(b"\r\n", at)])
        if self._length >= 0:
            return len(self.data) >= self._body + self._length
        return self.data.endswith(END_OF_STREAM)

    @property
    def last(self) -> bool:
        """Whether the server closes the connection behind it."""
        return CLOSING in bytes(self.data[: max(self._body, 0)]).lower()

    @property
    def body(self) -> bytes:
        """Its body, without the marks between its chunks."""
        body = bytes(self.data[self._body :])
        return body if self._length >= 0 else unchunked(body)


class Day:
    """The loop: its clients, what they are told, and who leaves when."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self._told = Told()
        self._asked = 0
        self._ended = 0
        self._running = 0
        self._epoll = select.epoll()
        self._readers: dict[int, Callable[[], None]] = {}
        self._timetable: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Call `act` at that time."""
        heapq.heappush(self._timetable, (when, next(self._order), act))

    def watch(self, connection: socket.socket, readable: Callable[[], None]) -> None:
        """Call `readable` whenever there is something to read."""
        self._readers[connection.fileno()] = readable
        self._epoll.register(connection, select.EPOLLIN)

    def forget(self, connection: socket.socket) -> None:
        """The end of `watch`."""
        del self._readers[connection.fileno()]
        self._epoll.unregister(connection)

    def begins(self) -> bool:
        """Whether one more request is to be made."""
        if self._asked == self.given.requests:
            self._running -= 1
            return False
        self._asked += 1
        return True

    def ended(self, request: Request, outcome: str, waits: tuple[float, float] | None = None) -> None:
        """Take note of what came of a request, and of the seconds that it waited where those are measured."""
        told = self._told
        if request.cut:
            told.left += 1
        elif outcome:
            told.outcomes[outcome.partition(":")[0]] += 1
            if ":" in outcome and len(told.wrong) < MOST_SHOWN:
                told.wrong.append(f"{request.name}: {outcome}")
        elif request.measured and waits is not None:
            told.first.append(round(waits[0] * MILLI, 3))
            told.whole.append(round(waits[1] * MILLI, 3))
        self._ended += 1
        if self._ended % self.given.tick == 0 or self._ended == self.given.requests:
            told.done, told.cpu = self._ended, time.process_time()
            sys.stdout.buffer.write(to_json(asdict(told)) + b"\n")
            sys.stdout.buffer.flush()
            self._told = Told()

    def run(self) -> None:
        """Go on until every request has ended."""
        given = self.given
        places = [
            Place(self, Client(given.seed, place, given.cut, partial(next, count(place, given.clients))))
            for place in range(given.clients)
        ]
        self._running = given.clients
        operator = StatusPage(self)
        for place in places:
            place.ask()
        look = time.monotonic() + LOOK
        while self._running:
            timetable = self._timetable
            now = time.monotonic()
            while timetable and timetable[0][0] <= now:
                heapq.heappop(timetable)[2]()
            if now > look:
                look = now + LOOK
                for place in places:
                    place.lose_patience(now)
            wait = min(max(timetable[0][0] - time.monotonic(), 0), LOOK) if timetable else LOOK
            for descriptor, _ in self._epoll.poll(wait):
                if descriptor in self._readers:
                    self._readers[descriptor]()
        operator.close()


class StatusPage:
    """An operator who has the status page open all day."""

    def __init__(self, day: Day) -> None:
        self._day = day
        self._connection = socket.create_connection(("127.0.0.1", day.given.port), PATIENCE)
        form = f"token={day.given.operator}".encode()
        cookie = self._say(head(b"POST", b"/page/sign-in", length=len(form), kind=FORM) + form)
        cookie = cookie.partition(b"set-cookie: ")[2].partition(b";")[0]
        if not self._say(head(b"GET", b"/internal/events", more=b"cookie: %b\r\n" % cookie)).startswith(WELL):
            raise SystemExit("the status page cannot be opened")
        day.watch(self._connection, self._readable)

    def _say(self, words: bytes) -> bytes:
        self._connection.sendall(words)
        said = b""
        while END_OF_HEAD not in said:
            said += self._connection.recv(READ_SIZE)
        return said

    def _readable(self) -> None:
        if not self._connection.recv(READ_SIZE):
            raise SystemExit("the status page was closed")

    def close(self) -> None:
        """Close the page."""
        self._day.forget(self._connection)
        self._connection.close()


class Place:
    """One client's connection, and its request."""

    def __init__(self, day: Day, client: Client) -> None:
        self._day = day
        self._client = client
        self._connection: socket.socket | None = None
        self._request: Request
        self._answer: Answer
        self._asked = 0.0
        self._first = 0.0

    def ask(self) -> None:
        """Make the next request, where there is one more to be made."""
        if not self._day.begins():
            self._close()
            return
        request = self._request = self._client.draw()
        self._answer = Answer()
        self._first = 0.0
        if self._connection is None:
            self._connection = socket.create_connection(("127.0.0.1", self._day.given.port), PATIENCE)
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._day.watch(self._connection, self._readable)
        sent = request.data
        if request.cut in ("head", "body"):
            middle = sent.index(END_OF_HEAD) + len(END_OF_HEAD)
            begin, end = (0, middle) if request.cut == "head" or middle == len(sent) else (middle, len(sent))
            sent = sent[: begin + 1 + int((end - begin - 1) * request.amount)]
        self._asked = time.monotonic()
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before it was read; the answer says why
            self._connection.sendall(sent)
        if request.cut in ("head", "body", "waiting"):
            self._day.at(self._asked + request.amount * LONGEST_WAIT, partial(self._leave, request))

    def lose_patience(self, now: float) -> None:
        """Give up an answer that does not come."""
        if self._connection is not None and now > self._asked + PATIENCE:
            self._end(f"WRONG: nothing for {PATIENCE:g} s, after {bytes(self._answer.data[-300:])!r}", stays=False)

    def _readable(self) -> None:
        assert self._connection is not None
        try:
            data = self._connection.recv(READ_SIZE)
        except ConnectionResetError:
            data = b""
        if not data:
            self._end(self._broken(), stays=False)
            return
        request, answer = self._request, self._answer
        whole = answer.take(data)
        if request.measured and not self._first and (whole or FIRST_WORDS in answer.data):
            self._first = time.monotonic()
        if request.cut == "answer" and len(answer.data) >= request.amount * MOST_READ:
            self._leave(request)
        elif whole:
            now = time.monotonic()
            waits = self._first - self._asked, now - self._asked
            outcome = "" if request.cut else request.judge(answer.status, answer.body)
            self._end(outcome, stays=not answer.last and not request.cut, waits=waits)

    def _broken(self) -> str:
        """What is to be said of an answer that is not whole; a stream that ends with an error is not to look so."""
        request, data = self._request, bytes(self._answer.data)
        if request.cut:
            return ""
        return ended_badly(data, request.stream) or f"BROKEN: {data[-300:]!r}"

    def _leave(self, request: Request) -> None:
        """Have the client leave amid this request, where it is still at it."""
        if request is self._request and self._connection is not None:
            self._end("", stays=False)

    def _end(self, outcome: str, *, stays: bool, waits: tuple[float, float] | None = None) -> None:
        request = self._request
        if not stays:
            self._close()
        self._day.ended(request, outcome, waits)
        self.ask()

    def _close(self) -> None:
        if self._connection is not None:
            if self._request.reset:
                self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._day.forget(self._connection)
            self._connection.close()
            self._connection = None


def main() -> None:
    """Be the clients."""
    Day(Given(**from_json(sys.stdin.buffer.read()))).run()


if __name__ == "__main__":
    main()
