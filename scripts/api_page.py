"""Writes docs/api.md from the models that read requests.

    .venv/bin/python scripts/api_page.py            write the page
    .venv/bin/python scripts/api_page.py --check    only say whether it is what would be written

What is done with a field is the mark on it, what it is for is its docstring: the page holds nothing of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from lingma_trio.api.asked.shapes import Asked, Body, Handling, Refused, handling
from lingma_trio.api.openapi.operations import OPERATIONS

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "api.md"

HEAD = """# What requests may hold

<!-- Written by scripts/api_page.py from the models that read requests; changes here are lost. -->

Every field that a request may have, and what the gateway does with it:

| | |
|---|---|
| **read** | Its meaning reaches Lingma, or shapes the answer. |
| **emulated** | Lingma does not know it; the gateway brings it about, by the prompt and by holding answers to it. |
| **refused** | A value is answered with a 400 that names the field; null is as good as nothing. |
| **without effect** | It may be there and changes nothing. |

A field that is not listed here is served without effect, and the answer's header `x-ignored-fields` names it. In an
object within a request, such as a message, fields that are not listed are the client's own. The same is at
`/openapi.json` for programs and at `/docs` for people, with the types.
"""

ORDER = {name: place for place, name in enumerate(get_args(Handling))}


def page() -> str:
    """The whole page."""
    asked = [operation for operation in OPERATIONS if operation.asked and issubclass(operation.asked, Body)]
    parts = [HEAD]
    told: set[type[Asked]] = set()
    for model, operations in groupby(asked, key=lambda operation: operation.asked):
        paths = ", ".join(f"`{operation.method.upper()} {operation.path}`" for operation in operations)
        parts.append(f"\n## {paths}\n\n{summary(model)}\n")
        parts += tables(model, told)
    return "".join(parts)


def tables(model: type[Asked] | None, told: set[type[Asked]]) -> Iterator[str]:
    """A table of each object that a request is made of, outermost first, but for those `told` already."""
    assert model is not None
    for each in within(model):
        if each in told:
            continue
        told.add(each)
        if each is not model:
            yield f"\n### {each.__name__}\n\n{summary(each)}\n"
        yield "\n| field | | meaning |\n|---|---|---|\n"
        yield from sorted(map(row, each.model_fields, each.model_fields.values()), key=place)


def place(line: str) -> int:
    """Where a row stands: fields of one handling together."""
    return ORDER[line.split(" | ")[1]]


def row(name: str, field: FieldInfo) -> str:
    """One field's line of a table."""
    meaning = " ".join((field.description or "").split())
    reasons = [mark.reason for mark in field.metadata if isinstance(mark, Refused)]
    told = " ".join([meaning, *(f"{reason}." for reason in reasons)]).replace("|", "\\|")
    return f"| `{field.alias or name}` | {handling(field)} | {told} |\n"


def summary(model: type[Asked] | None) -> str:
    """What a model says of itself."""
    return " ".join(((model.__doc__ if model else "") or "").split())


def within(model: type[Asked]) -> list[type[Asked]]:
    """A model and every other that its fields are made of, each once."""
    found: dict[type[Asked], None] = {model: None}
    waiting = [model]
    while waiting:
        for field in waiting.pop(0).model_fields.values():
            for named in mentioned([field.annotation, *field.metadata]):
                if named not in found:
                    found[named] = None
                    waiting.append(named)
    return list(found)


def mentioned(annotations: Iterable[object]) -> Iterator[type[Asked]]:
    """The models that types name, at any depth."""
    for annotation in annotations:
        if isinstance(annotation, type) and issubclass(annotation, Asked):
            yield annotation
        else:
            yield from mentioned(get_args(annotation))


def main() -> None:
    """Write the page, or check it."""
    written = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if sys.argv[1:] == ["--check"]:
        if written != page():
            sys.exit(f"{PAGE.name} is not current: run scripts/api_page.py")
        print(f"{PAGE.name} is current")
        return
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
