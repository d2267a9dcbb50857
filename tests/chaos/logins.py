"""Who was signed in when, as the gateway's log has it: a client is told to have somebody sign in where nobody is.

Knows lines of the log, and times. Must not know what happened to whom.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tests.end_to_end.client import Json

NOTICED: Final = 3.0
"""Seconds within which the gateway knows that somebody was signed out; until then it is said to be ready."""


class Span(NamedTuple):
    """An instance could be asked, or could not, from one time to another, in seconds since 1970."""

    instance: str
    began: float
    ended: float


def sent_away(
    requests: Iterable[Json], states: Sequence[Json], drained: Sequence[Span] = ()
) -> Iterator[tuple[str, str]]:
    """Yield the ids of requests that ended as `login_required`, each with an instance that was signed in all the while.

    `requests` and `states` are the log's lines of these; an instance that the operator had `drained` is not counted.
    """
    ready = list(_ready(states))
    for line in requests:
        if line["outcome"] == "login_required":
            ended = _time(line)
            began = ended - line["seconds"]
            for span in ready:
                if span.began <= began and ended + NOTICED <= span.ended and not _any(drained, span, began, ended):
                    yield line["request_id"], span.instance
                    break


def _ready(states: Sequence[Json]) -> Iterator[Span]:
    """When each could be asked; at the end of the log whoever can still is taken for ready for ever."""
    since: dict[str, float] = {}
    for line in states:
        name = line["instance"]
        began = since.pop(name, None)
        if began is not None:
            yield Span(name, began, _time(line))
        if line["state"] == "ready":
            since[name] = _time(line)
    yield from (Span(name, began, float("inf")) for name, began in since.items())


def _any(drained: Sequence[Span], span: Span, began: float, ended: float) -> bool:
    return any(each.instance == span.instance and each.began <= ended and began <= each.ended for each in drained)


def _time(line: Json) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()
