"""The page as HTML: everything foreign escaped, every state shown, and nothing for who is not signed in."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser

import pytest

from lingma_trio.clients import Lines
from lingma_trio.http.page.connect import ClientTab, ConnectPanel
from lingma_trio.http.page.places import PLACES, Place
from lingma_trio.http.page.rendering import STATIC, render_page, render_regions
from lingma_trio.http.page.use_panels import Chart, Day, KeyPanel, KeysPanel, UsePanel
from lingma_trio.http.page.view import (
    InstancePanel,
    ModelLine,
    ModelsPanel,
    Numbers,
    Pace,
    Plot,
    Requests,
    TreePanel,
    UnderwayLine,
    UnderwayPanel,
    View,
)
from lingma_trio.http.page.wording import CATALOGUES, Language
from lingma_trio.metrics import STATES
from lingma_trio.policy.aliases import Alias
from lingma_trio.policy.recent import RequestLine
from lingma_trio.policy.use import DayLine, Tally
from lingma_trio.state.replicas import Replica
from lingma_trio.task_tree import Node

WITHOUT_FILES = """
import errno, resource, trio
from collections import defaultdict
from lingma_trio.clients import CLIENTS, Gateway
from lingma_trio.http import documents
from lingma_trio.http.page.rendering import prepare, render_link

async def main():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, most))
    try:
        await prepare()
    except OSError as fault:
        print(errno.errorcode[fault.errno])
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    await prepare()
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, most))
    print(len(render_link(defaultdict(str), "en", "")) > 500, len(documents.chinese()) > 100)
    print(all(client.lines(Gateway("http://here", "sk-1")) for client in CLIENTS.values()))

