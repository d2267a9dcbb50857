"""Judges single changes of modules by their tests, in a process that has imported and collected them once.

`python -m tests.mutants.judge OUTER NOTES` is the first process of a process namespace of its own, since a changed
program may kill what it should not, and works in a copy of the tree. OUTER is the namespace it came from
(`readlink /proc/self/ns/pid`), NOTES an empty directory. A line on standard input says which tests judge which changes
(see `tests.mutants.trial`), and everything ends when that is closed; a number and a verdict go out for each. A change
inside a function is put into the function that is there, in a fork for it alone; for another one the module is imported
anew. Only the tests that ran the changed statement judge it, until the first that fails; all of them where the module
is run by none, but may be by a program.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import sys
import threading
import time
from collections import defaultdict
from contextlib import contextmanager, suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from signal import SIGKILL
from types import CodeType, FrameType, FunctionType
from typing import TYPE_CHECKING, Any

import pytest

from tests.mutants.changes import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    TraceFunction = Callable[[FrameType, str, Any], Any]
    Tell = Callable[[int, str], None]

READY, NOTICED, ALIVE, UNREACHED, ANEW = "ready", "noticed", "alive", "unreached", "anew"
"""What goes out: the tests were run without a change; verdicts; the change needs the module to be imported anew."""
PASSED, FAILED, DOES_NOT_FIT = 0, 1, 3
"""How a fork ends."""
TIMES = 3.0
"""A change is noticed where its tests take so many times as long as without it, and seconds of grace more."""
BEGAN, CLEAN = "began.json", "clean.json"
ANOTHER_SECOND = 2_000_000_000
"""Nanoseconds after which a file was written for certain in another second."""
MEMORY, LONGEST_FILE = 4 << 30, 256 << 20
"""Bytes that a change which never ends may take."""
ARGUMENTS = [
    "-q",
    "-s",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:faulthandler",
    "-p",
    "tests.mutants.examples",
    "-m",
    "not slow and not alone",
]


def namespace() -> str:
    """The namespace of processes that this one is in."""
    return str(Path("/proc/self/ns/pid").readlink())


def main() -> None:
    """Be the first process, with which all others end: start the judge, and reap what it and the tests leave."""
    if os.getpid() != 1 or namespace() == sys.argv[1]:
        raise SystemExit("to be started in a process namespace of its own, as by scripts/mutants")
    asked = json.loads(sys.stdin.readline())
    judge = os.fork()
    if judge == 0:
        _judge(asked, Path(sys.argv[2]))
        os._exit(PASSED)
    threading.Thread(target=_end_with_who_asked, daemon=True).start()
    while os.wait()[0] != judge:
        pass


def _end_with_who_asked() -> None:
    sys.stdin.read()
    os._exit(FAILED)


def _judge(asked: dict[str, Any], notes: Path) -> None:
    tests: list[str] = asked["tests"]
    changes = [(number, Path(path).resolve(), Change(**change)) for number, path, change in asked["changes"]]
    verdicts, silent = os.dup(1), os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(silent, number)

    def tell(number: int, verdict: str) -> None:
        os.write(verdicts, f"{number} {verdict}\n".encode())

    began = time.monotonic()
    _in_fork(
        lambda: pytest.main([*ARGUMENTS, *tests], plugins=[_Collected(changes, tell, notes, asked["grace"])]), None
    )
    if not (notes / CLEAN).exists():
        return
    seconds, _, failing = json.loads((notes / CLEAN).read_bytes())
    longest = TIMES * (sum(seconds.values()) + json.loads((notes / BEGAN).read_bytes()) - began) + asked["grace"]
    passing = [f"--deselect={each}" for each in failing]
    for number, path, change in changes:
        if not change.function:
            with written(path, change):
                ended = _in_fork(lambda: pytest.main([*ARGUMENTS, *passing, "-x", *tests]), longest)
            tell(number, {PASSED: ALIVE, pytest.ExitCode.NO_TESTS_COLLECTED: UNREACHED}.get(ended, NOTICED))


class _Collected:
    """Judges what is inside functions where pytest would run what it collected."""

    def __init__(self, changes: Sequence[tuple[int, Path, Change]], tell: Tell, notes: Path, grace: float) -> None:
        self._changes = changes
        self._tell = tell
        self._notes = notes
        self._grace = grace

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests as they are, then those of each change."""
        if session.testsfailed:
            raise session.Failed("not all of them could be read")
        (self._notes / BEGAN).write_text(json.dumps(time.monotonic()), encoding="utf-8")
        modules = {str(path) for _, path, _ in self._changes}
        _in_fork(lambda: _clean(session, modules, self._notes / CLEAN), None)
        seconds, lines, failing = json.loads((self._notes / CLEAN).read_bytes())
        functions = _functions(modules)
        gc.collect()
        gc.freeze()
        self._tell(-1, READY)
        for number, path, change in self._changes:
            if change.function:
                span = range(change.first, change.last + 1)
                able = [
                    item
                    for item in session.items
                    if item.nodeid not in failing and not set(span).isdisjoint(lines[item.nodeid].get(str(path), ()))
                ]
                if not able:
                    # A module that no test runs here may be a program that they start, for which they all are run.
                    here = any(str(path) in each for each in lines.values())
                    self._tell(number, UNREACHED if here else ANEW)
                    continue
                longest = TIMES * sum(seconds[item.nodeid] for item in able) + self._grace
                work = partial(
                    _put_in, functions[str(path), change.function], path, change, partial(_run, session, able)
                )
                with written(path, change):
                    ended = _in_fork(work, longest)
                self._tell(number, {PASSED: ALIVE, DOES_NOT_FIT: ANEW}.get(ended, NOTICED))
        return True


