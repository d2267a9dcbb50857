"""Events of one answer that wait for whoever takes them, in as few pieces as say the same.

Knows events only; must not know who puts, who takes, or how one waits for the other.
"""

from __future__ import annotations

from lingma_trio.turns import AnswerEvent, Finished, TextDelta, TextReplaced, ThoughtDelta, ToolCall

PIECE = 64 * 1024
"""Characters of one event, and of what is taken at once: handling so much takes a millisecond, and where it is full of
what may be calls up to 30 of them, during which nobody else is served."""


EVENT = 256
"""What each event counts for at least when it is taken: a client is sent about so much round it."""

PARTS = 1024
"""Deltas that wait unjoined: joining few at a time would copy much, and a short text takes 50 bytes beside its own."""


class Backlog:
    """What waits. Deltas of one kind that wait side by side are one event, up to a `PIECE`.

    So what waits takes about the memory of its text, in however many deltas it came. `more` says whether the last
    `take` left something behind.
    """

    __slots__ = ("_gathered", "_kind", "_parts", "_ready", "_taken", "_void", "more")

    def __init__(self) -> None:
        self._ready: list[AnswerEvent] = []
        self._taken = 0  # events at the front that are gone: moving up all the others at each take would be quadratic
        self._void = 0  # events at the front, in which all text is void
        self._kind: type[TextDelta | ThoughtDelta] = TextDelta
        self._parts: list[str] = []
        self._gathered = 0  # characters of the parts, where there are any
        self.more = False

    def __len__(self) -> int:
        return len(self._ready) - self._taken + bool(self._parts)

    def __repr__(self) -> str:
        return f"<Backlog {len(self)}>"

    @property
    def size(self) -> int:
        """Bytes of text that wait."""
        return sum(map(size_of, self._ready[self._taken :])) + sum(map(_bytes_of, self._parts))

    def put(self, event: AnswerEvent) -> None:
        """Add an event behind all others. Text that it voids is dropped unseen."""
        match event:
            case TextDelta(text) | ThoughtDelta(text):
                self._append(type(event), text)
            case TextReplaced(text):
                self._seal()
                while len(self._ready) > self._taken and isinstance(self._ready[-1], TextDelta | TextReplaced):
                    self._ready.pop()
                self._void = len(self._ready)  # looked at when they are taken, and not with each overwrite
                self._ready.append(TextReplaced(text[:PIECE]))
                self._append(TextDelta, text[PIECE:])
            case ToolCall() | Finished():
                self._seal()
                self._ready.append(event)

    def take(self) -> list[AnswerEvent]:
        """Remove and return the first events, of a `PIECE` together or little more; all where they are no more."""
        if not self._ready:  # as nearly always: deltas of one kind, or a single one
            parts, self._parts, self.more = self._parts, [], False
            return [self._kind(parts[0] if len(parts) == 1 else "".join(parts))] if parts else []
        self._seal()
        events: list[AnswerEvent] = []
        room, taken = PIECE, self._taken
        while room > 0 and taken < len(self._ready):
            event = self._ready[taken]
            taken += 1
            if taken > self._void or not isinstance(event, TextDelta | TextReplaced):
                room -= max(size_of(event), EVENT)
                events.append(event)
        self.more = taken < len(self._ready)
        if 2 * taken >= len(self._ready):
            del self._ready[:taken]
            self._void, taken = max(0, self._void - taken), 0
        self._taken = taken
        return events

    def clear(self) -> None:
        """Drop everything."""
        self._ready.clear()
        self._taken = self._void = 0
        self._parts = []
        self.more = False

    def _append(self, kind: type[TextDelta | ThoughtDelta], text: str) -> None:
        if kind is not self._kind:
            self._seal()
            self._kind = kind
        size = len(text)
        if not self._parts and 0 < size < PIECE:
            self._parts = [text]
            self._gathered = size
            return
        whole = size <= PIECE
        for part in (text,) if whole else (text[start : start + PIECE] for start in range(0, len(text), PIECE)):
            if part:
                self._parts.append(part)
                self._gathered += len(part)
            if self._gathered >= PIECE:
                self._seal()
            elif len(self._parts) >= PARTS:
                self._parts = ["".join(self._parts)]

    def _seal(self) -> None:
        if self._parts:
            self._ready.append(self._kind("".join(self._parts)))
            self._parts = []
            self._gathered = 0


def size_of(event: AnswerEvent) -> int:
    """The bytes of text that `event` brings, as UTF-8."""
    match event:
        case TextDelta(text) | ThoughtDelta(text) | TextReplaced(text):
            return _bytes_of(text)
        case ToolCall():
            return _bytes_of(event.name) + _bytes_of(event.arguments)
        case Finished():
            return 0


def _bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
