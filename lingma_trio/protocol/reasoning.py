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
        self._held += text
        events: list[TextDelta | ThoughtDelta] = []
        while self._advance(events):
            pass
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

    def _advance(self, events: list[TextDelta | ThoughtDelta]) -> bool:
        """Deal with the held text as far as its mode goes; say whether the mode changed, so that there may be more."""
        match self._mode:
            case _Mode.START:
                return self._start()
            case _Mode.TEXT:
                return self._in_text(events)
            case _Mode.FENCED:
                return self._in_thought(events, _FENCE_END)
            case _Mode.TAGGED:
                return self._in_thought(events, _TAG_END)

    def _start(self) -> bool:
        rest = self._held.lstrip()
        blanks = self._held[: len(self._held) - len(rest)]
        at_line_start = not blanks or blanks[-1] == "\n"
        if len(blanks) > MAX_BLANKS:
            self._mode = _Mode.TEXT
        elif rest.startswith(_TAG):
            self._mode, self._held = _Mode.TAGGED, rest.removeprefix(_TAG)
        elif at_line_start and (opening := _OPENING.match("\n" + rest, 1)):
            self._open_fence(rest[opening.end() - 1 :])
        elif _TAG.startswith(rest) or (at_line_start and _may_open_fence(rest)):
            return False
        else:
            self._mode = _Mode.TEXT
        return True

    def _in_text(self, events: list[TextDelta | ThoughtDelta]) -> bool:
        # One character of what is already out goes before, for the pattern to see where a line starts.
        seen = self._last + self._held
        if opening := _OPENING.search(seen, 1):
            self._say(events, seen[1 : opening.start()])
            self._open_fence(seen[opening.end() :])
            return True
        line = seen.rfind("\n") + 1
        certain = line if line and _may_open_fence(seen[line:]) else len(seen)
        self._held = seen[certain:]
        self._say(events, seen[1:certain])
        return False

    def _in_thought(self, events: list[TextDelta | ThoughtDelta], end: str) -> bool:
        thought, closing, rest = self._held.partition(end)
        if closing:
            self._think(events, thought)
            self._mode, self._held, self._fence_opened = _Mode.TEXT, rest, False
            self._last = closing[-1]
            return True
        certain = len(thought) - _overlap(thought, end)
        self._held = thought[certain:]
        self._think(events, thought[:certain])
        return False

    def _open_fence(self, rest: str) -> None:
        # `rest` begins with the first line's break, which the closing fence of an empty thought needs before it.
        self._mode, self._held, self._fence_opened = _Mode.FENCED, rest, True

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
