"""A pytest plugin: expects the tests that a client's list names, as `openai-left-out`, to be refused by the gateway.

A listed test that passes, that fails otherwise than by an error status, or that is not there any more makes the run
fail. `SDK` in the environment is the client's name, and its package's.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

import pytest

SDK = os.environ["SDK"]
LIST = Path(__file__).with_name(f"{SDK}-left-out")


def reasons() -> dict[str, str]:
    """Each listed test's id, without the part in brackets, and its reason; none where there is no list."""
    if not LIST.exists():
        return {}
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the listed tests; refuse a list that names what is not among the tests of a whole run."""
    listed = reasons()
    refused: type[Exception] = import_module(SDK).APIStatusError
    tests = {item: item.nodeid.partition("[")[0] for item in items}
    for item, test in tests.items():
        if test in listed:
            item.add_marker(pytest.mark.xfail(reason=listed[test], raises=refused, strict=True))
    missing = sorted(listed.keys() - set(tests.values()))
    narrowed = config.option.keyword or any("::" in argument for argument in config.args)
    if missing and not narrowed:
        raise pytest.UsageError(f"{LIST.name} lists tests that are not there: {', '.join(missing)}")
