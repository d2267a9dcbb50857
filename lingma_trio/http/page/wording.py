"""The words of the page in each language, and which of the two a browser wants.

Pure. A key that one language has and the other lacks is a bug that a test finds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from lingma_trio.http.page.chinese import CHINESE
from lingma_trio.http.page.english import ENGLISH

Language: TypeAlias = Literal["en", "zh"]

CATALOGUES: Mapping[Language, Mapping[str, str]] = {"en": ENGLISH, "zh": CHINESE}


def choose_language(accepted: str) -> Language:
    """The language that an Accept-Language header ranks higher, English where it says nothing of either."""
    best: tuple[float, Language] = (0.0, "en")
    for entry in accepted.split(","):
        tag, _, parameter = entry.strip().partition(";")
        primary = tag.strip().lower().partition("-")[0]
        rank = _rank(parameter)
        if primary == "zh" and rank > best[0]:
            best = rank, "zh"
        elif primary == "en" and rank > best[0]:
            best = rank, "en"
    return best[1]


def _rank(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if not name:
        return 1.0
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
