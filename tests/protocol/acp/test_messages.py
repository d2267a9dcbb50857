"""ACP's messages: what an agent says of itself, whose a message is, and what answers one of nobody's."""

from __future__ import annotations

import pytest

from lingma_trio.errors import ProtocolFault
from lingma_trio.protocol.acp.messages import (
    MAX_LABEL,
    AcpTerms,
    Agent,
    cancel,
    close,
    delete,
    initialize_params,
    new_params,
    speaks_of_session,
)
from lingma_trio.protocol.manners import ACP
from lingma_trio.protocol.messages import session_key
from lingma_trio.protocol.request import Notice, Refusal, Request, Result

GEMINI = {
    "protocolVersion": 1,
    "authMethods": [
        {"id": "oauth-personal", "name": "Log in with Google", "description": None},
        {"id": "gemini-api-key", "name": "Gemini API key", "description": "Use an API key"},
    ],
    "agentInfo": {"name": "gemini-cli", "title": "Gemini CLI", "version": "0.61.0"},
    "agentCapabilities": {
        "loadSession": True,
        "promptCapabilities": {"image": True, "audio": True, "embeddedContext": True},
        "mcpCapabilities": {"http": True, "sse": True},
    },
}
OPENCODE = {
    "protocolVersion": 1,
    "agentCapabilities": {
        "loadSession": True,
        "mcpCapabilities": {"http": True, "sse": True},
        "promptCapabilities": {"embeddedContext": True, "image": True},
        "sessionCapabilities": {"close": {}, "fork": {}, "list": {}, "resume": {}},
    },
    "authMethods": [{"id": "opencode-login", "name": "Login with opencode"}],
    "agentInfo": {"name": "OpenCode", "version": "1.18.33"},
}


def test_agents_are_read_as_they_are() -> None:
    """What is absent is no; an empty object is a yes."""
    assert Agent.read(GEMINI) == Agent(
        "gemini-cli", "0.61.0", images=True, closes=False, logins=("Log in with Google", "Gemini API key")
    )
    assert Agent.read(OPENCODE) == Agent(
        "OpenCode", "1.18.33", images=True, closes=True, logins=("Login with opencode",)
    )
    assert Agent.read({"protocolVersion": 1}) == Agent()
    abilities: dict[str, object] = {"sessionCapabilities": {"delete": {}}}
    assert Agent.read({"protocolVersion": 1, "agentCapabilities": abilities}) == Agent(deletes=True)


@pytest.mark.parametrize(
    "junk",
    [
        {"agentCapabilities": None, "agentInfo": 3, "authMethods": {}},
        {"agentCapabilities": {"promptCapabilities": {"image": "yes"}, "sessionCapabilities": {"close": None}}},
        {"agentCapabilities": {"sessionCapabilities": {"close": False, "delete": None}}, "authMethods": [3, None]},
        {"agentCapabilities": {"promptCapabilities": [], "sessionCapabilities": True}},
    ],
)
def test_capabilities_that_make_no_sense_are_no(junk: dict[str, object]) -> None:
    """Nothing but a clear yes is one."""
    assert Agent.read({"protocolVersion": 1, **junk}) == Agent()


def test_what_an_agent_calls_itself_is_cut_and_on_one_line() -> None:
    """It stands in logs and on the page."""
    agent = Agent.read({"protocolVersion": 1, "agentInfo": {"name": "a\n\x1b[31m" + "b" * 1000, "version": 3}})
    assert agent.name.startswith("a[31mb")
    assert len(agent.name) < MAX_LABEL
    assert agent.version == ""


@pytest.mark.parametrize(
    ("result", "spoken"),
    [
        ({"protocolVersion": 2}, "2"),
        ({"protocolVersion": 0}, "0"),
        ({"protocolVersion": "1"}, "none"),
        ({"protocolVersion": True}, "none"),
        ({}, "none"),
        (None, "none"),
        ([1], "none"),
    ],
)
def test_another_version_is_refused_with_the_reason(result: object, spoken: str) -> None:
    """What ends a turn is another thing in another version, so none but this one is spoken."""
    with pytest.raises(ProtocolFault, match=f"version {spoken} of ACP.*ACP_COMMAND"):
        Agent.read(result)


def test_nothing_is_offered_that_an_agent_could_ask_for() -> None:
    """No files, no terminal, no servers of tools."""
    assert initialize_params(name="lingma-trio", version="1") == {
        "protocolVersion": 1,
        "clientCapabilities": {"fs": {"readTextFile": False, "writeTextFile": False}, "terminal": False},
        "clientInfo": {"name": "lingma-trio", "version": "1"},
    }
    assert new_params("/empty") == {"cwd": "/empty", "mcpServers": []}


def test_a_cancel_has_no_id_and_a_close_has_one() -> None:
    """As a request a cancel is refused, and the turn goes on."""
    assert cancel("S") == Notice("session/cancel", {"sessionId": "S"})
    closing = close("S")
    assert isinstance(closing, Request)
    assert (closing.method, closing.params, closing.awaited) == ("session/close", {"sessionId": "S"}, False)
    assert delete("S").method == "session/delete"


def test_a_message_belongs_to_its_session_and_to_nothing_else() -> None:
    """Whatever else it names, a message is the session's that it names."""
    params = {"sessionId": "S", "requestId": "other", "toolCallId": "t"}
    assert list(ACP.turn_keys("session/update", params)) == [session_key("S")]
    assert list(ACP.turn_keys("craft/drainMidTurnQueue", {"sessionId": 3})) == []
    assert ACP.result_fault({"success": False, "errorCode": "500"}) is None
    assert ACP.error_pushes == frozenset()


def test_requests_of_nobodys_are_cancelled_or_unknown() -> None:
    """Never null: some agents wait for ever on it."""
    assert ACP.stray_reply("session/request_permission", {"sessionId": "S", "options": []}) == Result(
        {"outcome": {"outcome": "cancelled"}}
    )
    for method in ("fs/read_text_file", "terminal/create", "craft/drainMidTurnQueue", "x" * 10_000):
        refusal = ACP.stray_reply(method, {})
        assert isinstance(refusal, Refusal)
        assert refusal.code == -32601
        assert len(refusal.message) < 200


def test_a_login_without_a_name_is_called_by_its_id() -> None:
    """What has neither is passed over in silence by nobody: it counts, without a word."""
    methods = [{"id": "oauth"}, {"id": "key", "name": "Key"}, {}, 5]
    assert Agent.read({"protocolVersion": 1, "authMethods": methods}).logins == ("oauth", "Key", "")


def test_a_session_is_named_to_whoever_is_to_forget_it() -> None:
    """Freeing it and forgetting it are two things."""
    assert (delete("S").method, delete("S").params) == ("session/delete", {"sessionId": "S"})
    assert (close("S").method, close("S").params) == ("session/close", {"sessionId": "S"})
    assert (new_params("/w"), AcpTerms()) == ({"cwd": "/w", "mcpServers": []}, AcpTerms(Agent(), ""))


@pytest.mark.parametrize(
    ("code", "words", "speaks"),
    [
        (-32602, "Session not found", True),
        (-32602, "unknown SESSION", True),
        (-32002, "Resource not found", True),
        (-32602, "no such block", False),
        (-32603, "the session is over its rate limit", False),
    ],
)
def test_what_may_say_that_a_session_is_gone(code: int, words: str, speaks: bool) -> None:
    """Only codes that blame what was asked for, and of the general one only where it names the session."""
    assert speaks_of_session(Refusal(code, words)) is speaks
