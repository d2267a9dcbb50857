"""Writes docs/configuration.md from the settings class and the words of .env.example.

    .venv/bin/python scripts/configuration_page.py            write the page
    .venv/bin/python scripts/configuration_page.py --check    only say whether it is what would be written

Names, defaults, kinds and examples come from the class; what a variable means is said once, in `.env.example`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ByteSize, SecretStr
from pydantic_core import PydanticUndefinedType

from lingma_trio.config import Settings

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "configuration.md"
CHINESE = re.compile(r"[\u4e00-\u9fff]")

HEAD = """# Configuration

<!-- Written by scripts/configuration_page.py from the settings class and .env.example; changes here are lost. -->

Every variable that the gateway reads, from the environment and from `.env` in its working directory. The environment
goes first, and an empty variable has its default. All faults are reported together at the start, which then ends with
status 2. `.env.example` in the repository holds the same, ready to be copied. Sizes are bytes or have a unit, as in
`20 MiB`; times are seconds.

OpenTelemetry's own variables are described under [Traces](operations.md#traces).
"""


def page() -> str:
    """The whole page."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    variables = Settings.variables()
    parts = [HEAD]
    for line in text.splitlines():
        if title := re.fullmatch(r"# --- (.+?) / (.+?) ---", line):
            parts.append(
                f"\n## {title[1]} ({title[2]})\n\n| variable | default | example | meaning |\n|---|---|---|---|\n"
            )
        elif named := re.match(r"#([A-Z0-9_]+)=", line):
            parts.append(row(named[1], variables[named[1]], text))
    return "".join(parts)


def row(name: str, field: FieldInfo, text: str) -> str:
    """One variable's line of a table."""
    example = (field.examples or [""])[0]
    return f"| `{name}` | {code(default(field.default))} | {code(example)} | {meaning(name, text)} |\n"


def meaning(name: str, text: str) -> str:
    """The English words above the variable in `.env.example`, then the Chinese ones."""
    above = re.search(rf"((?:^# .*\n)+)^#{name}=", text, flags=re.MULTILINE)
    if above is None:
        raise SystemExit(f".env.example says nothing about {name}")
    lines = [line.removeprefix("# ") for line in above[1].splitlines()]
    english = " ".join(line for line in lines if not CHINESE.search(line))
    chinese = "".join(line for line in lines if CHINESE.search(line))
    return f"{english}<br>{chinese}".replace("|", "\\|")


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


def code(text: str) -> str:
    """The text as code, or the word for none."""
    return f"`{text}`" if text else "empty"


def main() -> None:
    """Write the page, or check it."""
    written = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if sys.argv[1:] == ["--check"]:
        if written != page():
            sys.exit(f"{PAGE.name} is not current: run scripts/configuration_page.py")
        print(f"{PAGE.name} is current")
        return
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
