"""What the documentation shows guards nothing: the list of it is whole, and all of it is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lingma_trio.config import Settings
from lingma_trio.keys.document import KeysFault, read
from lingma_trio.keys.examples import PUBLISHED, is_published
from lingma_trio.keys.key import digest_of, parse_api_keys, written_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = [
    *ROOT.glob("README*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(path for path in (ROOT / "deploy").rglob("*") if path.is_file()),
    ROOT / ".env.example",
]
SHOWN = (
    r"\b(?:API_KEYS|ADMIN_TOKEN|METRICS_TOKEN)=([^\s`|)]+)",
    r"\b(?:api-keys|admin-token|metrics-token): (\S+)",
    r"printf '%s' (\S+) *(?:\| podman secret create lingma-(?:api-keys|admin-token|metrics-token)|> metrics-token)",
    r"\b(?:OPENAI|ANTHROPIC)_(?:API_KEY|AUTH_TOKEN)=([^\s`|)]+)",
    r"\b(?:api_key|apiKey)(?:=|: )([^\s`|),]+)",
    r"Bearer ([^\s\"`']+)",
    r"x-api-key: ([^\s\"`']+)",
    r"\b(sk-[\w-]{4,})",
)
DIGEST = r"sha256:([0-9a-f]{64})"


def shown() -> Iterator[tuple[str, str]]:
    """Every key and token that a page shows, with the page; references to variables are none."""
    for path in PAGES:
        page = path.read_text(encoding="utf-8")
        for found in (match for pattern in SHOWN for match in re.findall(pattern, page)):
            for value in found.strip("\"'").split(","):
                secret = re.sub(r"^\w+:(?=sk-)", "", value)
                if secret and not secret.startswith(("$", "sk-...", "sha256:", "NAME:")):
                    yield path.name, secret
    for name in ("api_keys", "admin_token", "metrics_token"):
        for example in Settings.model_fields[name].examples or ():
            yield from ((name, re.sub(r"^\w+:(?=sk-)", "", secret)) for secret in str(example).split(","))


def test_every_value_that_is_shown_is_in_the_list() -> None:
    """A page that comes to show another one has to put it there."""
    found = set(shown())
    assert len({secret for _, secret in found}) > 5
    assert [(page, secret) for page, secret in sorted(found) if secret not in PUBLISHED] == []


def test_every_digest_that_is_shown_is_refused() -> None:
    """It would let in whoever knows of what it is."""
    digests = [digest for path in PAGES for digest in re.findall(DIGEST, path.read_text(encoding="utf-8"))]
    assert digests
    assert all(is_published(bytes.fromhex(digest)) for digest in digests)


@pytest.mark.parametrize("secret", PUBLISHED)
def test_published_key_is_refused_in_every_notation(secret: str) -> None:
    """In API_KEYS and in KEYS_FILE, by itself or by its digest; the fault says what to do and repeats nothing."""
    for text in (secret, written_digest(secret), f"ann:{written_digest(secret)}"):
        with pytest.raises(ValueError, match=r"entry 1 is an example .* put one of your own there") as refused:
            parse_api_keys(text)
        assert f"{secret}," not in str(refused.value)
    for field in (f"key: {secret}", f"digest: {written_digest(secret)}"):
        with pytest.raises(KeysFault, match="has a key that is an example"):
            read(f"keys: [{{name: ann, {field}}}]", "yaml")


def test_other_keys_are_nobody_s_examples() -> None:
    """One's own key may look like one."""
    assert not is_published(digest_of("a-long-random-key-of-my-own"))
