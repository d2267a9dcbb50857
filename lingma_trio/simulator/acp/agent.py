"""The simulated agent itself: reads what its client sends, and answers its calls.

Knows what each method returns; must not know processes, signals or where its streams come from.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

import trio

from lingma_trio.simulator.acp.client import TurnEncoder
from lingma_trio.simulator.acp.offers import Offers
from lingma_trio.simulator.acp.script import COMMANDS, RESPONSE, UPDATE
from lingma_trio.simulator.acp.turns import Room, Turns
from lingma_trio.simulator.acp.wire import AUTH_REQUIRED, INVALID_REQUEST, Call, Id, Lines, Reply, Unreadable, read
from lingma_trio.simulator.rpc import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, NO_REPLY, Refused
from lingma_trio.simulator.script import Push
from lingma_trio.simulator.stage import Performance, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lingma_trio.simulator.acp.client import AcpClient
    from lingma_trio.simulator.acp.knobs import AcpKnobs

READ_SIZE: Final = 64 * 1024
SLOW_READ_SIZE: Final = 4 * 1024


class Record(Protocol):
    """What the agent keeps beyond its life."""

    def note(self, entry: Mapping[str, Any]) -> None:
        """Write down what was sent."""

    def count_fault(self) -> int:
        """Return how many faults there were before this one, and count it."""


class SimulatedAgent:
    """One agent: start `play` in a nursery, and `listen` to the client's stream.

    `crash` ends the process, or whatever stands for it in a test, without any goodbye. `token` is what was found in the
    environment, None for nothing. `mutter` writes a line to stderr.
    """

    def __init__(
        self,
        knobs: AcpKnobs,
        *,
        client: AcpClient,
        record: Record,
        crash: Callable[[], None],
        token: str | None = None,
        mutter: Callable[[str], None] = lambda _line: None,
        make_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._knobs = knobs
        self._client = client
        self._record = record
        self._crash = crash
        self._token = token
        self._mutter = mutter
        self._initialized = False
        self._prompts = 0
        self._offers = Offers(knobs)
        self._stage = Stage(crash=crash)
        self.turns = Turns(knobs, client=client, stage=self._stage, make_id=make_id, strikes=self._strikes)
        """Its sessions and what is answered in them, for whoever wants to know that nothing is left."""
        self._calls: dict[str, Callable[[Id, dict[str, Any]], object]] = {
            "initialize": self._initialize,
            "authenticate": self._authenticate,
            "session/new": self._new,
            "session/prompt": self._prompt,
            "session/set_model": self._choosing(self._offers.set_model),
            "session/set_mode": self._choosing(self._offers.set_mode),
            "session/set_config_option": self._choosing(self._offers.set_option),
        }
        if knobs.close:
            self._calls["session/close"] = lambda _, params: self.turns.close(params)
        if knobs.load:
            self._calls["session/load"] = self._load
        if knobs.resume:
            self._calls["session/resume"] = self._resume
        if knobs.listing:
            self._calls["session/list"] = self._list

    @property
    def leaves_at_eof(self) -> bool:
        """Whether the end of what the client sends is the end."""
        return self._knobs.eof == "exits"

    async def play(self) -> None:
        """Play turns for ever. Cancelling leaves every turn where it is."""
        await self._stage.run()

    async def listen(self, stream: trio.abc.ReceiveStream) -> None:
        """Take what the client sends until it sends no more. One that was made deaf waits for ever.

        Cancelling loses what was read of a line that is not whole.
        """
        lines = Lines()
        while True:
            await trio.sleep(self._knobs.read_delay)
            data = await stream.receive_some(SLOW_READ_SIZE if self._knobs.read_delay else READ_SIZE)
            if self._client.deaf:
                await trio.sleep_forever()
            if not data:
                return
            for line in lines.feed(bytes(data)):
                self._take(line)

    def strike(self, fault: str) -> None:
        """Crash when this is the fault that the knobs ask for, and it is to strike again."""
        if self._knobs.fault == fault and self._strikes():
            self._crash()

    def _strikes(self) -> bool:
        return not self._knobs.fault_times or self._record.count_fault() < self._knobs.fault_times

    def _take(self, line: bytes) -> None:
        """Act on one line."""
        try:
            message = read(line)
        except Unreadable as fault:
            self._record.note({"complaint": str(fault)})
            self._client.refuse(None, fault.code, str(fault))
            return
        if isinstance(message, Reply):
            wanted = self._client.take(message)
            entry = {"reply": message.id, "result": message.result, "error": message.error}
            self._record.note(entry if wanted else {**entry, "complaint": "a reply to no request"})
            return
        complaint = self._act(message)
        self._record.note(_entry(message) if complaint is None else {**_entry(message), "complaint": complaint})

    def _act(self, call: Call) -> str | None:
        """Let the method's handler act, and reply where a reply is due; return what was wrong with the call."""
        try:
            if call.id is None:
                self._take_notification(call)
                return None
            result = self._result(call.id, call)
        except Refused as refused:
            if call.id is not None:
                data = {"details": refused.message} if refused.code == INTERNAL_ERROR else None
                self._client.refuse(call.id, refused.code, refused.message, data)
            return refused.message
        if result is not NO_REPLY:
            self._client.answer(call.id, result)
        return None

    def _take_notification(self, call: Call) -> None:
        if call.method == "session/cancel":
            self.turns.cancel(call.params)
        elif call.method != "$/cancel_request":
            raise Refused(METHOD_NOT_FOUND, f"not a notification: {call.method}")

    def _result(self, number: Id, call: Call) -> object:
        if call.method not in self._calls:
            # Also a cancel that is sent as a request: the prompt goes on.
            raise Refused(METHOD_NOT_FOUND, f'"Method not found": {call.method}')
        if not self._initialized and call.method != "initialize":
            raise Refused(INVALID_REQUEST, "initialize comes first")
        return self._calls[call.method](number, call.params)

    def _initialize(self, _number: Id, params: dict[str, Any]) -> object:
        self.strike("crash_initialize")
        if self._initialized or not isinstance(params.get("protocolVersion"), int):
            raise Refused(INVALID_PARAMS, "initialize comes once, and names a protocolVersion")
        self._check_token("initialize")
        self._initialized = True
        return self._offers.initialized()

    def _authenticate(self, _number: Id, params: dict[str, Any]) -> object:
        if params.get("methodId") != "token":
            raise Refused(INVALID_PARAMS, "no such method")
        self._check_token(self._knobs.token_at)
        return {}

    def _new(self, number: Id, params: dict[str, Any]) -> object:
        self.strike("crash_new")
        cwd = _cwd(params)
        self._check_token("new")
        match self._knobs.new:
            case "silent":
                return NO_REPLY
            case "refused":
                raise Refused(INTERNAL_ERROR, "the session could not be made")
            case "auth":
                raise Refused(AUTH_REQUIRED, "Authentication required")
            case "answered":
                self._answer_later(number, self.turns.open(cwd))
        return NO_REPLY

    def _answer_later(self, number: Id, room: Room) -> None:
        """Answer a session/new after the delay, and tell of the commands."""
        result = {"sessionId": room.session.id, **self._offers.of(room.choices)}
        delay = self._knobs.new_delay
        steps = [Push(delay, RESPONSE, {"result": result})]
        if self._knobs.commands == "soon":
            steps.append(Push(delay, UPDATE, COMMANDS))
        encoder = TurnEncoder(self._client, number, room.session.id, self._knobs)
        self._stage.begin(Performance(self._client, encoder, None, iter(steps), lambda: None))

    def _prompt(self, number: Id, params: dict[str, Any]) -> object:
        self._check_token("prompt")
        self._prompts += 1
        if self._knobs.login_lasts and self._prompts > self._knobs.login_lasts:
            raise Refused(AUTH_REQUIRED, "Authentication required")
        self.turns.prompt(number, params)
        return NO_REPLY

    def _choosing(self, choose: Callable[[Any, dict[str, Any]], object]) -> Callable[[Id, dict[str, Any]], object]:
        return lambda _, params: choose(self.turns.room(params).choices, params)

    def _load(self, _number: Id, params: dict[str, Any]) -> object:
        """Replay a session's questions, and then answer."""
        room = self._resumed(params)
        for question in room.session.questions:
            content = {"type": "text", "text": question}
            update = {"sessionUpdate": "user_message_chunk", "content": content}
            self._client.tell(UPDATE, {"sessionId": room.session.id, "update": update})
        return self._offers.of(room.choices)

    def _resume(self, _number: Id, params: dict[str, Any]) -> object:
        return self._offers.of(self._resumed(params).choices)

    def _resumed(self, params: dict[str, Any]) -> Room:
        room = self.turns.room(params)
        room.cwd = _cwd(params)
        return room

    def _list(self, _number: Id, _params: dict[str, Any]) -> object:
        return {"sessions": [{"sessionId": room.session.id, "cwd": str(room.cwd)} for room in self.turns.rooms]}

    def _check_token(self, where: str) -> None:
        """Raises Refused here where the token is wrong; an agent may well say on stderr which one that was."""
        if not self._knobs.tokens or where != self._knobs.token_at:
            return
        if self._token is None or self._token not in self._knobs.tokens.split(";"):
            self._mutter(f"not a valid token: {self._token}")
            raise Refused(AUTH_REQUIRED, "Authentication required")


def _cwd(params: dict[str, Any]) -> Path:
    cwd, servers = params.get("cwd"), params.get("mcpServers")
    if not isinstance(cwd, str) or not Path(cwd).is_absolute():
        raise Refused(INVALID_PARAMS, "cwd is an absolute path")
    if not isinstance(servers, list):
        raise Refused(INVALID_PARAMS, "mcpServers is a list")
    return Path(cwd)


def _entry(call: Call) -> dict[str, Any]:
    """What a record tells of a call: a prompt's first block, which no client's words belong into, and what follows."""
    entry = {"id": call.id, "method": call.method, "session": call.params.get("sessionId")}
    prompt = call.params.get("prompt")
    if isinstance(prompt, list):
        first, *others = prompt or [None]
        length = sum(len(str(block.get("text", ""))) for block in others if isinstance(block, dict))
        entry |= {"first": first, "others": len(others), "length": length}
    return entry
