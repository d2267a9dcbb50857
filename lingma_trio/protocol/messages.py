"""Builds and reads the payloads of Lingma's `chat/*` dialect.

Knows field names and what their values mean (protocol reference, sections 3 to 5). Must not know ids, sockets or what
a turn is made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

LOGGED_IN = 2
"""`auth/status.status` of an account that is signed in; 1 is one that is not."""

FATAL_ERROR = "fatal_error"
ERROR_PUSHES = frozenset({"error", FATAL_ERROR, "error/notificationError"})
"""Pushes that end a request with an error, usually without naming it."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `session_id` is empty for a new session; `is_reply` says that the session holds the history.

    `images` are `data:` URLs of pictures that go with the text, in order. `tools` are the names of the tools that the
    client declared, whose calls are its own to run.
    """

    request_id: str
    text: str
    model_key: str
    session_id: str = ""
    is_reply: bool = False
    mode: Literal["chat", "agent"] = "chat"
    images: tuple[str, ...] = ()
    tools: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Login:
    """What `auth/status` says of the account. `name` is for the operator's eyes only."""

    logged_in: bool
    name: str = ""


def initialize_params(*, name: str, version: str) -> dict[str, Any]:
    """Parameters of `initialize`, in the language-server form that every known server accepts."""
    return {
        "processId": None,
        "clientInfo": {"name": name, "version": version},
        "rootUri": None,
        "capabilities": {},
        "workspaceFolders": [],
    }


def ask_params(question: Question) -> dict[str, Any]:
    """Parameters of `chat/ask`: the 17 fields of the plug-in's own class, and in agent mode those of newer runtimes.

    Agent mode switches off memory and project rules: without that Lingma adds tool definitions of some 69,000 tokens.
    """
    params: dict[str, Any] = {
        "requestId": question.request_id,
        "chatTask": "FREE_INPUT",
        "chatContext": None,
        "sessionId": question.session_id,
        "codeLanguage": "",
        "isReply": question.is_reply,
        "source": 1,
        "questionText": question.text,
        "stream": True,
        "taskDefinitionType": "",
        "extra": {"modelConfig": {"key": question.model_key}},
        "sessionType": "chat",
        "targetAgent": "",
        "pluginPayloadConfig": None,
        "mode": "chat",
        "shellType": "",
        "customModel": None,
    }
    if question.mode == "agent":
        params.update(
            mode="agent",
            sessionType="assistant",
            taskDefinitionType="system",
            chatContext={"text": question.text, "localeLang": "zh-cn", "preferredLanguage": "zh-cn"},
            preferredLanguage="zh-cn",
            closeTypewriter=True,
            pluginPayloadConfig={
                "isEnableAutoMemory": False,
                "isEnableProjectRule": False,
                "isEnableAskAgent": False,
            },
        )
    return params


def stop_params(request_id: str, session_id: str) -> dict[str, Any]:
    """Parameters of `chat/stop`."""
    params = {"requestId": request_id}
    if session_id:
        params["sessionId"] = session_id
    return params


def read_login(result: object) -> Login:
    """Read the result of `auth/status`; anything that does not clearly say signed in is not."""
    if not isinstance(result, dict):
        return Login(False)
    name = result.get("name")
    return Login(str(result.get("status")) == str(LOGGED_IN), name if isinstance(name, str) else "")


def result_fault(result: object) -> tuple[str, str] | None:
    """Code and message of an error that travels inside a result, in either spelling; None where there is none."""
    if not isinstance(result, dict):
        return None
    if result.get("success") is not False and result.get("isSuccess") is not False:
        return None
    code = result.get("errorCode")
    message = result.get("errorMsg") or result.get("errorMessage")
    return str(code or ""), str(message or "")


def turn_key(method: str, params: dict[str, Any]) -> str | None:
    """The request a push belongs to, or None for one that names none."""
    del method
    key = params.get("requestId")
    return key if isinstance(key, str) and key else None


def push_reply(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    """The result for a push that carries an id.

    Nothing, except that a tool call on the gateway's own machine is declined: the gateway is not the user's workspace,
    and Lingma would wait two minutes for a result.
    """
    if method != "tool/invoke":
        return None
    return {
        "toolCallId": params.get("toolCallId"),
        "name": params.get("name"),
        "success": False,
        "errorMessage": "tool not support yet",
        "result": {},
        "startTime": 0,
        "timeConsuming": 0,
    }