trio.run(main)
"""

HOSTILE = "<script>alert(1)</script>\"'&"
PLOT = Plot("", "1 s", "", "")
NUMBERS = Numbers(1, 4, 2, 3, 4, "50 %", 61, 5)
INSTANCE = InstancePanel("lingma-0", "ready", "", "", "", 0, 0, 6, drained=False, login_url="", wants_login=False)
LINE = RequestLine(
    *("req_1", 1_700_000_000, "chat", "org_auto", "lingma-0", "hit", "", 10, 20, 1.5, "ok", "ann", "curl/8 · 10.0.0.1"),
    spans=(("receiving", 0.0), ("queued", 0.5), ("waiting", 0.25), ("streaming", 0.75)),
)
UNDERWAY = UnderwayLine(
    *("0a1b", "req_2", "ann", "qwen", "lingma-0", "curl/8 · 10.0.0.1", "streaming", 12, 37), cancelled=False
)
TREE = Node("trio.run", "", "", (Node("request req_2", "chat, streaming", "", (), 0),), 3)
NOBODY = UnderwayPanel((), 0, ())


MODEL = ModelLine("qwen", "Qwen", True, ("fast",), 32000, True, True, (("lingma-0", 0), ("lingma-1", 12)))
TAB = ClientTab("codex", "Codex", (Lines("toml", "base_url", "~/.codex/config.toml"), Lines("sh", "codex")))
CHART = Chart("M0 0", 5)
DAY = Day(date(2026, 11, 29), Tally(3, 10, 20), 1, (DayLine(date(2026, 11, 29), "ann", "qwen", "ok", Tally(3)),), 2)
KEY = KeyPanel(
    *(
        "ann",
        False,
        True,
        1,
        2,
        None,
        1000,
        ("qwen",),
        datetime(2027, 1, 31, tzinfo=UTC),
        False,
        None,
        Tally(3, 10, 20),
    ),
    hours=CHART,
    days=Chart("", 0),
)


def panels(
    *instances: InstancePanel,
    lines: tuple[RequestLine, ...] = (),
    underway: UnderwayPanel = NOBODY,
    numbers: Numbers = NUMBERS,
) -> dict[str, object]:
    return {
        "numbers": numbers,
        "underway": underway,
        "instances": instances or (INSTANCE,),
        "pace": Pace(PLOT, PLOT),
        "tree": TreePanel(TREE, 4, {f"request {line.request_id}": line for line in underway.lines}),
        "requests": Requests(lines, lines),
        "playground": [("org_auto", "Auto")],
        "models": ModelsPanel((MODEL,), (Alias("claude-*", "qwen"),)),
        "connect": ConnectPanel("http://gateway", (TAB,), "", makes_keys=True),
        "use": UsePanel((DAY,), CHART, DAY.total, ""),
        "keys": KeysPanel((KEY, replace(KEY, name="bob", fixed=False)), "/etc/keys.yaml", ""),
    }


def view(shown: dict[str, object] | None, place: str = "live", **fields: object) -> View:
    signed_in = {"csrf": "c5rf", "panels": shown} if shown else {}
    known = {"readiness": "ready", "version": "1.2.3", "simulated": False, "open_to_sign_in": True}
    return View(**{**known, "place": PLACES[place], **signed_in, **fields})  # type: ignore[arg-type]


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
        account=HOSTILE,
        label=HOSTILE,
        login_url="https://x/" + HOSTILE,
        wants_login=True,
    )
    line = replace(LINE, id=HOSTILE, model=HOSTILE, instance=HOSTILE, outcome=HOSTILE, key=HOSTILE, client=HOSTILE)
    under = replace(UNDERWAY, id=HOSTILE, request_id=HOSTILE, key=HOSTILE, model=HOSTILE, client=HOSTILE)
    shown = panels(hostile, lines=(line,), underway=UnderwayPanel((under,), 0, (line,)))
    shown |= {
        "use": UsePanel(
            (replace(DAY, lines=(DayLine(DAY.day, HOSTILE, HOSTILE, HOSTILE, Tally(1)),)),), CHART, DAY.total, HOSTILE
        ),
        "models": ModelsPanel(
            (replace(MODEL, key=HOSTILE, name=HOSTILE, aliases=(HOSTILE,)),), (Alias(HOSTILE, HOSTILE),)
        ),
        "connect": ConnectPanel(
            HOSTILE, (ClientTab(HOSTILE, HOSTILE, (Lines("sh", HOSTILE, HOSTILE),)),), HOSTILE, False
        ),
        "keys": KeysPanel((replace(KEY, name=HOSTILE, fixed=False, models=(HOSTILE,)),), HOSTILE, HOSTILE),
    }
    shown |= {"tree": TreePanel(Node(HOSTILE, HOSTILE, "", (), 0), 1, {}), "playground": [(HOSTILE, HOSTILE)]}
    for place in PLACES.values():
        seen = view(
            shown, place.name, made={"name": HOSTILE, "key": HOSTILE}, fault=HOSTILE, version=HOSTILE, csrf=HOSTILE
        )
        html = render_page(seen, "en").decode() + "".join(render_regions(seen, "en").values())
        assert "<script>alert" not in html
        found = Elements(html)
        assert all((each["src"] or "").startswith("/page/") for each in found.of("script"))
        assert not [attributes for _, attributes in found.found if any(name.startswith("on") for name in attributes)]


def test_page_needs_nothing_inline_and_nothing_from_elsewhere() -> None:
    """The policy that is sent along forbids both, so the page has neither."""
    loaded: set[str] = set()
    for place in PLACES:
        found = page(view(panels(lines=(LINE,)), place))
        assert not [attributes for _, attributes in found.found if "style" in attributes]
        assert not found.of("style")
        sources = [
            each.get("src") or each.get("href") or "" for tag in ("script", "link", "img") for each in found.of(tag)
        ]
        assert sources
        assert all(source.startswith("/page/") for source in sources)
        loaded |= {source.removeprefix("/page/").partition("?")[0] for source in sources}
    assert loaded | {"api.js"} == STATIC.keys()


@pytest.mark.parametrize("place", PLACES.values(), ids=lambda place: place.name)
def test_each_place_leads_to_all_others(place: Place) -> None:
    """And says which it is itself."""
    links = page(view(panels(), place.name)).of("a")
    assert [each["href"] for each in links][: len(PLACES) + 1] == [*(each.path for each in PLACES.values()), "/docs"]
    assert [each["href"] for each in links if "aria-current" in each] == [place.path]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("state", STATES)
def test_each_state_is_named(state: str, language: Language) -> None:
    """In words and not by a colour alone, with its reason beside it."""
    shown = page(view(panels(replace(INSTANCE, state=state, reason="because of this"))), language)
    assert CATALOGUES[language][f"state_{state}"] in shown.text
    assert "because of this" in shown.text


def test_reason_is_told_in_the_language_of_the_page() -> None:
    """And so is the end of the life before."""
    ended = replace(INSTANCE, state="backing_off", reason="Lingma is starting", last_end="Lingma ended with status 3")
    text = page(view(panels(ended)), "zh").text
    assert "灵码正在启动" in text
    assert "退出码 3" in text


def test_each_action_carries_its_token() -> None:
    """No form acts without it, and all forms go back to this gateway."""
    shown = page(view(panels(replace(INSTANCE, wants_login=True), underway=UnderwayPanel((UNDERWAY,), 0, ()))))
    acting = [each for each in shown.of("form") if each.get("action")]
    tokens = [each for each in shown.of("input") if each.get("name") == "csrf"]
    assert [each["value"] for each in tokens] == ["c5rf"] * len(acting)
    assert {each["action"] for each in acting} == {
        "/page/sign-out",
        "/internal/sessions/clear",
        "/internal/instances/lingma-0/drain",
        "/internal/instances/lingma-0/restart",
        "/internal/login",
        "/internal/requests/0a1b/cancel",
    }


def test_request_under_way_is_a_line_and_a_branch() -> None:
    """With whose it is and how far it came; and one that ended a moment ago with its outcome."""
    under = UnderwayPanel((UNDERWAY,), 7, (LINE,))
    text = " ".join(page(view(panels(underway=under))).text.split())
    assert "streaming ann qwen · lingma-0 curl/8 · 10.0.0.1 12 s · 37 deltas Cancel" in text
    assert "ended ann org_auto · lingma-0 curl/8 · 10.0.0.1 1.5 s ok and 7 more" in text
    assert "trio.run request req_2 streaming ━━━━━━━━ 37 deltas and 3 more" in text


def test_cancelled_request_is_cancelled_once() -> None:
    """It says so until it is gone, and its button is of no more use."""
    html = render_regions(view(panels(underway=UnderwayPanel((replace(UNDERWAY, cancelled=True),), 0, ()))), "en")
    assert "disabled" in html["underway"]
    assert "cancelled" in html["tree"]


def test_drained_instance_can_be_resumed() -> None:
    """In the place of being drained once more."""
    actions = [each.get("action") for each in page(view(panels(replace(INSTANCE, drained=True)))).of("form")]
    assert "/internal/instances/lingma-0/resume" in actions
    assert "/internal/instances/lingma-0/drain" not in actions


@pytest.mark.parametrize("language", ["en", "zh"])
def test_who_has_to_sign_in_is_named(language: Language) -> None:
    """An instance shows its account's name, and where a sign-in is due also how it is done in a terminal."""
    named = replace(INSTANCE, label="team a")
    assert "team a" in page(view(panels(named)), language).text
    text = page(view(panels(replace(named, wants_login=True))), language).text
    assert text.count("team a") == 2
    assert f"lingma-trio login --instance {INSTANCE.name}" in text


