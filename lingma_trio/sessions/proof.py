"""What a conversation proves of itself: digests by which one request shows that it continues what another began.

Every turn counts, the assistant's too. Each is digested twice: exactly, and in a normal form that undoes what clients
are known to do and nothing else (`text_form`, and the table below). Two conversations agree in a digest exactly when
they agree in what it covers.

    undone in the normal form                      because of
    reasoning put in front of an answer            Open WebUI before 0.8.6
    arguments of calls written anew                LangChain, Vercel's AI SDK
    arguments left out and put in by default       Claude Code
    names on results of calls                      LangChain
    in both digests                                because of
    ids of calls: their place stands for them      Cline and Vercel's AI SDK rename them
    `developer` and `system` are one role          OpenAI's SDKs, by model

A question may come back shorter than it was sent: Qwen Code leaves its `<system-reminder>` part out of a session that
it resumes, and aider the rules that it puts behind a blank line. `questions` knows the forms in which each may come
back. Nobody formats what was asked or what a tool returned, and blanks and stars in it may mean something: the one
comes back as it was written, the other to the letter.

Must not know what is kept under a digest, nor how long. The cost is linear in the conversation.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, TypeAlias

from pydantic_core import from_json, to_json

from lingma_trio.records import record
from lingma_trio.sessions.forms import Forms
from lingma_trio.sessions.packing import DIGEST_BYTES, LENGTH_BYTES, digest, encode, pack
from lingma_trio.sessions.questions import MOST_KEPT_REDUCTIONS, MOST_KEPT_TURNS, Asked, Questions, read_question
from lingma_trio.sessions.text_form import as_written, without_reasoning
from lingma_trio.turns import Message, Toolbox, ToolCall

Defaults: TypeAlias = Mapping[str, Mapping[str, object]]
NO_DEFAULTS: Final[Defaults] = {}
_KINDS: Final = {
    kind: blake2b(digest_size=DIGEST_BYTES, person=kind)
    for kind in (b"exact", b"normal", b"answers", b"question", b"bare")
}
MOST_SEEDS: Final = 256
"""Digests of what conversations are held within that are remembered, and of tenants."""


@record
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


@record
class Seed:
    """What a conversation is held within: a stable name of the API key, and how Lingma is asked."""

    tenant: str
    model: str
    mode: str
    tools: str

    def digest(self) -> bytes:
        """A digest of all of it, remembered where there are no tools: then a few come again and again."""
        if self.tools:
            return digest(pack(self.tenant, self.model, self.mode, self.tools))
        return _without_tools(self.tenant, self.model, self.mode)


@lru_cache(maxsize=MOST_SEEDS)
def _without_tools(tenant: str, model: str, mode: str) -> bytes:
    return digest(pack(tenant, model, mode, ""))


@lru_cache(maxsize=MOST_SEEDS)
def _of_tenant(tenant: str) -> bytes:
    return digest(pack(tenant))


class Turns:
    """The turns of one conversation, digested; what the assistant said or called in a row is one turn.

    `add` takes what comes next, `keys` tells what a conversation is found by that ends with an answer. `defaults` are
    the values that arguments of tools have where they are left out, by tool and argument.
    """

    __slots__ = (
        "_answers", "_calls", "_defaults", "_exact", "_forms", "_made", "_normal", "_pending", "_reductions", "asked",
    )  # fmt: skip

    def __init__(self, defaults: Defaults = NO_DEFAULTS, forms: Forms | None = None) -> None:
        self._defaults = defaults
        self._forms = forms or Forms()
        self._exact = bytearray()
        self._normal = bytearray()
        self._answers: list[int] = []
        self._calls: dict[str, int] = {}  # the youngest call of each id, by its place among all calls
        self._made = 0
        self._pending: list[Message] = []  # what the assistant said and called in a row so far
        self._reductions = 0
        self.asked: dict[int, Asked] = {}  # nothing more where there is too much to be kept

    def __len__(self) -> int:
        return len(self._exact) // DIGEST_BYTES

    def __repr__(self) -> str:
        return f"<Turns {len(self)} answers={len(self._answers)}>"

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
        places = b"".join(
            at.to_bytes(LENGTH_BYTES) + self._exact[at * DIGEST_BYTES : (at + 1) * DIGEST_BYTES] for at in self._answers
        )
        return Keys(
            exact=_key(b"exact", begun, self._exact),
            normal=_key(b"normal", begun, self._normal),
            answers=_key(b"answers", begun, places),
            question=_key(b"question", begun, self._normal[:-DIGEST_BYTES]),
            bare=_key(b"bare", _of_tenant(seed.tenant), self._normal),
        )

    def question(self, seed: Seed) -> bytes:
        """The `question` of whatever answer comes next."""
        return _key(b"question", seed.digest(), self._normal)

    def questions(self) -> Questions | None:
        """What is to be kept of it for questions that come back shorter; None where none can, or there is too much."""
        asked = {at: each for at, each in self.asked.items() if each.reductions}
        if not asked or len(self) > MOST_KEPT_TURNS:
            return None
        return Questions(bytes(self._normal), frozenset(self._answers), asked)

    def normal(self, place: int) -> bytes:
        """The digest of the turn at that place in its normal form."""
        return bytes(self._normal[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES])

    def copy(self) -> Turns:
        """Another that can be added to without changing this one."""
        twin = Turns(self._defaults, self._forms)
        twin._exact, twin._normal = self._exact[:], self._normal[:]
        twin._answers, twin._calls, twin._made = self._answers[:], dict(self._calls), self._made
        twin._pending, twin._reductions, twin.asked = self._pending[:], self._reductions, dict(self.asked)
        return twin

    def _append(self, message: Message) -> None:
        refers = self._referred(message)
        if message.role == "user" and self._reductions <= MOST_KEPT_REDUCTIONS:
            self._ask(read_question(message))
        self._exact += digest(pack(*_exact_fields(message, refers)))
        self._normal += digest(pack(*_normal_fields(message, refers, self._defaults, self._forms)))
        for call in message.tool_calls:
            self._calls[call.id] = self._made
            self._made += 1

    def _ask(self, asked: Asked) -> None:
        self.asked[len(self)] = asked
        self._reductions += asked.reductions
        if self._reductions > MOST_KEPT_REDUCTIONS:
            self.asked.clear()

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


def _exact_fields(message: Message, refers: str) -> list[str]:
    fields = [_role(message), message.name, message.text, refers, str(len(message.attachments)), *message.attachments]
    for call in message.tool_calls:
        fields += (call.name, call.arguments)
    return fields


def _normal_fields(message: Message, refers: str, defaults: Defaults, forms: Forms) -> list[str]:
    """The same in their normal form. Each kind of field stands behind its number, so that none can pass for another."""
    name = "" if message.role == "tool" and refers else message.name
    attached = message.attachments
    fields = [_role(message), name, refers, _form(message, forms).hex(), str(len(attached)), *attached]
    for call in message.tool_calls:
        fields += (call.name, _as_value(call, defaults.get(call.name, {})))
    return fields


def _form(message: Message, forms: Forms) -> bytes:
    if message.role == "assistant":
        return forms.digest(without_reasoning(message.text))
    return digest(encode(message.text if message.role in ("tool", "function") else as_written(message.text)))


def _role(message: Message) -> str:
    return "system" if message.role == "developer" else message.role


def _as_value(call: ToolCall, defaults: Mapping[str, object]) -> str:
    """Arguments as the value they are, whatever the order of their keys, but for those that are as if left out.

    What is no JSON stays a text.
    """
    try:
        value = from_json(encode(call.arguments or "{}"))
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
    """A digest of what kind it is, of what the conversation is held within, and of what it covers.

    No two begin alike: the person of a digest tells the kinds apart, and `begun` is a digest itself.
    """
    hasher = _KINDS[kind].copy()
    hasher.update(begun)
    hasher.update(digests)
    return hasher.digest()
