"""What a conversation proves of itself: digests by which one request shows that it continues what another began.

Every turn counts, the assistant's too. Each is digested twice: exactly, and in a normal form that undoes what clients
are known to do and nothing else (`text_form`, and the table below). Two conversations agree in a digest exactly when
they agree in what it covers.

    undone in the normal form                      because of
    reasoning put in front of an answer            Open WebUI
    arguments of calls written anew                LangChain, Vercel's AI SDK
    arguments left out and put in by default       Claude Code
    names on results of tools                      LangChain
    in both digests                                because of
    ids of calls: their place stands for them      Cline and Vercel's AI SDK rename them
    `developer` and `system` are one role          OpenAI's SDKs, by model

A question may come back shorter than it was sent: Qwen Code leaves its `<system-reminder>` part out of a session that
it resumes, and aider the rules that it puts behind a blank line. `Turns.reduced` knows the forms in which each may come
back.

Must not know what is kept under a digest, nor how long. The cost is linear in the conversation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, TypeAlias

from pydantic_core import from_json, to_json

from lingma_trio.sessions.text_form import normal_form, without_reasoning
from lingma_trio.turns import Message, Toolbox, ToolCall

KEY_BYTES: Final = 32
"""Length of a key: no two conversations share one, not even by intent."""

TURN_BYTES: Final = 16
"""Length of one turn's digest, which is only looked at where a key agreed."""

MOST_REDUCTIONS: Final = 128
"""Forms in which one question may come back. Beyond it the question comes back whole or is another one."""

Defaults: TypeAlias = Mapping[str, Mapping[str, object]]
NO_DEFAULTS: Final[Defaults] = {}

_LENGTH_BYTES: Final = 8
_GAP: Final = re.compile(r"[^\S\n]*\n[^\S\n]*\n\s*")


@dataclass(frozen=True, slots=True)
class Asked:
    """One question in the forms in which it may come back: whole, in fewer parts, or cut at a blank line.

    `beginnings` are the digests of all that stands before each of its blank lines, `parts` those of its text parts.
    """

    whole: bytes
    attached: bytes
    parts: tuple[bytes, ...]
    beginnings: frozenset[bytes]

    def allows(self, returned: Asked) -> bool:
        """Whether `returned` is this question, or what is left of it where a client leaves something out."""
        if returned.attached != self.attached:
            return False
        if returned.whole == self.whole or returned.whole in self.beginnings:
            return True
        left = iter(self.parts)
        return len(self.parts) > 1 and all(part in left for part in returned.parts)


@dataclass(frozen=True, slots=True)
class Keys:
    """What a conversation that ends with an answer is found by, each a digest.

    `exact` and `normal` cover all of it; `answers` every answer exactly and of the rest its number; `question` all but
    its last answer; `bare` all, whatever the model and the tools.
    """

    exact: bytes
    normal: bytes
    answers: bytes
    question: bytes
    bare: bytes


@dataclass(frozen=True, slots=True)
class Seed:
    """What a conversation is held within: a stable name of the API key, and how Lingma is asked."""

    tenant: str
    model: str
    mode: str
    tools: str

    def digest(self) -> bytes:
        """A digest of all of it."""
        return blake2b(_pack(self.tenant, self.model, self.mode, self.tools), digest_size=TURN_BYTES).digest()


