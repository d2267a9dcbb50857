"""Writes the tables of docs/licenses.md and its Chinese twin: what comes with the gateway, and under which licence.

    .venv/bin/python scripts/licenses_page.py            write them
    .venv/bin/python scripts/licenses_page.py --check    only say whether they are what would be written

The packages are those that `uv.lock` leads to from the gateway and its extras, on Linux and on any Python from 3.11 on.
The licences are what the installed packages say of themselves, so it runs in the environment with the test tools, which
has them all.
"""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

from packaging.markers import Marker

ROOT = Path(__file__).parent.parent
PYTHONS = ("3.11", "3.12", "3.13")
LONGEST_NAME = 40  # a field of more is the licence's text, or a sentence about it
# The same licence in the words of those who do not use its SPDX identifier.
SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
PAGES = (ROOT / "docs" / "licenses.md", ROOT / "docs" / "zh" / "licenses.md")
RULE = "|---|---|---|---|\n"


def locked() -> dict[str, dict[str, Any]]:
    """What `uv.lock` says of each package, by its name."""
    with (ROOT / "uv.lock").open("rb") as lock:
        return {package["name"]: package for package in tomllib.load(lock)["package"]}


def applies(dependency: dict[str, Any]) -> bool:
    """Whether it is installed on Linux with some Python that the gateway runs on."""
    if "marker" not in dependency:
        return True
    marker = Marker(dependency["marker"])
    return any(
        marker.evaluate(
            {
                "sys_platform": "linux",
                "os_name": "posix",
                "platform_system": "Linux",
                "platform_python_implementation": "CPython",
                "implementation_name": "cpython",
                "python_version": python,
                "python_full_version": f"{python}.0",
            }
        )
        for python in PYTHONS
    )


def installed() -> dict[str, str]:
    """Each package that comes with the gateway, and with which extra of it: the empty string for all that need none."""
    packages = locked()
    gateway = packages["lingma-trio"]
    origins = {"": gateway["dependencies"], **gateway["optional-dependencies"]}
    found: dict[str, str] = {}
    for extra, wanted in origins.items():
        waiting = list(wanted)
        while waiting:
            dependency = waiting.pop()
            package = packages[dependency["name"]]
            if not applies(dependency) or package["name"] in found:
                continue
            found[package["name"]] = extra
            waiting += package.get("dependencies", [])
            for name in dependency.get("extra", []):
                waiting += package["optional-dependencies"][name]
    return found


def licence(name: str) -> str:
    """What the installed package says, by its SPDX identifier where it has one.

    Raises `PackageNotFoundError` where it is not installed, and `ValueError` where it says nothing of use.
    """
    said = metadata(name)
    classified = [
        each.rpartition(" :: ")[2] for each in said.get_all("Classifier", []) if each.startswith("License ::")
    ]
    told: str
    for told in (*said.get_all("License-Expression", []), *said.get_all("License", []), *classified):
        if len(told) <= LONGEST_NAME and "\n" not in told:
            return SPDX.get(told, told)
    raise ValueError(f"{name} says nothing about its licence")


def rows() -> str:
    """The table's rows, those first that come without an extra."""
    packages = locked()
    lines = []
    for name, extra in sorted(installed().items(), key=lambda each: (each[1], each[0])):
        brings = f"`lingma-trio[{extra}]`" if extra else "`lingma-trio`"
        lines.append(f"| {name} | {packages[name]['version']} | {licence(name)} | {brings} |\n")
    return "".join(lines)


def main() -> None:
    """Write the tables, or check them; the words above them stay."""
    wanted = rows()
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        words, rule, _ = text.partition(RULE)
        if sys.argv[1:] != ["--check"]:
            path.write_text(words + rule + wanted, encoding="utf-8")
        elif text != words + RULE + wanted:
            sys.exit(f"{path.relative_to(ROOT)} is not current: run scripts/licenses_page.py")
        else:
            print(f"{path.relative_to(ROOT)} is current")


if __name__ == "__main__":
    main()
