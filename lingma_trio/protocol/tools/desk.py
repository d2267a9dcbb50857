"""Deals with the tool calls of one turn: which are the client's, which Lingma may run itself, and what it is told.

Knows the client's tools by name and the operator's policy. Must not know how a call reaches the client, ids of JSON-RPC
or sockets. The gateway itself never runs anything.
"""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from lingma_trio.protocol.messages import Question
from lingma_trio.protocol.request import Request
from lingma_trio.protocol.tools.cards import ToolCard
from lingma_trio.protocol.tools.events import ToolSight, approve_params, invoke_result, read_sight
from lingma_trio.turns import ToolCall

MAX_CALLS = 128
"""Calls of one turn that are dealt with; a model that makes more goes round in circles."""

RUN_BY_LINGMA = frozenset({
    "add_tasks", "create_file", "delete_file", "edit_file", "fetch_content", "fetch_rules", "grep_code", "list_dir",
    "mcp", "search_codebase", "search_file", "search_memory", "search_replace", "search_symbol", "search_web", "skill",
    "todo_write", "update_memory", "update_tasks",
})  # fmt: skip
"""Tools that Lingma has of its own and does not ask an editor to run: approved, they would run on the gateway's host.
So a client's tool of such a name reaches the client although Lingma is told no."""

_AWAITING = frozenset({"pending", "processing"})


class ToolDesk:
    """The calls of one turn, each dealt with once. What Lingma is to be told collects in `outgoing`, and in `calls`
    those that are the client's; whoever has taken them clears both. A desk that called back would hold its turn as the
    turn holds it, and both with the answer's text until the garbage collector comes.

    `call_ids` are the calls seen so far, in order: some pushes name a call and not its turn.
    """

    def __init__(self, question: Question, *, allowed: frozenset[str]) -> None:
        self._question = question
        self._allowed = allowed
        self._names: dict[str, str] = {}
        self._arguments: dict[str, dict[str, Any]] = {}
        self._decided: dict[str, bool] = {}
        self._called: dict[str, None] = {}  # no set, which takes 216 bytes where there are no tools
        self._told: dict[str, None] = {}
        self.call_ids: tuple[str, ...] = ()
        self.outgoing: list[Request] = []
        self.calls: list[ToolCall] = []

    def note(self, card: ToolCard) -> None:
        """Learn from the answer's markup what a call is named: some runtimes say it nowhere else."""
        self._learn(ToolSight(call_id=card.call_id, name=card.name))

    def reported(self, params: dict[str, Any], *, session_id: str) -> None:
        """Lingma reports where a call stands; one that waits for a decision gets it, once.

        A call of the client's whose arguments are known reaches the client here and now, and Lingma is told so: not
        every runtime goes on to ask for it to be run.
        """
        sight = read_sight(params)
        call_id = sight.call_id
        if not self._learn(sight) or sight.status not in _AWAITING or call_id in self._decided:
            return
        name = self._names[call_id]
        clients = name in self._question.tools
        approval = name.lower() not in RUN_BY_LINGMA if clients else name in self._allowed
        self._decided[call_id] = approval
        request_id = self._question.request_id
        self._tell("tool/call/approve", approve_params(request_id, session_id, call_id, approval=approval))
        if clients and (self._arguments.get(call_id) or not approval):
            self._call(call_id)
            if approval:
                self._report_result(call_id)

    def reply(self, params: dict[str, Any]) -> dict[str, Any]:
        """What answers a request to run a tool. Called before `invoked` where the request can be answered at all."""
        if params.get("async") is True:
            return {}
        sight = read_sight(params)
        self._learn(sight)
        self._told[sight.call_id] = None
        return self._result(sight.call_id, sight.name)

    def invoked(self, params: dict[str, Any]) -> None:
        """Lingma asks for a tool to be run: a call of the client's, if the tool is. Whoever was not told yet is."""
        sight = read_sight(params)
        if not self._learn(sight):
            return
        if self._names[sight.call_id] in self._question.tools:
            self._call(sight.call_id)
        self._report_result(sight.call_id)

    def settle(self) -> None:
        """The turn is over: a call that was approved for the client and never asked for is made after all."""
        for call_id, approval in self._decided.items():
            if approval and self._names[call_id] in self._question.tools:
                self._call(call_id)

    def _learn(self, sight: ToolSight) -> bool:
        """Keep what is new; say whether the call can be dealt with."""
        call_id = sight.call_id
        if not call_id or (call_id not in self._names and len(self._names) >= MAX_CALLS):
            return False
        if sight.name or call_id not in self._names:
            self._names[call_id] = sight.name
            self.call_ids = tuple(self._names)
        if sight.arguments:
            self._arguments[call_id] = sight.arguments
        return True

    def _call(self, call_id: str) -> None:
        if call_id in self._called:
            return
        self._called[call_id] = None
        arguments = to_json(self._arguments.get(call_id, {}), inf_nan_mode="null").decode()
        self.calls.append(ToolCall(call_id, self._names[call_id], arguments))

    def _report_result(self, call_id: str) -> None:
        if call_id not in self._told:
            self._told[call_id] = None
            self._tell("tool/invokeResult", self._result(call_id, ""))

    def _result(self, call_id: str, name: str) -> dict[str, Any]:
        name = name or self._names.get(call_id, "")
        elsewhere = call_id in self._names and name in self._question.tools
        return invoke_result(call_id, name, elsewhere=elsewhere)

    def _tell(self, method: str, params: dict[str, Any]) -> None:
        self.outgoing.append(Request(method, params))
