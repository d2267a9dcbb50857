"""The other protocol: a session is opened, gets its model, and is prompted; only one of the two is known at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lingma_trio.protocol.jsonrpc import ErrorResponse
from tests.simulator.support import Caller, simulated

if TYPE_CHECKING:
    from pathlib import Path

    import trio.testing

QUICK = ("first=0", "gap=0", "empties=0", "protocol=session")
PNG = {"type": "image", "mimeType": "image/png", "data": "iVBORw0KGgo="}


async def opened(caller: Caller, model: str = "auto") -> str:
    """A session with a model."""
    session_id: str = (await caller.call("session/new", {"cwd": "/", "mcpServers": []}))["sessionId"]
    await caller.call("session/set_model", {"sessionId": session_id, "modelId": model})
    return session_id


async def prompt(caller: Caller, session_id: str, *parts: Any) -> None:  # noqa: ANN401 - any JSON
    """Ask, as a request that nobody answers."""
    meta = {"ai-coding/request-id": "r"}
    _, data = caller.connection.request(
        "session/prompt", {"sessionId": session_id, "prompt": list(parts), "_meta": meta}
    )
    await caller.send(data)


async def updates(caller: Caller) -> list[dict[str, Any]]:
    """The updates up to the end."""
    found: list[dict[str, Any]] = []
    while not found or found[-1].get("type") != "chat_finish":
        heard = await caller.push()
        if heard.method == "session/update":
            assert heard.params["_meta"] == {"ai-coding/request-id": "r"}
            found.append(heard.params["update"])
    return found


def said(found: list[dict[str, Any]], kind: str = "agent_message_chunk") -> str:
    """The text of the chunks of one kind."""
    return "".join(update["content"]["text"] for update in found if update["sessionUpdate"] == kind)


@pytest.mark.parametrize("ids", ["ids=0", "ids=1"])
async def test_a_prompt_is_answered_by_updates(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, ids: str
) -> None:
    """Thoughts and text as chunks, then the end; the session remembers."""
    async with simulated(tmp_path, *QUICK, "reasoning=push", ids) as house:
        caller = await house.connect()
        session_id = await opened(caller)
        await prompt(caller, session_id, {"type": "text", "text": "Hello"}, PNG)
        found = await updates(caller)
        assert said(found, "agent_thought_chunk").startswith("The user said")
        assert "You said: “Hello”" in said(found)
        assert said(found).endswith("[image/png of 8 bytes]")
        assert found[-1]["data"] == {"reason": "", "statusCode": 200}
        await prompt(caller, session_id, {"type": "text", "text": "What did I say first?"})
        assert "“Hello”" in said(await updates(caller))


async def test_a_prompt_can_be_cancelled(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """It ends as a stopped answer does."""
    async with simulated(tmp_path, *QUICK, "fault=stall_mid") as house:
        caller = await house.connect()
        session_id = await opened(caller)
        await prompt(caller, session_id, {"type": "text", "text": "Hello"})
        await caller.call("session/cancel", {"sessionId": session_id})
        assert (await updates(caller))[-1]["data"]["reason"] == "cancelled"


async def test_what_is_no_prompt_is_refused(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """A session without a model, and parts that are none."""
    async with simulated(tmp_path, *QUICK) as house:
        caller = await house.connect()
        session_id = (await caller.call("session/new"))["sessionId"]
        ask = {"sessionId": session_id, "prompt": [{"type": "text", "text": "Hello"}]}
        assert isinstance(await caller.reply("session/prompt", ask), ErrorResponse)
        await caller.call("session/set_model", {"sessionId": session_id, "modelId": "auto"})
        for part in ({"type": "audio"}, {**PNG, "data": "AAAA"}, "Hello"):
            assert isinstance(await caller.reply("session/prompt", {**ask, "prompt": [part]}), ErrorResponse)


KNOWN = {
    "chat": {"chat/ask", "chat/stop", "image/upload"},
    "chat_but_stop": {"chat/ask", "image/upload"},
    "session": {"session/new", "session/prompt"},
    "session_and_stop": {"session/new", "session/prompt", "chat/stop"},
    "neither": set(),
}


@pytest.mark.parametrize("protocol", KNOWN)
async def test_one_protocol_is_known(tmp_path: Path, autojump_clock: trio.testing.MockClock, protocol: str) -> None:
    """Methods of the other are unknown ones."""
    async with simulated(tmp_path, f"protocol={protocol}") as house:
        caller = await house.connect()
        known = set()
        for method in ("chat/ask", "chat/stop", "image/upload", "session/new", "session/prompt"):
            reply = await caller.reply(method)
            if not (isinstance(reply, ErrorResponse) and reply.code == -32601):
                known.add(method)
        assert known == KNOWN[protocol]
