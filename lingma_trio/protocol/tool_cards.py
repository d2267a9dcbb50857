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
        self._held += text
        pieces: list[str | ToolCard] = []
        while self._close() if self._in_card else self._open(pieces):
            pass
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

    def _open(self, pieces: list[str | ToolCard]) -> bool:
        """Pass on what comes before a card; say whether one was opened."""
        # One character of what is already out goes before, to see where a line starts.
        seen = self._last + self._held
        start = seen.find("\n" + _OPENING) + 1
        if not start:
            line = seen.rfind("\n") + 1
            certain = line if line and _OPENING.startswith(seen[line:]) else len(seen)
            self._say(pieces, seen[1:certain])
            self._held = seen[certain:]
            return False
        self._say(pieces, seen[1:start])
        head, ended, rest = seen[start:].partition("\n")
        if len(head) > MAX_HEAD:
            self._say(pieces, head)
            self._held = ended + rest
            return bool(self._held)
        self._held = head + ended + rest
        if not ended:
            return False
        card = _read(head)
        if card is not None:
            pieces.append(card)
        self._in_card, self._held = True, rest
        return True

    def _close(self) -> bool:
        """Drop the card's content; say whether its end was found, so that text may follow."""
        body, closing, rest = ("\n" + self._held).partition(_CLOSING)
        if not closing and len(body) <= MAX_BODY + len(_CLOSING):
            return False
        self._in_card, self._last = False, "\n"
        if closing and len(body) <= MAX_BODY:
            self._closed_just_now = not rest
            self._held = rest.removeprefix("\n")
        return bool(self._held)

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
