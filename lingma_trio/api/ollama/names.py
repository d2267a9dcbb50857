"""Names of models as Ollama has them: each has a tag, which is `latest` where nobody says otherwise.

Knows names only; must not know which models there are.
"""

from __future__ import annotations

from typing import Final

_LATEST: Final = ":latest"


def without_tag(name: str) -> str:
    """Return the name that a client gives, without the tag that it puts behind names by default."""
    return name.removesuffix(_LATEST)


def with_tag(name: str) -> str:
    """Return the name as it is listed: clients look a model up by `name` as well as by `name:latest`."""
    return name if ":" in name else name + _LATEST