def test_login_link_is_there_once_there_is_one() -> None:
    """Before that, the way to get it; in either case the place for the address at the end."""
    without = page(view(panels(replace(INSTANCE, wants_login=True))))
    given = page(view(panels(replace(INSTANCE, wants_login=True, login_url="https://login.example/?a=1&b=2"))))
    added = [each["href"] for each in given.of("a") if each not in without.of("a")]
    assert added == ["https://login.example/?a=1&b=2"]
    for shown in (without, given):
        assert [each for each in shown.of("input") if each.get("name") == "callback"]


def test_request_is_a_line_that_opens() -> None:
    """With whose it is, when, its tokens and times; open, with what each time was and how to find it in the log."""
    shown = page(view(panels(lines=(LINE,)), "requests"))
    text = " ".join(shown.text.split())
    assert "ok 22:13:20 UTC org_auto ann hit 10 → 20 1.50 s" in text
    assert "timesqueue 0.50 s first text 0.25 s stream 0.75 s" in text
    assert "req_1" in text
    assert shown.of("time")[0]["datetime"] == "2023-11-14T22:13:20Z"
    bar = [(each["class"], each["x"], each["width"]) for each in shown.of("rect")][:3]
    assert bar == [("queued", "0.0", "33.33"), ("waiting", "33.33", "16.67"), ("streaming", "50.0", "50.0")]


