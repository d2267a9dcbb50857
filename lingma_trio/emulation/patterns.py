r"""Whether a text matches an expression of JSON Schema, where that can be said for certain and at a known cost.

Knows regular expressions. Must not know schemas or what a text is. Expressions come from outside, and making one ready
or looking for it holds the interpreter. So each is weighed on its letters first, and what is too heavy, or is not
written in what all dialects read alike, is not used: looking round and back, word boundaries, flags, `{,5}`, nested
sets. The engine takes time linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

MOST_LETTERS: Final = 4096
"""Length of an expression."""

MOST_WEIGHT: Final = 16_384
"""Weight of an expression: roughly its instructions once repetitions are written out, some milliseconds to make."""

_PROGRAM: Final = 1024 * 1024
_CACHE: Final = 64 * 1024
"""Bytes that the engine may take for an expression, and for what it remembers while it looks."""

_WIDE: Final = 25
"""Weight of a set that reaches beyond ASCII."""

_NAMED: Final = 1000
"""Weight of a set that Unicode names."""

Expression: TypeAlias = Callable[[str], bool]
"""Whether an expression is found anywhere in a text."""

_ESCAPE: Final = r"\\(?:[dDwWsSnrtfv]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|[pP]\{[A-Za-z_=]+\}|[^\w\s<>])"
_TOKEN: Final = re.compile(
    rf"""
    (?P<opens>   \( (?: \?: | \?<[A-Za-z]\w*> )? (?!\?) )
    | (?P<closes>  \) )
    | (?P<repeats> [*+?] | \{{ (?P<least>\d{{1,5}}) (?P<open>,(?P<most>\d{{1,5}})?)? \}} ) \??
    | (?P<parts>   [|^$] )
    | (?P<letter>  [^\[\](){{}}*+?|^$\\] | {_ESCAPE}
                 | \[ (?!\^\]) \^? (?: (?! && | -- | ~~ ) (?: [^\[\]\\] | {_ESCAPE} ) )+ \] )
    """,
    re.VERBOSE,
)
_BEYOND_ASCII: Final = re.compile(r"^\.|^\[\^|\\[sSDWu]|[^\x00-\x7f]")
_UNICODE: Final = re.compile(r"\\[pP]")


def weigh(pattern: str) -> int | None:
    """What an expression costs, by its text alone; None for one that is not to be used.

    The weight of each letter and set, times all the repetitions it stands in.
    """
    if len(pattern) > MOST_LETTERS:
        return None
    groups = [1]
    last: int | None = None  # the weight of what a repetition here would repeat
    at = 0
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None:
            return None
        at = token.end()
        match token.lastgroup:
            case "opens":
                groups.append(1)
                last = None
            case "closes" if len(groups) > 1:
                last = groups.pop()
                groups[-1] += last
            case "repeats" if last is not None:
                groups[-1] += last * (_times(token) - 1)
                last = None
            case "letter":
                last = _weight_of(token[0])
                groups[-1] += last
            case "parts":
                groups[-1] += 1
                last = None
            case _:
                return None
        if groups[-1] > MOST_WEIGHT:
            return None
    return groups[0] if len(groups) == 1 else None


def compiled(pattern: str) -> Expression | None:
    """Make an expression ready that has a weight; None for one that is none or grows beyond what it weighs, and for all
    while none can be used.
    """
    try:
        import jsonschema_rs  # noqa: PLC0415 - 3 MB, which schemas without an expression have no use for
    except (ImportError, OSError):  # where no more files can be opened
        return None
    options = jsonschema_rs.RegexOptions(size_limit=_PROGRAM, dfa_size_limit=_CACHE)
    try:
        return jsonschema_rs.validator_for({"pattern": pattern}, pattern_options=options).is_valid
    except ValueError:
        return None


def _times(token: re.Match[str]) -> int:
    """How often what is repeated is written out."""
    least = int(token["least"] or 1)
    return max(int(token["most"] or least + 1) if token["open"] else least, 1)


def _weight_of(letter: str) -> int:
    """The weight of a letter or a set."""
    plain = _WIDE + len(letter) if _BEYOND_ASCII.search(letter) else 1 + len(letter) // 16
    return plain + len(_UNICODE.findall(letter)) * _NAMED
