"""Finds the calls of tools that a model writes into its text, as the text comes.

Knows the form that the prompt asks for, a fence announced as `json action`, and the others that models fall back on:
fences named after tools or code of tools, a heading `#Tool Call`, a `<tool_call>` tag, and a plain fence whose JSON
begins by naming a declared tool. Must not know schemas, events, or what becomes of a call.

Everything else is text and goes on as it came: at most the line that may begin an action waits for its end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from lingma_trio.policy.action_json import NAME_KEYS, Action, JsonScan, read_actions, read_code

ANNOUNCEMENTS: Final = frozenset(
    {"json action", "action", "json tool_call", "tool_call", "tool call", "tool", "tool_code", "tool_use"}
)
MAX_INDENT: Final = 3  # more makes it no fence, as in Markdown
_TAG: Final = "<tool_call>"
_MAX_HEADING: Final = 40
_MAX_SUSPECTED: Final = 400  # characters, of which blanks do not tell
_FENCE_LINE: Final = re.compile(r" {0,3}(`{3,})[ \t]*([^`\r\n]*?)[ \t]*\r?\n?")
_HEADING_LINE: Final = re.compile(r"#{1,6} ?tool[ _]calls?:?\s*", re.IGNORECASE)
_MAY_BE_HEADING: Final = re.compile(
    r"#{1,6} ?(?:tool[ _]calls?:?\s*|(?:t(?:o(?:o(?:l(?:[ _]c?a?l?l?)?)?)?)?)?)", re.IGNORECASE
)
_INNER_FENCE: Final = re.compile(r"\s*`{3,}[^`\n]*\n")
_FENCE_CLOSING: Final = re.compile(r"\s*`{3,}[ \t]*\r?\n")
_MAY_CLOSE_FENCE: Final = re.compile(r"\s*`*[ \t]*\r?")
_FENCE_END: Final = re.compile(r"(?:^|\n)[ \t]*`{3,}[ \t]*\r?\n")
_TAG_CLOSING: Final = re.compile(r"\s*</tool_call>")
_TAG_END: Final = re.compile(r"</tool_call>")
_LONGEST_END: Final = 64  # characters in which the end of a block is looked for again


@dataclass(frozen=True, slots=True)
class Faulty:
    """A block that was announced as an action and is none.

    `text` is all of it as it came, `reason` what is wrong, as the rest of a sentence about it.
    """

    text: str
    reason: str


Piece: TypeAlias = str | Action | Faulty
_State: TypeAlias = Literal["text", "code", "suspected", "value", "closing", "broken"]


class ActionParser:
    """Takes a text in any pieces; returns the same text, actions and faults for any cutting of it.

    An action comes as soon as its JSON is complete. What is put together from all pieces is the text without the blocks
    of the actions.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._beginnings = tuple(
            f'{array}{{"{key}":"{name}"' for array in ("", "[") for key in NAME_KEYS for name in self._names
        )
        self._state: _State = "text"
        self._fence = ""  # of the code we are in
        self._at_start = True  # of a line
        self._line = ""  # what waits because its line may begin an action
        self._block = _Block("", announced=False, tag=False)

    def passes(self, text: str) -> bool:
        """Say whether `text`, which is not empty, is plain text from end to end; if so it counts as fed."""
        return self._state in ("text", "code") and not (self._at_start or "\n" in text)

    def feed(self, text: str) -> list[Piece]:
        """Take more text; returns what is certain, with text that belongs together in one piece."""
        pieces: list[Piece] = []
        while text:
            match self._state:
                case "text" | "code":
                    text = self._plain(text, pieces)
                case "suspected":
                    text = self._suspect(text, pieces)
                case "value":
                    text = self._value(text, pieces)
                case "closing":
                    text = self._close(text)
                case "broken":
                    text = self._give_up(text, pieces)
        return _joined(pieces)

    def finish(self) -> list[Piece]:
        """Return what was held back; nothing more comes."""
        pieces: list[Piece] = []
        block = self._block
        if self._state == "broken":
            self._give_up("\n", pieces, last=True)
        elif self._state == "value":
            pieces.append(Faulty(block.text, "is not closed") if block.announced else block.text)
        elif self._state == "suspected":
            pieces.append(block.text)
        elif self._state == "closing":
            pieces.append("" if (_may_close_tag if block.tag else _may_close_fence)(block.tail) else block.tail)
        elif self._line:
            pieces.append(self._line)
        self._state, self._line, self._at_start = "text", "", True
        return [piece for piece in pieces if piece != ""]

    def _plain(self, text: str, pieces: list[Piece]) -> str:
        """Pass text on up to the end of a line, and hold a line that may begin an action; returns the rest."""
        end = text.find("\n") + 1 or len(text)
        part, rest = text[:end], text[end:]
        if not self._at_start:
            pieces.append(part)
            self._at_start = part.endswith("\n")
            return rest
        self._line += part
        if self._state == "text" and self._line.startswith(_TAG):
            line, self._line = self._line, ""
            self._enter("value", _Block(_TAG, announced=True, tag=True))
            return line.removeprefix(_TAG) + rest
        if not self._may_matter():
            pieces.append(self._line)
            self._at_start, self._line = self._line.endswith("\n"), ""
        elif self._line.endswith("\n"):
            line, self._line = self._line, ""
            self._take_line(line, pieces)
        return rest

    def _may_matter(self) -> bool:
        """Whether the line that has begun may be a fence, or in text the beginning of an action."""
        line = self._line
        if _may_be_fence(line):
            return True
        if self._state == "code":
            return False
        return _TAG.startswith(line) or (len(line) <= _MAX_HEADING and _MAY_BE_HEADING.fullmatch(line) is not None)

    def _take_line(self, line: str, pieces: list[Piece]) -> None:
        """A whole line that looked like one that matters: it opens or closes code, begins an action, or is text."""
        fence = _FENCE_LINE.fullmatch(line)
        info = " ".join(fence[2].lower().split()) if fence else ""
        if self._state == "text":
            announced = fence is not None and info in ANNOUNCEMENTS
            if announced or (fence and info in ("", "json")) or _HEADING_LINE.fullmatch(line):
                self._enter("value" if announced else "suspected", _Block(line, announced=announced, tag=False))
                self._fence = fence[1] if fence else ""
                return
        pieces.append(line)
        if fence is None:
            return
        if self._state == "text":
            self._state, self._fence = "code", fence[1]
        elif len(fence[1]) >= len(self._fence) and not info:
            self._state = "text"

    def _enter(self, state: _State, block: _Block) -> None:
        self._state, self._block = state, block

    def _suspect(self, text: str, pieces: list[Piece]) -> str:
        """Hold a block until it is certain whether it begins by naming a tool; returns the rest."""
        block = self._block
        block.tail += text
        inner = None if self._fence else _INNER_FENCE.match(block.tail[:_MAX_SUSPECTED])
        start = inner.end() if inner else 0
        begun = "".join(block.tail[start:_MAX_SUSPECTED].split())
        if any(begun.startswith(beginning) for beginning in self._beginnings):
            held, block.tail = block.tail[start:], ""
            if inner:
                block.opening += inner[0]
                self._fence = "```"
            self._state = "value"
            return held
        waits = not begun or (not self._fence and begun[0] == "`" and inner is None)
        if len(block.tail) < _MAX_SUSPECTED and (
            waits or any(beginning.startswith(begun) for beginning in self._beginnings)
        ):
            return ""
        pieces.append(block.opening)
        held, block.tail = block.tail, ""
        self._state, self._at_start = ("code" if self._fence else "text"), True
        return held

    def _value(self, text: str, pieces: list[Piece]) -> str:
        """Take more of the block's JSON; returns what comes after its end."""
        block = self._block
        end = block.scan.feed(text)
        block.body += text if end is None else text[:end]
        if end is None:
            return ""
        read: list[Action] | str = "is no JSON object of the form that is asked for"
        if not block.scan.broken:
            read = read_actions(block.scan.mended, self._names, strict=not block.announced)
        if not isinstance(read, str):
            pieces.extend(read)
            block.start_anew()
            self._state = "closing"
        elif block.announced:
            block.reason = read
            self._state = "broken"
        else:
            pieces.append(block.text)
            self._state, self._at_start = ("code" if self._fence else "text"), False
        return text[end:]

    def _close(self, text: str) -> str:
        """Take what follows the JSON: another value, or the closing mark, or text that comes without one."""
        block = self._block
        block.tail += text
        closing, may_close = (_TAG_CLOSING, _may_close_tag) if block.tag else (_FENCE_CLOSING, _may_close_fence)
        found = closing.match(block.tail)
        if found is None and may_close(block.tail):
            return ""
        rest = block.tail[found.end() if found else 0 :]
        block.tail = ""
        if found is None and rest.lstrip()[0] in "{[":
            self._state = "value"
        else:
            self._state, self._at_start = "text", not block.tag
        return rest

    def _give_up(self, text: str, pieces: list[Piece], *, last: bool = False) -> str:
        """Hold the rest of a block whose JSON is none, up to its end; returns what comes after it."""
        block = self._block
        seen = max(0, len(block.tail) - _LONGEST_END)
        block.tail += text
        found = (_TAG_END if block.tag else _FENCE_END).search(block.tail, seen)
        if found is None and not last:
            return ""
        end = found.end() if found else len(block.tail)
        inside = block.tail[: found.start() if found else end]
        rest, block.tail = block.tail[end:], block.tail[:end]
        read = read_code(block.body + inside, self._names)
        whole = block.text.removesuffix("\n") if last else block.text
        pieces.extend([Faulty(whole, block.reason)] if isinstance(read, str) else read)
        self._state, self._at_start = "text", not block.tag
        return rest


