"""What goes over the wire on a day: each surface's bytes, what the simulator has to say, and how a refusal reads.

Must not know sockets, time or chance. Requests are put together from bytes, and answers read without a JSON parser, so
that the clients are not what is measured.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from lingma_trio.simulator.prose import answer_text, exactly

KEY, LIMITED_KEY = b"sk-of-a-day-that-nobody-limits", b"sk-of-a-day-that-has-a-limit"
KEYS = "keys:\n" + "".join(
    f"  - {{name: {name}, digest: 'sha256:{sha256(key).hexdigest()}', {limits}}}\n"
    for name, key, limits in (
        ("day", KEY, "max_in_flight: 0"),
        ("limited", LIMITED_KEY, "max_in_flight: 1, requests_per_minute: 60"),
    )
)
"""What KEYS_FILE holds."""

FIRST_WORDS = b"This is the"
"""How each answer's text begins."""

SIZES = {
    "short": "deltas=10 first=0 gap=0",
    "long": "deltas=200 chars=20 first=0 gap=0",
    "paced": "deltas=40 first=0.01 gap=0.004",
    "slow": "deltas=10 first=0.03 gap=0",
    "huge": "deltas=1000 chars=60 first=0 gap=0",
}
"""Answers, by their knobs in the simulator."""

NUMBER = re.compile(rb"\(message (\d+) of this session")
ERROR = re.compile(rb'"error":["{]')
CODE = re.compile(rb'"code":"([a-z_]+)"')
TYPE = re.compile(rb'"type":"([a-z_]+_error)"')
STRING = rb'"((?:[^"\\]|\\.)*+)"'
TOOL = b'{"name":"look","description":"Looks.","%b":{"type":"object","properties":{"at":{"type":"integer"}}}}'
FUNCTION = b'"tools":[{"type":"function","function":%b}],' % (TOOL % b"parameters")


@dataclass(frozen=True, slots=True)
class Surface:
    """One API: its path, the field that holds what is asked, and the field of an answer's texts, whole and streamed.

    `tools` declares one; `talks` says whether a request holds a conversation.
    """

    path: bytes
    asking: bytes
    text: bytes
    streamed_text: bytes
    tools: bytes = b""
    talks: bool = True

    def body(self, turns: Sequence[tuple[bytes, bytes]], question: bytes, *, stream: bool, more: bytes = b"") -> bytes:
        """A request's body; questions and answers are as JSON writes them, without their quotes."""
        if self.talks:
            said = b"".join(
                b'{"role":"user","content":"%b"},{"role":"assistant","content":"%b"},' % turn for turn in turns
            )
            told = b'[%b{"role":"user","content":"%b"}]' % (said, question)
        else:
            told = b'"%b"' % question
        return b'{"stream":%b,%b%b:%b}' % (b"true" if stream else b"false", more, self.asking, told)

    def texts(self, answer: bytes, *, stream: bool) -> bytes:
        """The text of an answer, as JSON writes it."""
        return b"".join(_strings(self.streamed_text if stream else self.text).findall(answer))


@cache
def _strings(name: bytes) -> re.Pattern[bytes]:
    return re.compile(name + b":" + STRING)


CONTENT, TEXT = b'"content"', b'"text"'
SURFACES = {
    "chat": Surface(b"/v1/chat/completions", b'"messages"', CONTENT, CONTENT, FUNCTION),
    "completions": Surface(b"/v1/completions", b'"prompt"', TEXT, TEXT, talks=False),
    "messages": Surface(
        b"/v1/messages", b'"max_tokens":100000,"messages"', TEXT, TEXT, b'"tools":[%b],' % (TOOL % b"input_schema")
    ),
    "responses": Surface(
        b"/v1/responses",
        b'"input"',
        b'"type":"output_text","text"',
        b'"delta"',
        b'"tools":[{"type":"function",%b],' % (TOOL % b"parameters")[1:],
    ),
    "ollama chat": Surface(b"/api/chat", b'"messages"', CONTENT, CONTENT, FUNCTION),
    "ollama generate": Surface(b"/api/generate", b'"prompt"', b'"response"', b'"response"', talks=False),
}


def expected(questions: Sequence[str], held: int, size: str) -> bytes:
    """The answer to the last of these questions by a session that holds the last `held` of them, as JSON writes it."""
    text = answer_text(questions[-1], number=held, first=questions[-held])
    return text.encode() + _padding(size, len(questions[-1]))


@cache
def _padding(size: str, length: int) -> bytes:
    """What follows the text; it depends on the text's number of pieces, which is that of any question of this form."""
    knobs = dict(word.split("=") for word in SIZES[size].split())
    like = f"Is it {0:0{length - len('Is it ?')}}?"
    text = answer_text(like, number=1, first=like)
    whole = "".join(exactly(text, count=int(knobs["deltas"]), chars=int(knobs.get("chars", 0))))
    return whole[len(text) :].encode().replace(b"\n", b"\\n")


def head(
    method: bytes,
    path: bytes,
    *,
    key: bytes = KEY,
    length: int = 0,
    kind: bytes = b"application/json",
    more: bytes = b"",
) -> bytes:
    """A request's head, for a body of that length and kind where it has one."""
    if length:
        more += b"content-type: %b\r\ncontent-length: %d\r\n" % (kind, length)
    return b"%b %b HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer %b\r\n%b\r\n" % (method, path, key, more)


def chat(body: bytes, *, key: bytes = KEY) -> bytes:
    """A request for a chat completion."""
    return head(b"POST", SURFACES["chat"].path, key=key, length=len(body)) + body


def short(number: int) -> bytes:
    """A short question's body."""
    return SURFACES["chat"].body((), b"Is it %d?\\n#simulate %b" % (number, SIZES["short"].encode()), stream=False)


def told(status: int, answer: bytes) -> str:
    """An error as it is counted: its status and its code."""
    found = CODE.search(answer) or TYPE.search(answer)
    return f"{status} {found[1].decode()}" if found else f"{status}"


FAULTY: dict[str, Callable[[int], bytes]] = {
    "no JSON": lambda number: chat(b'{"messages":[%d' % number),
    "a text for a list": lambda number: chat(b'{"messages":"%d"}' % number),
    "a long model": lambda number: chat(b'{"model":"%05000d","messages":[]}' % number),
    "a long name": lambda number: chat(b'{"messages":[{"role":"user","content":"","%05000d":1}]}' % number),
    "a long path": lambda number: head(b"GET", b"/v1/%05000d" % number),
    "a negative limit": lambda number: chat(b'{"max_tokens":-%d,"messages":[]}' % number),
    "an unknown key": lambda number: chat(short(number), key=b"sk-nobody-%d" % number),
    "an unknown path": lambda number: head(b"GET", b"/v1/path-%d" % number),
    "an unknown response": lambda number: head(b"GET", b"/v1/responses/resp_%032d" % number),
    "a wrong method": lambda _: head(b"DELETE", b"/v1/chat/completions"),
    "a body too long": lambda number: head(b"POST", b"/v1/messages", length=10**9 + number),
    "a head too long": lambda number: head(b"GET", b"/healthz", more=b"x: %070000d\r\n" % number),
    "no HTTP": lambda number: b"%d\r\n\r\n" % number,
}
"""Requests that have to be refused, by a number that none of the others has."""

LOOKS = {
    "models": b"/v1/models",
    "a model": b"/v1/models/org_auto",
    "health": b"/healthz",
    "readiness": b"/readyz",
    "metrics": b"/metrics",
    "description": b"/openapi.json",
}
"""Paths that are always there."""
