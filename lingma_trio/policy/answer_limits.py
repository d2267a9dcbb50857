"""Ends an answer where the client asked it to end: before a stop sequence, or at a number of tokens.

Knows the text of one answer as it comes; must not know events, encoders or who stops the upstream.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from lingma_trio.policy.tokens import TOKEN, weigh

_NOWHERE: Final = re.compile(r"(?!)")


class AnswerLimits:
    """The limits of one answer, applied to text in any chunking with the same outcome.

    The answer ends before the stop sequence of `stop` that begins first, and the sequence itself is not part of it.
    It ends after the last character with which everything taken so far, reasoning included, is estimated at no more
    than `max_tokens`. A stop sequence counts where all of it lies within that bound. An answer that fits exactly has
    hit no limit.

    `reason` says which limit was hit, None until then; from then on nothing more is let through but, by `flush`, what
    was let in before. `active` is false where there is nothing to enforce, so that a caller can go without.

    With `whole` the text is sent in one piece or not at all: one that does not fit ends before its first character,
    since what is promised to be JSON must not be cut. Reasoning is no JSON, and is cut as ever.

    Raises ValueError for an empty stop sequence, which would be found everywhere.
    """

    __slots__ = ("_beginning", "_held", "_room", "_stop", "_whole", "active", "found", "reason")

    def __init__(self, *, stop: tuple[str, ...], max_tokens: int | None, whole: bool = False) -> None:
        if "" in stop:
            raise ValueError("a stop sequence must not be empty")
        self._stop = stop
        self._beginning = re.compile("|".join({re.escape(sequence[0]) for sequence in stop})) if stop else _NOWHERE
        self._room = None if max_tokens is None else max_tokens * TOKEN
        self._held = ""
        self._whole = whole
        self.active = bool(stop) or max_tokens is not None
        self.found = ""
        self.reason: Literal["stop", "length"] | None = None

    def __repr__(self) -> str:
        return f"<AnswerLimits reason={self.reason} held={len(self._held)}>"

    def feed(self, text: str) -> str:
        """Take more of the answer's text; return what may be sent on.

        What may turn out to be the beginning of a stop sequence is held back: always less than the longest of them.
        """
        if self.reason is not None:
            return ""
        admitted = self._admit(text, whole=self._whole)
        if len(admitted) == len(text):
            return self._search(admitted, last=False)
        allowed = self._search(admitted, last=True)
        self._exhaust()
        return allowed

    def thought(self, text: str) -> str:
        """Take more of the model's reasoning, which counts as tokens and is never searched; return what may be sent."""
        if self.reason is not None:
            return ""
        admitted = self._admit(text, whole=False)
        if len(admitted) < len(text):
            self._held = self._search("", last=True)
            self._exhaust()
        return admitted

    def discard(self) -> None:
        """Forget text that is held back, because the text it belongs to is void; it still counts as tokens."""
        self._held = ""

    def flush(self) -> str:
        """Return what is still held back and is part of the answer, once nothing more comes.

        To be called at the end of the answer, whether upstream or a limit ended it. May set `reason` to `stop`: one
        sequence was found while an earlier and longer one could still have come.
        """
        if self.reason is None:
            return self._search("", last=True)
        held, self._held = self._held, ""
        return held

    def _admit(self, text: str, *, whole: bool) -> str:
        """Take the room for `text`; return as much of it as there is room for, where it is `whole` all or nothing."""
        room = self._room
        if room is None:
            return text
        weight = weigh(text)
        if weight <= room:
            self._room = room - weight
            return text
        if whole:
            return ""
        return text[: _fitting(text, room)]

    def _exhaust(self) -> None:
        if self.reason is None:
            self.reason = "length"

    def _search(self, text: str, *, last: bool) -> str:
        """Look for a stop sequence in what is held back and `text`; `last` says that no text follows."""
        if not self._stop or not (self._held or self._beginning.search(text)):
            return text
        text = self._held + text
        found = min((at for stop in self._stop if (at := text.find(stop)) >= 0), default=len(text))
        certain = len(text) if last else min(_possible_start(text, stop) for stop in self._stop)
        if found < len(text) and found <= certain:
            self.reason = "stop"
            self.found = next(stop for stop in self._stop if text.startswith(stop, found))
            self._held = ""
            return text[:found]
        self._held = text[certain:]
        return text[:certain]


def _fitting(text: str, room: int) -> int:
    """Return how many characters of `text`, not all of which fit, weigh no more than `room`; weighs each twice."""
    fitting, step = 0, 1 << len(text).bit_length()
    while step := step >> 1:
        more = text[fitting : fitting + step]
        if (weight := weigh(more)) <= room:
            fitting += len(more)
            room -= weight
    return fitting


def _possible_start(text: str, stop: str) -> int:
    """Where the end of `text` begins to be the beginning of `stop`, without being all of it; its length if nowhere."""
    at = text.find(stop[0], max(0, len(text) - len(stop) + 1))
    while at >= 0:
        if stop.startswith(text[at:]):
            return at
        at = text.find(stop[0], at + 1)
    return len(text)
