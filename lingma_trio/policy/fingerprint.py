"""Tells which conversation a request continues, by what its client cannot help repeating.

Clients reformat, cut or translate what the assistant said before they send it back, so its words are no part of a
fingerprint's keys; everything else is. Must not know what is kept under the keys, nor how long.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from lingma_trio.turns import Message, Prompt, ToolCall

KEY_BYTES = 32
"""Length of a key: no two conversations share one, not even by intent."""

SIFTED: Final = 256 * 1024
"""Characters of an answer in other alphabets than ASCII up to which only its letters count, and beyond which all does:
sifting more would hold the loop. It is the length of a book, and a client that writes it anew starts a new session."""

_LENGTH_BYTES = 8
_NO_LETTER_OR_DIGIT = re.compile(r"[\W_]+")
_ASCII_WITHOUT_EITHER = bytes(code for code in range(128) if not chr(code).isalnum())


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Where a conversation's session is looked for, and where it is put once the answer is complete.

    `claim` is the key of the conversation up to its last answer and equals the `commit` of the request that was
    answered so; `answer` is the digest of that answer as the client repeats it. Both are None where there is nothing
    to continue: no answer yet, or nothing after it. `commit` is the key of the whole conversation.
    """

    claim: bytes | None
    commit: bytes
    answer: str | None


def fingerprint(prompt: Prompt, *, tenant: str, model: str, mode: str) -> Fingerprint:
    """The fingerprint of a conversation that `tenant` (any stable name of the API key) holds with a model.

    The keys cover tenant, model, mode, tool configuration and, in order, every message that is not the assistant's:
    role, name, text, attachments and tool ids.
    """
    messages = prompt.messages
    last = _last_answer(messages)
    newest = messages[last + 1 :]
    turns = blake2b(_pack(tenant, model, mode, prompt.tools), digest_size=KEY_BYTES)
    _add_turns(turns, messages[: last + 1])
    claim = turns.digest()
    _add_turns(turns, newest)
    if last < 0 or not newest:
        return Fingerprint(None, turns.digest(), None)
    return Fingerprint(claim, turns.digest(), answer_digest(messages[last].text, messages[last].tool_calls))


def answer_digest(text: str, calls: Sequence[ToolCall] = ()) -> str:
    """A short name for an answer: the letters and digits of its text, of any script and case, and its calls' ids.

    Blanks, punctuation and markup do not count, because clients change them, up to the length SIFTED; ids they have to
    repeat as they are.
    """
    return blake2b(_pack(_letters(text), *(call.id for call in calls)), digest_size=16).hexdigest()


def _letters(text: str) -> str:
    """ASCII is sifted as bytes, thirty times faster than by the pattern; in UTF-8 no other letter has such bytes."""
    if len(text) > SIFTED and not text.isascii():
        return text
    sifted = _encode(text.casefold()).translate(None, _ASCII_WITHOUT_EITHER)
    if sifted.isascii():
        return sifted.decode()
    return _NO_LETTER_OR_DIGIT.sub("", sifted.decode("utf-8", "surrogatepass"))


def newest_part(prompt: Prompt) -> tuple[Message, ...]:
    """The messages after the last answer: what a session that holds the rest has yet to be told."""
    return prompt.messages[_last_answer(prompt.messages) + 1 :]


def newest_calls(prompt: Prompt) -> tuple[ToolCall, ...]:
    """The calls of the last answer, which the newest messages may bring the results of."""
    last = _last_answer(prompt.messages)
    return prompt.messages[last].tool_calls if last >= 0 else ()


def _last_answer(messages: tuple[Message, ...]) -> int:
    """The place of the last assistant message, or -1."""
    places = range(len(messages) - 1, -1, -1)
    return next((place for place in places if messages[place].role == "assistant"), -1)


def _add_turns(turns: blake2b, messages: tuple[Message, ...]) -> None:
    for message in messages:
        if message.role != "assistant":
            turns.update(_pack_message(message))


def _pack_message(message: Message) -> bytes:
    calls = [field for call in message.tool_calls for field in (call.id, call.name, call.arguments)]
    fields = _pack(message.role, message.name, message.text, message.tool_call_id)
    return b"".join((fields, _pack(*message.attachments), _pack(*calls)))


def _pack(*fields: str) -> bytes:
    """The fields behind their number and each behind its length: different fields never give the same bytes."""
    parts = [len(fields).to_bytes(_LENGTH_BYTES)]
    for field in fields:
        encoded = _encode(field)
        parts += (len(encoded).to_bytes(_LENGTH_BYTES), encoded)
    return b"".join(parts)


def _encode(text: str) -> bytes:
    """UTF-8 that also takes half a surrogate pair, which JSON can bring."""
    return text.encode("utf-8", "surrogatepass")
