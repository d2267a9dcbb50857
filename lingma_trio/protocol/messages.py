"""Builds and reads the payloads of Lingma's `chat/*` dialect, and those that both dialects share.

Knows field names and what their values mean (protocol reference, sections 3 to 5). Must not know ids, sockets or what
a turn is made of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lingma_trio.protocol.fields import mapping, string
from lingma_trio.protocol.tools.events import invoke_result
from lingma_trio.records import record

LOGGED_IN = 2
"""`auth/status.status` of an account that is signed in; 1 is one that is not."""

FATAL_ERROR = "fatal_error"
ERROR_PUSHES = frozenset({"error", FATAL_ERROR, "error/notificationError"})
"""Pushes that end a request with an error, usually without naming it."""

UPDATE = "session/update"
UPLOADED = "image/uploadResultNotification"
INVOKE = "tool/invoke"
TOOL_REPORT = "tool/call/sync"

REQUEST_ID = "ai-coding/request-id"
"""Where the `session/*` dialect names the request."""


@record
class Question:
    """One question. `session_id` is empty for a new session; `is_reply` says that the session holds the history.

    `images` are `data:` URLs of pictures that go with the text, in order; the first `older_images` of them are of older
    messages than the last, which can be answered without. `tools` are the names of the tools that the client declared,
    whose calls are its own to run.
    """

    request_id: str
    text: str
    model_key: str
    session_id: str = ""
    is_reply: bool = False
    mode: Literal["chat", "agent"] = "chat"
    images: tuple[str, ...] = ()
    older_images: int = 0
    tools: frozenset[str] = frozenset()

    @property
    def outline(self) -> Question:
        """All but what may be large: what is kept of it while its answer comes."""
        if not (self.text or self.images):
            return self
        return Question(
            self.request_id,
            "",
            self.model_key,
            session_id=self.session_id,
            is_reply=self.is_reply,
            mode=self.mode,
            older_images=self.older_images,
            tools=self.tools,
        )


@dataclass(frozen=True, slots=True)
class Login:
    """What `auth/status` says of the account. `name` is for the operator's eyes only, and so is `id`, which is
    unique.
    """

    logged_in: bool
    name: str = ""
    id: str = ""


def initialize_params(*, name: str, version: str) -> dict[str, Any]:
    """Parameters of `initialize`, in the language-server form that every known server accepts."""
    return {
        "processId": None,
        "clientInfo": {"name": name, "version": version},
        "rootUri": None,
        "capabilities": {},
        "workspaceFolders": [],
    }


def ask_params(question: Question, image_urls: Sequence[str] = ()) -> dict[str, Any]:
    """Parameters of `chat/ask`: the 17 fields of the plug-in's own class, and in agent mode those of newer runtimes.

    Agent mode switches off memory and project rules: without that Lingma adds tool definitions of some 69,000 tokens.
    `image_urls` are the addresses that Lingma gave to the question's pictures.
    """
    context: dict[str, Any] = {"text": question.text, "localeLang": "zh-cn", "preferredLanguage": "zh-cn"}
    if image_urls:
        context["imageUrls"] = list(image_urls)
    params: dict[str, Any] = {
        "requestId": question.request_id,
        "chatTask": "FREE_INPUT",
        "chatContext": context if image_urls else None,
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
            chatContext=context,
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
    return Login(str(result.get("status")) == str(LOGGED_IN), string(result, "name"), string(result, "id"))


def result_fault(result: object) -> tuple[str, str] | None:
    """Code and message of an error that travels inside a result, in either spelling; None where there is none."""
    if not isinstance(result, dict):
        return None
    if result.get("success") is not False and result.get("isSuccess") is not False:
        return None
    code = result.get("errorCode")
    message = result.get("errorMsg") or result.get("errorMessage")
    return str(code or ""), str(message or "")


def upload_params(image: str, upload_id: str) -> dict[str, Any]:
    """Parameters of `image/upload`; `image` is a `data:` URL, and `upload_id` a request id of the upload's own."""
    return {"imageUri": image, "requestId": upload_id}


def session_key(session_id: str) -> str:
    """What `turn_keys` calls the session `session_id`."""
    return f"session:{session_id}"


def call_key(call_id: str) -> str:
    """What `turn_keys` calls the tool call `call_id`."""
    return f"call:{call_id}"


def turn_keys(method: str, params: dict[str, Any]) -> Iterator[str]:
    """What a push may belong to, likeliest first: a request, a tool call or, where pushes may name no other, a session.

    Nothing for a push that belongs to no turn.
    """
    if key := string(params, "requestId"):
        yield key
    if method == UPDATE:
        if key := string(mapping(params, "_meta"), REQUEST_ID):
            yield key
    elif method == UPLOADED:
        if key := string(mapping(params, "result"), "requestId"):
            yield key
    elif not method.startswith("tool/"):
        return
    if key := string(params, "toolCallId"):
        yield call_key(key)
    if key := string(params, "sessionId"):
        yield session_key(key)


def push_reply(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    """The result for a push that carries an id and belongs to no turn.

    Nothing, except that a tool call is declined: Lingma would wait two minutes for its result.
    """
    if method != INVOKE:
        return None
    return invoke_result(string(params, "toolCallId"), string(params, "name"), elsewhere=False)
