"""What is written to a file of settings is read again as it was."""

from __future__ import annotations

from io import StringIO

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.setup.env_text import Entry, written


def read(text: str) -> dict[str, str | None]:
    return dotenv_values(stream=StringIO(text), interpolate=False)


@given(st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"])))
def test_every_value_is_read_again_as_it_was(value: str) -> None:
    """Also one with quotes, hashes, dollar signs and ends of lines."""
    assert read(written("a\nhead", [Entry("ONE", value, "what\nfor"), Entry("TWO", "2")])) == {"ONE": value, "TWO": "2"}


def test_value_that_no_line_holds_is_refused() -> None:
    """The variable is named and the value is not shown."""
    with pytest.raises(ValueError, match="SECRET holds a character") as caught:
        written("", [Entry("SECRET", "planted\0")])
    assert "planted" not in str(caught.value)