class _Block:
    """A block that may hold actions: the line that opened it, its JSON so far, and what comes after that."""

    def __init__(self, opening: str, *, announced: bool, tag: bool) -> None:
        self.opening = opening
        self.announced = announced
        self.tag = tag
        self.body = ""
        self.tail = ""
        self.reason = ""
        self.scan = JsonScan()

    @property
    def text(self) -> str:
        """All of it as it came."""
        return self.opening + self.body + self.tail

    def start_anew(self) -> None:
        """What was read is dealt with; another value may follow in the same block."""
        self.opening, self.body, self.scan = "", "", JsonScan()


def _may_be_fence(line: str) -> bool:
    """Whether a line that has begun so may be a fence; a whole one is looked at again by whoever asks."""
    indent = len(line) - len(line.lstrip(" "))
    begun = line[indent:]
    return indent <= MAX_INDENT and (begun.startswith("```") or ("```".startswith(begun) and "\n" not in line))


def _may_close_fence(text: str) -> bool:
    return _MAY_CLOSE_FENCE.fullmatch(text) is not None


def _may_close_tag(text: str) -> bool:
    return "</tool_call>".startswith(text.lstrip())


def _joined(pieces: list[Piece]) -> list[Piece]:
    """The same with neighbouring texts put together."""
    joined: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined
