"""The status page in a real Chromium: signing in, live figures, actions, the playground, and nobody kept out."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from importlib.resources import files
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pydantic_core import from_json

from lingma_trio.http.page.places import PLACES
from lingma_trio.http.page.wording import CATALOGUES, Language
from lingma_trio.login.browser import SWITCHES, find_browser, is_sandboxed
from tests.end_to_end.client import PATIENCE, question
from tests.end_to_end.gateway import ADMIN_TOKEN, POLL, Gateway, launched, started

pytestmark = pytest.mark.slow

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
IMAGES = Path(__file__).parents[2] / "docs" / "images"
NARROW, WIDE = {"width": 360, "height": 740}, {"width": 1180, "height": 900}
SLOW_ANSWER = "#simulate first=0.1 gap=0.2 deltas=500\nTell me a long story."
TOLD_BY_THE_BROWSER = re.compile(r"status of [45]\d\d|net::ERR_")
"""What a browser's console says by itself of a request that is refused or fails, and of a gateway that is gone."""
Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for all tests; each gets a profile of its own."""
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_browser(""), args=list(SWITCHES), chromium_sandbox=is_sandboxed()
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Two instances that answer quickly."""
    directory = tmp_path_factory.mktemp("gateway")
    knobs = "first=0.01,gap=0.01,directives=1"
    with started(directory, LINGMA_INSTANCE_COUNT="2", LINGMA_SIMULATOR=knobs) as running:
        yield running


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Visit]:
    """Opens the page of a gateway in a fresh profile; in the end no page may have complained in its console."""
    complaints: list[str] = []

    def go(gateway: Gateway, *, token: str = ADMIN_TOKEN, **profile: object) -> Page:
        known = {"locale": "en-GB", "viewport": WIDE, **profile}
        page = profiles.enter_context(chromium.new_context(**known)).new_page()  # type: ignore[arg-type]
        page.set_default_timeout(PATIENCE * 1000)
        page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda fault: complaints.append(str(fault)))
        page.goto(f"http://127.0.0.1:{gateway.port}/")
        if token:
            page.fill("#token", token)
            page.keyboard.press("Enter")
        return page

    with ExitStack() as profiles:
        yield go
    assert [each for each in complaints if not TOLD_BY_THE_BROWSER.search(each)] == []


def go_to(page: Page, place: str) -> Page:
    """The page at another of its places, live."""
    page.get_by_role("link", name=place, exact=True).click()
    return live(page)


def live(page: Page) -> Page:
    """The page once its figures are live."""
    expect(page.locator("#live")).to_have_class("live on")
    return page


