"""A YAML text by what it says, and by its nodes. Knows the library, which is read when there is a text in YAML."""

from __future__ import annotations

from typing import Any

import yaml

from lingma_trio.keys.document import KeysFault

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C where it was built


def load_yaml(text: str) -> Any:  # noqa: ANN401 - any document
    """The document. Raises `KeysFault` with the line that is no YAML, or has a field twice."""
    place = ""
    try:
        node = compose(text)
        return None if node is None else _construct(text)
    except yaml.MarkedYAMLError as error:
        # The library's own words quote the line.
        mark = error.problem_mark or error.context_mark
        place = f" (line {mark.line + 1})" if mark is not None else ""
    except (yaml.YAMLError, ValueError, RecursionError):
        pass
    raise KeysFault(f"the file is no valid YAML{place}, or has a field twice")


def compose(text: str) -> yaml.Node | None:
    """The nodes of a YAML text, with their places. Raises `yaml.YAMLError`, also for a field that stands twice."""
    node: yaml.Node | None = yaml.compose(text, Loader=_LOADER)
    if node is not None:
        _check_repeats(node, set())
    return node


def _construct(text: str) -> Any:  # noqa: ANN401 - any document
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 - the safe loader


def _check_repeats(node: yaml.Node, seen: set[int]) -> None:
    """Refuse what the library would let pass: the later of two fields of one name."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(names)) < len(names):
            raise yaml.MarkedYAMLError(problem_mark=node.start_mark)
        for _, value in node.value:
            _check_repeats(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _check_repeats(value, seen)
