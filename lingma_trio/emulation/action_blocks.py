"""Finds the blocks in which a model writes calls of tools, as the text comes.

Knows the form that the prompt asks for, a fence with the word of the request, and those that models fall back on:
fences named after tools, code of tools, a heading `#Tool Call`, a `<tool_call>` tag, and a plain fence whose JSON
begins by naming a declared tool. Must not know schemas, events, the conversation, or which of the blocks count.

Everything else is text and goes on as it came: at most the line that may begin a block waits for its end. Each
character is looked at a bounded number of times, whatever the text and however it is cut.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from lingma_trio.emulation.action_json import NAME_KEYS, Action, JsonScan, read_actions, read_code
from lingma_trio.emulation.action_lines import (
    MAX_LINE,
    TAG,
    TAG_END,
    Worth,
    begins_to_matter,
    closing_of,
    ends_block,
    inner_fence,
    may_close,
    may_matter,
    next_line,
    opening_of,
)
from lingma_trio.turns import text_buffer

_MAX_SUSPECTED: Final = 400  # characters, of which blanks do not tell


@dataclass(frozen=True, slots=True)
class Faulty:
    """A block with the word of the request that is no action.

    `text` is all of it as it came, `reason` what is wrong, as the rest of a sentence about it.
    """

    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unproved:
    """A block that reads as actions and lacks the word. `text` is all of it as it came, `code` what was no JSON."""

    text: str
    actions: tuple[Action, ...]
    code: str = ""


Piece: TypeAlias = str | Action | Faulty
Found: TypeAlias = Piece | Unproved
_State: TypeAlias = Literal["text", "code", "suspected", "value", "closing", "broken"]


class BlockParser:
    """Takes a text in any pieces; returns the same text and blocks for any cutting of it.

    An action with the word comes as soon as its JSON is complete, a block without it when it ends. What is put together
    from all pieces is the text without the blocks of the actions.
    """

    def __init__(self, names: Sequence[str], word: str) -> None:
        self._names = tuple(names)
        self._word = word
        self._beginnings = sorted(
            f'{array}{{"{key}":"{name}"' for array in ("", "[") for key in NAME_KEYS for name in self._names
        )
        self._state: _State = "text"
        self._fence = ""  # of the code we are in
        self._at_start = True  # of a line
        self._line = ""  # what waits because its line may begin or end a block
        self._block = _Block("", "plain")
        self._steps: dict[_State, Callable[[str, int, _Collected], int]] = {
            "text": self._plain,
            "code": self._plain,
            "suspected": self._suspect,
            "value": self._value,
            "closing": self._close,
            "broken": self._give_up,
        }

    def passes(self, text: str) -> bool:
        """Say whether `text`, which is not empty, is plain text from end to end; if so it counts as fed."""
        return self._state in ("text", "code") and not (self._at_start or "\n" in text)

    def feed(self, text: str) -> list[Found]:
        """Take more text; returns what is certain, with text that belongs together in one piece."""
        found = _Collected()
        self._run(text, found)
        return found.taken()

    def finish(self) -> list[Found]:
        """Return what was held back; nothing more comes."""
        found = _Collected()
        while self._state == "suspected":
            self._unsuspect(found)
        block = self._block
        match self._state:
            case "broken":
                self._leave(found, closing=len(self._line) if not block.tag and ends_block(self._line) else 0)
            case "value" if block.worth == "proved":
                found.add(Faulty(block.text, "is not closed"))
            case "value":
                found.say(block.text)
            case "closing":
                self._end(found, block.tail if may_close(block.tail, tag=block.tag) else "")
                found.say(block.tail)
            case _:
                found.say(self._line)
        self._state, self._line, self._at_start = "text", "", True
        return found.taken()

    def _run(self, text: str, found: _Collected) -> None:
        at = 0
        while at < len(text):
            at = self._steps[self._state](text, at, found)

    def _plain(self, text: str, at: int, found: _Collected) -> int:
        """Pass text on up to a line that may matter, and hold that; returns where to go on."""
        code = self._state == "code"
        if not self._at_start or not (self._line or begins_to_matter(text, at, code=code)):
            start = next_line(text, at, code=code)
            self._at_start = start is not None
            end = len(text) if start is None else start
            found.say(text[at:end])
            return end
        most = at + MAX_LINE - len(self._line)
        end = text.find("\n", at, most) + 1 or min(len(text), most)
        line = self._line + text[at:end]
        if not code and line.startswith(TAG):
            at += len(TAG) - len(self._line)
            self._line = ""
            self._enter("value", _Block(TAG, "named", tag=True))
            return at
        self._line = ""
        if not may_matter(line, code=code):
            found.say(line)
            self._at_start = line.endswith("\n")
        elif line.endswith("\n"):
            self._take_line(line, found)
        else:
            self._line = line
        return end

    def _take_line(self, line: str, found: _Collected) -> None:
        """A whole line that looked like one that matters: it opens or closes code, begins a block, or is text."""
        opening = opening_of(line, self._word)
        if self._state == "text" and opening is not None and opening.worth is not None:
            self._enter("suspected" if opening.worth == "plain" else "value", _Block(line, opening.worth))
            self._fence = opening.fence
            return
        found.say(line)
        if opening is None or not opening.fence:
            return
        if self._state == "text":
            self._state, self._fence = "code", opening.fence
        elif len(opening.fence) >= len(self._fence) and opening.bare:
            self._state = "text"

    def _enter(self, state: _State, block: _Block) -> None:
        self._state, self._block = state, block

    def _suspect(self, text: str, at: int, found: _Collected) -> int:
        """Hold a block until it is certain whether it begins by naming a tool; returns where to go on."""
        block = self._block
        end = at + _MAX_SUSPECTED - len(block.tail)
        block.tail += text[at:end]
        inner = "" if self._fence else inner_fence(block.tail)
        begun = "".join(block.tail[len(inner) :].split())
        # Each ends with its name's quote, so none begins another one: only the neighbours in order can match.
        place = bisect_right(self._beginnings, begun)
        if place and begun.startswith(self._beginnings[place - 1]):
            held, block.tail = block.tail[len(inner) :], ""
            if inner:
                block.opening += inner
                self._fence = "```"
            self._state = "value"
            self._run(held, found)
            return end
        waits = not begun or (not self._fence and begun[0] == "`" and not inner)
        waits = waits or any(beginning.startswith(begun) for beginning in self._beginnings[place : place + 1])
        if not waits or len(block.tail) == _MAX_SUSPECTED:
            self._unsuspect(found)
        return end

    def _unsuspect(self, found: _Collected) -> None:
        """The block does not name a tool: what was held is code, or text below a heading."""
        block = self._block
        found.say(block.opening)
        held, block.tail = block.tail, ""
        self._state, self._at_start = ("code" if self._fence else "text"), True
        self._run(held, found)

    def _value(self, text: str, at: int, found: _Collected) -> int:
        """Take more of the block's JSON; returns where to go on, behind its end."""
        block = self._block
        end = block.scan.feed(text, at)
        block.body.write(text[at:end])
        if end is None:
            return len(text)
        read: list[Action] | str = "is no JSON object of the form that is asked for"
        if not block.scan.broken:
            read = read_actions(block.scan.mended, self._names, strict=block.worth == "plain")
        if not isinstance(read, str):
            self._state = "closing"
            block.scan = JsonScan()
            if block.worth == "proved":
                found.add(*read)
                block.opening, block.body = "", text_buffer()
            else:
                block.actions += read
        elif block.worth == "plain":
            found.say(block.text)
            self._state, self._at_start = ("code" if self._fence else "text"), False
        else:
            block.reason = read
            self._state = "broken"
        return end

    def _close(self, text: str, at: int, found: _Collected) -> int:
        """Take what follows the JSON: another value, or the closing mark, or text that comes without one."""
        block = self._block
        end = at + MAX_LINE - len(block.tail)
        block.tail += text[at:end]
        closing = closing_of(block.tail, tag=block.tag)
        if not closing and may_close(block.tail, tag=block.tag):
            return end
        rest = block.tail[closing:]
        if not closing and rest.lstrip()[:1] in ("{", "["):
            self._state = "value"
        else:
            self._end(found, block.tail[:closing])
        block.tail = ""
        self._run(rest, found)
        return end

    def _end(self, found: _Collected, closing: str) -> None:
        """The block is over, with this mark."""
        block = self._block
        block.tail = block.tail[len(closing) :]
        if block.worth != "proved":
            found.add(Unproved(block.text + closing, tuple(block.actions)))
        self._state, self._at_start = "text", not block.tag

    def _give_up(self, text: str, at: int, found: _Collected) -> int:
        """Hold the rest of a block whose JSON is none, up to its end; returns where to go on."""
        block = self._block
        if block.tag:
            return self._give_up_tag(text, at, found)
        end = text.find("\n", at) + 1 or len(text)
        block.body.write(text[at:end])
        self._line += text[at : min(end, at + MAX_LINE + 1)] if len(self._line) <= MAX_LINE else ""
        if text[end - 1] == "\n":
            if ends_block(self._line):
                self._leave(found, closing=len(self._line))
            self._line = ""
        return end

    def _give_up_tag(self, text: str, at: int, found: _Collected) -> int:
        """The same where a tag ends the block, wherever in a line; its beginning may have come before."""
        before = len(self._line)
        across = (self._line + text[at : at + len(TAG_END)]).find(TAG_END)
        start = at + across - before if across >= 0 else text.find(TAG_END, at)
        end = start + len(TAG_END) if across >= 0 or start >= 0 else len(text)
        self._block.body.write(text[at:end])
        if across >= 0 or start >= 0:
            self._leave(found, closing=len(TAG_END))
            self._line = ""
        else:
            self._line = (self._line + text[max(at, end - len(TAG_END)) : end])[1 - len(TAG_END) :]
        return end

    def _leave(self, found: _Collected, *, closing: int) -> None:
        """A block without JSON is over, its last `closing` characters being its end: code of calls, or no action."""
        block = self._block
        whole = block.text
        inside = whole[len(block.opening) : len(whole) - closing]
        read = "has two kinds of content" if block.actions else read_code(inside, self._names)
        if block.worth == "proved":
            found.add(*([Faulty(whole, block.reason)] if isinstance(read, str) else read))
        elif isinstance(read, str):
            found.say(whole)
        else:
            found.add(Unproved(whole, tuple(read), code=inside))
        self._state, self._at_start = "text", not block.tag


class _Block:
    """A block that may hold actions: the line that opened it, and what came after that."""

    def __init__(self, opening: str, worth: Worth, *, tag: bool = False) -> None:
        self.opening = opening
        self.worth = worth
        self.tag = tag
        self.body = text_buffer()
        self.tail = ""  # what is not decided yet
        self.reason = ""
        self.scan = JsonScan()
        self.actions: list[Action] = []

    @property
    def text(self) -> str:
        """All of it as it came."""
        return self.opening + self.body.getvalue()


class _Collected:
    """What was found, neighbouring texts put together."""

    def __init__(self) -> None:
        self._found: list[Found] = []
        self._said: list[str] = []

    def say(self, text: str) -> None:
        """Add text."""
        if text:
            self._said.append(text)

    def add(self, *found: Action | Faulty | Unproved) -> None:
        """Add what is no text."""
        self._found = self.taken()
        self._found += found

    def taken(self) -> list[Found]:
        """All of it, in order."""
        if self._said:
            self._found.append("".join(self._said))
            self._said = []
        return self._found
