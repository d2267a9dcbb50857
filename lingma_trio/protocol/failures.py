"""Says what the end of a failed turn means to whoever asked: Lingma's status in, a `GatewayError` out.

Knows the status codes of the protocol reference. Must not know HTTP or how a turn is read.
"""

from __future__ import annotations

import re

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

MAX_REASON = 300
"""Characters of Lingma's reason that are shown."""

TOO_LONG = "prompt is too long: Lingma does not take a conversation of this length; shorten it and send it again"

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
    401: (LoginRequired, "Lingma is not logged in; sign in again and repeat the request"),
    403: (QuotaExceeded, "the account's quota is used up or does not cover this; ask again later or change the model"),
    406: (ContentFiltered, "Lingma's content filter withheld the answer; rephrase the request"),
    408: (UpstreamTimeout, "Lingma's own service timed out; ask again"),
    429: (RateLimited, "the account's rate limit is reached; ask again later"),
    601: (ContentFiltered, "Lingma's content filter withheld the answer; rephrase the request"),
    80408: (UpstreamTimeout, "Lingma's own service timed out; ask again"),
    EMPTY_ANSWER: (EmptyAnswer, "Lingma reported success and sent no text; ask again"),
    SILENCE: (UpstreamTimeout, "Lingma sent nothing for too long; ask again"),
    FILTER_TIMEOUT: (ContentFiltered, "Lingma's content filter did not decide in time; rephrase the request"),
    REPORTED_ERROR: (UpstreamError, "Lingma reported an error; ask again"),
    REFUSED: (UpstreamError, "Lingma refused the question; ask again"),
    NO_PICTURE: (UpstreamError, "Lingma did not take the picture; ask again, or send a smaller one or another format"),
}


def failure_of(status: int, reason: str) -> GatewayError:
    """Return the fault for a turn that ended with `status`, one of Lingma's or of the constants here; never raises.

    The status decides, and of a refused request whether its `reason` speaks of length. That is text for people, mostly
    Chinese, and is shown with the message, on one line and cut to MAX_REASON characters. Lingma's 403 stands for a
    used-up quota as well as for a lost login: it is taken for the quota here, and only asking Lingma for its login
    state can tell.
    """
    kind, message = _MEANINGS.get(status, (UpstreamError, "Lingma ended the answer with an error; ask again"))
    if status == _REFUSED and _speaks_of_length(reason[: 4 * MAX_REASON]):
        kind, message = PromptTooLong, TOO_LONG
    if status > 0:
        message = f"{message} (status {status})"
    shown = _presentable(reason)
    return kind(f"{message}: {shown}" if shown else message)


def _presentable(reason: str) -> str:
    """`reason` on one line, without control and other invisible characters, cut to MAX_REASON."""
    visible = "".join(character if character.isprintable() else " " for character in reason[: 4 * MAX_REASON])
    line = " ".join(visible.split())
    return line if len(line) <= MAX_REASON else f"{line[: MAX_REASON - 1]}…"


def _speaks_of_length(reason: str) -> bool:
    return _LENGTH.search(reason) is not None and _OTHER_LIMITS.search(reason) is None
