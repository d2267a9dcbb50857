"""What is read out of a request's head: ids that can do no harm, and names that are short."""

from __future__ import annotations

from typing import Any

import pytest

from lingma_trio.http.request_head import RequestHead


def head(client: tuple[str, int] | None = None, /, **headers: str) -> RequestHead:
    """A request's head with these headers."""
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope: dict[str, Any] = {"type": "http", "headers": lines, "client": client}
    return RequestHead(scope)


@pytest.mark.parametrize("given", ["mine", "a" * 128, "A-b_c.d:e"])
def test_well_formed_id_is_honoured(given: str) -> None:
    """A client's own request id is kept, and beside it stands one that no other request has."""
    first, second = head(x_request_id=given), head(x_request_id=given)
    assert first.request_id == second.request_id == given
    assert first.id != second.id


@pytest.mark.parametrize("given", ["", "a" * 129, "with blank", 'quo"te', "line\nbreak", "\u00fcmlaut"])
def test_any_other_id_is_replaced(given: str) -> None:
    """An id that could do harm in a log or a header is replaced by a fresh one."""
    first, second = head(x_request_id=given), head(x_request_id=given)
    assert first.request_id == f"req_{first.id}"
    assert first.request_id != second.request_id


@pytest.mark.parametrize(
    ("headers", "session"),
    [
        ({"x_session_affinity": "a", "x_session_id": "b"}, "a"),
        ({"x_session_affinity": " ", "x_session_id": "b"}, "b"),
        ({"x_session_id": "b" * 257}, ""),
        ({}, ""),
    ],
)
def test_a_client_may_name_its_session(headers: dict[str, str], session: str) -> None:
    """Either header does, the one that asks for affinity first; a name that is too long is none."""
    assert head(**headers).session == session


@pytest.mark.parametrize(
    ("agent", "client", "shown"),
    [
        ("codex/1.2 (Linux; x86)", ("10.0.0.9", 4), "codex/1.2 · 10.0.0.9"),
        ("cu\u00e9rl\x7f/8", None, "curl/8"),
        ("a" * 100, None, "a" * 60),
        ("", None, ""),
    ],
)
def test_program_is_shown_by_its_own_word(agent: str, client: tuple[str, int] | None, shown: str) -> None:
    """Its name is short and printable, and its address stands beside it where the server tells one."""
    assert head(client, user_agent=agent).client == shown


def test_what_the_client_speaks() -> None:
    """Anthropic's clients name their version; a WebSocket is offered by name, in any case."""
    assert head(anthropic_version="2023-06-01").for_anthropic
    assert not head(authorization="Bearer x").for_anthropic
    assert head(upgrade="WebSocket").offers_websocket
    assert not head(upgrade="h2c").offers_websocket


@pytest.mark.parametrize(
    ("said", "another"),
    [("same-origin", False), ("none", False), ("same-site", True), ("cross-site", True), ("", True)],
)
def test_browser_says_which_site_asks(said: str, another: bool) -> None:
    """Its own page and a person do so without harm; who is no browser says nothing, and what is unknown is another."""
    assert head(sec_fetch_site=said).from_another_site is another
    assert not head().from_another_site
    assert (head(sec_fetch_site=said).text(b"sec-fetch-site"), head().text(b"referer")) == (said, "")