@pytest.mark.parametrize(("language", "advice"), [("en", "add accounts"), ("zh", "增加账号")])
def test_failure_says_what_to_do(language: Language, advice: str) -> None:
    """In words, with the code beside it; an outcome that has no words is shown as it is."""
    text = page(view(panels(lines=(replace(LINE, outcome="queue_full"),)), "requests"), language).text
    assert advice in text
    assert "queue_full" in text
    assert "odd_one" in page(view(panels(lines=(replace(LINE, outcome="odd_one"),)), "requests"), language).text


def test_uptime_is_told_in_its_largest_parts() -> None:
    """Minutes, then hours and minutes, then days and hours."""
    for minutes, told in ((5, "5 min"), (61, "1 h 1 min"), (1500, "1 d 1 h")):
        shown = panels(numbers=replace(NUMBERS, uptime_minutes=minutes))
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
    assert "The restart is under way." in page(view(panels(), done="restart")).text
    assert "That did not work: it broke" in page(view(panels(), fault="it broke")).text
    assert "not the ADMIN_TOKEN" in page(view(None, fault_key="wrong_token")).text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_regions_are_parts_of_the_page(language: Language) -> None:
    """What comes later stands where it stood at first, so nothing moves with the first news."""
    for place in PLACES.values():
        shown = view(panels(lines=(LINE,)), place.name)
        whole = render_page(shown, language).decode()
        regions = render_regions(shown, language)
        assert tuple(regions) == place.regions
        assert all(html.strip() in whole for html in regions.values())
        assert f'lang="{"zh-CN" if language == "zh" else "en"}"' in whole


@pytest.mark.parametrize(("language", "words"), [("en", "KEYS_FILE is faulty"), ("zh", "KEYS_FILE 有错误")])
def test_faulty_file_of_keys_is_shown(language: Language, words: str) -> None:
    """As a fault, with what is wrong; a file that is in order is not spoken of."""
    faulty = replace(NUMBERS, keys_fault="entry 1 <b>needs")
    shown = render_regions(view(panels(numbers=faulty)), language)["numbers"]
    assert f'<p class="notice fault">{words}' in shown
    assert "entry 1 &lt;b&gt;needs" in shown
    assert "KEYS_FILE" not in render_regions(view(panels()), language)["numbers"]


@pytest.mark.parametrize(("language", "words"), [("en", "up for 61 min"), ("zh", "已运行 61 分")])
def test_gateways_that_share_are_shown(language: Language, words: str) -> None:
    """By name, with their slots in use and how long they have been up; a gateway that is alone shows none."""
    shared = replace(NUMBERS, replicas=(Replica("gateway <a>", 3661, 2),))
    shown = render_regions(view(panels(numbers=shared)), language)["numbers"]
    assert f"<dt>gateway &lt;a&gt;</dt><dd>2 <small>{words}</small>" in shown
    assert "replicas" not in render_regions(view(panels()), language)["numbers"]