def violations(page: Page) -> list[str]:
    """What axe finds, contrast included."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run().then((found) => found.violations)")
    return [f"{each['id']}: {[node['html'] for node in each['nodes']]}" for each in found]


def ask(gateway: Gateway, text: str) -> str:
    """Ask as an API client does; returns the id of the request. Who leaves before the last byte may count as gone."""
    address = f"http://127.0.0.1:{gateway.port}/v1/chat/completions"
    with urlopen(Request(address, question(text, stream=False), {"content-type": "application/json"})) as answer:
        answer.read()
        request_id: str = answer.headers["x-request-id"]
    return request_id


@contextmanager
def streaming(gateway: Gateway, text: str, client: str = "http.client") -> Iterator[HTTPResponse]:
    """An answer of an API client that has begun to come; it ends with the connection, as a cut one does."""
    connection = HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)
    headers = {"content-type": "application/json", "user-agent": client}
    connection.request("POST", "/v1/chat/completions", question(text, stream=True), headers)
    yield connection.getresponse()
    connection.close()


def clear(gateway: Gateway) -> None:
    """Forget all sessions, as a program does."""
    headers = {"authorization": f"Bearer {ADMIN_TOKEN}", "content-type": "application/json"}
    with urlopen(Request(f"http://127.0.0.1:{gateway.port}/internal/sessions/clear", b"{}", headers)) as answer:
        answer.read()


def status_of(gateway: Gateway, key: str) -> int:
    """How the gateway answers the bearer of a key who asks for its models."""
    connection = HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)
    connection.request("GET", "/v1/models", headers={"authorization": f"Bearer {key}"})
    status = connection.getresponse().status
    connection.close()
    return status


def say(page: Page, text: str) -> None:
    """Send a message in the playground with the keyboard."""
    page.fill("#message", text)
    page.press("#message", "Enter")


@contextmanager
def signed_out_lingma(directory: Path) -> Iterator[Gateway]:
    """A gateway whose Lingma is not signed in."""
    with launched(directory, LINGMA_SIMULATOR="login=out") as running:
        give_up = time.monotonic() + PATIENCE
        while not (running.port and "needs_login" in running.log):
            assert time.monotonic() < give_up, running.log
            time.sleep(POLL)
        yield running


def test_sign_in_and_out_with_the_keyboard(gateway: Gateway, visit: Visit) -> None:
    """A wrong token is told, the right one opens the page; the cookie is out of scripts' reach; leaving closes it."""
    page = visit(gateway, token="wrong")
    expect(page.locator("#fault")).to_have_text("That is not the ADMIN_TOKEN of this gateway.")
    expect(page.locator("#token")).to_be_focused()
    page.keyboard.type(ADMIN_TOKEN)
    page.keyboard.press("Enter")
    live(page)
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("button", name="Sign out").press("Enter")
    expect(page.locator("#token")).to_be_visible()
    expect(page.locator("#region-instances")).to_have_count(0)


def test_figures_are_live(gateway: Gateway, visit: Visit) -> None:
    """A request of somebody else's appears by itself: in both plots, in its line, and never with its text."""
    page = live(visit(gateway))
    request = ask(gateway, "A planted secret.")
    expect(page.locator("path.dots")).to_have_attribute("d", re.compile("M"))
    expect(page.locator("path.bars")).to_have_attribute("d", re.compile("M"))
    assert "planted" not in page.content()
    line = go_to(page, "Requests").locator(f"[id='request-{request}']")
    expect(line.locator("summary .outcome")).to_have_text("ok")
    expect(line.locator("summary .session")).to_have_text("new")
    line.locator("summary").press("Enter")
    expect(line.locator("dl")).to_contain_text("first text")
    assert "planted" not in page.content()


def test_request_is_seen_and_cancelled(gateway: Gateway, visit: Visit) -> None:
    """It is a line and a branch of the tree while it streams; cancelled, its client is told, and both are gone."""
    page = live(visit(gateway))
    with streaming(gateway, SLOW_ANSWER) as answer:
        line = page.locator(".underway li.streaming")
        expect(line.locator(".figures")).to_contain_text("deltas")
        expect(page.locator(".tree .request.streaming")).to_have_count(1)
        line.get_by_role("button").press("Enter")
        with pytest.raises(IncompleteRead) as cut:
            answer.read()
    assert b'"code":"cancelled_by_operator"' in cut.value.partial
    expect(page.locator(".underway li.ended .outcome", has_text="cancelled")).to_have_count(1)
    expect(page.locator(".tree .request.streaming")).to_have_count(0)
    expect(page.locator("#in-flight")).to_have_text("0")


def test_instance_is_drained_resumed_and_restarted(gateway: Gateway, visit: Visit) -> None:
    """By keyboard; the button that was pressed keeps the focus while the page changes around it."""
    page = live(visit(gateway))
    second = page.locator(".instances > li").nth(1)
    state, button = second.locator(".state"), second.locator("button[id^=drain]")
    button.press("Enter")
    expect(state).to_have_text("drained")
    expect(page.locator("#notice")).to_have_text("The instance takes no new turns.")
    expect(button).to_have_text("Resume")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(state).to_have_text("ready")
    second.get_by_role("button", name="Restart").press("Enter")
    expect(second.locator(".facts")).to_contain_text("restarts 1")
    expect(state).to_have_text("ready")


