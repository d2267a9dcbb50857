"""What fuzzing found stays found, and a short run of it goes on from there: the same inputs at each run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import FrameType

import pytest

from fuzz.mutation import mutated
from fuzz.target import HOME, Target

TRIED = 300
SEED = 12
NO_TARGETS = {"__init__", "__main__", "mutation", "target"}
TARGETS: list[Target] = [
    import_module(f"fuzz.{path.stem}").TARGET for path in sorted(HOME.glob("*.py")) if path.stem not in NO_TARGETS
]
each_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


class Calls:
    """Calls of Python's functions in a block. They are counted, since time on a shared machine says nothing."""

    count = 0


@contextmanager
def counted_calls() -> Iterator[Calls]:
    """Count the calls that this thread makes in the block."""
    calls = Calls()

    def see(_frame: FrameType, event: str, _argument: object) -> None:
        calls.count += event == "call"

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        yield calls
    finally:
        sys.setprofile(before)


@each_target
def test_corpus_keeps_its_promises(target: Target) -> None:
    """Each input that was kept is checked, and costs no more than its length allows."""
    for name, data in target.inputs():
        with counted_calls() as calls:
            target.check(data)
        assert calls.count <= target.calls + target.calls_per_byte * len(data), name


@each_target
def test_inputs_like_the_corpus_keep_them_too(target: Target) -> None:
    """A few hundred more, made of those."""
    corpus = [data for _, data in target.inputs()]
    for data in mutated(corpus, target.tokens(), size=target.size, seed=SEED, count=TRIED):
        with counted_calls() as calls:
            target.check(data)
        assert calls.count <= target.calls + target.calls_per_byte * len(data), data


@each_target
def test_corpus_is_small(target: Target) -> None:
    """A few hundred files that each reach something the others do not, none of them longer than what is tried."""
    sizes = [len(data) for _, data in target.inputs()]
    assert 0 < len(sizes) < 400
    assert max(sizes) <= target.size


def test_mutations_are_the_same_at_each_run() -> None:
    """Of one seed; another has others."""

    def made(seed: int) -> list[bytes]:
        return list(mutated([b"GET /", b"hello"], [b"\r\n", b"x"], size=8, seed=seed, count=50))

    assert made(1) == made(1) != made(2)
    assert max(map(len, made(1))) <= 8
    assert len(set(made(1))) > 25


def test_every_corpus_and_dictionary_has_a_target() -> None:
    """And bears its name."""
    names = {target.name for target in TARGETS}
    assert {path.name for path in (HOME / "corpus").iterdir()} == names
    assert {path.stem for path in (HOME / "dictionaries").iterdir()} == names
