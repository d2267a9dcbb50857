"""The whole way, with a real browser: through every form there is, and not past what is there to stop a program."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from lingma_trio.accounts import Account
from lingma_trio.login.client import sign_in
from lingma_trio.login.journey import TRIES
from lingma_trio.login.messages import LoginOutcome
from tests.login.support import ACCOUNT, PASSWORD, USERNAME, Site, sign_in_site

pytestmark = pytest.mark.slow


async def go(
    site: Site, account: Account = ACCOUNT, *, url: str = "", seconds: float = 60, browser: Path | None = None
) -> tuple[LoginOutcome, list[str]]:
    """The outcome of one login, and the steps it took."""
    steps: list[str] = []
    outcome = await sign_in(
        url or site.url, account, headless=True, timeout=seconds, browser=browser, on_report=steps.append
    )
    assert PASSWORD not in repr(outcome) + repr(steps)
    assert USERNAME not in repr(outcome) + repr(steps)
    return outcome, steps


async def test_the_form_in_its_frame_is_filled_in_and_sent() -> None:
    """One step after the other, up to the callback."""
    async with sign_in_site() as site:
        outcome, steps = await go(site)
    assert outcome == LoginOutcome("signed_in", submitted=True)
    assert site.redeemed == ["2-0011"]
    assert steps == [
        "starting the browser",
        "opening the sign-in page",
        "filling in the password form",
        "sending the password form",
    ]


@pytest.mark.parametrize(
    ("word", "step"),
    [
        ("sign_in=ram", "sending the RAM user name"),
        ("sign_in=qr_first", "switching to the password form"),
        ("sign_in=qr_first_old", "switching to the password form"),
        ("sign_in_delay=1.5", "sending the password form"),
        ("sign_in_wipes=1", "the password form was wiped"),
    ],
)
async def test_each_way_to_the_callback_is_found(word: str, step: str) -> None:
    """Two pages instead of one, another tab in front, a slow site, a form that wipes what was typed."""
    async with sign_in_site(word) as site:
        outcome, steps = await go(site)
    assert outcome == LoginOutcome("signed_in", submitted=True)
    assert site.redeemed == ["2-0011"]
    assert step in steps


@pytest.mark.parametrize(
    ("variant", "reason", "submitted"),
    [
        ("check_code", "check_code", False),
        ("qr_only", "qr_only", False),
        ("slider", "slider", True),
        ("punish", "slider", True),
        ("verification", "verification", True),
        ("organisation", "organisation", True),
    ],
)
async def test_what_asks_for_a_person_is_reported(variant: str, reason: str, submitted: bool) -> None:
    """And nothing is done about it."""
    async with sign_in_site(f"sign_in={variant}") as site:
        outcome, _ = await go(site)
    assert (outcome.kind, outcome.reason, outcome.submitted) == ("needs_human", reason, submitted)
    assert outcome.detail
    assert site.redeemed == []


async def test_a_wrong_password_is_told_in_the_pages_own_words() -> None:
    """And is sent once."""
    async with sign_in_site() as site:
        outcome, steps = await go(site, Account("somebody", SecretStr("else")))
    assert (outcome.kind, outcome.detail, outcome.submitted) == ("wrong_password", "账号名或登录密码不正确", True)
    assert steps.count("sending the password form") == 1


async def test_a_form_that_keeps_nothing_is_given_up() -> None:
    """After a few tries, without having sent anything."""
    async with sign_in_site("sign_in_wipes=99") as site:
        outcome, steps = await go(site)
    assert (outcome.kind, outcome.submitted) == ("page_changed", False)
    assert steps.count("filling in the password form") == TRIES


async def test_a_page_that_shows_nothing_known_has_changed() -> None:
    """The address is named, without its query."""
    async with sign_in_site("sign_in=changed") as site:
        outcome, _ = await go(site)
    assert outcome.kind == "page_changed"
    assert outcome.detail == f"nothing known on http://127.0.0.1:{site.port}/login/login.htm"


async def test_a_page_that_never_comes_takes_its_time_and_no_more() -> None:
    """The outcome says how far it came."""
    async with sign_in_site("sign_in_delay=1000") as site:
        outcome, steps = await go(site, seconds=5)
    assert outcome == LoginOutcome("timeout", detail="the sign-in page did not answer within 5 s")
    assert steps[-1] == "opening the sign-in page"


async def test_an_answer_that_never_comes_takes_its_time_and_no_more() -> None:
    """Here the password was sent."""
    async with sign_in_site("sign_in_delay=2") as site:
        outcome, _ = await go(site, seconds=9)
    assert outcome.kind == "timeout"


@pytest.mark.parametrize(("path", "fault"), [("", "net::ERR_CONNECTION_REFUSED"), ("nothing", "HTTP 404")])
async def test_a_site_that_is_not_there_is_unreachable(path: str, fault: str) -> None:
    """With the browser's word for it, or the site's."""
    async with sign_in_site() as site:
        url = f"http://127.0.0.1:{site.port}/{path}" if path else "http://127.0.0.1:12/"
        outcome, _ = await go(site, url=url)
    assert outcome.kind == "unreachable"
    assert outcome.detail.endswith(fault)


@pytest.mark.parametrize(("browser", "kind"), [("/nowhere/chromium", "browser_missing"), ("/bin/false", "crashed")])
async def test_a_browser_that_does_not_start_is_told(browser: str, kind: str) -> None:
    """One that is not there needs a person; one that ends at once may start the next time."""
    async with sign_in_site() as site:
        outcome, _ = await go(site, browser=Path(browser))
    assert outcome.kind == kind
    assert outcome.detail
