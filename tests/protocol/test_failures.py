"""Failures: the status decides what the client is told to do, and the reason cannot spoil the message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.errors import (
    ContentFiltered,
    EmptyAnswer,
    GatewayError,
    LoginRequired,
    PromptTooLong,
    QuotaExceeded,
    RateLimited,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
)
from lingma_trio.protocol.failures import (
    AGENT_ERROR,
    BROKEN_OFF,
    DECLINED,
    EMPTY_ANSWER,
    FILTER_TIMEOUT,
    GAVE_UP,
    MAX_REASON,
    NO_PICTURE,
    NO_ROOM,
    ODD_END,
    REFUSED,
    REPORTED_ERROR,
    SIGN_IN,
    SILENCE,
    SPENT,
    TOO_OFTEN,
    agents_failure,
    failure_of,
)
from lingma_trio.protocol.request import Refusal

OWN = (EMPTY_ANSWER, SILENCE, FILTER_TIMEOUT, REPORTED_ERROR, REFUSED)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, UpstreamRejected),
        (401, LoginRequired),
        (403, QuotaExceeded),
        (406, ContentFiltered),
        (413, PromptTooLong),
        (408, UpstreamTimeout),
        (429, RateLimited),
        (601, ContentFiltered),
        (80408, UpstreamTimeout),
        (EMPTY_ANSWER, EmptyAnswer),
        (SILENCE, UpstreamTimeout),
        (FILTER_TIMEOUT, ContentFiltered),
        (REPORTED_ERROR, UpstreamError),
        (REFUSED, UpstreamError),
        (SIGN_IN, LoginRequired),
        (SPENT, QuotaExceeded),
        (TOO_OFTEN, RateLimited),
        (NO_ROOM, PromptTooLong),
        (DECLINED, ContentFiltered),
        (GAVE_UP, UpstreamError),
        (BROKEN_OFF, UpstreamError),
        (ODD_END, UpstreamError),
        (AGENT_ERROR, UpstreamError),
        (0, UpstreamError),
        (409, UpstreamError),
        (500, UpstreamError),
        (602, UpstreamError),
        (31404, UpstreamError),
        (90000, UpstreamError),
    ],
)
def test_the_status_decides(status: int, kind: type[GatewayError]) -> None:
    """Each status has its fault, whatever the reason says; one that is not known is an upstream error."""
    assert type(failure_of(status, "")) is kind
    assert type(failure_of(status, "quota exceeded, not logged in, filtered")) is kind


@pytest.mark.parametrize(
    "reason",
    [
        "Input is too long for requested model",
        "This model's maximum context length is 131072 tokens",
        "Range of input length should be [1, 129024]",
        "prompt exceeds the context window",
        "too many tokens in the request",
        "输入内容过长",
        "上下文长度超过限制",
        "请求超出模型最大上下文",
        "token 数超过上限",
    ],
)
def test_a_refusal_that_speaks_of_length_is_one(reason: str) -> None:
    """A client makes room where it is told so: by OpenAI's code, and by the words that Anthropic's begins with."""
    failure = failure_of(400, reason)
    assert type(failure) is PromptTooLong
    assert failure.code == "context_length_exceeded"
    assert failure.message.startswith("prompt is too long: ")
    assert failure.message.endswith(f"(status 400): {reason}")


@pytest.mark.parametrize(
    "reason",
    [
        "invalid parameter: context",
        "request rate limit exceeded",
        "message quota exceeded",
        "请求频率超过限制",
        "账号额度超出上限",
        "unknown model",
        "参数错误",
        "the content of the request is not valid",
    ],
)
def test_other_refusals_cost_no_conversation(reason: str) -> None:
    """What a client drops of its conversation for a refusal's sake is lost, so others are not taken for one."""
    assert type(failure_of(400, reason)) is UpstreamRejected


@pytest.mark.parametrize("status", [500, 403, 429, REPORTED_ERROR])
def test_length_is_a_refusals_alone(status: int) -> None:
    """Any other status says by itself what is the matter."""
    assert not isinstance(failure_of(status, "the input is too long"), PromptTooLong)


def test_our_own_statuses_can_be_none_of_lingmas() -> None:
    """They are negative, and all different."""
    assert len(set(OWN)) == len(OWN)
    assert max(OWN) < 0


def test_lingmas_status_and_reason_are_shown() -> None:
    """For whoever looks up what Lingma meant."""
    assert failure_of(500, "服务异常").message.endswith("(status 500): 服务异常")


@pytest.mark.parametrize("status", [*OWN, 0])
def test_a_status_that_lingma_did_not_give_is_not_shown(status: int) -> None:
    """Nobody can look it up."""
    assert "status" not in failure_of(status, "").message


