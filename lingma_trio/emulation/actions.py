"""Says which of the blocks that a model writes into its text are calls.

A block with the word that was drawn for the request is one: nothing that was written before the request can hold the
word, so no web page, file or earlier answer that the model quotes does. Blocks of the other forms, which models fall
back on, are calls only at the very end of an answer, with nothing behind them but blanks and more of their kind, and
only where the conversation does not hold the same call already. Anything else is text and goes on as it came.

Must not know schemas, events, or what becomes of a call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from lingma_trio.emulation.action_blocks import BlockParser, Found, Piece, Unproved
from lingma_trio.emulation.quotes import Quotes

MOST_UNPROVED: Final = 128
"""Calls without the word at the end of an answer; one with more of them is text, since each is searched for."""


class ActionParser:
    """Takes a text in any pieces; returns the same text, actions and faults for any cutting of it.

    An action with the `word` comes as soon as its JSON is complete. A block without it waits for the answer's end or
    for other text, whichever comes first; text before it does not wait.
    """

    def __init__(self, names: Sequence[str], word: str, quotes: Quotes) -> None:
        self._blocks = BlockParser(names, word)
        self._quotes = quotes
        self._waiting: list[str | Unproved] = []

    def passes(self, text: str) -> bool:
        """Say whether `text`, which is not empty, is plain text from end to end; if so it counts as fed."""
        return not self._waiting and self._blocks.passes(text)

    def feed(self, text: str) -> list[Piece]:
        """Take more text; returns what is certain, with text that belongs together in one piece."""
        return _joined(self._sorted(self._blocks.feed(text)))

    def finish(self) -> list[Piece]:
        """Return what was held back; nothing more comes."""
        pieces = self._sorted(self._blocks.finish())
        waiting, self._waiting = self._waiting, []
        if sum(len(held.actions) for held in waiting if isinstance(held, Unproved)) > MOST_UNPROVED:
            text = len(waiting)
        else:
            text = next((at for at in range(len(waiting), 0, -1) if self._is_quoted(waiting[at - 1])), 0)
        pieces += map(_text, waiting[:text])
        for held in waiting[text:]:
            pieces += held.actions if isinstance(held, Unproved) else [held]
        return _joined(pieces)

    def _sorted(self, found: Iterable[Found]) -> list[Piece]:
        """Let blocks without the word wait, and what is blank behind them; nothing else may follow."""
        pieces: list[Piece] = []
        for piece in found:
            if isinstance(piece, Unproved) or (self._waiting and isinstance(piece, str) and piece.isspace()):
                self._waiting.append(piece)
                continue
            pieces += map(_text, self._waiting)
            self._waiting.clear()
            pieces.append(piece)
        return pieces

    def _is_quoted(self, held: str | Unproved) -> bool:
        return isinstance(held, Unproved) and self._quotes.hold(held.actions, code=held.code)


def _text(held: str | Unproved) -> str:
    return held if isinstance(held, str) else held.text


def _joined(pieces: Iterable[Piece]) -> list[Piece]:
    """The same with neighbouring texts put together."""
    joined: list[Piece] = []
    texts: list[str] = []
    for piece in (*pieces, None):
        if isinstance(piece, str):
            texts.append(piece)
            continue
        if texts:
            joined.append("".join(texts))
            texts = []
        if piece is not None:
            joined.append(piece)
    return joined
