"""Payloads of the chat dialect: exactly the fields the protocol has, and tolerant reading of what comes back."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.protocol.messages import (
    Login,
    Question,
    ask_params,
    initialize_params,
    push_reply,
    read_login,
    result_fault,
    stop_params,
    turn_keys,
    upload_params,
)


def test_the_handshake_has_the_language_server_form() -> None:
    """It names the client and claims no workspace, no capability and no process to watch."""
    assert initialize_params(name="gateway", version="1.2") == {
        "processId": None,
        "clientInfo": {"name": "gateway", "version": "1.2"},
        "rootUri": None,
        "capabilities": {},
        "workspaceFolders": [],
    }


def test_a_first_question_in_chat_mode() -> None:
    """All 17 fields of the plug-in's class, and no other."""
    assert ask_params(Question("r-1", "你好", "kmodel")) == {
        "requestId": "r-1",
        "chatTask": "FREE_INPUT",
        "chatContext": None,
        "sessionId": "",
        "codeLanguage": "",
        "isReply": False,
        "source": 1,
        "questionText": "你好",
        "stream": True,
        "taskDefinitionType": "",
        "extra": {"modelConfig": {"key": "kmodel"}},
        "sessionType": "chat",
        "targetAgent": "",
        "pluginPayloadConfig": None,
        "mode": "chat",
        "shellType": "",
        "customModel": None,
    }


def test_a_reply_names_its_session() -> None:
    """Continuing differs from beginning in these two fields alone."""
    first = ask_params(Question("r", "next", "auto"))
    reply = ask_params(Question("r", "next", "auto", session_id="s-1", is_reply=True))
    assert reply == first | {"sessionId": "s-1", "isReply": True}


def test_agent_mode_differs_in_what_newer_runtimes_send() -> None:
    """It says what it is everywhere, and switches off what would cost tens of thousands of tokens."""
    chat = ask_params(Question("r", "hello", "auto"))
    agent = ask_params(Question("r", "hello", "auto", mode="agent"))
    assert agent == chat | {
        "mode": "agent",
        "sessionType": "assistant",
        "taskDefinitionType": "system",
        "chatContext": {"text": "hello", "localeLang": "zh-cn", "preferredLanguage": "zh-cn"},
        "preferredLanguage": "zh-cn",
        "closeTypewriter": True,
        "pluginPayloadConfig": {
            "isEnableAutoMemory": False,
            "isEnableProjectRule": False,
            "isEnableAskAgent": False,
        },
    }


def test_stopping_names_the_session_only_where_it_is_known() -> None:
    """The session is optional on the wire, and an empty one is none."""
    assert stop_params("r", "") == {"requestId": "r"}
    assert stop_params("r", "s") == {"requestId": "r", "sessionId": "s"}


@pytest.mark.parametrize(
    ("result", "login"),
    [
        ({"status": 2, "name": "demo"}, Login(True, "demo")),
        ({"status": "2"}, Login(True)),
        ({"status": 1, "name": ""}, Login(False)),
        ({"status": True, "name": 5}, Login(False)),
        ({"status": 20}, Login(False)),
        ({"status": None}, Login(False)),
        ({}, Login(False)),
        ([], Login(False)),
        (None, Login(False)),
        ("2", Login(False)),
    ],
)
def test_only_a_clear_yes_is_a_login(result: object, login: Login) -> None:
    """2 is signed in; anything else, junk included, is not."""
    assert read_login(result) == login


@pytest.mark.parametrize(
    ("result", "fault"),
    [
        ({"success": True, "errorCode": "", "errorMessage": ""}, None),
        ({"isSuccess": True, "requestId": "r", "status": "success"}, None),
        ({}, None),
        (None, None),
        ([False], None),
        ({"errorCode": "E1", "errorMessage": "odd"}, None),
        ({"success": False, "errorCode": "E1", "errorMsg": "no"}, ("E1", "no")),
        ({"success": False, "errorCode": "E1", "errorMessage": "no"}, ("E1", "no")),
        ({"isSuccess": False, "errorMsg": "", "errorMessage": "no"}, ("", "no")),
        ({"isSuccess": False, "success": True, "errorCode": 7}, ("7", "")),
        ({"success": False, "errorCode": None, "errorMessage": None}, ("", "")),
    ],
)
def test_an_error_within_a_result_is_found_in_both_spellings(result: object, fault: tuple[str, str] | None) -> None:
    """Only an explicit false is an error; code and message are there or empty."""
    assert result_fault(result) == fault


