"""What can be fuzzed, and what it is fuzzed with.

A target is a module here with a `TARGET`. Its corpus and its dictionary bear the target's name.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HOME = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Target:
    """`check` takes any bytes and raises where a promise is broken; whatever it raises is a finding.

    `size` is the longest input in bytes that is tried. `calls_per_byte` bounds the calls of Python functions that one
    check makes, with `calls` besides for what an empty input costs.
    """

    name: str
    check: Callable[[bytes], None]
    size: int
    calls: int
    calls_per_byte: int

    @property
    def corpus(self) -> Path:
        """The directory of the inputs that are kept."""
        return HOME / "corpus" / self.name

    @property
    def dictionary(self) -> Path:
        """The file of tokens, as libFuzzer and AFL read them."""
        return HOME / "dictionaries" / f"{self.name}.dict"

    def inputs(self) -> Iterator[tuple[str, bytes]]:
        """The corpus, by name."""
        for path in sorted(self.corpus.iterdir()):
            yield path.name, path.read_bytes()

    def tokens(self) -> list[bytes]:
        """What the dictionary holds."""
        lines = self.dictionary.read_text("ascii").splitlines()
        return [ast.literal_eval(f"b{line}") for line in lines if line.startswith('"')]
