"""Rows fit the terminal, words stay whole, and colours are for those who look."""

from __future__ import annotations

import pytest

from lingma_trio.commands.printing import WIDEST, coloured, entry, say, table


def test_row_is_wrapped_below_its_first_word(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a remedy begins a line of its own."""
    monkeypatch.setenv("COLUMNS", "80")
    entry("fault", "binary", ["word " * 20, "→ chmod +x"], width=8)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("fault    binary  word")
    assert all(line.startswith(" " * 17) for line in lines[1:])
    assert lines[-1].strip() == "→ chmod +x"
    assert max(map(len, lines)) <= 80


def test_what_is_to_be_copied_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """A path or a digest that is longer than the line stays in one piece."""
    entry("fine", "binary", ["/" + "x" * 2 * WIDEST], width=8)
    assert "x" * 2 * WIDEST in capsys.readouterr().out


def test_row_without_words_is_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    """Its level still counts."""
    entry("fine", "binary", [], width=8)
    assert capsys.readouterr().out == "fine     binary  \n"


def test_columns_are_as_wide_as_their_widest_cell(capsys: pytest.CaptureFixture[str]) -> None:
    """With nothing after the last."""
    table(["a", "name"], [["long", "x"], ["", ""]])
    assert capsys.readouterr().out == "a     name\nlong  x\n\n"


def test_colours_are_left_out_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    """A file gets the bare words."""
    say(coloured("bad", "fault"))
    assert capsys.readouterr().out == "bad\n"


@pytest.mark.parametrize(("level", "same"), [("fault", False), ("fine", False), ("no level", True)])
def test_levels_have_colours(level: str, same: bool) -> None:
    """And nothing else has."""
    assert (coloured("text", level) == "text") is same
