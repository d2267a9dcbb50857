"""All kinds of errors that clients can be told of."""

from __future__ import annotations

from collections.abc import Iterator

from lingma_trio.errors import GatewayError


def _tree(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    yield kind
    for narrower in kind.__subclasses__():
        if narrower.__module__ == kind.__module__:  # what others make narrower is told as what it is here
            yield from _tree(narrower)


FAULTS = tuple(sorted(set(_tree(GatewayError)), key=lambda fault: fault.__name__))
