"""What follows an attempt to have a question answered: the one place that says so. Pure; changes nothing itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from lingma_trio.errors import (
    DialectUnknown,
    EmptyAnswer,
    GatewayError,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
)

MOST_MOVES = 2
"""Other instances one question may be moved to: two that fail together must not fail what a third can answer, and a
question that itself brings Lingma down must not be carried through the whole pool."""

MOST_RETURNS = 8
"""Times one question may go back into the queue because its instance had more under way than it takes: that instance's
bound is lower each time, so this is met by nobody whose instance keeps to any bound at all. Where an agent had no room
that is not counted: other gateways took it, nothing was asked, and the wait in the queue has an end."""

Verdict: TypeAlias = Literal["move", "queue_again", "stands"]
"""What an instance says of a failure on it: another one may do, it may do itself a little later, or neither."""

Sequel: TypeAlias = Literal["deliver", "fail", "move", "queue_again", "afresh", "ask_again"]
"""`deliver` or `fail`, or what mends it unseen. `move` asks another instance and `queue_again` any, `afresh` the same
one, each with the whole conversation in a session of its own; `ask_again` asks in the session that answered."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended, or what it brought first.

    `shown` says that something of the attempt was passed on. `continued` is true of a question that was put
    to a session which held the rest, `replaced` where another session answered it, and `spurned` where upstream
    refused it in a session which had been opened before there was a question. `complaint` says that the answer is
    complete and of no use, `kept` that its session can be continued, `alive` that the instance still lives the life in
    which it was asked. `moves` and `returns` are how often the question was moved and queued again before, `affordable`
    says whether the budget has a retry left.
    """

    failure: GatewayError | None = None
    verdict: Verdict = "stands"
    shown: bool = False
    continued: bool = False
    replaced: bool = False
    spurned: bool = False
    complaint: bool = False
    kept: bool = False
    alive: bool = True
    moves: int = 0
    returns: int = 0
    affordable: bool = True


def what_follows(ending: Ending) -> Sequel:
    """What is to be done after an attempt that ended so."""
    if ending.complaint:
        return _mending(ending)
    if ending.failure is None:
        return "afresh" if ending.continued and ending.replaced and not ending.shown else "deliver"
    if ending.shown:
        return "fail"
    if ending.verdict == "queue_again" and ending.returns < MOST_RETURNS:
        return "queue_again"
    if _may_move(ending):
        return "move"
    return "afresh" if isinstance(ending.failure, DialectUnknown) or _blames_session(ending) else "fail"


def _may_move(ending: Ending) -> bool:
    # Who waited in vain for a first word once waits a second time at the most.
    most = 1 if isinstance(ending.failure, UpstreamTimeout) else MOST_MOVES
    return ending.verdict == "move" and ending.moves < most and ending.affordable


def _blames_session(ending: Ending) -> bool:
    """Whether it may be for the session's sake alone that the question failed."""
    kind = type(ending.failure)
    if ending.continued:
        return kind is UpstreamError or issubclass(kind, UpstreamRejected | EmptyAnswer)
    return ending.spurned


def _mending(ending: Ending) -> Sequel:
    """How an answer is asked for again: a session is known to the life that made it, and to no other."""
    if not ending.affordable:
        return "fail"
    if not ending.alive:
        return "queue_again"
    return "ask_again" if ending.kept else "afresh"
