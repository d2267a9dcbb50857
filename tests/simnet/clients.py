"""Clients that talk with gateways and know when they are lied to."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any, Literal

import trio
from pydantic_core import to_json

from lingma_trio.http.services import Services
from tests.proof import turns_held
from tests.simnet.gateways import ROUTER, Gateway

NOBODY = "nobody is there"
WHOLE = frozenset({"stop", "tool_calls"})
"""Reasons why an answer ends that was not cut."""
UNKEPT = frozenset({"previous_response_not_found", "state_unavailable"})
"""The codes of failures that a client may see whose conversation the store keeps, where that is away or lost it."""

VISIBLE = UNKEPT | {
    "upstream_lost", "upstream_unavailable", "upstream_timeout", "queue_timeout", "request_timeout", "shutting_down"
}  # fmt: skip
"""The codes of failures that a client may see where something died or was cut."""


@dataclass(frozen=True)
class Outcome:
    """What became of one request: an answer, an error with its code, or a response that broke off."""

    kind: Literal["answered", "refused", "broken"]
    text: str = ""
    code: str = ""
    id: str = ""
    calls: tuple[str, ...] = ()
    """The tools that it calls."""
    whole: bool = True
    """Whether an answer says that it came to its end."""


@dataclass
class Conversation:
    """One conversation, as its client has it. One that is `kept` is sent no history: the store has its responses."""

    name: str
    kept: bool = False
    newest: str = ""
    """The id of the response that goes on."""
    questions: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    hits: int = 0
    misses: int = 0
    failures: list[str] = field(default_factory=list)
    asking: bool = False
    """Whether a question is under way, so that its session is nobody else's."""

    def branch(self, name: str) -> Conversation:
        """Another client with the same history."""
        return Conversation(name, self.kept, self.newest, self.questions.copy(), self.answers.copy())

    async def go_on(self, gateway: Gateway, *, stream: bool, leave_after: float | None = None) -> Outcome:
        """Ask the next question, and check what comes. A failed one is not part of the conversation."""
        question = f"{self.name} asks {len(self.questions)}, {trio.current_time():.6f}"
        self.asking = True
        outcome = await ask(gateway, *self._request(question, stream=stream), leave_after)
        self.asking = False
        if outcome.kind == "answered":
            self.take(question, outcome)
        else:
            self.failures.append(outcome.code or outcome.kind)
        if outcome.code == "previous_response_not_found":
            self.questions, self.answers, self.newest = [], [], ""  # and begins anew
        return outcome

    def take(self, question: str, outcome: Outcome) -> None:
        """Check an answer and have it belong to the conversation."""
        self._check(question, outcome.text)
        self.questions.append(question)
        self.answers.append(outcome.text)
        self.newest = outcome.id

    def _request(self, question: str, *, stream: bool) -> tuple[str, dict[str, Any]]:
        """The path and the body."""
        if self.kept:
            after = {"previous_response_id": self.newest} if self.newest else {}
            return "/v1/responses", {"model": "auto", "input": question, "stream": False, **after}
        messages = []
        for asked, answered in zip(self.questions, self.answers, strict=True):
            messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
        messages.append({"role": "user", "content": question})
        return "/v1/chat/completions", {"model": "auto", "messages": messages, "stream": stream}

    def _check(self, question: str, text: str) -> None:
        """The session holds this conversation from one of its questions on, whole and nothing else."""
        number = turns_held(text, [*self.questions, question])
        if number > 1:
            self.hits += 1
        elif self.questions:
            self.misses += 1


class Client:
    """The ASGI server's side of one request."""

    def __init__(self, path: str, body: bytes) -> None:
        headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": headers,
            "state": {},
        }
        self.status = 0
        self.received = b""
        self.complete = False
        self.done = trio.Event()
        self.left = trio.Event()
        self._body: bytes | None = body

    async def serve(self, gateway: Gateway) -> None:
        """Be served."""
        services: Services = gateway.services
        self.scope["state"]["services"] = services
        try:
            await ROUTER(self.scope, self._receive, self._send)
        finally:
            self.done.set()

    async def _receive(self) -> dict[str, Any]:
        if self._body is None:
            await self.left.wait()
            return {"type": "http.disconnect"}
        await trio.lowlevel.checkpoint()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        await trio.lowlevel.checkpoint()
        self.status = message.get("status", self.status)
        self.received += message.get("body", b"")
        self.complete = message["type"] == "http.response.body" and not message.get("more_body", False)


async def ask(gateway: Gateway, path: str, request: dict[str, Any], leave_after: float | None = None) -> Outcome:
    """Ask, and wait for the response, or leave after so many seconds."""
    client = Client(path, to_json(request))
    if not gateway.serve(client.serve):
        return Outcome("refused", code=NOBODY)
    with trio.move_on_after(leave_after if leave_after is not None else 10_000) as patience:
        await client.done.wait()
    if patience.cancelled_caught:
        assert leave_after is not None, f"a request that never ends: {request}"
        client.left.set()
        return Outcome("broken", code="left")
    return outcome_of(client, stream=request["stream"])


def outcome_of(client: Client, *, stream: bool) -> Outcome:
    """What came of a request that is over."""
    return _streamed(client) if stream and client.status == 200 else _whole(client)


def _whole(client: Client) -> Outcome:
    if not client.complete:
        return Outcome("broken")
    body = json.loads(client.received)
    if client.status != 200:
        return Outcome("refused", body["error"]["message"], body["error"]["code"])
    if "choices" in body:
        (choice,) = body["choices"]
        message = choice["message"]
        calls = tuple(call["function"]["name"] for call in message.get("tool_calls") or ())
        return Outcome("answered", message["content"] or "", calls=calls, whole=choice["finish_reason"] in WHOLE)
    (message,) = body["output"]
    return Outcome("answered", message["content"][0]["text"], id=body["id"])


def _streamed(client: Client) -> Outcome:
    text, ended, code, finish = "", False, "", ""
    calls: list[str] = []
    for line in client.received.decode().splitlines():
        if not line.startswith("data: "):
            continue
        if line == "data: [DONE]":
            ended = True
            continue
        event = json.loads(line.removeprefix("data: "))
        if "error" in event:
            code = event["error"]["code"]
        for choice in event.get("choices", ()):
            text += choice["delta"].get("content") or ""
            named = (call["function"].get("name") for call in choice["delta"].get("tool_calls") or ())
            calls += filter(None, named)
            finish = choice["finish_reason"] or finish
    if code:
        return Outcome("refused", text, code)
    return Outcome(
        "answered" if ended and client.complete else "broken", text, calls=tuple(calls), whole=finish in WHOLE
    )
