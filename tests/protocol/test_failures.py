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
    EMPTY_ANSWER,
    FILTER_TIMEOUT,
    MAX_REASON,
    REFUSED,
    REPORTED_ERROR,
    SILENCE,
    failure_of,
)

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