def _run(session: pytest.Session, items: Sequence[pytest.Item]) -> int:
    """Run tests until one fails."""
    for item, following in pairwise([*items, None]):
        assert item is not None
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return FAILED
    return PASSED


def _clean(session: pytest.Session, modules: set[str], notes: Path) -> int:
    """Note how long each test takes, which lines of the modules it runs in any thread, and those that fail."""
    taken: dict[str, float] = {}
    lines: dict[str, dict[str, list[int]]] = {}
    failed: list[str] = []
    ran: dict[str, set[int]] = defaultdict(set)

    def line(frame: FrameType, event: str, argument: object) -> TraceFunction:
        if event == "line":
            ran[frame.f_code.co_filename].add(frame.f_lineno)
        return line

    def called(frame: FrameType, event: str, argument: object) -> TraceFunction | None:
        return line if frame.f_code.co_filename in modules else None

    threading.settrace(called)
    for item in session.items:
        before, began = session.testsfailed, time.monotonic()
        sys.settrace(called)
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        sys.settrace(None)
        taken[item.nodeid] = time.monotonic() - began
        lines[item.nodeid] = {path: sorted(numbers) for path, numbers in ran.items()}
        failed += [item.nodeid] * (session.testsfailed > before)
        ran.clear()
    notes.write_text(json.dumps([taken, lines, failed]), encoding="utf-8")
    return PASSED


def _functions(modules: set[str]) -> dict[tuple[str, int], list[FunctionType]]:
    """Every function there is of these modules, by its file and its first line."""
    found: dict[tuple[str, int], list[FunctionType]] = defaultdict(list)
    for each in gc.get_objects():
        if type(each) is FunctionType and each.__code__.co_filename in modules and each.__name__ != "<lambda>":
            found[each.__code__.co_filename, each.__code__.co_firstlineno].append(each)
    return found


def _put_in(there: Sequence[FunctionType], path: Path, change: Change, then: Callable[[], int]) -> int:
    """Give the function that is there its changed code, unless that needs other variables from round it."""
    module = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    code = next((each for each in _codes(module) if each.co_firstlineno == change.function), None)
    if code is None or not there:
        return DOES_NOT_FIT
    try:
        for function in there:
            function.__code__ = code
    except ValueError:
        return DOES_NOT_FIT
    return then()


def _codes(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            if not each.co_name.startswith("<"):
                yield each
            yield from _codes(each)


def put(path: Path, text: bytes, modified: int) -> None:
    """A file as it was at a time in nanoseconds, by which what was compiled of it fits."""
    path.write_bytes(text)
    os.utime(path, ns=(modified, modified))


@contextmanager
def written(path: Path, change: Change) -> Iterator[None]:
    """The module's file with a change, for what a test starts as a program or imports anew.

    A file is taken for the one that was compiled where second and size are the same, so its second is another.
    """
    source, modified = path.read_bytes(), path.stat().st_mtime_ns
    put(path, change.of(source), modified + ANOTHER_SECOND)
    try:
        yield
    finally:
        put(path, source, modified)


def _in_fork(work: Callable[[], int], seconds: float | None) -> int:
    """How `work` ended in a process of its own; `FAILED` also where it took longer than these seconds.

    Nothing that it started is left.
    """
    family = {1, os.getpid(), os.getppid()}
    child = os.fork()
    if child == 0:
        status = FAILED
        try:
            os.environ["PYTHONDONTWRITEBYTECODE"] = "" if seconds is None else "1"
            sys.dont_write_bytecode = seconds is not None
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            resource.setrlimit(resource.RLIMIT_FSIZE, (LONGEST_FILE, LONGEST_FILE))
            status = int(work())
        finally:
            os._exit(status)
    ended = os.pidfd_open(child)
    in_time = select.select([ended], [], [], None if seconds is None else seconds)[0]
    os.close(ended)
    if not in_time:
        os.kill(child, SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and int(process.name) not in family:
            with suppress(ProcessLookupError):
                os.kill(int(process.name), SIGKILL)
    return status if in_time else FAILED


if __name__ == "__main__":
    main()