def test_day_has_its_lines() -> None:
    """What it came to in all, and by whom with what end; where there are many the export has the rest."""
    text = " ".join(page(view(panels(), "use")).text.split())
    assert "2026-11-29 3 requests 30 tokens 1 failed" in text
    assert "annqwenok300 and 2 more" in text


def test_key_of_the_settings_cannot_be_revoked() -> None:
    """It says where it stands; one of the file can, and shows its limits."""
    shown = page(view(panels(), "keys"))
    assert [each["action"] for each in shown.of("form") if "revoke" in (each["action"] or "")] == [
        "/internal/keys/bob/revoke"
    ]
    text = " ".join(shown.text.split())
    assert "ann fixed in API_KEYS · until 2027-01-31" in text
    assert "requests at once 1 / 2 · requests a minute ∞ · tokens a minute 1000" in text


def test_without_a_file_of_keys_the_page_says_how_to_have_one() -> None:
    """In the place of a form that could do nothing."""
    without = panels() | {"keys": KeysPanel((KEY,), "", "")}
    shown = page(view(without, "keys"))
    assert "lingma-trio keys new NAME --file keys.yaml" in shown.text
    assert "/internal/keys" not in {each.get("action") for each in shown.of("form")}


def test_key_that_was_made_is_shown() -> None:
    """Once: the next look at the page has it no more."""
    assert "sk-new" in page(view(panels(), "keys", made={"name": "bob", "key": "sk-new"})).text
    assert "sk-new" not in page(view(panels(), "keys")).text


@pytest.mark.parametrize(("language", "word"), [("en", "account"), ("zh", "账号")])
def test_quota_and_plan_stand_on_the_card(language: Language, word: str) -> None:
    """Where Lingma tells them, and nothing where it does not."""
    told = page(view(panels(replace(INSTANCE, account="personal_standard · quota 7"))), language)
    assert f"{word}: personal_standard · quota 7" in told.text
    assert f"{word}:" not in page(view(panels()), language).text


def test_model_is_a_line() -> None:
    """With its aliases, what it reads and can, and where it rests."""
    text = " ".join(page(view(panels(), "models")).text.split())
    assert "Qwen default qwen fast 32000 pictures · reasoning lingma-0, lingma-1 rests 12 s" in text
    assert "By pattern: claude-* → qwen" in text


def test_lines_of_a_client_can_be_copied() -> None:
    """One client at a time, chosen without a script; each text has a button of its own."""
    shown = page(view(panels(), "connect"))
    copied = [each["data-copies"] for each in shown.of("button") if "data-copies" in each]
    assert copied == ["lines-codex-1", "lines-codex-2"] == [each["id"] for each in shown.of("pre")]
    assert [each["id"] for each in shown.of("input") if each.get("type") == "radio"] == ["tab-codex"]
    assert "~/.codex/config.toml" in shown.text


def test_key_can_be_made_where_a_client_is_connected() -> None:
    """Where there is a file for it; else it is said which key to take."""
    forms = page(view(panels(), "connect")).of("form")
    assert "/internal/keys" in {each.get("action") for each in forms}
    without = panels() | {"connect": ConnectPanel("http://gateway", (TAB,), "", makes_keys=False)}
    shown = page(view(without, "connect"))
    assert "/internal/keys" not in {each.get("action") for each in shown.of("form")}
    assert "API_KEYS" in shown.text


def test_page_opens_no_file_once_it_was_shown() -> None:
    """Whoever looks first while the gateway may open none is told so, as everybody is, and may look again."""
    told = subprocess.check_output([sys.executable, "-c", WITHOUT_FILES], timeout=60)
    assert told == b"EMFILE\nTrue True\nTrue\n"
