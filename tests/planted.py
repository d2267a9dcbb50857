"""A marker in every setting that must never be shown, and where markers are to be looked for.

Which settings those are follows from the settings' own types, so that a new one has to be planted here.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Final, get_args, get_type_hints

from pydantic import SecretStr

from lingma_trio.config import Settings

_MARKER = re.compile(r"(?:sk-)?marker-[a-z0-9-]+")

ACCOUNTS: Final = (
    '[{"username": "somebody", "password": "marker-password-3f2e", "session_bundle": "marker-login-token-c4d8"},'
    ' "other:marker-password-77b1"]'
)
PLANTED: Final = {
    "API_KEYS": "marker-api-key-5a1c,named:sk-marker-api-key-09fe",
    "ADMIN_TOKEN": "marker-admin-token-77e0",
    "METRICS_TOKEN": "marker-metrics-token-90bd",
    "AGENT_TOKEN": "marker-agents-token-52aa",
    "ACP_TOKENS": "ann:marker-agent-token-1d6b,bob:marker-agent-token-88c2",
    "LINGMA_PASSWORD": "marker-password-b00c",
    "LINGMA_SESSION_BUNDLE": "marker-login-token-e1e1",
    "LINGMA_ACCOUNTS": ACCOUNTS,
    "STATE_URL": "valkey://me:marker-store-password-4d2f@127.0.0.1:1",
    "LINGMA_VSIX_URL": "http://me:marker-vsix-password-61c0@127.0.0.1:1/lingma.vsix?marker-signature-8b3d",
    "LINGMA_GALLERY_URL": "http://marker-gallery-token-0c9a@127.0.0.1:1/gallery",
    "DEDICATED_DOMAIN_URL": "http://me:marker-domain-password-ab12@127.0.0.1:1",
}
"""A value for each of them, of which what is secret is a marker. No address leads anywhere."""

BESIDE: Final = {
    "LINGMA_PASSWORD": {"LINGMA_USERNAME": "somebody"},
    "ACP_TOKENS": {"ACP_TOKEN_VARIABLE": "AGENT_KEY"},
}
"""What has to stand beside some of them."""


def secret_variables() -> set[str]:
    """The settings that can hold a secret: by their types, or as addresses that are fetched."""
    return {
        name
        for name, field in Settings.variables().items()
        if _holds_secret(field.annotation) or (name.endswith("_URL") and field.annotation is str)
    }


def markers_in(text: str) -> set[str]:
    """The markers in a text, whole."""
    return set(_MARKER.findall(text))


def _holds_secret(kind: object) -> bool:
    if kind is SecretStr:
        return True
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return any(_holds_secret(hint) for hint in get_type_hints(kind).values())
    return any(_holds_secret(each) for each in get_args(kind))