def test_conversation_in_the_playground(gateway: Gateway, visit: Visit) -> None:
    """It streams, the next message continues the session, also after a reload, and cleared sessions make a miss."""
    page = go_to(live(visit(gateway)), "Playground")
    say(page, "#simulate deltas=40 gap=0.05\nHello.")
    answer = page.locator("#talk .answer").last
    expect(answer).not_to_be_empty()
    expect(page.locator("#stop")).to_be_enabled()
    first = answer.inner_text()
    expect(page.locator("#talk .note").last).to_have_attribute("data-session", "opening")
    assert len(answer.inner_text()) > len(first)
    page.reload()
    expect(live(page).locator("#talk .answer")).to_have_count(1)
    say(page, "And now?")
    expect(page.locator("#talk .note[data-session=hit]")).to_have_count(1)
    clear(gateway)
    say(page, "And after that?")
    expect(page.locator("#talk .note[data-session=miss]")).to_have_count(1)


def test_answers_in_the_playground_stand_side_by_side(gateway: Gateway, visit: Visit) -> None:
    """From two models at once, told the same rules, as elements made of their Markdown, with their events on demand."""
    page = go_to(live(visit(gateway)), "Playground")
    page.locator("#rules summary").press("Enter")
    page.fill("#system", "Be brief.")
    page.select_option("#beside", index=1)
    say(page, "Hello.")
    expect(page.locator("#talk .note[data-session=opening]")).to_have_count(2)
    expect(page.locator("#talk .lane .model")).to_have_count(2)
    page.locator("#talk .raw summary").first.press("Enter")
    expect(page.locator("#talk .raw pre").first).to_contain_text("[DONE]")
    page.evaluate("showMarkdown('# A\\n- **b** `c`\\n\\n```\\n<i>d</i>\\n```', document.querySelector('.answer'))")
    shown = page.locator(".answer").first
    expect(shown.locator("li strong")).to_have_text("b")
    expect(shown.locator("pre code")).to_have_text("<i>d</i>")
    assert violations(page) == []


def test_answer_in_the_playground_can_be_stopped(gateway: Gateway, visit: Visit) -> None:
    """Upstream is told, the slot is free, and the line says so."""
    page = go_to(live(visit(gateway)), "Playground")
    say(page, SLOW_ANSWER)
    expect(page.locator("#talk .answer")).not_to_be_empty()
    page.locator("#stop").press("Enter")
    expect(page.locator("#talk .note")).to_have_text("stopped")
    say(page, "Hello again.")
    expect(page.locator("#talk .note[data-session]")).to_have_count(1)
    expect(go_to(page, "Live").locator("#in-flight")).to_have_text("0")
    expect(page.locator(".underway .outcome", has_text="client left")).to_have_count(1)


def test_failure_in_the_playground_is_told(gateway: Gateway, visit: Visit) -> None:
    """In the conversation and among the failures, with what to do about it."""
    page = go_to(live(visit(gateway)), "Playground")
    say(page, "#simulate status=500 reason=broken\nHello.")
    expect(page.locator("#talk .note.bad")).to_contain_text("failed: ")
    failure = go_to(page, "Requests").locator("[id^=failure]").first
    expect(failure.locator("summary .outcome")).to_have_text("error of Lingma's")
    failure.locator("summary").press("Enter")
    expect(failure.locator(".advice")).to_contain_text("upstream_error")


def test_lingma_is_signed_in_by_hand(tmp_path: Path, visit: Visit) -> None:
    """The page offers the link, says what is wrong with an address, keeps what is typed, and takes the right one."""
    with signed_out_lingma(tmp_path / "gateway") as gateway:
        page = live(visit(gateway))
        expect(page.locator(".instances .state")).to_have_text("needs login")
        link = page.get_by_role("link", name="Open the login link").get_attribute("href")
        assert link is not None
        assert violations(page) == []
        callback = page.get_by_label("Address at which the browser ended")
        callback.fill("http://127.0.0.1/auth/callback?state=2-x&auth=a&token=t")
        callback.press("Enter")
        expect(page.locator("#notice .fault")).to_contain_text("take a new link")
        parts = urlsplit(link)
        form = urlencode({"name": "demo", "password": "demo", "state": parse_qs(parts.query)["state"][0]}).encode()
        with urlopen(Request(f"http://localhost:{parts.port}/sign_in", form, method="POST")) as answer:
            callback.fill(from_json(answer.read())["location"])
        callback.press("Enter")
        expect(page.locator(".instances .state")).to_have_text("ready")
        expect(page.locator(".badge")).to_have_text("Ready")


