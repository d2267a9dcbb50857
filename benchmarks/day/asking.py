"""Who asks on a day: clients that hold conversations, call tools, make mistakes and leave, all drawn by a seed.

Knows what an answer has to be; must not know sockets or time.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import Literal, TypeAlias

from benchmarks.day.traffic import (
    ERROR,
    FAULTY,
    LIMITED_KEY,
    LOOKS,
    NUMBER,
    SIZES,
    SURFACES,
    Surface,
    chat,
    expected,
    head,
    short,
    told,
)

OK = 200
TOO_MANY = 429

Moment: TypeAlias = Literal["", "head", "body", "waiting", "answer", "last"]
"""When a client leaves: never; amid its head or its body; some time after its question; amid the answer; with its last
byte.
"""
MOMENTS: tuple[Moment, ...] = ("head", "body", "waiting", "waiting", "answer", "answer", "last")
LONGEST_WAIT = 0.05  # seconds after which those leave that wait
MOST_READ = 5000  # bytes of an answer after which those leave that read it

KINDS = {"turn": 0.89, "tool": 0.04, "faulty": 0.03, "limited": 0.01, "look": 0.03}
BOUNDS = dict(zip(KINDS, accumulate(KINDS.values()), strict=True))
WEIGHTS = tuple(accumulate((78.0, 10.0, 7.0, 4.7, 0.3)))  # of SIZES
LONGEST_TALK = 6  # turns
LONG = 0.03  # of conversations that begin with a long question
PADDING = (*(20_000,) * 19, 200_000)  # its letters
CONTINUED = 0.5  # of turns that name the response before in place of repeating the conversation
ODD = 0.05  # of requests for a model that there is not, or with headers of the client's own
MOST_RESPONSES = 50


@dataclass(slots=True)
class Request:
    """What goes out, and what is expected of the answer.

    `judge` takes the status and the body and returns what is wrong, or nothing. `measured` are the short ones, whose
    waits are compared. `amount`, from 0 to 1, says how far it comes before its client leaves, with a `reset` or not.
    """

    name: str
    data: bytes
    judge: Callable[[int, bytes], str]
    stream: bool = False
    measured: bool = False
    cut: Moment = ""
    amount: float = 0.0
    reset: bool = False


@dataclass(slots=True)
class Talk:
    """A conversation, as its client has it; `turns` are questions and answers as JSON writes them."""

    surface: Surface
    left: int
    turns: list[tuple[bytes, bytes]] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    response: bytes = b""


@dataclass(slots=True)
class Turn:
    """One question of a conversation, and whether its answer is whole and right."""

    talk: Talk
    asked: str
    question: bytes
    size: str
    stream: bool

    def judge(self, status: int, answer: bytes) -> str:
        """Say what is wrong, or nothing; the conversation goes on where nothing is, and ends otherwise."""
        wrong = self._fault(status, answer)
        if wrong:
            self.talk.left = 0
        return wrong

    def _fault(self, status: int, answer: bytes) -> str:
        if status != OK:
            return told(status, answer)
        text = self.talk.surface.texts(answer, stream=self.stream)
        questions = [*self.talk.questions, self.asked]
        found = NUMBER.search(text)
        held = int(found[1]) if found else 0
        if not 0 < held <= len(questions) or text != expected(questions, held, self.size):
            return ended_badly(answer, self.stream) or f"WRONG: {len(text)} bytes, {text[:300]!r} to {self.asked}"
        self.talk.questions = questions
        self.talk.turns.append((self.question, text))
        if self.talk.surface is SURFACES["responses"]:
            at = answer.index(b'"resp_') + 1
            self.talk.response = answer[at : answer.index(b'"', at)]
        return ""


def ended_badly(answer: bytes, stream: bool) -> str:
    """The error that an answer ends with, where it does so."""
    return f"{told(OK, answer[found.start() :])}, in the stream" if stream and (found := ERROR.search(answer)) else ""


def judge_tool(number: int, stream: bool, status: int, answer: bytes) -> str:
    """Whether the tool is called that the answer was to call, with this number."""
    if status != OK:
        return told(status, answer)
    if b'"look"' in answer and b"%d" % number in answer:
        return ""
    return ended_badly(answer, stream) or f"WRONG: no call of {number}: {answer[:300]!r}"


def judge_fault(status: int, answer: bytes) -> str:
    """Whether what has to be refused was."""
    return "" if OK * 2 <= status < OK * 2 + 100 else f"WRONG: {status} for a fault: {answer[:200]!r}"


def judge_look(allowed: tuple[int, ...], status: int, answer: bytes) -> str:
    """Whether the status is one of those."""
    return "" if status in allowed else told(status, answer)


class Client:
    """Draws one request after the other; `serial` gives each a number of its own.

    Two clients of one seed and different places ask differently, and the same in each run.
    """

    def __init__(self, seed: int, place: int, cut: float, serial: Callable[[], int]) -> None:
        self._random = random.Random(f"{seed} {place}")  # noqa: S311 - no secret
        self._cut = cut
        self._serial = serial
        self._talk: Talk | None = None
        self._responses: list[bytes] = []

    def draw(self) -> Request:
        """The next request."""
        drawn = self._random.random()
        kind = next(kind for kind, bound in BOUNDS.items() if drawn < bound or kind == "look")
        request: Request = getattr(self, f"_{kind}")()
        if self._random.random() < self._cut:
            request.cut = self._random.choice(MOMENTS)
            request.amount = self._random.random()
            request.reset = self._random.random() < 1 / 2
        return request

    def _turn(self) -> Request:
        if self._talk is None or not self._talk.left:
            self._talk = self._begin()
        talk = self._talk
        talk.left -= 1
        size = self._random.choices(list(SIZES), cum_weights=WEIGHTS)[0]
        stream = self._random.random() < 1 / 2
        asked = f"Is it {self._serial():08}?"
        question = asked.encode() + b"\\n#simulate " + SIZES[size].encode()
        more = b'"model":"%b",' % (b"m-%d" % self._random.getrandbits(40) if self._odd() else b"org_auto")
        turns = talk.turns
        if not turns and talk.surface.talks and self._random.random() < LONG:
            question = b"x" * self._random.choice(PADDING) + b"\\n" + question
        elif talk.response and self._random.random() < CONTINUED:
            turns, more = [], more + b'"previous_response_id":"%b",' % talk.response
        body = talk.surface.body(turns, question, stream=stream, more=more)
        measured = size == "short" and len(body) < PADDING[0]
        turn = Turn(talk, asked, question, size, stream)
        return Request(size, self._post(talk.surface, body), turn.judge, stream, measured)

    def _begin(self) -> Talk:
        if self._talk is not None and self._talk.response and len(self._responses) < MOST_RESPONSES:
            self._responses.append(self._talk.response)
        surface = SURFACES[self._random.choice(list(SURFACES))]
        return Talk(surface, self._random.randint(1, LONGEST_TALK) if surface.talks else 1)

    def _tool(self) -> Request:
        surface = self._random.choice([each for each in SURFACES.values() if each.tools])
        number = self._serial() + 10**9
        stream = self._random.random() < 1 / 2
        question = b"Look.\\n#simulate first=0 gap=0 call='look:{\\\"at\\\": %d}'" % number
        body = surface.body((), question, stream=stream, more=surface.tools + b'"model":"org_auto",')
        return Request("tool", self._post(surface, body), partial(judge_tool, number, stream), stream)

    def _faulty(self) -> Request:
        name = self._random.choice(list(FAULTY))
        return Request(name, FAULTY[name](self._serial()), judge_fault)

    def _limited(self) -> Request:
        data = chat(short(self._serial()), key=LIMITED_KEY)
        return Request("over the limit", data, partial(judge_look, (OK, TOO_MANY)))

    def _look(self) -> Request:
        if self._responses and self._random.random() < 1 / 2:
            method = self._random.choice((b"GET", b"DELETE"))
            response = self._responses.pop() if method == b"DELETE" else self._responses[-1]
            data = head(method, b"/v1/responses/" + response)
            return Request("a response", data, partial(judge_look, (OK, 404)))
        name = self._random.choice(list(LOOKS))
        return Request(name, head(b"GET", LOOKS[name]), partial(judge_look, (OK,)))

    def _odd(self) -> bool:
        return self._random.random() < ODD

    def _post(self, surface: Surface, body: bytes) -> bytes:
        number = self._random.getrandbits(40)
        more = b"x-request-id: day-%d\r\nuser-agent: agent/%d\r\n" % (number, number) if self._odd() else b""
        return head(b"POST", surface.path, length=len(body), more=more) + body
