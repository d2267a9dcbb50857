"""Names of models as Ollama has them."""

from __future__ import annotations

import pytest

from lingma_trio.api.ollama.names import with_tag, without_tag


@pytest.mark.parametrize(
    ("name", "listed"), [("org_auto", "org_auto:latest"), ("qwen3:8b", "qwen3:8b"), ("qwen:latest", "qwen:latest")]
)
def test_a_name_without_a_tag_is_listed_with_one(name: str, listed: str) -> None:
    """It is what Ollama itself would list, and means the same model."""
    assert with_tag(name) == listed
    assert without_tag(listed) == name.removesuffix(":latest")


def test_no_other_tag_is_taken_off() -> None:
    """A tag of the operator's own is part of a name."""
    assert without_tag("qwen3:8b") == "qwen3:8b"
    assert without_tag(":latest") == ""
