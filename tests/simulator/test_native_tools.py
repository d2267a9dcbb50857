"""Calls by Lingma's own pushes: reported, decided, asked for, answered or given up, as each known build does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lingma_trio.protocol.jsonrpc import ServerRequest
from tests.simulator.support import Caller, question, simulated

if TYPE_CHECKING:
    from pathlib import Path

    import trio.testing

QUICK = ("first=0", "gap=0", "empties=0")


async def ask(caller: Caller, knobs: str, *, mode: str = "agent") -> None:
    """Ask for an answer that calls `look`."""
    text = f"hi\n#simulate say=Well. call='look:{{\"at\": 1}}' {knobs}"
    await caller.send(caller.connection.notify("chat/ask", {**question(text, "r"), "mode": mode}))


async def until(caller: Caller, method: str) -> dict[str, Any]:
    """The params of the next push of that method."""
    while True:
        heard = await caller.push()
        if heard.method == method:
            return heard.params


async def approve(caller: Caller, call_id: str, *, approval: bool = True) -> None:
    """Decide on a call."""
    params = {"type": "tool_call", "sessionId": "s-1", "requestId": "r", "toolCallId": call_id, "approval": approval}
    assert await caller.call("tool/call/approve", params) == {}


async def test_call_as_jetbrains_sees_it(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """Named in the markup, approved, asked for by a request whose reply is the result."""
    async with simulated(tmp_path, *QUICK) as house:
        caller = await house.connect()
        await ask(caller, "native=invoke")
        pending = await until(caller, "tool/call/sync")
        markup = "".join(push.params["text"] for push in caller.pushes if push.method == "chat/answer")
        call_id = pending["toolCallId"]
        assert markup == f"Well.\n```toolCall::look::{call_id}::INIT\n```\n"
        assert (pending["toolCallStatus"], pending["parameters"]) == ("PENDING", {})
        await approve(caller, call_id)
        while not isinstance(event := await caller.event(), ServerRequest):
            pass
        assert event.method == "tool/invoke"
        assert event.params == {
            "requestId": "r",
            "toolCallId": call_id,
            "name": "look",
            "parameters": {"at": 1},
            "async": False,
        }
        await until(caller, "chat/finish")
        assert (await until(caller, "tool/call/sync"))["toolCallId"] == ""
        statuses = [push.params["toolCallStatus"] for push in caller.pushes if push.method == "tool/call/sync"]
        assert statuses == ["PENDING", "RUNNING", "FINISHED", "REQUEST_FINISHED"]


@pytest.mark.parametrize("variant", ["async", "results"])
async def test_result_that_comes_by_itself(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, variant: str
) -> None:
    """In lower case; one of them names no request and asks for nothing."""
    async with simulated(tmp_path, *QUICK, "ids=1", "ack_wait=1") as house:
        caller = await house.connect()
        await ask(caller, f"native={variant}")
        pending = await until(caller, "tool/call/sync")
        assert pending["toolCallStatus"] == "pending"
        assert ("requestId" in pending) == (variant == "async")
        await approve(caller, pending["toolCallId"])
        if variant == "async":
            assert (await until(caller, "tool/invoke"))["async"] is True
        result = {"toolCallId": pending["toolCallId"], "name": "look", "success": True, "result": {}}
        assert await caller.call("tool/invokeResult", result) == {"errorCode": None, "errorMessage": None}
        finish = await until(caller, "chat/finish")
        assert finish["statusCode"] == 200
        statuses = [push.params["toolCallStatus"] for push in caller.pushes if push.method == "tool/call/sync"]
        assert statuses == ["pending", "processing", "finished"]


async def test_call_that_nobody_decides_on_is_given_up(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """After two minutes, and the answer goes on."""
    async with simulated(tmp_path, *QUICK) as house:
        caller = await house.connect()
        await ask(caller, "native=invoke")
        first = await until(caller, "tool/call/sync")
        began = caller.pushes[-1].at
        assert (await until(caller, "tool/call/sync"))["toolCallStatus"] == "ERROR"
        assert caller.pushes[-1].at - began == pytest.approx(120, abs=0.01)
        assert first["toolCallId"]
        await until(caller, "chat/finish")


async def test_call_that_is_declined_is_cancelled(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """And the answer goes on."""
    async with simulated(tmp_path, *QUICK) as house:
        caller = await house.connect()
        await ask(caller, "native=async")
        await approve(caller, (await until(caller, "tool/call/sync"))["toolCallId"], approval=False)
        assert (await until(caller, "tool/call/sync"))["toolCallStatus"] == "cancelled"
        await until(caller, "chat/finish")


async def test_calls_are_written_outside_agent_mode(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """Where Lingma has no tools to call; a decision on a call that nobody made changes nothing."""
    async with simulated(tmp_path, *QUICK) as house:
        caller = await house.connect()
        await ask(caller, "native=invoke", mode="chat")
        answer = await caller.rest()
        assert '{"tool":"look","arguments":{"at":1}}' in answer.text
        assert "tool/call/sync" not in answer.methods
        await approve(caller, "unknown")
