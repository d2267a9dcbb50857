"""The words of the start: every address is there, the request can be pasted, and what is missing is said."""

from __future__ import annotations

import shlex

from pydantic_core import from_json

from lingma_trio.commands.welcome import Welcome

WELCOME = Welcome(url="http://127.0.0.1:8317", state="is ready", model="org_auto")


def test_request_can_be_pasted() -> None:
    """A shell makes the right words of it, whatever the model's name and the key are."""
    welcome = Welcome(url=WELCOME.url, state="", model="it's", key="sk-a'b c", keyed=True)
    program, *words = shlex.split(welcome.request())
    assert program == "curl"
    assert "http://127.0.0.1:8317/v1/chat/completions" in words
    assert "authorization: Bearer sk-a'b c" in words
    assert from_json(words[-1])["model"] == "it's"
    assert from_json(words[-1])["stream"] is True


def test_key_is_named_where_it_is_not_known() -> None:
    """With digests alone the request has a place for it; without keys it has none."""
    keyed = Welcome(url=WELCOME.url, state="", model="m", keyed=True)
    assert "Bearer YOUR-KEY" in keyed.request()
    assert "Bearer" not in WELCOME.request()


def test_block_has_api_page_and_request() -> None:
    """In few lines; the page with its link where there is one."""
    lines = WELCOME.lines()
    assert len(lines) < 10
    assert "http://127.0.0.1:8317/v1" in lines[2]
    assert "http://127.0.0.1:8317/ " in lines[3]
    assert "ADMIN_TOKEN" in lines[3]
    linked = Welcome(url=WELCOME.url, state="", model="m", link="abc").lines()
    assert "http://127.0.0.1:8317/page/link?once=abc " in linked[3]
