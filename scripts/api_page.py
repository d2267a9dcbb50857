"""Writes docs/api.md and its Chinese twin from the models that read requests.

    .venv/bin/python scripts/api_page.py            write the pages
    .venv/bin/python scripts/api_page.py --check    only say whether they are what would be written

What is done with a field is the mark on it, what it is for is its docstring: the pages hold nothing of their own. The
docstrings' sentences stand in Chinese with the gateway, whose page at /docs says them as well; what else the Chinese
page needs is in api_chinese.json beside this. What a client is told of a field that is refused is not translated.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

from lingma_trio.api.asked.shapes import Asked, Body, Handling, Refused, handling
from lingma_trio.api.openapi.operations import OPERATIONS
from lingma_trio.http.documents import chinese as spoken_chinese

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

ROOT = Path(__file__).parent.parent
CHINESE = Path(__file__).with_name("api_chinese.json")

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

All of this is the same where an agent over ACP answers in Lingma's place: it is given text and, where it takes any,
pictures. Temperature, the most tokens, stop texts, formats and tools have no place in that protocol either.
"""

ORDER = {name: place for place, name in enumerate(get_args(Handling))}


class Language(NamedTuple):
    """A page: where it is, how it begins, what its columns and marks are called, and how it says a sentence."""

    path: Path
    head: str
    columns: str
    marks: Mapping[Handling, str]
    refused: str
    say: Callable[[str], str]


def languages() -> tuple[Language, Language]:
    """Both pages; raises `SystemExit` where a sentence is not in Chinese."""
    chinese = json.loads(CHINESE.read_text(encoding="utf-8"))
    sentences = spoken_chinese()
    said: list[str] = []

    def note(sentence: str) -> str:
        said.append(sentence)
        return sentence

    english = Language(
        ROOT / "docs" / "api.md",
        HEAD,
        "| field | | meaning |",
        {name: name for name in ORDER},
        " {}.",
        note,
    )
    page(english)
    if missing := sorted(set(said) - set(sentences)):
        sys.exit(f"lingma_trio/http/page/api_chinese.json has no Chinese for {missing}")
    twin = Language(
        ROOT / "docs" / "zh" / "api.md",
        "\n".join(chinese["head"]),
        chinese["columns"],
        chinese["marks"],
        chinese["refused"],
        sentences.__getitem__,
    )
    return english, twin


def page(language: Language) -> str:
    """The whole page."""
    asked = [operation for operation in OPERATIONS if operation.asked and issubclass(operation.asked, Body)]
    parts = [language.head]
    told: set[type[Asked]] = set()
    for model, operations in groupby(asked, key=lambda operation: operation.asked):
        paths = ", ".join(f"`{operation.method.upper()} {operation.path}`" for operation in operations)
        parts.append(f"\n## {paths}\n\n{language.say(summary(model))}\n")
        parts += tables(model, told, language)
    return "".join(parts)


def tables(model: type[Asked] | None, told: set[type[Asked]], language: Language) -> Iterator[str]:
    """A table of each object that a request is made of, outermost first, but for those `told` already."""
    assert model is not None
    for each in within(model):
        if each in told:
            continue
        told.add(each)
        if each is not model:
            yield f"\n### {each.__name__}\n\n{language.say(summary(each))}\n"
        yield f"\n{language.columns}\n|---|---|---|\n"
        fields = sorted(each.model_fields.items(), key=lambda named: ORDER[handling(named[1])])
        yield from (row(name, field, language) for name, field in fields)


def row(name: str, field: FieldInfo, language: Language) -> str:
    """One field's line of a table."""
    meaning = language.say(" ".join((field.description or "").split()))
    reasons = [language.refused.format(mark.reason) for mark in field.metadata if isinstance(mark, Refused)]
    told = "".join([meaning, *reasons]).replace("|", "\\|")
    return f"| `{field.alias or name}` | {language.marks[handling(field)]} | {told} |\n"


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
    """Write the pages, or check them."""
    for language in languages():
        path, wanted = language.path, page(language)
        if sys.argv[1:] != ["--check"]:
            path.write_text(wanted, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != wanted:
            sys.exit(f"{path.relative_to(ROOT)} is not current: run scripts/api_page.py")
        else:
            print(f"{path.relative_to(ROOT)} is current")


if __name__ == "__main__":
    main()
