"""Schemas and values that once held everybody up for seconds: what reading them and judging by them costs now."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from pydantic_core import to_json

from lingma_trio.api.anthropic.request import as_request, read_body
from lingma_trio.api.asked.reading import read_as
from lingma_trio.api.responses.asked import ResponseRequest as Asked
from lingma_trio.api.responses.tools import read_tools
from lingma_trio.api.toolbox import MAX_TOOLS_SIZE
from lingma_trio.emulation.answer_check import check_of
from lingma_trio.emulation.json_schema import MOST_STEPS, Judge
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import AnswerFormat, Finished, Message, Prompt, TextDelta, Tool, Toolbox, ToolCall
from tests.hostile.steps import processor_time

A_STEP = 0.15
"""Seconds: thrice what a step of a task may take on a quiet machine."""

DOUBLING = 30
"""References, each to two of the next."""

REFERRED = "r" * 15_000
HUGE = "n" * 4_000_000


def doubling(last: object) -> dict[str, Any]:
    """A small schema that holds a value against `last` two to the power of DOUBLING times."""
    levels = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(DOUBLING)}
    return {"$defs": {**levels, f"d{DOUBLING}": last}, "$ref": "#/$defs/d0"}


def spread(schemas: list[Any]) -> dict[str, Any]:
    """A schema that holds a value against each of those, of which none ends the verdict."""
    return {"allOf": [{"not": schema} for schema in schemas]}


WORDS = [f"{at}x" for at in range(700)]
BITS = ("01101" * 7919)[:30_000]
COSTLY: dict[str, tuple[object, dict[str, Any]]] = {
    "patternProperties": (
        {f"n{at}": 0 for at in range(500)},
        {"patternProperties": {f".{{0,300}}.{{0,300}}{at:04}": {} for at in range(2000)}},
    ),
    "references that double": ("x" * 1000, doubling({"not": {"pattern": "^(?:x|y){1,300}$"}})),
    "many small references": ([0] * 1000, {"items": doubling({"type": "integer"})}),
    "constants": (list(range(150_000)), spread([{"const": list(range(149_999))}] * 256)),
    "distinct constants": (0, spread([{"const": list(range(at, at + 600))} for at in range(256)])),
    "choices": (["z"] * 20_000, {"items": {"not": {"enum": [str(at) for at in range(20_000)]}}}),
    "long references": ({}, {"$defs": {REFERRED: {}}, "allOf": [{"$ref": f"#/$defs/{REFERRED}"}] * 4000}),
    "long references to nothing": ({}, {"allOf": [{"$ref": f"#/$defs/{REFERRED}{at}"} for at in range(500)]}),
    "a huge name": (
        {HUGE: [{}] * 4000},
        {"additionalProperties": {"items": {"anyOf": [{"required": ["a"]}, {"minProperties": 1}, True]}}},
    ),
    "a huge name that is required": ({HUGE: 0}, doubling({"required": [HUGE]})),
    "long texts": (["x" * 1_000_000] * 100, {"items": {"pattern": "x$", "not": {"const": "y"}}}),
    "an expression that remembers": ([BITS] * 50, {"items": spread([{"pattern": "[01]*1[01]{60}2"}])}),
    "expressions that remember": (BITS[:500], spread([{"pattern": f"[01]*1[01]{{20}}{at}q"} for at in range(2, 500)])),
    "expressions of many letters": ("q", spread([{"pattern": f"{at}|" + "|".join(WORDS)} for at in range(500)])),
    "sets of Unicode": ("q", spread([{"pattern": rf"\p{{L}}{{0,10}}{at}"} for at in range(500)])),
    "long numbers": ([10**4000] * 500, {"items": spread([{"multipleOf": 7}, {"minimum": 10**4001}])}),
    "long numbers that differ": ([10**4000 + at for at in range(500)], {"uniqueItems": True}),
    "items that differ": ([[at, "x" * 500] for at in range(20_000)], {"uniqueItems": True}),
    "items": ([{"a": 0}] * 50_000, {"items": {"properties": {"a": {"type": "integer"}}, "required": ["a"]}}),
    "keywords": (0, {"allOf": [{f"x{at}": 0 for at in range(10_000)}] * 1000}),
    "kinds": (0, {"allOf": [{"type": ["string"] * 10_000 + ["integer"]}] * 1000}),
    "a reference to itself": ({}, {"$ref": "#"}),
}  # fmt: skip


@pytest.mark.parametrize("case", COSTLY)
def test_no_verdict_costs_more_than_a_step(case: str) -> None:
    """Whatever the schema and the value are, and where the budget does not do, nothing is a fault."""
    value, schema = COSTLY[case]
    judge = Judge()
    with processor_time() as spent:
        assert judge.value_fault(value, schema) == ""
    assert spent.seconds < A_STEP


def test_steps_do_not_grow_with_what_cannot_be_paid() -> None:
    """A step is charged before it is taken: the last one is the only one that goes beyond the budget."""
    judge = Judge()
    judge.value_fault([0] * 50_000, {"items": {"type": "integer"}})
    assert -100 < judge.steps < 0


def test_ordinary_arguments_take_a_small_part_of_the_budget() -> None:
    """A hundred edits of a file are judged to the last."""
    edit = {"path": "src/a.py", "line": 10, "old": "x" * 2000, "new": "y" * 2000, "flags": ["i"]}
    schema = {
        "type": "object",
        "properties": {
            "edits": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "path": {"type": "string", "pattern": "^[A-Za-z0-9_./-]{1,255}$"},
                        "line": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
                        "old": {"type": "string"},
                        "new": {"type": "string"},
                        "flags": {"type": "array", "items": {"enum": ["i", "g", "m"]}, "uniqueItems": True},
                    },
                    "required": ["path", "old", "new"],
                    "additionalProperties": False,
                },
            }
        },
        "required": ["edits"],
    }
    judge = Judge()
    assert judge.value_fault({"edits": [edit] * 100}, schema) == ""
    assert judge.value_fault({"edits": [*[edit] * 100, {**edit, "line": 0}]}, schema).startswith("edits[100].line")
    assert judge.steps > MOST_STEPS // 2


def test_reading_a_request_reads_no_schema() -> None:
    """Two thousand costly expressions are nothing to the one who only counts tokens, and nothing is kept of them."""
    schema = COSTLY["patternProperties"][1]
    body = to_json(
        {
            "model": "m",
            "max_tokens": 1,
            "messages": [{"role": "user", "content": "hi"}],
            "tools": [{"name": "f", "input_schema": {"type": "object", **schema}}],
        }
    )
    assert len(body) < 60_000
    with processor_time() as spent:
        as_request(read_body(body))
    assert spent.seconds < A_STEP


def test_all_calls_of_an_answer_share_a_budget() -> None:
    """Each of a hundred calls alone would take all of it. What cannot be judged goes out and is not asked for again."""
    tools = tuple(Tool(f"f{at}", "", {**doubling({"type": "object"}), "required": ["none"]}) for at in range(100))
    numbers = count()
    check = check_of(Prompt((Message("user", "hi"),), toolbox=Toolbox(tools)), lambda: str(next(numbers)))
    assert check is not None
    text = "".join(f'```json action\n{{"tool": "{tool.name}", "arguments": {{}}}}\n```\n' for tool in tools)
    with processor_time() as spent:
        events = check.take([TextDelta(text), Finished("s")])
    assert sum(isinstance(event, ToolCall) for event in events) == len(tools)
    assert check.complaint() == ""
    assert spent.seconds < A_STEP


def test_format_shares_the_budget() -> None:
    """An answer that cannot be judged by its format is shown, and not asked for again."""
    prompt = Prompt(
        (Message("user", "hi"),), answer_format=AnswerFormat({**doubling({"type": "integer"}), "maximum": 1})
    )
    check = check_of(prompt, str)
    assert check is not None
    with processor_time() as spent:
        assert check.take([TextDelta("5"), Finished("s")]) == [TextDelta("5"), Finished("s")]
    assert check.complaint() == ""
    assert spent.seconds < A_STEP


@pytest.mark.parametrize(
    "listed",
    [
        [{"type": "function", "name": "f"}] * 50_000,
        [
            {
                "type": "namespace",
                "name": "n",
                "tools": [{"type": "function", "name": f"f{at}_{place}"} for at in range(5000)],
            }
            for place in range(10)
        ],
        [{"type": "web_search"}] * 50_000,
    ],
)
def test_list_of_tools_is_not_read_beyond_its_bound(listed: list[Any]) -> None:
    """Where they are counted within each other too, and those that nobody declares to the model."""
    with processor_time() as spent, pytest.raises(InvalidRequest, match="no more than 10000"):
        read_tools(read_as(Asked, to_json({"input": "", "tools": listed})))
    assert spent.seconds < A_STEP


def test_configuration_costs_no_more_than_its_size() -> None:
    """The most values that fit into tools are put in order within a step; what else a tool holds is not looked at."""
    parameters = {"type": "object", "enum": [[]] * (MAX_TOOLS_SIZE // 4)}
    tool = {"type": "function", "name": "f", "parameters": parameters, "other": [[]] * 1_000_000}
    with processor_time() as spent:
        assert len(read_tools(Asked(input="", tools=[tool])).configuration) < MAX_TOOLS_SIZE
    assert spent.seconds < A_STEP
