"""Takes the model's reasoning out of an answer's text, where some runtimes embed it.

Knows the two forms of the protocol reference: a four-backtick fence whose first line is "think::" and a duration, and
`<think>` with its end tag. Must not know pushes, turns or who shows what.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from lingma_trio.turns import TextDelta, ThoughtDelta

MAX_BLANKS = 32
"""Most blanks before a reasoning form that begins an answer; they belong to the form, so they wait with it."""

_FENCE = "````think::"
_PLACEHOLDER = "{THINK_TIME}"  # stands where the editor fills in how long the model thought
_MAX_DIGITS = 20
_OPENING = re.compile(rf"(?<=\n){_FENCE}(?:[0-9]{{1,{_MAX_DIGITS}}}|{re.escape(_PLACEHOLDER)})(?=\n)")
_FENCE_END = "\n````\n"
_TAG = "<think>"
_TAG_END = "</think>"


class _Mode(Enum):
    START = auto()  # nothing but blanks so far
    TEXT = auto()
    FENCED = auto()
    TAGGED = auto()


class ReasoningSplitter:
    """Splits one answer, delta by delta; the chunking of the deltas makes no difference to what comes out in all.

    A fence counts at the start of any line, the tag only at the very start of the answer, so that text about the tag
    stays text. Everything else passes unaltered and at once, ordinary code fences too: only an end that may be the
    beginning of a marker waits for the next delta, which is never more than MAX_BLANKS characters and a marker.
    The lines of the fence itself, and blanks before a form that begins the answer, are no part of either text.
    """

    def __init__(self) -> None:
        self._mode = _Mode.START
        self._held = ""
        self._last = "\n"  # the text's last character that is out; an answer begins at the start of a line
        self._fence_opened = False  # the held text begins with the line break of the fence's first line

    def passes(self, text: str) -> bool:
        """Say whether `text`, which is not empty, is answer from end to end; if so it counts as fed, and may go out.

        The short way for the usual delta, which needs no event built for it. On False nothing has changed: `feed` it.
        """
        if self._mode is not _Mode.TEXT or self._held or "`" in text:
            return False
        self._last = text[-1]
        return True

    def feed(self, text: str) -> list[TextDelta | ThoughtDelta]:
        """Take the answer's next delta; return what of it is certain, without empty pieces."""
        if not text:
            return []
        if self.passes(text):
            return [TextDelta(text)]
        # One character of what is already out goes before, to see where a line starts.
        seen, at = self._last + self._held + text, 1
        events: list[TextDelta | ThoughtDelta] = []
        more = True
        while more:
            at, more = self._advance(seen, at, events)
        self._held = seen[at:]
        return events

    def flush(self) -> list[TextDelta | ThoughtDelta]:
        """The answer is over: return what was held back. A marker that never became whole is text after all."""
        held, self._held = self._held, ""
        events: list[TextDelta | ThoughtDelta] = []
        if self._mode is _Mode.FENCED:
            # The end of the answer serves as the line break after the closing fence.
            self._think(events, "" if held + "\n" == _FENCE_END else held)
        elif self._mode is _Mode.TAGGED:
            self._think(events, held)
        else:
            self._say(events, held)
        return events

    def _advance(self, seen: str, at: int, events: list[TextDelta | ThoughtDelta]) -> tuple[int, bool]:
        """Deal with the text from `at` as far as its mode goes.

        Returns where the rest begins, which is never copied here: an answer may hold a hundred thousand markers. Says
        whether the mode changed, so that there may be more.
        """
        match self._mode:
            case _Mode.START:
                return self._start(seen, at)
            case _Mode.TEXT:
                return self._in_text(seen, at, events)
            case _Mode.FENCED:
                return self._in_thought(seen, at, events, _FENCE_END)
            case _Mode.TAGGED:
                return self._in_thought(seen, at, events, _TAG_END)

    def _start(self, seen: str, at: int) -> tuple[int, bool]:
        begins = len(seen) - len(seen[at:].lstrip())
        at_line_start = begins == at or seen[begins - 1] == "\n"
        if begins - at > MAX_BLANKS:
            self._mode = _Mode.TEXT
        elif seen.startswith(_TAG, begins):
            self._mode, at = _Mode.TAGGED, begins + len(_TAG)
        elif at_line_start and (opening := _OPENING.match(seen, begins)):
            at = self._open_fence(opening)
        elif _TAG.startswith(seen[begins:]) or (at_line_start and _may_open_fence(seen[begins:])):
            return at, False
        else:
            self._mode = _Mode.TEXT
        return at, True

    def _in_text(self, seen: str, at: int, events: list[TextDelta | ThoughtDelta]) -> tuple[int, bool]:
        if opening := _OPENING.search(seen, at):
            self._say(events, seen[at : opening.start()])
            return self._open_fence(opening), True
        line = seen.rfind("\n", at - 1) + 1
        certain = line if line and _may_open_fence(seen[line:]) else len(seen)
        self._say(events, seen[at:certain])
        return certain, False

    def _in_thought(self, seen: str, at: int, events: list[TextDelta | ThoughtDelta], end: str) -> tuple[int, bool]:
        closing = seen.find(end, at)
        if closing >= 0:
            self._think(events, seen[at:closing])
            self._mode, self._fence_opened = _Mode.TEXT, False
            self._last = end[-1]
            return closing + len(end), True
        certain = len(seen) - _overlap(seen[max(at, len(seen) - len(end)) :], end)
        self._think(events, seen[at:certain])
        return certain, False

    def _open_fence(self, opening: re.Match[str]) -> int:
        """Return where the thought begins: at the first line's break, which the end of an empty one begins with."""
        self._mode, self._fence_opened = _Mode.FENCED, True
        return opening.end()

    def _say(self, events: list[TextDelta | ThoughtDelta], text: str) -> None:
        if text:
            self._last = text[-1]
            events.append(TextDelta(text))

    def _think(self, events: list[TextDelta | ThoughtDelta], thought: str) -> None:
        if thought and self._fence_opened:
            thought, self._fence_opened = thought[1:], False
        if thought:
            events.append(ThoughtDelta(thought))


def _may_open_fence(line: str) -> bool:
    """Whether a line that begins like this, so far without its line break, may become a fence's first line."""
    if len(line) <= len(_FENCE):
        return _FENCE.startswith(line)
    duration = line.removeprefix(_FENCE)
    if len(duration) == len(line):
        return False
    digits = duration.isascii() and duration.isdigit() and len(duration) <= _MAX_DIGITS
    return digits or _PLACEHOLDER.startswith(duration)


def _overlap(text: str, marker: str) -> int:
    """Length of the longest end of `text` that is a beginning of `marker`."""
    return next((size for size in range(min(len(text), len(marker)), 0, -1) if text.endswith(marker[:size])), 0)
