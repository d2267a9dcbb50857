"""The notations of accounts, and that no fault repeats what was written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from pydantic_core import to_json

from lingma_trio.accounts import Account, parse_accounts

MARKER = "planted-MARKER-secret"
texts = st.text(st.characters(codec="utf-8", exclude_characters=":,", exclude_categories=["Z", "C"]), min_size=1)


def test_password_may_hold_colons() -> None:
    """Only the first colon of an entry divides."""
    assert parse_accounts("ann:a:b:c") == (Account("ann", SecretStr("a:b:c")),)


@given(st.lists(st.tuples(texts.filter(lambda name: not name.startswith("[")), texts), max_size=4))
def test_comma_list_gives_back_what_was_joined(pairs: list[tuple[str, str]]) -> None:
    """Any number of accounts can be written as a comma list."""
    accounts = parse_accounts(", ".join(f"{name}:{password}" for name, password in pairs))
    assert [(account.username, account.password.get_secret_value()) for account in accounts] == pairs


def test_json_takes_objects_and_texts() -> None:
    """The JSON form mixes both kinds of entry, and a password there may hold a comma."""
    accounts = parse_accounts('[{"username": "ann", "password": "x,y"}, "bob:z"]')
    assert accounts == (Account("ann", SecretStr("x,y")), Account("bob", SecretStr("z")))


def test_bundle_needs_no_password() -> None:
    """An entry with a session bundle, in place or in a file, is an account without a password."""
    accounts = parse_accounts(
        '[{"username": "ann", "session_bundle": "QUJD"}, {"username": "bob", "session_bundle_file": "/run/bob.bundle"}]'
    )
    assert accounts == (
        Account("ann", session_bundle=SecretStr("QUJD")),
        Account("bob", session_bundle_file=Path("/run/bob.bundle")),
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (MARKER, "entry 1 is not of the form user:password"),
        (f"ann:x,{MARKER}:", "entry 2 is not of the form"),
        (f":{MARKER}", "entry 1 is not of the form"),
        (f'["{MARKER}"', "no valid JSON array"),
        (f"[{MARKER}]", "no valid JSON array"),
        (f'[["{MARKER}"]]', "entry 1 is neither a text nor an object"),
        (f'[{{"username": "ann", "{MARKER}": "x"}}]', "entry 1 has a key other than"),
        ('[{"username": "ann", "password": 7}]', "entry 1 has a value that is no text"),
        (f'[{{"password": "{MARKER}"}}]', "entry 1 has no username"),
        (f'[{{"username": "{MARKER}"}}]', "entry 1 has neither password nor session_bundle"),
        (
            f'[{{"username": "ann", "session_bundle": "{MARKER}", "session_bundle_file": "/b"}}]',
            "entry 1 has both session_bundle and session_bundle_file",
        ),
    ],
)
def test_fault_names_the_place_and_repeats_nothing(text: str, fault: str) -> None:
    """A faulty entry is told by its place and by what is wrong, never by its content."""
    with pytest.raises(ValueError, match=fault) as caught:
        parse_accounts(text)
    assert MARKER not in str(caught.value)
    assert caught.value.__context__ is None


def test_all_faulty_entries_are_told() -> None:
    """Several faults come together, so that one look mends them."""
    with pytest.raises(ValueError, match=r"entry 1 .*; entry 3 "):
        parse_accounts("ann,bob:x,eve")


def test_repr_shows_no_secret() -> None:
    """An account may be logged by mistake without harm."""
    account = Account("ann", SecretStr(MARKER), SecretStr(MARKER))
    assert MARKER not in repr(account)
    assert account.secrets == {MARKER}


def test_accounts_have_names_for_their_operator() -> None:
    """The one that was given, or so much of the user name as tells it from others; a login without either has none."""
    text = '[{"username": "a", "password": "p", "name": "Team A"}, "wei.zhang@example.com:p", "li:p"]'
    assert [account.label for account in parse_accounts(text)] == ["Team A", "we***@example.com", "li***"]
    assert Account("").label == ""


@pytest.mark.parametrize("name", ["x" * 65, "planted\n"], ids=["long", "two lines"])
def test_name_that_no_line_holds_is_refused(name: str) -> None:
    """Without repeating it."""
    with pytest.raises(ValueError, match="has a name that is no text") as caught:
        parse_accounts(to_json([{"username": "a", "password": "p", "name": name}]).decode())
    assert "planted" not in str(caught.value)
