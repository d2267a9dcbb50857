"""Says what the end of a failed turn means to whoever asked: Lingma's status in, a `GatewayError` out.

Knows the status codes of the protocol reference, and in which words agents report what has no code. Must not know HTTP
or how a turn is read.
"""

from __future__ import annotations

import re
from typing import Final

from pydantic_core import from_json

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
from lingma_trio.protocol.request import Refusal

# Ends that Lingma gives no status are numbered below zero, where it has none of its own.

EMPTY_ANSWER = -1
"""The turn ended as a success and no text had come."""

SILENCE = -2
"""No delta came for too long, and there is no text to be content with."""

FILTER_TIMEOUT = -3
"""Lingma's content filter did not decide in time (`chat/filterTimeout`), so the answer was withheld."""

REPORTED_ERROR = -4
"""Lingma pushed an error (`error`, `fatal_error`, `error/notificationError`) in place of the end."""

REFUSED = -5
"""Lingma acknowledged the question with an error, so no answer will come."""

NO_PICTURE = -6
"""Lingma did not take a picture of the question, so the question was never asked."""

SIGN_IN = -7
"""The agent wants to be signed in."""

SPENT = -8
"""The agent says that the account's quota is used up."""

TOO_OFTEN = -9
"""The agent says that it is asked too often."""

NO_ROOM = -10
"""The agent's model has no room for the conversation."""

DECLINED = -11
"""The agent ended the turn as a refusal."""

GAVE_UP = -12
"""The agent asked its model as often as it may in one turn, and has no answer."""

BROKEN_OFF = -13
"""The agent ended the turn as cancelled, which nobody here had asked for."""

ODD_END = -14
"""The agent ended the turn in a way that is not known."""

AGENT_ERROR = -15
"""The agent answered the prompt with an error."""

NO_DIALECT = -16
"""Lingma does not know the request that asks, and another dialect was not to be tried."""

AUTH_REQUIRED: Final = -32000
"""ACP's code of an error that says so; no other code but -32601 means anything for certain."""

MAX_REASON = 300
"""Characters of upstream's reason that are shown."""

TOO_LONG = "prompt is too long: {who} does not take a conversation of this length; shorten it and send it again"

_REFUSED = 400

# Words about a size and about what has it, near each other: a 400 may be anything, and clients that are told of length
# throw part of their conversation away.
_LENGTH = re.compile(
    r"(context|prompt|input|tokens?|message|content|conversation).{0,60}?"
    r"(too long|too large|too many|length|exceed|limit|maximum|window|overflow)"
    r"|(too long|too large|too many|length|exceed|limit|maximum).{0,60}?(context|prompt|input|tokens?|message|content)"
    r"|(上下文|输入|长度|内容|提示词|对话|消息|字数|字符|tokens?).{0,20}?(超|过长|太长|过大|过多|上限|限制)"
    r"|(超过|超出|超长).{0,20}?(上下文|长度|字数|字符|tokens?|上限)|上下文.{0,10}?溢出",
    re.IGNORECASE | re.DOTALL,
)
_OTHER_LIMITS = re.compile(
    r"\brate|frequen|quota|balance|per (minute|second|day)|频|额度|余额|配额|并发", re.IGNORECASE
)

_MEANINGS: dict[int, tuple[type[GatewayError], str]] = {
    413: (PromptTooLong, TOO_LONG),
    400: (UpstreamRejected, "Lingma refused this request; change it before sending it again"),
    401: (LoginRequired, "Lingma is not logged in; sign it in with `lingma-trio login`, then ask again"),
    403: (QuotaExceeded, "the account's quota is used up or does not cover this; ask again later or change the model"),
    406: (ContentFiltered, "Lingma's content filter withheld the answer; rephrase the request"),
    408: (UpstreamTimeout, "Lingma's own service timed out; ask again"),
    429: (RateLimited, "the account's rate limit is reached; ask again later"),
    601: (ContentFiltered, "Lingma's content filter withheld the answer; rephrase the request"),
    80408: (UpstreamTimeout, "Lingma's own service timed out; ask again"),
    EMPTY_ANSWER: (EmptyAnswer, "{who} reported success and sent no text; ask again"),
    SILENCE: (UpstreamTimeout, "{who} sent nothing for too long; ask again"),
    FILTER_TIMEOUT: (ContentFiltered, "Lingma's content filter did not decide in time; rephrase the request"),
    REPORTED_ERROR: (UpstreamError, "Lingma reported an error; ask again"),
    REFUSED: (UpstreamError, "{who} refused the question; ask again"),
    NO_DIALECT: (
        UpstreamError,
        "Lingma does not know how it was asked; set LINGMA_DIALECT=auto where it runs, or update Lingma if it is that",
    ),
    NO_PICTURE: (UpstreamError, "{who} did not take the picture; ask again, or send a smaller one or another format"),
    SIGN_IN: (
        LoginRequired,
        "the agent is not signed in; put a valid token into ACP_TOKENS and its variable's name into ACP_TOKEN_VARIABLE",
    ),
    SPENT: (
        QuotaExceeded,
        "the account's quota is used up or does not cover this; ask again later or change the model",
    ),
    TOO_OFTEN: (RateLimited, "the account's rate limit is reached; ask again later"),
    NO_ROOM: (PromptTooLong, TOO_LONG),
    DECLINED: (ContentFiltered, "the agent declined to answer; rephrase the request"),
    GAVE_UP: (UpstreamError, "the agent asked its model as often as it may and has no answer; ask for less at once"),
    BROKEN_OFF: (UpstreamError, "the agent broke its answer off by itself; ask again"),
    ODD_END: (UpstreamError, "the agent ended the answer in a way that is not known; ask again"),
    AGENT_ERROR: (UpstreamError, "the agent ended the answer with an error; ask again"),
}

