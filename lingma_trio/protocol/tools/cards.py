"""Takes tool cards out of an answer's text: the markup in which some runtimes show that the model calls a tool.

Knows the card's form (protocol reference, section 4.5). Must not know pushes, turns or what becomes of a call.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_HEAD = 512
"""Longest first line of a card; a longer one is text."""

MAX_BODY = 4096
"""Longest content of a card, which has none as a rule; where more follows, the card was never closed."""

_OPENING = "```toolCall::"
_CLOSING = "\n```"
_SEPARATOR = "::"


@dataclass(frozen=True, slots=True)
class ToolCard:
    """A card: the tool's name and the id of the call, either of which may be empty. Its status goes stale at once."""

    name: str
    call_id: str


class CardCutter:
    """Splits one answer, delta by delta; the chunking of the deltas makes no difference to what comes out in all.

    A card is a fence at the start of a line, gone with all its lines. Everything else passes unaltered and at once:
    only an end that may be the beginning of a card waits for the next delta, MAX_HEAD characters at the most.
    """

    def __init__(self) -> None:
        self._held = ""
        self._last = "\n"  # the last character before what is held; an answer begins at the start of a line
        self._in_card = False
        self._closed_just_now = False  # the line break that ends the closing line has still to come

    def passes(self, text: str) -> bool:
        """Say whether `text`, which is not empty, is answer from end to end; if so it counts as fed."""
        if self._held or self._in_card or self._closed_just_now or "`" in text:
            return False
        self._last = text[-1]
        return True

    def feed(self, text: str) -> list[str | ToolCard]:
        """Take the next delta; return what of it is certain, without empty pieces."""
        if not text:
            return []
        if self._closed_just_now:
            self._closed_just_now = False
            text = text.removeprefix("\n")
        seen, at = self._held + text, 0
        pieces: list[str | ToolCard] = []
        more = True
        while more:
            at, more = self._close(seen, at) if self._in_card else self._open(seen, at, pieces)
        self._held = seen[at:]
        return pieces

    def flush(self) -> list[str | ToolCard]:
        """The answer is over: return what was held back. An opening line that is all there is counts as a card."""
        held, self._held = self._held, ""
        if self._in_card:
            return [held] if held.strip("`\n") else []
        card = _read(held)
        if card is not None and card.call_id:
            return [card]
        return [held] if held else []

    def _open(self, seen: str, at: int, pieces: list[str | ToolCard]) -> tuple[int, bool]:
        """Pass on what comes before a card.

        Returns where the rest begins, which is never copied here: an answer may hold a hundred thousand cards. Says
        whether there may be more in it.
        """
        at_line_start = self._last == "\n"
        here = at_line_start and seen.startswith(_OPENING, at)
        start = at if here else seen.find("\n" + _OPENING, at) + 1
        if not (here or start):
            line = seen.rfind("\n", at) + 1 or (at if at_line_start else len(seen))
            certain = line if _OPENING.startswith(seen[line : line + len(_OPENING)]) else len(seen)
            self._say(pieces, seen[at:certain])
            return certain, False
        self._say(pieces, seen[at:start])
        end = seen.find("\n", start)
        ended = end if end >= 0 else len(seen)
        if ended - start > MAX_HEAD:
            self._say(pieces, seen[start:ended])
            return ended, ended < len(seen)
        if end < 0:
            return start, False
        card = _read(seen[start:end])
        if card is not None:
            pieces.append(card)
        self._in_card = True
        return end + 1, True

    def _close(self, seen: str, at: int) -> tuple[int, bool]:
        """Drop the card's content; returns where the rest begins, and whether there may be more in it."""
        longest = MAX_BODY + len(_CLOSING) - 1  # the line break before the content is part of the opening line
        if seen.startswith(_CLOSING[1:], at):
            end = at + len(_CLOSING) - 1
        else:
            found = seen.find(_CLOSING, at, at + longest)
            end = found + len(_CLOSING) if found >= 0 else 0
        if not end and len(seen) - at <= longest:
            return at, False
        self._in_card, self._last = False, "\n"
        if end:
            self._closed_just_now = end == len(seen)
            at = end + seen.startswith("\n", end)
        return at, at < len(seen)

    def _say(self, pieces: list[str | ToolCard], text: str) -> None:
        if text:
            self._last = text[-1]
            pieces.append(text)


def _read(head: str) -> ToolCard | None:
    """The card with this first line, or None where it is not one's."""
    if not head.startswith(_OPENING):
        return None
    name, _, rest = head.removeprefix(_OPENING).partition(_SEPARATOR)
    return ToolCard(name.strip(), rest.partition(_SEPARATOR)[0].strip())
