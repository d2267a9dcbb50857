"""API_KEYS: four notations, one meaning each, and no fault that repeats a key."""

from __future__ import annotations

import pytest

from lingma_trio.keys.key import ApiKey, digest_of, parse_api_keys, written_digest

HEX = digest_of("sk-planted").hex()


@pytest.mark.parametrize(
    ("text", "name", "key"),
    [
        ("plain-key", "key-1", "plain-key"),
        ("sk-planted", "key-1", "sk-planted"),
        ("ann:sk-planted", "ann", "sk-planted"),
        (f"sha256:{HEX}", "key-1", "sk-planted"),
        (f"ann:sha256:{HEX.upper()}", "ann", "sk-planted"),
        ("user:password", "key-1", "user:password"),
        ("an!n:sk-planted", "key-1", "an!n:sk-planted"),
        ("sk-a:b", "key-1", "sk-a:b"),
    ],
)
def test_each_notation_is_one_key(text: str, name: str, key: str) -> None:
    """A name counts before `sk-` and `sha256:` only; any other text with a colon is a key as a whole."""
    (found,) = parse_api_keys(text)
    assert (found.name, found.digest) == (name, digest_of(key))
    assert found.secret.get_secret_value() in {key, ""}


def test_places_name_what_has_no_name() -> None:
    """Keys without a name are called by their place, and the same key twice is one key."""
    keys = parse_api_keys("a-key, ann:sk-b ,,c-key,a-key")
    assert [key.name for key in keys] == ["key-1", "ann", "key-3"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("ok,sha256:planted", "entry 2 is not sha256: and 64"),
        ("ann:sha256:planted", "entry 1 is not sha256: and 64"),
        ("planted key", "entry 1 holds a key that no header can carry"),
        ("ann:sk-planted,ann:sk-other", "two keys have the name ann"),
        ("planted ключ,sha256:planted", "entry 1 holds.*; entry 2 is not"),
    ],
)
def test_faults_are_told_together_without_the_key(text: str, fault: str) -> None:
    """Every faulty entry is named by its place, and none is repeated."""
    with pytest.raises(ValueError, match=fault) as told:
        parse_api_keys(text)
    assert "planted" not in str(told.value)


def test_models_are_allowed_by_any_of_their_names() -> None:
    """A key without models may use all; another one those it names, in any case."""
    assert ApiKey("a", b"").may_use("anything")
    key = ApiKey("a", b"", models=("Org_Auto",))
    assert key.may_use("org_auto", "Auto")
    assert key.may_use("x", "ORG_AUTO")
    assert not key.may_use("other", "Other")


def test_key_shows_nothing_of_itself() -> None:
    """What a log or a debugger shows holds neither key nor digest."""
    (key,) = parse_api_keys("sk-planted")
    assert "planted" not in repr(key)
    assert HEX not in repr(key)
    assert written_digest("sk-planted") == f"sha256:{HEX}"
