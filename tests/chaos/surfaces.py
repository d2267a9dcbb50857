"""How each surface is asked for the next turn of a conversation, and what its answer says: text, end and error.

Pure. Knows the forms of the surfaces; must not know who asks, nor which ends are to be expected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from pydantic_core import from_json

from tests.end_to_end.client import Answer, events

Json: TypeAlias = Any
"""What JSON holds."""

OK: Final = "ok"
CUT: Final = "cut off"
UNNAMED: Final = "an error without a code"
"""Of Ollama's errors, which are a text, and of a failed response, whose codes are OpenAI's own: the log has ours."""


@dataclass(frozen=True, slots=True)
class Said:
    """What became of a request: `OK`, `CUT`, the code of an error, or another word for how it was lost."""

    outcome: str
    text: str = ""
    id: str = ""
    """The response that can be gone on from."""
    status: int = 0
    request_id: str = ""
    """By which the gateway's log names it."""
    tail: str = ""
    """The last of its bytes, for whoever looks into a finding."""


@dataclass(slots=True)
class Read:
    """What was found in an answer so far."""

    text: str = ""
    id: str = ""
    code: str = ""
    ended: bool = False


@dataclass(slots=True)
class History:
    """A conversation as its client has it; a failed question is no part of it."""

    asked: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    newest: str = ""

    @property
    def messages(self) -> list[Json]:
        """Questions and answers, in turn."""
        pairs = zip(self.asked, self.answered, strict=True)
        roles = ("user", "assistant")
        return [{"role": role, "content": text} for pair in pairs for role, text in zip(roles, pair, strict=True)]


def _messages(history: History, question: str) -> Json:
    return {"messages": [*history.messages, {"role": "user", "content": question}]}


def _with_bound(history: History, question: str) -> Json:
    return {"max_tokens": 4096, **_messages(history, question)}


def _after(history: History, question: str) -> Json:
    return {"input": question, **({"previous_response_id": history.newest} if history.newest else {})}


def _code_of(error: Json) -> str:
    if not isinstance(error, dict):
        return UNNAMED if error else ""
    code = str(error.get("code") or error.get("details", {}).get("error_code") or UNNAMED)
    return UNNAMED if code == "server_error" else code


def _read_chat(parts: Sequence[Json], read: Read) -> None:
    for part in parts:
        if part == "[DONE]":
            read.ended = True
            continue
        for choice in part.get("choices", ()):
            told = choice.get("message") or choice["delta"]
            read.text += told.get("content") or ""
            read.ended |= "message" in choice
        read.code = read.code or _code_of(part.get("error"))


def _read_responses(parts: Sequence[Json], read: Read) -> None:
    for part in parts:
        kind = part.get("type", "")
        if kind == "response.output_text.delta":
            read.text += part["delta"]
        elif kind == "error":
            read.code = _code_of(part)
        whole = part.get("response", part)
        read.code = read.code or _code_of(whole.get("error"))
        if whole.get("status") == "completed" and "output" in whole:
            read.id, read.ended = whole["id"], True
            read.text = "".join(piece["text"] for item in whole["output"] for piece in item["content"])


def _read_messages(parts: Sequence[Json], read: Read) -> None:
    for part in parts:
        match part["type"]:
            case "message":
                read.text, read.ended = "".join(piece["text"] for piece in part["content"]), True
            case "content_block_delta":
                read.text += part["delta"]["text"]
            case "message_stop":
                read.ended = True
            case "error":
                read.code = _code_of(part["error"])
            case _:
                pass


def _read_ollama(parts: Sequence[Json], read: Read) -> None:
    for part in parts:
        read.text += part.get("message", {}).get("content", "")
        read.ended |= part.get("done", False)
        read.code = read.code or _code_of(part.get("error"))


@dataclass(frozen=True, slots=True)
class Surface:
    """One of the surfaces that hold conversations."""

    name: str
    path: str
    body: Callable[[History, str], Json]
    read: Callable[[Sequence[Json], Read], None]

    def request(self, history: History, question: str, *, stream: bool) -> Json:
        """What is posted to have the next question answered."""
        return {"model": "org_auto", "stream": stream, **self.body(history, question)}

    def said(self, answer: Answer) -> Said:
        """What an answer says, also one that broke off. An answer is whole where its own form says that it is."""
        read = Read()
        self.read(_parts(answer), read)
        whole = answer.complete and answer.status == 200 and read.ended
        outcome = read.code or (OK if whole else CUT)
        tail = answer.body[-400:].decode(errors="replace")
        return Said(outcome, read.text, read.id, answer.status, answer.headers.get("x-request-id", ""), tail)


def _parts(answer: Answer) -> list[Json]:
    """The JSON of which an answer is made, in order; what broke off in the middle is no part of it."""
    kind = answer.headers.get("content-type", "")
    if kind.startswith("text/event-stream"):
        return events(answer.body)
    if kind.startswith("application/x-ndjson"):
        return [from_json(line) for line in answer.body.split(b"\n")[:-1]]
    return [from_json(answer.body)] if kind.startswith("application/json") and answer.complete else []


SURFACES: Final = (
    Surface("chat", "/v1/chat/completions", _messages, _read_chat),
    Surface("responses", "/v1/responses", _after, _read_responses),
    Surface("messages", "/v1/messages", _with_bound, _read_messages),
    Surface("ollama", "/api/chat", _messages, _read_ollama),
)
