"""KEYS_FILE's text: what it may say, and that every fault is told at once without a value."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.keys.document import MOST_KEYS, KeysFault, read
from lingma_trio.keys.key import ApiKey, digest_of, written_digest

DIGEST = written_digest("sk-planted")
FULL = f"""
keys:
  - name: ann  # a comment
    digest: {DIGEST}
    max_in_flight: 2
    requests_per_minute: 60
    tokens_per_minute: 1000
    models: [org_auto, other]
    expires: 2027-01-31
  - {{name: bob, key: sk-other, expires: 2027-01-31T18:00:00+08:00}}
"""


def test_entry_says_all_that_a_key_may_have() -> None:
    """Each field reaches the key; a day is its first moment in UTC."""
    ann, bob = read(FULL, "yaml")
    assert ann == ApiKey(
        "ann",
        digest_of("sk-planted"),
        max_in_flight=2,
        requests_per_minute=60,
        tokens_per_minute=1000,
        models=("org_auto", "other"),
        expires=datetime(2027, 1, 31, tzinfo=UTC),
    )
    assert bob == ApiKey(
        "bob", digest_of("sk-other"), expires=datetime(2027, 1, 31, 18, tzinfo=timezone(timedelta(hours=8)))
    )


def test_json_says_the_same() -> None:
    """A JSON file has the same fields; its moments are texts."""
    text = f'{{"keys": [{{"name": "ann", "digest": "{DIGEST}", "expires": "2027-01-31"}}]}}'
    assert read(text, "json") == (ApiKey("ann", digest_of("sk-planted"), expires=datetime(2027, 1, 31, tzinfo=UTC)),)


@pytest.mark.parametrize("text", ["", "# nothing\n", "keys:\n", "keys: []\n", "{}"])
def test_file_may_have_no_keys(text: str) -> None:
    """A file in which everything was revoked is a file."""
    assert read(text, "yaml") == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("keys: [{name: ann}]", r"entry 1 \(ann\): needs either `digest` or `key`"),
        (f"keys: [{{name: ann, key: planted, digest: '{DIGEST}'}}]", "needs either"),
        ("keys: [{name: ann, key: planted, planted: 1}]", r"entry 1 \(ann\): has a field that is none of name, digest"),
        ("keys: [{name: 'a planted', key: sk-1}]", "entry 1: name is not 1 to 64"),
        ("keys: [{name: ann, digest: planted}]", "digest is not sha256: and 64"),
        ("keys: [{name: ann, key: planted, tokens_per_minute: -1}]", "tokens_per_minute input should be"),
        ("keys: [{name: ann, key: planted, max_in_flight: '2'}]", "max_in_flight input should be a valid integer"),
        ("keys: [{name: ann, key: planted, expires: soon-planted}]", "expires is no date or time such as"),
        ("keys: [{name: ann, key: planted, models: planted}]", "models input should be a valid list"),
        ("keys: [planted]", "entry 1: input should be a valid dictionary"),
        ("keys: [{name: a, key: planted}, {name: a, key: other}]", "two keys have the name a"),
        ("keys: [{name: a, key: planted}, {name: b, key: planted}]", "two entries have the same key"),
        ("planted: 1", "has to be `keys:`"),
        ("[planted]", "has to be `keys:`"),
        ("keys: {planted: 1}", "has to be `keys:`"),
        ("keys:\n  - name: 'planted", r"no valid YAML \(line 2\)"),
        ("keys: [{name: ann, key: planted, key: other}]", r"has a field twice"),
        ("keys: [{name: ann, key: !!python/object:planted.x {}}]", "no valid YAML"),
        ("keys: [{name: ann, key: planted, expires: 2027-13-45}]", "no valid YAML"),
    ],
)
def test_faults_name_the_entry_and_no_value(text: str, fault: str) -> None:
    """Whoever reads the log learns what to mend and nothing of a key."""
    with pytest.raises(KeysFault, match=fault) as told:
        read(text, "yaml")
    assert "planted" not in str(told.value)


@pytest.mark.parametrize("text", ['{"keys": [planted]}', '{"keys": [], "keys": []}', "[" * 100_000])
def test_bad_json_is_refused(text: str) -> None:
    """No JSON, a field twice, and what is too deep are the same fault."""
    with pytest.raises(KeysFault, match="no valid JSON, or has a field twice"):
        read(text, "json")


def test_all_faults_are_told_together() -> None:
    """One look at the log is enough to mend the file."""
    with pytest.raises(KeysFault) as told:
        read("keys: [{name: ann}, {key: x}, {name: bob, key: y, max_in_flight: -1}]", "yaml")
    assert [line.partition(":")[0] for line in str(told.value).splitlines()] == [
        "entry 1 (ann)",
        "entry 2",
        "entry 3 (bob)",
    ]


def test_too_many_keys_are_refused() -> None:
    """Every request is compared with every key, so they are bounded."""
    with pytest.raises(KeysFault, match=f"more than {MOST_KEYS}"):
        read("keys:\n" + "- 1\n" * (MOST_KEYS + 1), "yaml")


def test_aliases_do_not_multiply() -> None:
    """A small text of aliases of aliases is refused in no time."""
    bomb = "".join(f"&a{n} [{', '.join([f'*a{n - 1}'] * 9)}], " for n in range(1, 9))
    with pytest.raises(KeysFault):
        read(f"keys: [&a0 [x], {bomb}]", "yaml")


@given(st.text(max_size=200), st.sampled_from(["yaml", "json"]))
def test_any_text_is_keys_or_a_fault(text: str, form: str) -> None:
    """Whatever stands in the file, nothing but a fault comes of it."""
    with suppress(KeysFault):
        read(text, "json" if form == "json" else "yaml")
