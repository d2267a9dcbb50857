"""Login links and callbacks, in every form that was seen, and nothing in between."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.protocol.login import Callback, LoginLink, callback_params, link_requests, read_callback, read_link

PAGE = "https://devops.aliyun.com/lingma/login?nonce=ffee&port=37510&state=2-0011&challenge=AbC"
texts = st.text(st.characters(codec="utf-8"), min_size=1)


@pytest.mark.parametrize(
    ("result", "link"),
    [
        ({"loginUrl": PAGE, "nonce": "aabb", "success": True}, LoginLink(PAGE, "2-0011", "aabb")),
        ({"url": PAGE, "success": True}, LoginLink(PAGE, "2-0011", "ffee")),
        ({"Url": PAGE}, LoginLink(PAGE, "2-0011", "ffee")),
        (
            {"url": "https://x.test/login?port=1&state=2-3"},
            LoginLink("https://x.test/login?port=1&state=2-3", "2-3", ""),
        ),
        ({"url": "https://x.test/login"}, LoginLink("https://x.test/login", "", "")),
    ],
)
def test_a_link_is_read_in_either_spelling(result: object, link: LoginLink) -> None:
    """The nonce comes beside the address or in it, or not at all."""
    assert read_link(result) == link


def test_a_link_is_read_within_another_one() -> None:
    """As the international page has it."""
    outer = f"https://account.example/login.htm?oauth_callback={quote(PAGE, safe='')}"
    assert read_link({"url": outer}) == LoginLink(outer, "2-0011", "ffee")


@pytest.mark.parametrize(
    "result",
    [None, [], "url", {}, {"url": ""}, {"url": 7}, {"loginUrl": "javascript:alert(1)"}, {"url": "file:///etc"}],
)
def test_what_holds_no_address_is_no_link(result: object) -> None:
    """Nobody is sent to a page that is none."""
    assert read_link(result) is None


@given(texts, texts, texts)
def test_a_callback_gives_back_what_was_put_into_it(state: str, auth: str, token: str) -> None:
    """Whatever the values are, and whatever is around the address that was pasted."""
    query = urlencode({"state": state, "auth": auth, "token": token})
    assert read_callback(f"  http://127.0.0.1:37510/auth/callback?{query}\n") == Callback(state, auth, token)


@given(st.text())
def test_no_text_does_more_than_be_a_callback_or_not(text: str) -> None:
    """And the fault repeats nothing: the text may hold half a login."""
    with pytest.raises(ValueError, match="no callback address") as refused:
        read_callback(text)
    assert str(refused.value) == "this is no callback address: it has no state and no auth and no token"


def test_a_callback_that_lacks_something_says_what() -> None:
    """So that the person can copy all of it."""
    with pytest.raises(ValueError, match=r"it has no token$"):
        read_callback("http://127.0.0.1/auth/callback?state=2-3&auth=x&token=")


def test_a_callback_does_not_show_its_secrets() -> None:
    """Its repr ends up in logs."""
    assert repr(Callback("2-3", "secret-a", "secret-t")) == "Callback(state='2-3')"


def test_the_calls_are_those_of_the_edition() -> None:
    """The newer first; an enterprise account says so in both."""
    assert link_requests(dedicated=False) == (("login/generateUrl", {"loginDedicatedType": ""}), ("auth/login", {}))
    dedicated = {"loginDedicatedType": "dedicated"}
    assert link_requests(dedicated=True) == (("login/generateUrl", dedicated), ("auth/login", dedicated))


def test_a_callback_is_handed_in_by_its_links_nonce() -> None:
    """With the names Lingma gives the values."""
    params = callback_params(LoginLink("https://x.test", "2-3", "abc"), Callback("2-3", "a", "t"))
    assert params == {"nonce": "abc", "auth": "a", "tokenString": "t"}
