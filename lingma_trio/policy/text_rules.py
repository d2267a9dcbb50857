"""Whether a text keeps to a regular expression or a format of JSON Schema, for certain and in bounded time.

Knows the two keywords that say something of a text's letters. Must not know schemas or what a text is. Both come from
outside, so the expressions run in an engine with a bound on its work and not in Python's, which has none.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import jsonschema_rs

MOST_BACKTRACKS = 100_000
"""Steps back in one match, a few milliseconds; an expression that wants more matches nothing."""

MOST_COMPILED = 1024 * 1024
"""Bytes of one expression made ready; one that wants more is refused like one that is none."""

_REMEMBERED = 256


def is_expression(pattern: str) -> bool:
    """Whether there is a regular expression of that form, and not too large a one."""
    try:
        _rule("pattern", pattern)
    except ValueError:
        return False
    return True


def matches(pattern: str, text: str) -> bool:
    """Whether the expression, one that `is_expression`, is found anywhere in `text`."""
    return _rule("pattern", pattern).is_valid(text)


def has_format(name: str, text: str) -> bool:
    """Whether `text` has the format of that name; a name that JSON Schema does not know asks for nothing."""
    return _rule("format", name).is_valid(text)


@lru_cache(maxsize=_REMEMBERED)
def _rule(keyword: Literal["pattern", "format"], word: str) -> jsonschema_rs.Validator:
    options = jsonschema_rs.FancyRegexOptions(backtrack_limit=MOST_BACKTRACKS, size_limit=MOST_COMPILED)
    return jsonschema_rs.validator_for({keyword: word}, validate_formats=True, pattern_options=options)
