"""Changes single places of the package and prints what the tests beside it do not notice.

Called by `scripts/mutants`, which says what its arguments are.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections import Counter, defaultdict
from difflib import unified_diff
from pathlib import Path

from tests.mutants.judge import NOTICED
from tests.mutants.trial import Case, NotJudged, copied, drawn, panel, tried

TREE = Path(__file__).resolve().parent.parent
JUDGED = [f"lingma_trio/{each}" for each in ("policy", "protocol", "lingma", "http", "api", "keys")]


def modules(names: list[str]) -> set[str]:
    """The modules of the package that these files and folders name."""
    found = {
        path for name in names for path in ([TREE / name] if name.endswith(".py") else (TREE / name).rglob("*.py"))
    }
    return {str(path.relative_to(TREE)) for path in found}


def shown(case: Case, verdict: str) -> str:
    """A change as a diff, under what became of it."""
    old = (TREE / case.path).read_bytes()
    before, after = (each.decode().splitlines() for each in (old, case.change.of(old)))
    return "\n".join([f"{verdict}: {case.change.what}", *unified_diff(before, after, case.path, n=1, lineterm="")])


def main() -> int:
    """Try the changes; ends with 1 where tests could not judge."""
    parser = argparse.ArgumentParser(prog="scripts/mutants")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("paths", nargs="*", default=JUDGED)
    arguments = parser.parse_args()
    # By an exception, so that the copy goes.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    cases, in_all = drawn(TREE, modules(arguments.paths), arguments.sample, arguments.seed)
    by_judges: dict[tuple[str, ...], list[Case]] = defaultdict(list)
    for case in cases:
        by_judges[panel(TREE, case.path)].append(case)
    score: dict[str, Counter[str]] = defaultdict(Counter)
    status = 0
    with copied(TREE) as copy:
        for tests, tried_together in by_judges.items():
            try:
                verdicts = tried(copy, tests, tried_together)
            except NotJudged as fault:
                print(fault, file=sys.stderr)
                status = 1
                continue
            for case, verdict in zip(tried_together, verdicts, strict=True):
                score[case.path.split("/")[1]][verdict] += 1
                if verdict != NOTICED:
                    print(shown(case, verdict), end="\n\n", flush=True)
    for folder, count in score.items():
        share = count[NOTICED] / count.total()
        print(f"{folder}: {count[NOTICED]} of {count.total()} noticed, {share:.1%}; {dict(count)}")
    print(f"{len(cases)} of {in_all} changes")
    return status


if __name__ == "__main__":
    sys.exit(main())