class Turns:
    """The turns of one conversation, digested; what the assistant said or called in a row is one turn.

    `add` takes what comes next, `keys` tells what a conversation is found by that ends with an answer. `defaults` are
    the values that arguments of tools have where they are left out, by tool and argument.
    """

    __slots__ = ("_answers", "_calls", "_defaults", "_exact", "_made", "_normal", "_pending", "asked")

    def __init__(self, defaults: Defaults = NO_DEFAULTS) -> None:
        self._defaults = defaults
        self._exact = bytearray()
        self._normal = bytearray()
        self._answers: list[int] = []
        self._calls: dict[str, int] = {}  # the youngest call of each id, by its place among all calls
        self._made = 0
        self._pending: list[Message] = []  # what the assistant said and called in a row so far
        self.asked: dict[int, Asked] = {}

    def __len__(self) -> int:
        return len(self._exact) // TURN_BYTES

    def __repr__(self) -> str:
        return f"<Turns {len(self)} answers={len(self._answers)}>"

    @property
    def size(self) -> int:
        """Bytes that it takes to keep, roughly."""
        reductions = sum(len(each.parts) + len(each.beginnings) + 2 for each in self.asked.values())
        return len(self._exact) + len(self._normal) + 64 * reductions

    def add(self, message: Message) -> None:
        """Take the next message. Assistant messages in a row are put together first, as their answer was one."""
        if message.role == "assistant":
            self._pending.append(message)
            return
        self.settle()
        self._append(message)

    def settle(self) -> None:
        """Nothing more of the assistant's turn comes."""
        pending, self._pending = self._pending, []
        if pending:
            self._answers.append(len(self))
            self._append(_merged(pending))

    def keys(self, seed: Seed) -> Keys | None:
        """What this conversation is found by, or None where it does not end with an answer."""
        if not self._answers or self._answers[-1] != len(self) - 1:
            return None
        begun = seed.digest()
        places = b"".join(at.to_bytes(_LENGTH_BYTES) + self._at(self._exact, at) for at in self._answers)
        return Keys(
            exact=_key(b"exact", begun, self._exact),
            normal=_key(b"normal", begun, self._normal),
            answers=_key(b"answers", begun, places),
            question=_key(b"question", begun, self._normal[:-TURN_BYTES]),
            bare=_key(b"bare", _pack(seed.tenant), self._normal),
        )

    def question(self, seed: Seed) -> bytes:
        """The `question` of whatever answer comes next."""
        return _key(b"question", seed.digest(), self._normal)

    def is_returned_by(self, later: Turns) -> bool:
        """Whether `later` is this conversation with questions left shorter than they were; its answers are the same.

        To be asked of those whose `answers` agree.
        """
        if len(later) != len(self):
            return False
        return all(
            self._at(self._normal, at) == self._at(later._normal, at)
            or (at in self.asked and at in later.asked and self.asked[at].allows(later.asked[at]))
            for at in range(len(self))
            if at not in self._answers
        )

    def copy(self) -> Turns:
        """Another that can be added to without changing this one."""
        twin = Turns(self._defaults)
        twin._exact, twin._normal = self._exact[:], self._normal[:]
        twin._answers, twin._calls, twin._made = self._answers[:], dict(self._calls), self._made
        twin._pending, twin.asked = self._pending[:], dict(self.asked)
        return twin

    @staticmethod
    def _at(digests: bytearray, place: int) -> bytes:
        return bytes(digests[place * TURN_BYTES : (place + 1) * TURN_BYTES])

    def _append(self, message: Message) -> None:
        refers = self._referred(message)
        if message.role == "user":
            self.asked[len(self)] = _asked(message)
        self._exact += _digest(_pack(*_exact_fields(message, refers)))
        self._normal += _digest(_pack(*_normal_fields(message, refers, self._defaults)))
        for call in message.tool_calls:
            self._calls[call.id] = self._made
            self._made += 1

    def _referred(self, message: Message) -> str:
        """Which call a message answers: the place of it, since clients give calls other ids and give them anew."""
        if not message.tool_call_id:
            return ""
        place = self._calls.get(message.tool_call_id)
        return f"id {message.tool_call_id}" if place is None else f"call {place}"


def defaults_of(toolbox: Toolbox | None) -> Defaults:
    """What the arguments of these tools are where they are left out, as far as their schemas say it."""
    tools = () if toolbox is None else toolbox.tools
    return {tool.name: found for tool in tools if (found := _declared_defaults(tool.parameters))}


def _declared_defaults(parameters: Mapping[str, Any]) -> dict[str, object]:
    properties = parameters.get("properties")
    if not isinstance(properties, dict):
        return {}
    return {name: each["default"] for name, each in properties.items() if isinstance(each, dict) and "default" in each}


