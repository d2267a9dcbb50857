"""Holds values against the JSON Schemas that clients declare for their tools' arguments and for whole answers.

Knows JSON Schema, whose words are in `json_keywords`. Must not know tools, formats or who declared what.

The job is to find the answer that has to be asked for again, and no more. A fault is told where every reading of a
schema finds it. What cannot be judged is no fault: a keyword of the wrong kind, a format, a reference to an `$id` or an
`$anchor`, an expression that dialects read differently, and whatever comes when the answer's budget is spent. So no
schema has to be refused.

Schemas come from outside and values are judged on the loop that serves everybody: each step is charged by what it
costs. That no library bounds references that lead to each other is why this is none.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from lingma_trio.emulation.json_keywords import RULES, Fault, Path, Schema
from lingma_trio.emulation.patterns import Expression, compiled, weigh

MOST_STEPS: Final = 65_536
"""What the judging of an answer and all its calls may cost, in steps of half a microsecond or so."""

MOST_DEPTH: Final = 100
"""Schemas within each other, or referred to from each other, that a value is held against."""

_LETTERS_A_STEP: Final = 2048
"""Letters that are compared for the price of a step."""

_LETTERS_OF_A_KEY: Final = 256
_BITS_OF_A_KEY: Final = 512
"""What is written and hashed for the price of a step."""

_WEIGHT_A_STEP: Final = 64
"""Letters times the weight of the expression that is looked for in them."""


class Spent(Exception):
    """The answer's budget is spent, or the value is held against too many schemas at once."""


class Judge:
    """What holds the values of one answer against their schemas, which have to outlive it; all share one budget.

    `steps` is what is left of it.
    """

    def __init__(self, steps: int = MOST_STEPS) -> None:
        self.steps = steps
        self._root: Schema = {}
        self._is_early = False
        self._depth = 0
        self._doubts = 0  # times that something could not be judged
        self._targets: dict[tuple[int, str], object] = {}
        self._choices: dict[int, frozenset[str]] = {}
        self._expressions: dict[str, tuple[int, Expression] | None] = {}

    def value_fault(self, value: object, schema: Schema) -> str:
        """The first thing that is wrong with `value`, a sentence without its stop; nothing where no fault can be told.

        `value` and `schema` are as JSON is parsed.
        """
        self.begin(schema)
        try:
            fault = self.fault(value, schema, None)
        except Spent:
            return ""
        return f"{_place(fault.path)} {fault.words}" if fault else ""

    def begin(self, schema: Schema) -> None:
        """Let references begin at this schema from here on."""
        dialect = schema.get("$schema")
        self._root, self._depth = schema, 0
        self._is_early = isinstance(dialect, str) and "/draft-0" in dialect

    def fault(self, value: object, schema: object, path: Path) -> Fault | None:
        """The first fault of a value. None also where there is a doubt, which is counted."""
        if not isinstance(schema, dict):
            self.spend(1)
            if schema is True:
                return None
            return Fault(path, "must not be there") if schema is False else self.doubt()
        self.spend(4 + len(schema) // 4)
        if self._depth == MOST_DEPTH:
            raise Spent
        if "$id" in schema and schema is not self._root:
            return self.doubt()  # its references begin at another root
        if self._is_early and "$ref" in schema:
            schema = {"$ref": schema["$ref"]}  # drafts up to 7 ignore what stands beside a reference
        found = None
        self._depth += 1
        for keyword, held in schema.items():
            rule = RULES.get(keyword)
            if rule is None or (rule.values and type(value) not in rule.values):
                continue
            if rule.held and type(held) not in rule.held:
                self._doubts += 1
            elif found := rule.judge(self, value, held, schema, path):
                break
        self._depth -= 1
        return found

    def verdict(self, value: object, schema: object) -> bool | None:
        """Whether a value conforms; None where there is a doubt."""
        doubts = self._doubts
        if self.fault(value, schema, None):
            return False
        return True if self._doubts == doubts else None

    def spend(self, steps: int) -> None:
        """Charge the budget; raises what ends the verdict where that is more than is left."""
        self.steps -= steps
        if self.steps < 0:
            raise Spent

    def look(self, text: str) -> None:
        """Charge for comparing a text."""
        self.spend(1 + len(text) // _LETTERS_A_STEP)

    def doubt(self) -> Fault | None:
        """Return that there is no fault to tell, although there may be one."""
        self._doubts += 1
        return None

    def target(self, ref: str) -> object:
        """What a reference names; None where it names nothing by its place in the schema."""
        self.look(ref)
        known = (id(self._root), ref)
        if known not in self._targets:
            self.spend(len(ref) // 4)
            self._targets[known] = _resolve(ref, self._root)
        return self._targets[known]

    def is_among(self, value: object, choices: list[object], held: object) -> bool:
        """Whether a value is one of those that the schema has in `held`."""
        if id(held) not in self._choices:
            self._choices[id(held)] = frozenset(map(self.key, choices))
        return self.key(value) in self._choices[id(held)]

    def key(self, value: object) -> str:
        """A text that values share between which JSON sees no difference, as 1 and 1.0, but not true."""
        parts: list[str] = []
        self._write(value, parts)
        return "".join(parts)

    def _write(self, value: object, parts: list[str]) -> None:
        self.spend(2)
        if isinstance(value, str):
            self.spend(len(value) // _LETTERS_OF_A_KEY)
            parts.append(f"{len(value)}:{value}")
        elif isinstance(value, dict):
            parts.append("{")
            for name in sorted(value):
                self._write(name, parts)
                self._write(value[name], parts)
            parts.append("}")
        elif isinstance(value, list):
            parts.append("[")
            for item in value:
                self._write(item, parts)
            parts.append("]")
        elif type(value) is int or (isinstance(value, float) and value.is_integer()):
            whole = int(value)
            self.spend(whole.bit_length() // _BITS_OF_A_KEY)
            parts.append(f"{whole:x},")
        else:
            parts.append(f"{value!r},")

    def finds(self, pattern: str, text: str) -> bool | None:
        """Whether a pattern is found in a text; None where there is a doubt."""
        if pattern not in self._expressions:
            self.spend(64 + 2 * len(pattern))
            weight = weigh(pattern)
            self.spend((weight or 0) // 2)
            ready = compiled(pattern) if weight is not None else None
            self._expressions[pattern] = (weight, ready) if weight is not None and ready is not None else None
        known = self._expressions[pattern]
        if known is None:
            self._doubts += 1
            return None
        weight, ready = known
        self.spend(1 + len(text) * (8 + weight) // _WEIGHT_A_STEP)
        return ready(text)


def _place(path: Path) -> str:
    """Where a fault is, to begin a sentence with."""
    steps: list[str] = []
    while path is not None:
        path, step = path
        steps.append(f"[{step}]" if isinstance(step, int) else f".{step[:60]}")
    return "".join(reversed(steps))[:300].removeprefix(".") or "It"


def _resolve(ref: str, root: Schema) -> object:
    """The schema that a reference names; None where it names none by its place in the schema."""
    if not (ref == "#" or ref.startswith("#/")):
        return None
    found: object = root
    for step in ref.split("/")[1:]:
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(name)
        elif isinstance(found, list) and re.fullmatch(r"[0-9]{1,6}", name) and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found
