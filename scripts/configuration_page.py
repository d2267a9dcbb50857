"""Writes docs/configuration.md and its Chinese twin from the settings class and the words of .env.example.

    .venv/bin/python scripts/configuration_page.py            write the pages
    .venv/bin/python scripts/configuration_page.py --check    only say whether they are what would be written

Names, defaults, kinds and examples come from the class; what a variable means is said once, in `.env.example`. What
stands before a page's first heading is written by hand.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import ByteSize, SecretStr
from pydantic_core import PydanticUndefinedType

from lingma_trio.config import Settings

ROOT = Path(__file__).parent.parent
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class Language:
    """What the page says in one language; `place` is that of its words in a heading of `.env.example`."""

    path: Path
    place: int
    columns: str
    empty: str


ENGLISH = Language(ROOT / "docs" / "configuration.md", 1, "| variable | default | example | meaning |", "empty")
IN_CHINESE = Language(ROOT / "docs" / "zh" / "configuration.md", 2, "| 变量 | 默认值 | 示例 | 含义 |", "空")


def page(language: Language) -> str:
    """The page in this language: its words before the first heading as they are, and the tables anew."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    variables = Settings.variables()
    words, _, _ = language.path.read_text(encoding="utf-8").partition("\n## ")
    parts = [words]
    for line in text.splitlines():
        if title := re.fullmatch(r"# --- (.+?) / (.+?) ---", line):
            parts.append(f"\n## {title[language.place]}\n\n{language.columns}\n|---|---|---|---|\n")
        elif named := re.match(r"#([A-Z0-9_]+)=", line):
            name, field = named[1], variables[named[1]]
            cells = (default(field.default), (field.examples or [""])[0])
            shown = " | ".join(f"`{cell}`" if cell else language.empty for cell in cells)
            parts.append(f"| `{name}` | {shown} | {meaning(name, text, chinese=language is IN_CHINESE)} |\n")
    return "".join(parts)


def meaning(name: str, text: str, *, chinese: bool) -> str:
    """The words above the variable in `.env.example`, in one of their two languages."""
    above = re.search(rf"((?:^# .*\n)+)^#{name}=", text, flags=re.MULTILINE)
    if above is None:
        raise SystemExit(f".env.example says nothing about {name}")
    lines = [line.removeprefix("# ") for line in above[1].splitlines()]
    wanted = [line for line in lines if bool(CHINESE.search(line)) == chinese]
    return ("" if chinese else " ").join(wanted).replace("|", "\\|")


def default(value: object) -> str:
    """A default as one would write it."""
    match value:
        case None | () | PydanticUndefinedType():
            return ""
        case SecretStr():
            return value.get_secret_value()
        case bool():
            return str(value).lower()
        case ByteSize():
            return f"{value // 1024**2} MiB" if value >= 1024**2 else f"{value // 1024} KiB"
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def main() -> None:
    """Write the pages, or check them."""
    for language in (ENGLISH, IN_CHINESE):
        path, wanted = language.path, page(language)
        if sys.argv[1:] != ["--check"]:
            path.write_text(wanted, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != wanted:
            sys.exit(f"{path.relative_to(ROOT)} is not current: run scripts/configuration_page.py")
        else:
            print(f"{path.relative_to(ROOT)} is current")


if __name__ == "__main__":
    main()