@pytest.mark.parametrize(
    ("method", "params", "keys"),
    [
        ("chat/answer", {"requestId": "r", "sessionId": "s"}, ["r"]),
        ("chat/answer", {"requestId": ""}, []),
        ("chat/answer", {"requestId": 5}, []),
        ("session/title/update", {"sessionId": "s"}, []),
        ("session/update", {"sessionId": "s", "_meta": {"ai-coding/request-id": "r"}}, ["r", "session:s"]),
        ("session/update", {"sessionId": "s", "_meta": []}, ["session:s"]),
        ("tool/call/sync", {"sessionId": "s", "toolCallId": "c"}, ["call:c", "session:s"]),
        ("tool/invoke", {"requestId": "r", "toolCallId": "c"}, ["r", "call:c"]),
        ("image/uploadResultNotification", {"result": {"requestId": "r-1"}}, ["r-1"]),
        ("image/uploadResultNotification", {"result": "r-1"}, []),
    ],
)
def test_a_push_belongs_to_what_it_names(method: str, params: dict[str, Any], keys: list[str]) -> None:
    """The request goes first; a session names a turn only where a push may name nothing else."""
    assert list(turn_keys(method, params)) == keys


def test_pictures_travel_in_the_context() -> None:
    """Their addresses stand beside the text, in either mode; everything else is as without them."""
    for question in (Question("r", "What is it?", "auto"), Question("r", "What is it?", "auto", mode="agent")):
        params = ask_params(question, ["https://img.example/1.png"])
        assert params["chatContext"] == {
            "text": "What is it?",
            "localeLang": "zh-cn",
            "preferredLanguage": "zh-cn",
            "imageUrls": ["https://img.example/1.png"],
        }
        assert {**params, "chatContext": None} == {**ask_params(question), "chatContext": None}


def test_an_upload_is_a_request_of_its_own() -> None:
    """The picture goes as it is."""
    params = {"imageUri": "data:image/png;base64,AAAA", "requestId": "r-1"}
    assert upload_params("data:image/png;base64,AAAA", "r-1") == params


def test_a_tool_call_is_declined_and_every_other_push_answered_with_nothing() -> None:
    """Lingma waits for a tool's result, so it is told at once that there will be none."""
    assert push_reply("chat/answer", {"requestId": "r"}) is None
    reply = push_reply("tool/invoke", {"toolCallId": "call_1", "name": "read_file", "parameters": {}, "async": False})
    assert reply == {
        "toolCallId": "call_1",
        "name": "read_file",
        "success": False,
        "errorMessage": "tool not support yet",
        "result": {},
        "startTime": 0,
        "timeConsuming": 0,
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
METHODS = ["chat/answer", "session/update", "tool/invoke", "image/uploadResultNotification"]
names = [
    "_meta",
    "result",
    "toolCallId",
    "sessionId",
    "status",
    "name",
    "success",
    "isSuccess",
    "errorCode",
    "errorMsg",
    "errorMessage",
    "requestId",
]
results = json_values | st.dictionaries(st.sampled_from(names), json_values)


@given(result=results)
def test_reading_never_raises(result: object) -> None:
    """Junk is read as no login, no fault or nobody's push."""
    assert isinstance(read_login(result), Login)
    fault = result_fault(result)
    assert fault is None or all(isinstance(part, str) for part in fault)
    if isinstance(result, dict):
        assert all(isinstance(key, str) for method in METHODS for key in turn_keys(method, result))


def test_an_outline_says_all_that_is_small() -> None:
    """It is made field by field, since each turn makes one: none may be forgotten."""
    question = Question(
        "r", "Why?", "m", session_id="s", is_reply=True, mode="agent", images=("data:",), older_images=1,
        tools=frozenset({"t"}),
    )  # fmt: skip
    assert all(getattr(question, each.name) != each.default for each in fields(Question))
    assert question.outline == replace(question, text="", images=())


def test_an_outline_holds_nothing_large() -> None:
    """Text and pictures are left out, all else stands, and an outline's outline is itself."""
    question = Question("r", "Why?", "auto", session_id="s", images=("data:",), tools=frozenset({"t"}))
    outline = Question("r", "", "auto", session_id="s", tools=frozenset({"t"}))
    assert question.outline == outline
    assert replace(question, images=()).outline == outline
    assert replace(question, text="").outline == outline
    assert outline.outline is outline
