"""Holds a whole answer to the JSON that the client asked for.

Knows JSON and the format that is wanted. Must not know calls, prompts or who asks again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pydantic_core import from_json

from lingma_trio.emulation.mending import Mender
from lingma_trio.turns import AnswerFormat, text_buffer

MOST_VALUES: Final = 100_000
"""Values in an answer, as its commas and brackets tell. One that has more is taken as it is: reading it would hold up
everybody."""

_FENCED = re.compile(r"```[^`\n]*\n(.*?)```", re.DOTALL)


class FormatCheck:
    """One answer's text, held until it is whole: nothing of it may be shown before it is known to be right."""

    def __init__(self, wanted: AnswerFormat, mender: Mender) -> None:
        self._wanted = wanted
        self._mender = mender
        self._text = text_buffer()
        self.trimmed = False
        """Whether the answer was more than the JSON that the verdict gave, or not quite it."""

    @property
    def said(self) -> bool:
        """Whether there is any text."""
        return bool(self._text.getvalue().strip())

    def text(self, text: str) -> None:
        """Take more text."""
        self._text.write(text)

    def replace(self, text: str) -> None:
        """Take `text` in the place of what came before."""
        self._text = text_buffer(text)

    def verdict(self) -> tuple[str, str]:
        """The JSON alone, without a fence or words around it and mended, and what is wrong with it: one is empty."""
        text = self._text.getvalue().strip()
        if text.count(",") + text.count("[") + text.count("{") > MOST_VALUES:
            return text, ""
        fault = ""
        for candidate in _candidates(text):
            answer, found = self._fit(candidate)
            if not found:
                self.trimmed = answer != text
                return answer, ""
            fault = fault or found
        return "", fault

    def _fit(self, text: str) -> tuple[str, str]:
        schema = self._wanted.schema
        try:
            if schema is None:
                return text, "" if isinstance(from_json(text, allow_inf_nan=False), dict) else "it is no JSON object"
            answer, fault = self._mender.fit(text, schema, strict=self._wanted.strict)
        except ValueError:
            return text, "it is no JSON"
        return answer, f"it does not fit the schema: {fault}" if fault else ""


def _candidates(text: str) -> Iterator[str]:
    """What may be meant: all of it, what stands in its one fence, or what is between its outermost brackets."""
    yield text
    fenced = _FENCED.findall(text)
    if len(fenced) == 1:
        yield fenced[0].strip()
    starts = [at for at in (text.find("{"), text.find("[")) if at >= 0]
    end = max(text.rfind("}"), text.rfind("]")) + 1
    if starts and 0 < min(starts) < end:
        yield text[min(starts) : end]