def test_wrong_tokens_are_slowed_down_and_a_lost_gateway_is_told(tmp_path: Path, visit: Visit) -> None:
    """Who is signed in goes on, and learns when there is nobody left to tell the figures."""
    with started(tmp_path / "gateway", LINGMA_SIMULATOR="first=0") as gateway:
        inside = live(visit(gateway))
        page = visit(gateway, token="")
        for _ in range(6):
            page.fill("#token", "wrong")
            page.keyboard.press("Enter")
            page.wait_for_load_state()
        expect(page.locator("#fault")).to_have_text("Too many wrong tokens. Wait a minute and try again.")
        live(inside)
        gateway.process.terminate()
        gateway.process.wait(PATIENCE)
        expect(inside.locator("#live")).to_contain_text("Connection lost")


@pytest.mark.parametrize(
    ("viewport", "scheme", "language"),
    [(WIDE, "light", "en-GB"), (WIDE, "dark", "zh-CN"), (NARROW, "light", "zh-CN"), (NARROW, "dark", "en-GB")],
)
def test_nobody_is_kept_out(
    gateway: Gateway, visit: Visit, viewport: dict[str, int], scheme: str, language: str
) -> None:
    """Axe finds nothing, contrast included, before and after signing in, and nothing sticks out at the side."""
    page = visit(gateway, token="", viewport=viewport, color_scheme=scheme, locale=language)
    assert violations(page) == []
    page.fill("#token", ADMIN_TOKEN)
    page.keyboard.press("Enter")
    ask(gateway, "Hello.")
    for place in PLACES.values():
        page.goto(f"http://127.0.0.1:{gateway.port}{place.path}")
        live(page)
        if place.name == "playground":
            say(page, "unbreakable" * 20)
            expect(page.locator("#talk .note[data-session]")).to_have_count(1)
        assert page.locator("html").get_attribute("lang") == language.removesuffix("-GB")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_focus_is_seen_wherever_it_goes(gateway: Gateway, visit: Visit) -> None:
    """Tabbing leads through everything that can be used, and what has the focus is outlined."""
    page = live(visit(gateway))
    seen: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        width, name = page.evaluate(
            """() => {
                const at = document.activeElement, style = getComputedStyle(at);
                const outlined = style.outlineStyle !== "none" ? parseFloat(style.outlineWidth) : 0;
                return [outlined, at === document.body ? "" : at.id || at.textContent.trim()];
            }"""
        )
        if not name or name in seen:
            break
        assert width >= 2, name
        seen.append(name)
    usable = {"Sign out", "Live", "Requests", "Playground", "clear-sessions"}
    assert usable <= set(seen)
    assert [name.partition("-lingma")[0] for name in seen if "-lingma" in name] == ["drain", "restart"] * 2


