"""Knows the lines between which models write calls: what opens a block, what closes it, and what may still become one.

Must not know JSON, names of tools, or what a block is worth. All patterns look at no more than MAX_LINE characters, so
that a line without an end costs no more than its length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

MAX_LINE: Final = 256
"""Characters of a line that may open or close a block; a longer one is text."""

TAG: Final = "<tool_call>"
TAG_END: Final = "</tool_call>"
_ANNOUNCEMENTS: Final = frozenset(
    {"json action", "action", "json tool_call", "tool_call", "tool call", "tool", "tool_code", "tool_use"}
)
_MAX_HEADING: Final = 40
_FENCE_LINE: Final = re.compile(r" {0,3}(`{3,})([^`\r\n]*)\r?\n?")
_HEADING_LINE: Final = re.compile(r"#{1,6} ?tool[ _]calls?:?\s*", re.IGNORECASE)
_MAY_BE_HEADING: Final = re.compile(
    r"#{1,6} ?(?:tool[ _]calls?:?\s*|(?:t(?:o(?:o(?:l(?:[ _]c?a?l?l?)?)?)?)?)?)", re.IGNORECASE
)
_MAY_BE_FENCE: Final = re.compile(r" {0,3}(?:`{0,2}|`{3}.*)", re.DOTALL)
_INNER_FENCE: Final = re.compile(r"\s*`{3,}[^`\n]*\n")
_FENCE_CLOSING: Final = re.compile(r"\s*`{3,}[ \t]*\r?\n")
_MAY_CLOSE_FENCE: Final = re.compile(r"\s*`*[ \t]*\r?")
_FENCE_END: Final = re.compile(r"[ \t]*`{3,}[ \t]*\r?\n?")
_TAG_CLOSING: Final = re.compile(rf"\s*{TAG_END}")
_BEGINNING_IN_TEXT: Final = r"(?=[`#<]|\Z| {1,3}(?:`|\Z))"
_BEGINNING_IN_CODE: Final = r"(?=`|\Z| {1,3}(?:`|\Z))"
_BEGINNINGS: Final = re.compile(_BEGINNING_IN_TEXT), re.compile(_BEGINNING_IN_CODE)
_NEXT_LINES: Final = re.compile(rf"\n{_BEGINNING_IN_TEXT}"), re.compile(rf"\n{_BEGINNING_IN_CODE}")

Worth: TypeAlias = Literal["proved", "named", "plain"]
"""How a block presents itself: with the word of the request, as a call by its heading, or as a block of JSON."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a line opens: `fence` are its back-ticks, or empty; `worth` is None for a block that is no call at all."""

    fence: str
    worth: Worth | None
    bare: bool = False


def opening_of(line: str, word: str) -> Opening | None:
    """What a whole line opens where `word` proves a call, or None for a line of text.

    `bare` says that it is a fence alone, which closes a block as well.
    """
    fence = _FENCE_LINE.fullmatch(line)
    if fence is None:
        return Opening("", "plain") if _HEADING_LINE.fullmatch(line) else None
    info = " ".join(fence[2].lower().split())
    worth: Worth | None = None
    if word and info.rpartition(" ")[2] == word:
        worth = "proved"
    elif info in _ANNOUNCEMENTS or info.startswith("json action "):
        worth = "named"
    elif info in ("", "json"):
        worth = "plain"
    return Opening(fence[1], worth, bare=not info)


def may_matter(line: str, *, code: bool) -> bool:
    """Whether a line that has begun so may open or close a block, in text or in code; ask of a whole one as well."""
    if len(line) > MAX_LINE or (len(line) == MAX_LINE and not line.endswith("\n")):
        return False
    if _MAY_BE_FENCE.fullmatch(line):
        return True
    if code:
        return False
    return TAG.startswith(line) or (len(line) <= _MAX_HEADING and _MAY_BE_HEADING.fullmatch(line) is not None)


def next_line(text: str, at: int, *, code: bool) -> int | None:
    """Where after `at` the next line begins that may matter, by its first characters, or None."""
    found = _NEXT_LINES[code].search(text, at)
    return found.end() if found else None


def begins_to_matter(text: str, at: int, *, code: bool) -> bool:
    """Whether the line that begins at `at` may matter, by its first characters."""
    return _BEGINNINGS[code].match(text, at) is not None


def inner_fence(text: str) -> str:
    """The fence that a block under a heading has of its own, with what is before it, or the empty string."""
    found = _INNER_FENCE.match(text)
    return found[0] if found else ""


def closing_of(text: str, *, tag: bool) -> int:
    """How much of what follows a block's JSON is its closing mark; 0 for none."""
    found = (_TAG_CLOSING if tag else _FENCE_CLOSING).match(text)
    return found.end() if found else 0


def may_close(text: str, *, tag: bool) -> bool:
    """Whether what follows a block's JSON may become its closing mark, or at the end of an answer passes for it."""
    if len(text) >= MAX_LINE:
        return False
    return TAG_END.startswith(text.lstrip()) if tag else _MAY_CLOSE_FENCE.fullmatch(text) is not None


def ends_block(line: str) -> bool:
    """Whether a line is the end of a fenced block."""
    return len(line) <= MAX_LINE and _FENCE_END.fullmatch(line) is not None