def _exact_fields(message: Message, refers: str) -> Iterator[str]:
    yield from (_role(message), message.name, message.text, refers, str(len(message.attachments)))
    yield from message.attachments
    for call in message.tool_calls:
        yield from (call.name, call.arguments)


def _normal_fields(message: Message, refers: str, defaults: Defaults) -> Iterator[str]:
    """The same in their normal form. Each kind of field stands behind its number, so that none can pass for another."""
    answered = message.role == "assistant"
    text = without_reasoning(message.text) if answered else message.text
    pieces = normal_form(text)
    yield from (_role(message), "" if message.role == "tool" else message.name, refers, str(len(pieces)))
    for kind, piece in pieces:
        yield from (kind, piece)
    yield str(len(message.attachments))
    yield from message.attachments
    for call in message.tool_calls:
        yield from (call.name, _as_value(call, defaults.get(call.name, {})))


def _role(message: Message) -> str:
    return "system" if message.role == "developer" else message.role


def _as_value(call: ToolCall, defaults: Mapping[str, object]) -> str:
    """Arguments as the value they are, whatever the order of their keys, but for those that are as if left out.

    What is no JSON stays a text.
    """
    try:
        value = from_json(_encode(call.arguments or "{}"))
        if isinstance(value, dict):
            value = {
                name: each for name, each in value.items() if name not in defaults or not _is(each, defaults[name])
            }
        return _canonical(value)
    except (ValueError, RecursionError):
        return call.arguments


def _is(value: object, other: object) -> bool:
    """Whether two JSON values are the same: true is not 1."""
    return _canonical(value) == _canonical(other)


def _canonical(value: object) -> str:
    return to_json(_ordered(value)).decode()


def _ordered(value: object) -> object:
    if isinstance(value, dict):
        return {name: _ordered(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [_ordered(item) for item in value]
    return value


def _asked(message: Message) -> Asked:
    parts = tuple(_digest(_encode(part)) for part in _parts(message))
    return Asked(
        whole=_digest(_encode(message.text)),
        attached=_digest(_pack(*message.attachments)),
        parts=parts[:MOST_REDUCTIONS],
        beginnings=frozenset(_beginnings(message.text)),
    )


def _parts(message: Message) -> Iterator[str]:
    """The text parts of which a message was made: its text is them, joined by line ends."""
    at = 0
    for end in message.breaks:
        yield message.text[at:end]
        at = end + 1
    yield message.text[at:]


def _beginnings(text: str) -> Iterator[bytes]:
    """A digest of all that stands before each blank line, each from the one before."""
    said, at = blake2b(digest_size=TURN_BYTES), 0
    for count, gap in enumerate(_GAP.finditer(text)):
        if count == MOST_REDUCTIONS:
            return
        said.update(_encode(text[at : gap.start()]))
        yield said.digest()
        said.update(_encode(gap[0]))
        at = gap.end()


def _merged(messages: list[Message]) -> Message:
    if len(messages) == 1:
        return messages[0]
    return Message(
        "assistant",
        "\n".join(message.text for message in messages if message.text),
        name=messages[0].name,
        tool_calls=tuple(call for message in messages for call in message.tool_calls),
        attachments=tuple(digest for message in messages for digest in message.attachments),
    )


def _key(kind: bytes, begun: bytes, digests: bytes | bytearray) -> bytes:
    key = blake2b(_pack_bytes(kind, begun), digest_size=KEY_BYTES)
    key.update(digests)
    return key.digest()


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=TURN_BYTES).digest()


def _pack(*fields: str) -> bytes:
    """The fields behind their number and each behind its length: different fields never give the same bytes."""
    return _pack_bytes(*map(_encode, fields))


def _pack_bytes(*fields: bytes) -> bytes:
    parts = [len(fields).to_bytes(_LENGTH_BYTES)]
    for field in fields:
        parts += (len(field).to_bytes(_LENGTH_BYTES), field)
    return b"".join(parts)


def _encode(text: str) -> bytes:
    """UTF-8 that also takes half a surrogate pair, which JSON can bring."""
    return text.encode("utf-8", "surrogatepass")
