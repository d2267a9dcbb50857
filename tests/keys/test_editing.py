"""An edit does what it was asked for and leaves the rest of the file, down to its comments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.keys.document import KeysFault, load
from lingma_trio.keys.editing import with_entry, without_entry

ENTRY = {"name": "new", "digest": "sha256:00", "models": ["a", "b"]}
TEXT = """\
# Keys of our team.
keys:
    # The first of us.
    - name: ann   # since May
      key: sk-1
      models:
        - org_auto
    # The other one.
    - {name: bob, key: sk-2}

# The end.
"""


def test_new_entry_stands_behind_the_last_one() -> None:
    """Comments, blank lines and the indentation stay as they are."""
    added = with_entry(TEXT, ENTRY, "yaml")
    before, _, after = TEXT.partition("sk-2}\n")
    assert added.startswith(before + "sk-2}\n    - name: new\n      digest: sha256:00\n")
    assert added.endswith(after)
    assert without_entry(added, "new", "yaml") == TEXT


def test_entry_goes_with_its_lines_only() -> None:
    """What stands before and after a revoked entry is still there."""
    assert without_entry(TEXT, "ann", "yaml") == TEXT.replace(
        "    - name: ann   # since May\n      key: sk-1\n      models:\n        - org_auto\n", ""
    )


@pytest.mark.parametrize("text", ["", "# a comment\n", "keys:\n", "keys: []\n", "keys: null\n", "keys: []  # none yet"])
def test_first_entry_finds_its_place(text: str) -> None:
    """A file without keys, or without anything, can have one."""
    assert load(with_entry(text, ENTRY, "yaml"), "yaml") == [ENTRY]


def test_last_entry_can_go() -> None:
    """A file can be emptied and filled again."""
    one = with_entry("", ENTRY, "yaml")
    none = without_entry(one, "new", "yaml")
    assert load(none, "yaml") == []
    assert load(with_entry(none, ENTRY, "yaml"), "yaml") == [ENTRY]


@pytest.mark.parametrize("text", ["keys: [{name: ann}, {name: bob}]\n", "{keys: [{name: ann}, {name: bob}]}"])
def test_what_cannot_be_edited_by_lines_is_left_alone(text: str) -> None:
    """A list in one line is its author's to edit."""
    with pytest.raises(KeysFault, match="by hand"):
        with_entry(text, ENTRY, "yaml")
    with pytest.raises(KeysFault, match="by hand"):
        without_entry(text, "ann", "yaml")


def test_unknown_name_is_said() -> None:
    """Nothing is written where there is nothing to revoke."""
    with pytest.raises(KeysFault, match="no key of the name zoe"):
        without_entry(TEXT, "zoe", "yaml")


def test_json_is_written_anew() -> None:
    """A JSON file has no comments to lose."""
    text = with_entry('{"keys": [{"name": "ann", "key": "sk-1"}]}', ENTRY, "json")
    assert load(text, "json") == [{"name": "ann", "key": "sk-1"}, ENTRY]
    assert load(without_entry(text, "ann", "json"), "json") == [ENTRY]


@given(st.lists(st.sampled_from("abcdef"), unique=True, max_size=6), st.data())
def test_edits_in_any_order_are_the_list_they_make(names: list[str], data: st.DataObject) -> None:
    """After additions and removals the file holds what a list would."""
    text, held = "# top\n", list[str]()
    for name in names:
        text = with_entry(text, {"name": name, "key": f"sk-{name}"}, "yaml") + "# between\n"
        held.append(name)
        if data.draw(st.booleans()):
            gone = data.draw(st.sampled_from(held))
            held.remove(gone)
            text = without_entry(text, gone, "yaml")
    assert [entry["name"] for entry in load(text, "yaml")] == held
