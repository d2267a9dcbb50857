"""A simulated agent without a process, and a client that speaks in lines of its own."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import trio
import trio.testing
from pydantic_core import from_json, to_json

from lingma_trio.simulator.acp.agent import SimulatedAgent
from lingma_trio.simulator.acp.client import AcpClient
from lingma_trio.simulator.acp.knobs import AcpKnobs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

PATIENCE = 300
"""Seconds after which nothing can be coming any more: a test that waits in vain fails instead of hanging."""

QUICK = ("first=0", "gap=0", "empties=0")


@dataclass
class Book:
    """A record in memory."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    faults: int = 0

    @property
    def complaints(self) -> list[str]:
        return [entry["complaint"] for entry in self.entries if "complaint" in entry]

    def note(self, entry: Mapping[str, Any]) -> None:
        self.entries.append(dict(entry))

    def count_fault(self) -> int:
        self.faults += 1
        return self.faults - 1


@dataclass
class Turn:
    """What came for one prompt: updates, requests of the agent's, and the response."""

    updates: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    response: dict[str, Any] = field(default_factory=dict)

    @property
    def chunks(self) -> list[str]:
        return [each["content"]["text"] for each in self.updates if each["sessionUpdate"] == "agent_message_chunk"]

    @property
    def text(self) -> str:
        return "".join(self.chunks)

    @property
    def stop_reason(self) -> str:
        reason: str = self.response["result"]["stopReason"]
        return reason

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [update for update in self.updates if update["sessionUpdate"] == kind]


class Peer:
    """A client of the agent. It answers permission requests with `choice`, other requests with -32601."""

    def __init__(self, stream: trio.StapledStream[Any, Any], book: Book) -> None:
        self.stream = stream
        self.book = book
        self.choice: object = {"outcome": {"outcome": "selected", "optionId": "cancel"}}
        self.lines: list[bytes] = []
        self._numbers = count(1)
        self._rest = b""

    async def send(self, **message: Any) -> None:  # noqa: ANN401 - any JSON
        await self.stream.send_all(to_json({"jsonrpc": "2.0", **message}) + b"\n")

    async def ask(self, method: str, **params: Any) -> int:  # noqa: ANN401 - any JSON
        """Send a request; return its number."""
        number = next(self._numbers)
        await self.send(id=number, method=method, params=params)
        return number

    async def message(self) -> dict[str, Any]:
        """The next message; lines that are no JSON are kept and passed over."""
        while True:
            while b"\n" not in self._rest:
                with trio.fail_after(PATIENCE):
                    data = await self.stream.receive_some()
                if not data:
                    raise EOFError(self._rest)
                self._rest += data
            line, self._rest = self._rest.split(b"\n", 1)
            self.lines.append(line + b"\n")
            try:
                message: dict[str, Any] = from_json(line)
            except ValueError:
                continue
            return message

    async def reply(self, method: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
        """Call and wait for the reply; what comes before is passed over."""
        number = await self.ask(method, **params)
        while (message := await self.message()).get("id") != number or "method" in message:
            pass
        return message

    async def call(self, method: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
        """Call and return the result."""
        result: dict[str, Any] = (await self.reply(method, **params))["result"]
        return result

    async def refused(self, method: str, **params: Any) -> int:  # noqa: ANN401 - any JSON
        """Call, and return the code of the error that comes."""
        code: int = (await self.reply(method, **params))["error"]["code"]
        return code

    async def open(self) -> str:
        """A new session."""
        session: str = (await self.call("session/new", cwd="/", mcpServers=[]))["sessionId"]
        return session

    async def prompt(self, session: str, text: str) -> int:
        """Ask as a gateway does, in two blocks; return the number of the request."""
        blocks = [{"type": "text", "text": "Answer."}, {"type": "text", "text": text}]
        return await self.ask("session/prompt", sessionId=session, prompt=blocks)

    async def cancel(self, session: str) -> None:
        await self.send(method="session/cancel", params={"sessionId": session})

    async def rest(self, number: int) -> Turn:
        """What comes up to the response to this prompt."""
        turn = Turn()
        while True:
            message = await self.message()
            if "method" not in message and message.get("id") == number:
                turn.response = message
                return turn
            if "method" in message and "id" in message:
                turn.requests.append(message)
                await self._answer(message)
            elif message.get("method") == "session/update":
                turn.updates.append(message["params"]["update"])

    async def turn(self, session: str, text: str) -> Turn:
        """Ask, and collect the answer."""
        return await self.rest(await self.prompt(session, text))

    async def _answer(self, request: dict[str, Any]) -> None:
        if request["method"] == "session/request_permission":
            await self.send(id=request["id"], result=self.choice)
        else:
            await self.send(id=request["id"], error={"code": -32601, "message": "no such method"})


@asynccontextmanager
async def agent(
    *words: str, token: str | None = None, initialize: bool = True, book: Book | None = None
) -> AsyncIterator[Peer]:
    """An agent with these knobs turned, and its client; a crash closes what it writes. Sessions are s-1, s-2, …"""
    to_agent, from_client = trio.testing.memory_stream_one_way_pair()
    to_client, from_agent = trio.testing.memory_stream_one_way_pair()
    book, numbers = book or Book(), count(1)
    knobs = AcpKnobs().turned(words)
    client = AcpClient(to_client, knobs, dropped=to_client.close)
    simulated = SimulatedAgent(
        knobs,
        client=client,
        record=book,
        crash=to_client.close,
        token=token,
        make_id=lambda: f"s-{next(numbers)}",
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(simulated.play)
        nursery.start_soon(client.outbox.write_forever)
        nursery.start_soon(simulated.listen, from_client)
        peer = Peer(trio.StapledStream(to_agent, from_agent), book)
        if initialize:
            await peer.call("initialize", protocolVersion=1, clientCapabilities={})
        yield peer
        nursery.cancel_scope.cancel("the test is over")
