"""Tries single changes of a tree's modules: draws them, copies the tree, finds judges and asks.

Nothing in the tree itself is written to. A judge (`tests.mutants.judge`) that a change ends is asked anew about the
rest.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.mutants.changes import changes
from tests.mutants.judge import ANEW, NOTICED, READY, namespace, put

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.mutants.changes import Change


@dataclass(frozen=True, slots=True)
class Case:
    """A change of the module at `path`, relative to the tree."""

    path: str
    change: Change


HERE = Path(__file__).resolve().parents[2]
"""Where the judge is, should the copy be of another tree."""
NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


class NotJudged(Exception):
    """The judge ended before it had run the tests as they are."""


def drawn(tree: Path, paths: Iterable[str], count: int | None, seed: int) -> tuple[list[Case], int]:
    """The changes of these modules, or as many as `count` drawn by a seed, in order; and how many there are in all."""
    cases = [Case(path, change) for path in sorted(paths) for change in changes((tree / path).read_bytes())]
    chosen = cases if count is None else Random(seed).sample(cases, min(count, len(cases)))
    return sorted(chosen, key=lambda each: (each.path, each.change.start)), len(cases)


def panel(tree: Path, path: str) -> tuple[str, ...]:
    """The files of tests that judge a module: the one that mirrors it, or else those of the nearest folder with any."""
    mirror = Path("tests", *Path(path).parts[1:])
    mirror = mirror.with_name(f"test_{mirror.name}")
    if (tree / mirror).exists():
        return (str(mirror),)
    for folder in mirror.parents:
        if found := sorted((tree / folder).glob("test_*.py")):
            return tuple(str(each.relative_to(tree)) for each in found)
    return ()


@contextmanager
def copied(tree: Path) -> Iterator[Path]:
    """A copy of what git knows of a tree or would add to it, gone afterwards."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=tree,
        check=True,
        capture_output=True,
    )
    with TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as made:
        for name in listed.stdout.decode().split("\0"):
            if (tree / name).is_file():
                place = Path(made, "tree", name)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(tree / name, place)
        yield Path(made, "tree")


def tried(copy: Path, tests: Sequence[str], cases: Sequence[Case], *, grace: float = 8.0) -> list[str]:
    """The verdict on each case, by these tests in a copy of the tree; raises `NotJudged`.

    `grace` are the seconds that a change may take beyond three times what its tests take without it.
    """
    verdicts = [NOTICED] * len(cases)
    waiting = dict(sorted(enumerate(cases), key=lambda each: not each[1].change.function))
    places = {case.path: copy / case.path for case in cases}
    originals = {path: (place.read_bytes(), place.stat().st_mtime_ns) for path, place in places.items()}
    while waiting:
        answers = dict(_asked(copy, tests, waiting, grace))
        if READY not in answers.values():
            raise NotJudged(f"these cannot be collected or do not end: pytest {' '.join(tests)}")
        missing = [number for number in waiting if number not in answers]
        for number in missing[:1]:
            # It ended the judge, which is to notice it.
            path = waiting.pop(number).path
            put(places[path], *originals[path])
        for number, verdict in answers.items():
            if verdict == ANEW:
                case = waiting.pop(number)
                waiting[number] = replace(case, change=replace(case.change, function=0))
            elif verdict != READY:
                verdicts[number] = verdict
                del waiting[number]
    return verdicts


def _asked(copy: Path, tests: Sequence[str], cases: Mapping[int, Case], grace: float) -> Iterator[tuple[int, str]]:
    """What one judge says, as long as it goes on; each number is a case's, or -1."""
    changed = [(number, case.path, asdict(case.change)) for number, case in cases.items()]
    asked = {"tests": tests, "grace": grace, "changes": changed}
    with TemporaryDirectory(dir=copy.parent, ignore_cleanup_errors=True) as room:
        kept = {"PYTHONPATH": f"{copy}:{HERE}", "TMPDIR": room, "HOME": room}
        rights = [] if os.geteuid() == 0 else ["--map-root-user"]
        judge_here = [sys.executable, "-m", "tests.mutants.judge", namespace(), room]
        with subprocess.Popen(
            [*NAMESPACE, *rights, *judge_here],
            cwd=copy,
            env={**os.environ, **kept},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as judge:
            assert judge.stdin is not None
            assert judge.stdout is not None
            judge.stdin.write(f"{json.dumps(asked)}\n")
            judge.stdin.flush()
            for line in judge.stdout:
                number, verdict = line.split()
                yield int(number), verdict
