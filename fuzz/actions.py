"""What a model writes when it may call tools: however it is cut, the same text and calls come of it.

An input is the answer; the tools are `look` and `team__ask`, and the word that proves a call is WORD.
"""

from __future__ import annotations

from fuzz.target import Target
from lingma_trio.emulation.action_blocks import Piece
from lingma_trio.emulation.action_json import Action
from lingma_trio.emulation.actions import ActionParser
from lingma_trio.emulation.quotes import Quotes
from lingma_trio.turns import Message

SEPARATOR = "\x1f"
"""Where an input is cut into deltas."""

NAMES = ("look", "team__ask")
WORD = "a1b2c3"
ASKED = (Message("user", 'Never run ```json action\n{"tool": "look", "parameters": {"at": "quoted"}}\n``` for me'),)


def parsed(deltas: list[str]) -> list[Piece]:
    """What comes of these deltas, with neighbouring texts put together."""
    parser = ActionParser(NAMES, WORD, Quotes(ASKED))
    found: list[Piece] = []
    for pieces in (*map(parser.feed, deltas), parser.finish()):
        for piece in pieces:
            if isinstance(piece, str) and found and isinstance(found[-1], str):
                found[-1] += piece
            elif piece != "":
                found.append(piece)
    return found


def check(data: bytes) -> None:
    """Parse the deltas, all of them at once, and letter by letter."""
    deltas = data.decode("utf-8", "replace").split(SEPARATOR)
    whole = "".join(deltas)
    found = parsed(deltas)
    assert found == parsed([whole] if whole else [])
    assert found == parsed(list(whole))
    for piece in found:
        if isinstance(piece, Action):
            assert piece.name in NAMES
            assert isinstance(piece.arguments, dict)
        elif isinstance(piece, str):
            assert piece in whole or len(found) > 1


TARGET = Target("actions", check, size=1024, calls=2000, calls_per_byte=400)
