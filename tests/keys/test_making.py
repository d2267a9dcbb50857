"""A new key: long, unlike any other, and known to the file by its digest alone."""

from __future__ import annotations

import pytest

from lingma_trio.keys.document import KeysFault
from lingma_trio.keys.key import written_digest
from lingma_trio.keys.making import make_key


def test_entry_has_the_digest_and_not_the_key() -> None:
    """With what else is asked for."""
    key, entry = make_key("ann", {"models": ["qwen"]})
    assert entry == {"name": "ann", "digest": written_digest(key), "models": ["qwen"]}
    assert key.startswith("sk-")
    assert len(key) > 40
    assert make_key("ann", {})[0] != key


def test_what_is_no_name_is_refused() -> None:
    """It stands in logs and metrics."""
    for name in ("", "-a", "a b", "a" * 65, "名"):
        with pytest.raises(KeysFault, match="a name has 1 to 64"):
            make_key(name, {})
