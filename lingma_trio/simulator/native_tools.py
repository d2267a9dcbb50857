"""Calls of tools by Lingma's own pushes: reported, approved, asked for and answered, in the ways that builds differ.

Knows the pushes of a call and their order (protocol reference, section 4.6). Must not know the wire or who plays them.

`invoke` is what the plug-in for JetBrains sees: the name stands in the answer's markup alone, and the tool is asked for
by a request whose reply is the result. `async` is what Visual Studio Code sees: lower-case states, and a result that
comes by itself. `results` asks for nothing: it names no request and waits for the result of what it reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from lingma_trio.simulator.script import Await, Delta, Push, Request, Step

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from lingma_trio.simulator.knobs import Native
    from lingma_trio.simulator.scenes import Call
    from lingma_trio.simulator.script import Ask

PATIENCE: Final = 120.0
"""Seconds, before scaling, for a decision or a result to come."""

AFTERWARDS: Final = "\n\nThe tools have run."
"""What the answer goes on with, as a model would that had the results."""

_Playing: TypeAlias = "Generator[Step, None, None]"


class NativeCalls:
    """The calls of one answer. `steps` makes them, one after the other; what the client says of them is told here."""

    def __init__(self, ask: Ask, calls: Sequence[Call], variant: Native, *, scale: float) -> None:
        self._ask = ask
        self._calls = {f"{ask.request_id}-call-{number}": call for number, call in enumerate(calls, 1)}
        self._variant = variant
        self._patience = PATIENCE * scale
        self._approvals: dict[str, bool] = {}
        self._results: set[str] = set()

    def holds(self, call_id: object) -> bool:
        """Whether this is one of the calls."""
        return call_id in self._calls

    def decide(self, call_id: str, *, approval: bool) -> None:
        """The client approves of a call, or does not."""
        self._approvals[call_id] = approval

    def note_result(self, call_id: str) -> None:
        """The client has run a tool, or has said that it does not."""
        self._results.add(call_id)

    def steps(self, at: float) -> Iterator[Step]:
        """Return the steps from `at` on."""
        for call_id, call in self._calls.items():
            yield from self._make(at, call_id, call)
        yield Delta(at, AFTERWARDS)

    def last_step(self, at: float) -> Push:
        """Return what follows the end of the answer: a report that is of no call."""
        return self._report(at, "", "REQUEST_FINISHED")

    def _make(self, at: float, call_id: str, call: Call) -> _Playing:
        if self._variant == "invoke":
            yield Delta(at, f"\n```toolCall::{call.tool}::{call_id}::INIT\n```\n")
        yield self._report(at, call_id, "PENDING", call)
        yield Await(at, self._patience, lambda: call_id in self._approvals)
        if call_id not in self._approvals:
            yield self._report(at, call_id, "ERROR")
            return
        if not self._approvals[call_id]:
            yield self._report(at, call_id, "CANCELLED")
            return
        yield self._report(at, call_id, "RUNNING" if self._variant == "invoke" else "PROCESSING")
        if self._variant != "results":
            yield self._request(at, call_id, call)
        yield Await(at, self._patience, lambda: call_id in self._results)
        yield self._report(at, call_id, "FINISHED" if call_id in self._results else "ERROR")

    def _request(self, at: float, call_id: str, call: Call) -> Request:
        waits = self._variant == "async"
        params = {
            "requestId": self._ask.request_id,
            "toolCallId": call_id,
            "name": call.tool,
            "parameters": call.arguments,
            "async": waits,
        }

        def replied(_result: object) -> None:
            if not waits:
                self.note_result(call_id)

        return Request(at, "tool/invoke", params, replied)

    def _report(self, at: float, call_id: str, status: str, call: Call | None = None) -> Push:
        params: dict[str, Any] = {
            "sessionId": self._ask.session_id,
            "requestId": self._ask.request_id,
            "projectPath": "/workspace",
            "toolCallId": call_id,
            "toolCallStatus": status if self._variant == "invoke" else status.lower(),
            "parameters": {},
            "results": [],
            "errorCode": "",
            "errorMsg": "",
        }
        if self._variant == "results":
            del params["requestId"]
            if call is not None:
                params.update(toolName=call.tool, parameters=call.arguments)
        elif self._variant == "async" and call is not None:
            params["name"] = call.tool
        return Push(at, "tool/call/sync", params)
