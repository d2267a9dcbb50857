"""The runner: `python -m fuzz TARGET [OPTION OF LIBFUZZER]…`, or `python -m fuzz TARGET --replay [FILE]…`.

The first needs atheris, and goes on until a finding, or as long as `-runs=` or `-max_total_time=` says. What reaches
new code is kept under `.cache/fuzz/TARGET`, findings beside it; with `-merge=1` the corpus gets what it lacks of that.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from fuzz.target import HOME, Target

INSTRUMENTED = ["lingma_trio", "h11"]
"""Packages whose branches are watched."""


def main(arguments: list[str]) -> None:
    """Run a target."""
    if not arguments or arguments[0].startswith("-"):
        sys.exit(__doc__)
    name, *options = arguments
    if options[:1] == ["--replay"]:
        replay(import_module(f"fuzz.{name}").TARGET, [Path(each) for each in options[1:]])
    else:
        explore(name, options)


def replay(target: Target, files: list[Path]) -> None:
    """Check each of the files once, or the corpus."""
    for path in files or sorted(target.corpus.iterdir()):
        target.check(path.read_bytes())


def explore(name: str, options: list[str]) -> None:
    """Look for inputs that reach new code, until one breaks a promise."""
    import atheris  # noqa: PLC0415 - only here, and only where it is installed

    with atheris.instrument_imports(include=INSTRUMENTED):
        target: Target = import_module(f"fuzz.{name}").TARGET
    atheris.instrument_func(target.check)
    found = HOME.parent / ".cache" / "fuzz" / name
    found.mkdir(parents=True, exist_ok=True)
    directories = [target.corpus, found] if "-merge=1" in options else [found, target.corpus]
    atheris.Setup(
        [
            f"{sys.executable} -m fuzz {name}",  # so it is started again to merge
            f"-dict={target.dictionary}",
            f"-max_len={target.size}",
            f"-artifact_prefix={found}-",
            *options,
            *map(str, directories),
        ],
        target.check,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
