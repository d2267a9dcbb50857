"""The page as HTML: everything foreign escaped, every state shown, and nothing for who is not signed in."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from lingma_trio.http.page.rendering import REGIONS, STATIC, render_page, render_regions
from lingma_trio.http.page.view import Board, InstancePanel, Numbers, Plot, View
from lingma_trio.http.page.wording import CATALOGUES, Language
from lingma_trio.metrics import STATES
from lingma_trio.policy.recent import RequestLine

HOSTILE = "<script>alert(1)</script>\"'&"
PLOT = Plot("", "1 s", "", "")
NUMBERS = Numbers(1, 2, 3, 4, "50 %", 61, 5)
INSTANCE = InstancePanel("lingma-0", "ready", "", "", "", 0, 0, 6, drained=False, login_url="", wants_login=False)
LINE = RequestLine("req_1", 1_700_000_000, "chat", "org_auto", "lingma-0", "hit", "", 10, 20, 1.5, "ok")


def board(*instances: InstancePanel, lines: tuple[RequestLine, ...] = ()) -> Board:
    return Board(instances or (INSTANCE,), NUMBERS, PLOT, PLOT, lines, lines)


def view(shown: Board | None, **fields: object) -> View:
    signed_in = {"csrf": "c5rf", "board": shown, "models": [("org_auto", "Auto")]} if shown else {}
    known = {"readiness": "ready", "version": "1.2.3", "simulated": False, "open_to_sign_in": True}
    return View(**{**known, **signed_in, **fields})  # type: ignore[arg-type]


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of each element of that kind."""
        return [attributes for name, attributes in self.found if name == tag]


def page(shown: View, language: Language = "en") -> Elements:
    return Elements(render_page(shown, language).decode())


def test_everything_foreign_is_escaped() -> None:
    """Neither an instance's words nor a request's can become a part of the page."""
    hostile = replace(
        INSTANCE,
        name=HOSTILE,
        reason=HOSTILE,
        last_end=HOSTILE,
        detail=HOSTILE,
        login_url="https://x/" + HOSTILE,
        wants_login=True,
    )
    line = replace(LINE, id=HOSTILE, model=HOSTILE, instance=HOSTILE, outcome=HOSTILE)
    shown = view(
        board(hostile, lines=(line,)), fault=HOSTILE, version=HOSTILE, csrf=HOSTILE, models=[(HOSTILE, HOSTILE)]
    )
    html = render_page(shown, "en").decode() + "".join(render_regions(shown, "en").values())
    assert "<script>alert" not in html
    found = Elements(html)
    assert [each["src"] for each in found.of("script")] == [found.of("script")[0]["src"]]
    assert not [attributes for _, attributes in found.found if any(name.startswith("on") for name in attributes)]


def test_page_needs_nothing_inline_and_nothing_from_elsewhere() -> None:
    """The policy that is sent along forbids both, so the page has neither."""
    found = page(view(board(lines=(LINE,))))
    assert not [attributes for _, attributes in found.found if "style" in attributes]
    assert not found.of("style")
    sources = [each.get("src") or each.get("href") or "" for tag in ("script", "link", "img") for each in found.of(tag)]
    assert sources
    assert all(source.startswith("/page/") for source in sources)
    assert {source.removeprefix("/page/").partition("?")[0] for source in sources} == STATIC.keys()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("state", STATES)
def test_each_state_is_named(state: str, language: Language) -> None:
    """In words and not by a colour alone, with its reason beside it."""
    shown = page(view(board(replace(INSTANCE, state=state, reason="because of this"))), language)
    assert CATALOGUES[language][f"state_{state}"] in shown.text
    assert "because of this" in shown.text


def test_each_action_carries_its_token() -> None:
    """No form acts without it, and all forms go back to this gateway."""
    shown = page(view(board(replace(INSTANCE, wants_login=True))))
    acting = [each for each in shown.of("form") if each.get("action")]
    tokens = [each for each in shown.of("input") if each.get("name") == "csrf"]
    assert [each["value"] for each in tokens] == ["c5rf"] * len(acting)
    assert {each["action"] for each in acting} == {
        "/page/sign-out",
        "/internal/sessions/clear",
        "/internal/instances/lingma-0/drain",
        "/internal/instances/lingma-0/restart",
        "/internal/login",
    }


