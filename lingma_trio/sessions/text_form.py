"""The normal form of a text: what is left when all is undone that clients are known to do to texts, and nothing else.

Clients trim answers, write their line ends and blanks anew, take marks of emphasis for formatting and fences for their
own. Two texts have the same form exactly when they have the same words, numbers, symbols and code in the same order.
Letter case, digits, symbols, identifiers and what stands in code are never touched.

Knows Markdown's fences, code spans and emphasis. Must not know messages or who compares what. The cost is linear.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

_FENCE: Final = re.compile(r" {0,3}(`{3,}(?=[^`\n]*$)|~{3,})[^\n]*")
_LINE_ENDS: Final = re.compile(r"\r\n?")
# Unicode's normal form of a run of marks costs the square of its length, in one call that keeps the interpreter: it is
# made of pieces, which end before a character that is spelled alike whatever stands before it, where there is one.
_SPELLED: Final = re.compile(
    r"(?s:.){1,64}(?=[\x00-\u02ff\u0400-\u0482\u05d0-\u05ea\u0621-\u064a\u0e01-\u0e30\u2010-\u206f\u3001-\u3029"
    r"\u3041-\u3096\u30a1-\u30fa\u3400-\u9fff\uac00-\ud7a3\uff01-\uff9d\U0001f300-\U0001faff]|\Z)|(?s:.){1,64}"
)
_BLANKS: Final = re.compile(r"\s+")
_TICKS: Final = re.compile(r"`+")
_MARKS: Final = re.compile(r"\*{1,3}|_{2}")
_PARAGRAPH: Final = re.compile(r"\n[^\S\n]*\n")
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_]*")
_REASONING: Final = (("<think>", "</think>"), ('<details type="reasoning"', "</details>"))
PIECE: Final = 64 * 1024  # characters in one call that keeps the interpreter
_FIRST_WIDE: Final = 0x2E80  # from here on scripts stand that write words without blanks between them

# What may stand beside a mark of emphasis beside letters, digits and what is not ASCII: more is a pattern, or a query.
_BEFORE: Final = "([{\"'-:;,>|~#"
_FIRST_INSIDE: Final = "([{\"'<$#@"
_LAST_INSIDE: Final = ")]}\"'>.,:;!?%+#$"

PROSE: Final = "prose"
SPAN: Final = "span"
BLOCK: Final = "block"


def normal_form(text: str) -> tuple[tuple[str, str], ...]:
    """The text as pieces of prose, code spans and blocks of code, in order; of equal forms the texts say the same.

    In prose runs of blanks, line ends included, are one blank, and marks of emphasis round whole words are gone. Code
    is kept to the letter, but for its fence, whose length, character and info string are no part of it.
    """
    text = _unified(text)
    if "`" in text or "~" in text or "*" in text or "__" in text:  # of which any mark that is known here has one
        return tuple(_trimmed(list(_pieces(text))))
    # As the above has it, in a tenth of the time; a long text in pieces, so that others are let in.
    prose = " ".join(text.split()) if len(text) <= PIECE else _replaced(_BLANKS, " ", text).strip()
    return ((PROSE, prose),) if prose else ()


def as_written(text: str) -> str:
    """A text that nobody formats, such as a question, whose indentation and stars may be those of code without a fence:
    as it is, but for line ends, the spelling of characters, blank ends of lines, and blank lines at both ends.
    """
    return "\n".join(line.rstrip() for line in _unified(text).split("\n")).strip("\n")


def without_reasoning(text: str) -> str:
    """An answer's text without the reasoning that a client put in front of it: Open WebUI in `<details>`, others in
    tags.
    """
    begun = text.lstrip()
    for opening, closing in _REASONING:
        if begun.startswith(opening):
            opened = begun.find(">", len(opening) - 1)
            end = begun.find(closing, opened)
            return text if min(opened, end) < 0 else begun[end + len(closing) :].lstrip()
    return text


def _unified(text: str) -> str:
    """One line end, one spelling of each character."""
    if "\r" in text:
        text = _replaced(_LINE_ENDS, "\n", text)
    if text.isascii():
        return text
    return "".join([unicodedata.normalize("NFC", piece[0]) for piece in _SPELLED.finditer(text)])


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    prose: list[str] = []
    code: list[str] = []
    fence = ""
    for line in text.split("\n"):
        opened = _FENCE.fullmatch(line)
        if fence:
            if opened is not None and opened[1].startswith(fence) and line.strip() == opened[1]:
                yield BLOCK, "\n".join(code)
                fence, code = "", []
            else:
                code.append(line)
        elif opened is not None:
            yield from _prose("\n".join(prose))
            fence, prose = opened[1], []
        else:
            prose.append(line)
    if fence:
        yield BLOCK, "\n".join(code).rstrip("\n")
    else:
        yield from _prose("\n".join(prose))


def _prose(text: str) -> Iterator[tuple[str, str]]:
    """Prose with the code spans within it, each piece of prose with one blank for each run of them."""
    at = 0
    for start, end, ticks in _spans(text):
        yield PROSE, _plain(text[at:start])
        yield SPAN, text[start + ticks : end - ticks]
        at = end
    yield PROSE, _plain(text[at:])


def _spans(text: str) -> Iterator[tuple[int, int, int]]:
    """Where code spans begin and end, and how many ticks they have: a run of ticks up to the next run as long."""
    if "`" not in text:
        return
    runs = [(found.start(), found.end()) for found in _TICKS.finditer(text)]
    later: dict[int, list[int]] = {}  # by length, the places in `runs`, the last one first
    for place in range(len(runs) - 1, -1, -1):
        later.setdefault(runs[place][1] - runs[place][0], []).append(place)
    place = 0
    while place < len(runs):
        start, end = runs[place]
        alike = later[end - start]
        while alike and alike[-1] <= place:
            alike.pop()
        if alike:
            closing = alike[-1]
            yield start, runs[closing][1], end - start
            place = closing
        place += 1


def _plain(text: str) -> str:
    return _replaced(_BLANKS, " ", _without_emphasis(text))


def _replaced(blanks: re.Pattern[str], into: str, text: str) -> str:
    """The text with each run of these blanks replaced, in pieces that begin with none, so that others are let in."""
    pieces = []
    at = 0
    while at < len(text):
        end = at + PIECE
        while end < len(text) and text[end].isspace():
            end += 1
        pieces.append(blanks.sub(into, text[at:end]))
        at = end
    return "".join(pieces)


def _without_emphasis(text: str) -> str:
    """The text without the paired marks round whole words."""
    if "*" not in text and "__" not in text:
        return text
    dropped: list[tuple[int, int]] = []
    for start, end in _paragraphs(text):
        dropped += _paired(text, start, end)
    if not dropped:
        return text
    dropped.sort()
    kept, at = [], 0
    for start, end in dropped:
        kept.append(text[at:start])
        at = end
    return "".join((*kept, text[at:]))


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    for gap in _PARAGRAPH.finditer(text):
        yield at, gap.start()
        at = gap.end()
    yield at, len(text)


def _paired(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The marks of one paragraph that belong together, as places in the text."""
    opened: dict[str, tuple[int, int]] = {}
    for mark in _MARKS.finditer(text, start, end):
        before = text[mark.start() - 1] if mark.start() > start else " "
        after = text[mark.end()] if mark.end() < end else " "
        kind = mark[0]
        if before in "*_\\" or after in "*_":
            continue
        if kind in opened and _stands(before, _LAST_INSIDE) and not _is_word(after):
            begun = opened.pop(kind)
            if _is_emphasised(text[begun[1] : mark.start()], kind):
                yield begun
                yield mark.start(), mark.end()
                continue
        if _stands(after, _FIRST_INSIDE) and (before.isspace() or (_stands(before, _BEFORE) and not _is_word(before))):
            opened[kind] = (mark.start(), mark.end())


def _is_emphasised(inner: str, kind: str) -> bool:
    """Whether what stands between two marks are words. `__init__` is an identifier, and `*3*` part of a product."""
    if kind == "__" and _IDENTIFIER.fullmatch(inner):
        return False
    return any(character.isalpha() for character in inner)


def _stands(character: str, among: str) -> bool:
    return character.isalnum() or character in among or not (character.isascii() or character.isspace())


def _is_word(character: str) -> bool:
    """Whether a mark beside this character stands within a word; in scripts without blanks between words none does."""
    return character.isalnum() and ord(character) < _FIRST_WIDE


def _trimmed(pieces: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The pieces without blanks where a text or a block begins or ends, and without prose that is none."""
    last = len(pieces) - 1
    for place, (kind, piece) in enumerate(pieces):
        text = piece
        if kind == PROSE:
            if place == 0 or pieces[place - 1][0] == BLOCK:
                text = text.lstrip()
            if place == last or pieces[place + 1][0] == BLOCK:
                text = text.rstrip()
            if not text:
                continue
        yield kind, text
