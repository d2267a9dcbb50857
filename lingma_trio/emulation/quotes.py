"""Tells whether a call that stands in an answer stands in the conversation already, and so may only be quoted.

Knows JSON and messages. Must not know fences, toolboxes or events.

JSON is compared as a value, however it is laid out, and also where it is escaped within strings of other JSON or within
a web page. Looked at is only what is near a tool's name that is written as one. There is a bound to that work; a
conversation in which it does not suffice is taken to hold the call, since a call that is not made does less harm than
one that nobody asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from html import unescape
from itertools import chain, product
from typing import TYPE_CHECKING, Final

from pydantic_core import to_json

from lingma_trio.emulation.action_json import Action, JsonScan, read_actions

if TYPE_CHECKING:
    from lingma_trio.turns import Message

_WORK: Final = 1 << 18
"""Characters that may be looked at closely for one answer, and for each call twice as many as it has itself."""

_GLANCE: Final = 256  # characters in which a string is searched for at the cost of looking at one
_ROOM: Final = 6  # times as long as one text of a value another one of it may be, and _SPARE characters more
_SPARE: Final = 512
_MAX_BRACES: Final = 32  # that are tried for the beginning of an object
_KEY: Final = re.compile(r"""(?:tool|name)\\*["“”]\s*:\s*(\\*)\Z""")
_KEY_SIZE: Final = 64
_SPELLED: Final = ("&quot;", "&#34;", "&#x22;", r"\u0022")  # a quote in the source of a web page, or in JSON of .NET
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_BLANK: Final = re.compile(r"""[\s\\"'“”]+""")
_WORD: Final = re.compile(r"[A-Za-z]{3,}")


class Quotes:
    """What an answer may quote of a conversation: its texts, and the arguments of its calls."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._messages = messages
        self._work = _WORK

    def hold(self, actions: Sequence[Action], *, code: str = "") -> bool:
        """Whether the conversation holds one of these actions, or where they were written as code, that code."""
        if code:
            return self._hold_code(code, actions[0].spelled)
        return any(self._hold(action) for action in actions)

    @cached_property
    def _texts(self) -> list[str]:
        """From the newest on: there is most often what is quoted."""
        texts: list[str] = []
        for message in reversed(self._messages):
            texts.append(message.text)
            texts += (call.arguments for call in message.tool_calls)
        return texts

    @cached_property
    def _spelled(self) -> list[str]:
        """Those in which quotes are written in other ways; all of what can be afforded is looked at once."""
        return [
            text
            for text in self._texts
            if self._affords(1 + len(text) // _GLANCE) and any(quote in text for quote in _SPELLED)
        ]

    def _hold(self, action: Action) -> bool:
        try:
            written = to_json(action.arguments, inf_nan_mode="null").decode()
        except ValueError:
            return True  # too deep to be compared
        self._work += 2 * len(written)
        clue = max(_WORD.findall(_ESCAPE.sub(" ", written)), key=len, default="")
        room = _ROOM * len(written) + _SPARE
        for text, at, backslashes in self._places({action.name, action.spelled or action.name}):
            before, behind = text[max(0, at - room) : at - backslashes], text[at : at + room]
            if not self._affords(2 * room // _GLANCE) or not (clue in before or clue in behind):
                continue
            depths = {backslashes}
            if text[at] in "&\\":
                before, behind = unescape(before), unescape(behind)
                depths.add(2 * backslashes + 1)  # such a quote is not escaped where all else is
            for depth in depths:
                if _is_same(self._object(_unescaped(before, depth), _unescaped(behind, depth)), action):
                    return True
        return self._work < 0

    def _places(self, names: set[str]) -> Iterator[tuple[str, int, int]]:
        """Where a text names one of these as a tool: the place of the quote, and the backslashes before that."""
        plain = product(self._texts, ('"', "“"), names)
        for text, quote, name in chain(plain, product(self._spelled, _SPELLED, names)):
            if not self._affords(1 + len(text) // _GLANCE):
                return
            at = text.find(quote + name)
            while at >= 0 and self._affords(_KEY_SIZE // 4):
                before = text[max(0, at - _KEY_SIZE) : at]
                if quote in _SPELLED:
                    before = _ESCAPE.sub(_meant, unescape(before))
                if key := _KEY.search(before):
                    yield text, at, len(key[1])
                at = text.find(quote + name, at + 1)

    def _object(self, before: str, behind: str) -> str:
        """The innermost object round a place, as JSON, or the empty string."""
        text = before + behind
        brace = len(before)
        for _ in range(_MAX_BRACES):
            brace = text.rfind("{", 0, brace)
            if brace < 0:
                break
            scan = JsonScan()
            end = scan.feed(text, brace)
            if not self._affords((end or len(text)) - brace) or end is None:
                break  # it is longer than the value that is looked for
            if not scan.broken and end > len(before):
                return scan.mended
        return ""

    def _hold_code(self, code: str, name: str) -> bool:
        """Whether a text holds this code, whatever blanks, quotes and escapes there are."""
        wanted = _BLANK.sub("", code)
        self._work += 2 * len(code)
        for text in self._texts:
            names = self._affords(1 + len(text) // _GLANCE) and name in text
            if names and self._affords(len(text)) and wanted in _BLANK.sub("", text):
                return True
        return self._work < 0

    def _affords(self, characters: int) -> bool:
        self._work -= characters
        return self._work >= 0


def _unescaped(text: str, backslashes: int) -> str:
    """A text that stands in strings within strings, so deep that a quote has so many backslashes before it."""
    if not backslashes:
        return text
    while backslashes:
        text = _ESCAPE.sub(_meant, text)
        backslashes //= 2
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _meant(escape: re.Match[str]) -> str:
    held = escape[1]
    return chr(int(held[1:], 16)) if len(held) > 1 else _ESCAPED.get(held, held)


def _is_same(text: str, action: Action) -> bool:
    read = read_actions(text, (action.name,))
    return not isinstance(read, str) and read == [action]
