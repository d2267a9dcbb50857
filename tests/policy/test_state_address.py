"""STATE_URL's forms, as the settings' page has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from lingma_trio.policy.state_address import StateAddress, parse_state_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("valkey://store", StateAddress((("store", 6379),))),
        ("redis://store:7000/3", StateAddress((("store", 7000),), db=3)),
        ("redis://store.example.com.", StateAddress((("store.example.com.", 6379),))),
        ("REDISS://[::1]:1/", StateAddress((("::1", 1),), tls=True)),
        ("valkeys://me:p%40s%2Fs@h", StateAddress((("h", 6379),), tls=True, user="me", password=SecretStr("p@s/s"))),
        ("valkey://:a:b@h", StateAddress((("h", 6379),), password=SecretStr("a:b"))),
        (
            "valkey+sentinel://u:p@a:1,[::2]:2,c/main/4",
            StateAddress(
                (("a", 1), ("::2", 2), ("c", 26379)), sentinel="main", user="u", password=SecretStr("p"), db=4
            ),
        ),
        ("rediss+sentinel://a/my%20store", StateAddress((("a", 26379),), tls=True, sentinel="my store")),
    ],
)  # fmt: skip
def test_every_form_is_read(text: str, address: StateAddress) -> None:
    """Scheme, hosts, user, password, name and database are where an address has them."""
    assert parse_state_address(text) == address


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "is no valkey://"),
        ("http://h", "is no valkey://"),
        ("valkey:h", "is no valkey://"),
        ("valkey+cluster://h", "is no valkey://"),
        ("valkey://", "has no host"),
        ("valkey://a,b", "has no host"),
        ("valkey://a:b", "has no host"),
        ("valkey://a:0", "has no host"),
        ("valkey://a:99999", "has no host"),
        ("valkey://[::1", "has no host"),
        ("valkey://store..example.com", "has no host"),
        (f"valkey://{'a' * 64}.example.com", "has no host"),
        ("valkey+sentinel://a,,b/main", "has no host"),
        ("valkey+sentinel://a,b", "names no primary"),
        ("valkey+sentinel://a,b//1", "names no primary"),
        ("valkey://h/main", "no number for a database"),
        ("valkey://h/-1", "no number for a database"),
        ("valkey://u:p?w@h", "write %3F"),
    ],
)
def test_what_is_wrong_is_said(text: str, fault: str) -> None:
    """Each fault is told by itself, in words that help."""
    with pytest.raises(ValueError, match=fault):
        parse_state_address(text)


@given(st.text())
def test_no_text_is_repeated(text: str) -> None:
    """Whatever the address is, neither its fault nor how it is shown holds its password."""
    secret = "s3cret-password"
    try:
        address = parse_state_address(f"valkey://u:{secret}@{text}")
    except ValueError as fault:
        said = str(fault)
    else:
        said = f"{address} {address!r}"
        assert any(secret in each for each in address.secrets)
    assert secret not in said


@pytest.mark.parametrize("text", ["valkey://[::1]:5", "valkeys+sentinel://a:1,b:2/main/3", "valkey://h:6379/2"])
def test_it_is_shown_as_it_is_written(text: str) -> None:
    """For people the address looks as in the settings, without what is secret."""
    assert str(parse_state_address(text)) == text