_PACE = re.compile(r"rate.?limit|(per|each|/) ?(minute|min|second|sec)\b|限流|频繁|并发", re.IGNORECASE)
_QUOTA = re.compile(
    r"quota|usage limit|billing|insufficient.{0,20}(balance|credit|fund)|credits?\b.{0,20}(exhaust|used up|run out)"
    r"|额度|余额|配额",
    re.IGNORECASE | re.DOTALL,
)
_TOO_MANY = re.compile(r"\b429\b|too many requests|resource.?exhausted", re.IGNORECASE)
_CONTEXT = re.compile(
    r"context.?(length|window)|maximum context|(prompt|input|conversation)( is|'s)? too (long|large)"
    r"|上下文.{0,10}?(超|过长|溢出|上限)",
    re.IGNORECASE | re.DOTALL,
)
_REASONS = ("details", "detail", "message", "reason", "error")  # where agents put it, in what stands beside a message


def failure_of(status: int, reason: str, *, who: str = "Lingma") -> GatewayError:
    """Return the fault for a turn that ended with `status`, one of Lingma's or of the constants here; never raises.

    `who` is what upstream is called.

    The status decides, and of a refused request whether its `reason` speaks of length. That is text for people, mostly
    Chinese, and is shown with the message, on one line and cut to MAX_REASON characters. Lingma's 403 stands for a
    used-up quota as well as for a lost login: it is taken for the quota here, and only asking Lingma for its login
    state can tell.
    """
    kind, message = _MEANINGS.get(status, (UpstreamError, "{who} ended the answer with an error; ask again"))
    if status == _REFUSED and _speaks_of_length(reason[: 4 * MAX_REASON]):
        kind, message = PromptTooLong, TOO_LONG
    message = message.replace("{who}", who)
    if status > 0:
        message = f"{message} (status {status})"
    shown = presentable(reason)
    return kind(f"{message}: {shown}" if shown else message)


def agents_failure(refusal: Refusal) -> tuple[int, str]:
    """What an error of an agent's is: one of the constants here, and its reason for `failure_of`.

    Agents give errors what codes they like, so that only one of them means something; the others are told by words,
    of pace before quota, since whoever speaks of pace often names the plan that would raise it.
    """
    if refusal.code == AUTH_REQUIRED:
        return SIGN_IN, _reason_of(refusal)
    words = f"{refusal.message[: 4 * MAX_REASON]} {refusal.data[: 4 * MAX_REASON]}"
    for pattern, status in ((_PACE, TOO_OFTEN), (_QUOTA, SPENT), (_TOO_MANY, TOO_OFTEN), (_CONTEXT, NO_ROOM)):
        if pattern.search(words):
            return status, _reason_of(refusal)
    return AGENT_ERROR, _reason_of(refusal)


def _reason_of(refusal: Refusal) -> str:
    """The message, and behind it what stands beside it, which often is the only reason given."""
    more = _said_in(refusal.data)
    return ": ".join(dict.fromkeys(part for part in (refusal.reason, more) if part))


def _said_in(data: str) -> str:
    try:
        found = from_json(data)
    except ValueError:
        return data
    while isinstance(found, dict):
        found = next((found[name] for name in _REASONS if found.get(name)), "")
    return found if isinstance(found, str) else data


def presentable(reason: str) -> str:
    """`reason` on one line, without control and other invisible characters, cut to MAX_REASON."""
    visible = "".join(character if character.isprintable() else " " for character in reason[: 4 * MAX_REASON])
    line = " ".join(visible.split())
    return line if len(line) <= MAX_REASON else f"{line[: MAX_REASON - 1]}…"


def _speaks_of_length(reason: str) -> bool:
    return _LENGTH.search(reason) is not None and _OTHER_LIMITS.search(reason) is None
