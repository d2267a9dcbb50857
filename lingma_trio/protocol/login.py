"""Reads login links and the callbacks at their end, and builds the calls that go with them.

Knows addresses and field names (protocol reference, sections 4.1 and 7). Must not know who signs in or how.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

_URL_KEYS = ("loginUrl", "url", "Url")


@dataclass(frozen=True, slots=True)
class LoginLink:
    """Where to sign in. Good for one login; `state` is what its callback names, `nonce` what Lingma knows it by."""

    url: str
    state: str
    nonce: str


@dataclass(frozen=True, slots=True)
class Callback:
    """What a browser brings back. `auth` and `token` are opaque, and as good as the account itself."""

    state: str
    auth: str = field(repr=False)
    token: str = field(repr=False)


def read_link(result: object) -> LoginLink | None:
    """Read the result of `login/generateUrl` or `auth/login`; None where it holds no address."""
    if not isinstance(result, dict):
        return None
    url = next((each for key in _URL_KEYS if isinstance(each := result.get(key), str) and _is_web(each)), None)
    if url is None:
        return None
    query = _query(url)
    if "state" not in query:  # the international page has the link inside its own
        query = _query(query.get("oauth_callback", ""))
    nonce = result.get("nonce")
    return LoginLink(url, query.get("state", ""), nonce if isinstance(nonce, str) else query.get("nonce", ""))


def read_callback(text: str) -> Callback:
    """Read the address a browser ended at, as a person pastes it.

    Raises ValueError that says what is missing and repeats nothing of it.
    """
    query = _query(text.strip())
    missing = [name for name in ("state", "auth", "token") if not query.get(name)]
    if missing:
        raise ValueError(f"this is no callback address: it has no {' and no '.join(missing)}")
    return Callback(query["state"], query["auth"], query["token"])


def link_requests(*, dedicated: bool) -> tuple[tuple[str, dict[str, Any]], ...]:
    """The calls that give a login link, the newer one first; `dedicated` is for an enterprise endpoint."""
    newer = {"loginDedicatedType": "dedicated" if dedicated else ""}
    older = {"loginDedicatedType": "dedicated"} if dedicated else {}
    return ("login/generateUrl", newer), ("auth/login", older)


def callback_params(link: LoginLink, callback: Callback) -> dict[str, Any]:
    """Parameters of `login/auth_callback`, which spares the browser the way to Lingma's own port."""
    return {"nonce": link.nonce, "auth": callback.auth, "tokenString": callback.token}


def _is_web(url: str) -> bool:
    return url.startswith(("https://", "http://"))


def _query(url: str) -> Mapping[str, str]:
    try:
        return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    except ValueError:
        return {}