def test_drained_instance_can_be_resumed() -> None:
    """In the place of being drained once more."""
    actions = [each.get("action") for each in page(view(board(replace(INSTANCE, drained=True)))).of("form")]
    assert "/internal/instances/lingma-0/resume" in actions
    assert "/internal/instances/lingma-0/drain" not in actions


def test_login_link_is_there_once_there_is_one() -> None:
    """Before that, the way to get it; in either case the place for the address at the end."""
    without = page(view(board(replace(INSTANCE, wants_login=True))))
    given = page(view(board(replace(INSTANCE, wants_login=True, login_url="https://login.example/?a=1&b=2"))))
    assert not without.of("a")
    assert [each["href"] for each in given.of("a")] == ["https://login.example/?a=1&b=2"]
    for shown in (without, given):
        assert [each for each in shown.of("input") if each.get("name") == "callback"]


def test_request_is_a_line() -> None:
    """With its id, model, instance, tokens and outcome."""
    text = " ".join(page(view(board(lines=(LINE,)))).text.split())
    assert "22:13:20 org_auto lingma-0 hit 10 → 20 1.50 ok req_1" in text


def test_uptime_is_told_in_its_largest_parts() -> None:
    """Minutes, then hours and minutes, then days and hours."""
    for minutes, told in ((5, "5 min"), (61, "1 h 1 min"), (1500, "1 d 1 h")):
        shown = Board((INSTANCE,), replace(NUMBERS, uptime_minutes=minutes), PLOT, PLOT, (), ())
        assert f"up for{told}" in " ".join(page(view(shown)).text.split())


@pytest.mark.parametrize("language", ["en", "zh"])
def test_stranger_sees_readiness_and_the_form(language: Language) -> None:
    """No version, no instance, no script."""
    shown = page(view(None), language)
    assert CATALOGUES[language]["gateway_ready"] in shown.text
    assert [each.get("name") for each in shown.of("input")] == ["token"]
    assert not shown.of("script")
    assert "1.2.3" not in shown.text


def test_without_a_token_the_page_says_how_to_set_one() -> None:
    """And offers no form that could lead nowhere."""
    shown = page(view(None, open_to_sign_in=False, readiness="not_ready"))
    assert "ADMIN_TOKEN" in shown.text
    assert "Not ready" in shown.text
    assert not shown.of("form")


def test_outcome_of_an_action_is_told() -> None:
    """What was done, or what went wrong, in the page's words or the fault's."""
    assert "The restart is under way." in page(view(board(), done="restart")).text
    assert "That did not work: it broke" in page(view(board(), fault="it broke")).text
    assert "not the ADMIN_TOKEN" in page(view(None, fault_key="wrong_token")).text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_regions_are_parts_of_the_page(language: Language) -> None:
    """What comes later stands where it stood at first, so nothing moves with the first news."""
    shown = view(board(lines=(LINE,)))
    whole = render_page(shown, language).decode()
    regions = render_regions(shown, language)
    assert tuple(regions) == REGIONS
    assert all(html.strip() in whole for html in regions.values())
    assert f'lang="{"zh-CN" if language == "zh" else "en"}"' in whole


@pytest.mark.parametrize(("language", "words"), [("en", "KEYS_FILE is faulty"), ("zh", "KEYS_FILE 有错误")])
def test_faulty_file_of_keys_is_shown(language: Language, words: str) -> None:
    """As a fault, with what is wrong; a file that is in order is not spoken of."""
    faulty = replace(board(), keys_fault="entry 1 <b>needs")
    shown = render_regions(view(faulty), language)["numbers"]
    assert f'<p class="notice fault">{words}' in shown
    assert "entry 1 &lt;b&gt;needs" in shown
    assert "KEYS_FILE" not in render_regions(view(board()), language)["numbers"]