@pytest.mark.parametrize("reason", ["", " \n\t", "\x00\x1b"])
def test_a_reason_that_says_nothing_leaves_nothing_behind(reason: str) -> None:
    """The message ends where our words do."""
    assert failure_of(500, reason).message == failure_of(500, "").message
    assert failure_of(500, "").message.endswith("(status 500)")


def test_a_long_reason_is_cut_where_people_see_it() -> None:
    """At 300 characters, the sign of the cut included."""
    message = failure_of(500, "x" * 301).message
    assert message.endswith(": " + "x" * 299 + "…")
    assert failure_of(500, "x" * 300).message.endswith(": " + "x" * 300)


@given(st.integers(), st.text() | st.text(max_size=3).map(lambda text: text * 1_000))
def test_no_reason_spoils_the_message(status: int, reason: str) -> None:
    """It is one bounded, printable line that begins with our own words."""
    plain = failure_of(status, "").message
    message = failure_of(status, reason).message
    assert message.startswith(plain)
    assert len(message) <= len(plain) + len(": ") + MAX_REASON
    assert message.isprintable()
    assert "  " not in message
    assert str(failure_of(status, reason)) == message


@given(st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=MAX_REASON))
def test_a_plain_reason_is_shown_as_it_is(reason: str) -> None:
    """Any script."""
    assert failure_of(500, reason).message.endswith(f": {reason}")


@pytest.mark.parametrize(
    ("code", "message", "data", "status"),
    [
        (-32000, "Authentication required", "", SIGN_IN),
        (-32000, "rate limit", "", SIGN_IN),
        (-32603, "Authentication required", "", AGENT_ERROR),
        (-32601, "Method not found", "", AGENT_ERROR),
        (-32603, "Internal error", '{"details":"Session not found: S"}', AGENT_ERROR),
        (-32602, "Invalid params", "Session not found", AGENT_ERROR),
        (500, "[API Error: You exceeded your current quota, please check your plan and billing details]", "", SPENT),
        (-32603, "Internal error", '{"details":"429 insufficient_quota"}', SPENT),
        (500, "Your credit balance: credits are exhausted", "", SPENT),
        (500, "额度已用完", "", SPENT),
        (500, "429 Too Many Requests", "", TOO_OFTEN),
        (500, "RESOURCE_EXHAUSTED", "", TOO_OFTEN),
        (429, "Quota exceeded for requests per minute", "", TOO_OFTEN),
        (500, "Rate limit reached, 3 / min; visit billing to raise it", "", TOO_OFTEN),
        (500, "请求过于频繁", "", TOO_OFTEN),
        (-32603, "Internal error", "This model's maximum context length is 131072 tokens", NO_ROOM),
        (-32603, "prompt is too long: 250000 tokens", "", NO_ROOM),
        (-32603, "failed to send message: connection limit exceeded", "", AGENT_ERROR),
        (0, "", "", AGENT_ERROR),
    ],
)
def test_an_agents_error_is_told_by_its_words(code: int, message: str, data: str, status: int) -> None:
    """No code but one means anything; a client that is told of length throws part of its conversation away."""
    assert agents_failure(Refusal(code, message, data))[0] == status


@pytest.mark.parametrize(
    ("message", "data", "reason"),
    [
        ("Internal error", "", "Internal error"),
        ("Internal error", '{"details":"no such session"}', "Internal error: no such session"),
        ("Internal error", '{"error":{"message":"busy","code":3}}', "Internal error: busy"),
        ("Internal error", '{"reason":"busy"}', "Internal error: busy"),
        ("Internal error", '{"x":1}', "Internal error"),
        ("Internal error", '{"details":{"a":[1]}}', "Internal error"),
        ("Internal error", "[1,2]", "Internal error: [1,2]"),
        ("Internal error", '{"details":"cut off he', 'Internal error: {"details":"cut off he'),
        ("busy", "busy", "busy"),
        ("", "busy", "-32603: busy"),
    ],
)
def test_an_agents_reason_is_taken_from_where_it_stands(message: str, data: str, reason: str) -> None:
    """Most agents have it beside a message that says nothing."""
    assert agents_failure(Refusal(-32603, message, data))[1] == reason


def test_a_login_that_is_lacking_names_the_settings() -> None:
    """The operator is told where the token goes."""
    message = failure_of(SIGN_IN, "Authentication required", who="the agent").message
    assert "ACP_TOKENS" in message
    assert "ACP_TOKEN_VARIABLE" in message
    assert message.endswith(": Authentication required")


@pytest.mark.parametrize("status", [EMPTY_ANSWER, SILENCE, REFUSED, NO_PICTURE, NO_ROOM, 12345])
def test_upstream_is_called_by_its_name(status: int) -> None:
    """What both can do is told of the one that did it."""
    ours, agents = failure_of(status, "").message, failure_of(status, "", who="the agent").message
    assert "Lingma" in ours
    assert "Lingma" not in agents
    assert "the agent" in agents
    assert "{" not in ours + agents