def test_key_is_made_used_and_revoked(tmp_path: Path, visit: Visit) -> None:
    """On the spot where a client is connected, whose lines have it; and out of force where the keys are."""
    keys = tmp_path / "keys.yaml"
    keys.write_text("keys: []\n")
    with started(tmp_path / "gateway", KEYS_FILE=str(keys), LINGMA_SIMULATOR="first=0") as gateway:
        page = go_to(live(visit(gateway, permissions=["clipboard-read", "clipboard-write"])), "Connect")
        page.fill("#key-name", "laptop")
        page.press("#key-name", "Enter")
        expect(page.locator("#made-key")).to_be_visible()
        page.get_by_role("radio", name="Claude Code").press("ArrowRight")
        expect(page.get_by_role("radio", name="Codex")).to_be_checked()
        page.get_by_role("button", name="Copy Codex 2").press("Enter")
        expect(page.get_by_text("Copied", exact=True)).to_be_visible()
        key = page.evaluate("navigator.clipboard.readText()").removeprefix("GATEWAY_KEY=").removesuffix(" codex")
        assert status_of(gateway, key) == HTTPStatus.OK
        go_to(page, "Keys")
        page.once("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Revoke laptop").press("Enter")
        expect(page.locator("#key-laptop")).to_have_count(0)
        assert status_of(gateway, key) == HTTPStatus.UNAUTHORIZED


def test_call_of_the_api_is_tried_where_it_is_described(gateway: Gateway, visit: Visit) -> None:
    """By keyboard, as it streams; the way there and back is in sight, and the command has this gateway's address."""
    page = live(visit(gateway))
    page.get_by_role("link", name="API", exact=True).click()
    chat = page.locator("details.operation", has=page.locator("[id='curl-post_v1_chat_completions']"))
    chat.locator("summary").press("Enter")
    expect(chat.locator(".curl")).to_contain_text(f"http://127.0.0.1:{gateway.port}/v1/chat/completions")
    chat.get_by_role("button", name="Try it").press("Enter")
    expect(chat.locator("form pre")).to_contain_text("data: [DONE]")
    assert violations(page) == []
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    page.get_by_role("link", name="Status page").click()
    live(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_pictures_of_the_documentation(
    gateway: Gateway, visit: Visit, language: Language, scheme: str, pytestconfig: pytest.Config
) -> None:
    """With `--screenshots` they are taken of a gateway that answers several clients; look at them before a commit.

    Those in Chinese want a font that has its characters, such as Debian's fonts-noto-cjk.
    """
    if not pytestconfig.getoption("--screenshots"):
        pytest.skip("--screenshots writes the pictures")
    words, suffix = CATALOGUES[language], "" if language == "en" else f"-{language}"
    page = live(visit(gateway, color_scheme=scheme, locale="en-GB" if language == "en" else "zh-CN"))
    with ExitStack() as answers:
        for client in ("claude-cli/2.1.330", "codex_cli_rs/0.169.0", "OpenAI/Python 3.54.0"):
            answers.enter_context(streaming(gateway, SLOW_ANSWER, client))
        ask(gateway, "Hello.")
        expect(page.locator(".underway li.streaming")).to_have_count(3)
        expect(page.locator(".underway li.ended")).not_to_have_count(0)
        expect(page.locator(".underway .figures").first).to_contain_text(re.compile(rf"2\d {words['deltas']}"))
        page.screenshot(path=IMAGES / f"live-{scheme}{suffix}.png", full_page=True)
    if scheme == "dark":
        return
    page = go_to(page, words["place_requests"])
    page.locator(".requests summary").first.press("Enter")
    page.screenshot(path=IMAGES / f"requests-light{suffix}.png")
    page = go_to(page, words["place_connect"])
    page.screenshot(path=IMAGES / f"connect-light{suffix}.png")


def test_page_works_without_scripts(gateway: Gateway, visit: Visit) -> None:
    """Signing in, the figures as they were, and an action, which comes back to the page with its outcome."""
    page = visit(gateway, java_script_enabled=False)
    expect(page.locator("#live")).to_contain_text("As of ")
    first = page.locator(".instances > li").first
    expect(first.locator(".state")).to_have_text("ready")
    first.get_by_role("button", name="Drain").click()
    expect(page.locator("#notice")).to_have_text("The instance takes no new turns.")
    expect(first.locator(".state")).to_have_text("drained")
    first.get_by_role("button", name="Resume").click()
    expect(first.locator(".state")).to_have_text("ready")
    page.get_by_role("link", name="Playground").click()
    expect(page.locator("#ask")).to_be_hidden()
