"""Operator sessions: who gets in, how a browser proves it, and every bound there is."""

from __future__ import annotations

import re

import pytest
import trio
from trio.testing import MockClock

from lingma_trio.errors import Overloaded, Unauthorized
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.operator_sessions import COOKIE, MOST_WATCHERS, OperatorSessions
from lingma_trio.policy.attempts import LIMIT
from lingma_trio.state.operators import LIFETIME
from lingma_trio.state.operators_memory import MOST, MemoryOperators

TOKEN = "the-admin-token"


async def nobody() -> dict[str, object]:
    raise AssertionError


async def nowhere(message: object) -> None:
    raise AssertionError


def request(*, peer: str = "127.0.0.1", scheme: str = "http", **headers: str) -> Exchange:
    """A request with these headers."""
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "headers": lines, "client": (peer, 1), "scheme": scheme}
    return Exchange("page", scope, nobody, nowhere)


async def signed_in(sessions: OperatorSessions) -> str:
    """The cookie that a browser sends after it has signed in."""
    return (await sessions.sign_in(request(), TOKEN)).decode().partition(";")[0]


async def test_right_token_gets_in() -> None:
    """The cookie is a random name, which stands for a session until it is signed out of."""
    sessions = OperatorSessions(TOKEN)
    first, second = await signed_in(sessions), await signed_in(sessions)
    assert first != second
    session = await sessions.find(request(cookie=f"other=1; {first}"))
    assert session is not None
    assert await sessions.is_open(session)
    cleared = await sessions.sign_out(request(cookie=first))
    assert cleared.startswith(f"{COOKIE}=; Path=/; Max-Age=0".encode())
    assert await sessions.find(request(cookie=first)) is None
    assert not await sessions.is_open(session)
    assert await sessions.find(request(cookie=second)) is not None


async def test_nothing_that_opens_a_session_is_kept() -> None:
    """Whoever reads the gateway's memory finds neither a cookie nor an action's token nor the admin token."""
    operators = MemoryOperators()
    sessions = OperatorSessions(TOKEN, operators=operators)
    cookie = await signed_in(sessions)
    session = await sessions.find(request(cookie=cookie))
    assert session is not None
    kept = repr((vars(sessions), vars(operators), session))
    for secret in (TOKEN, cookie.partition("=")[2], session.csrf):
        assert secret not in kept


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", "密码"])
async def test_wrong_token_does_not(token: str) -> None:
    """And a gateway without a token takes none, least of all the empty one."""
    with pytest.raises(Unauthorized):
        await OperatorSessions(TOKEN).sign_in(request(), token)
    with pytest.raises(Unauthorized):
        await OperatorSessions().sign_in(request(), token)


async def test_cookie_is_kept_from_scripts_and_other_sites() -> None:
    """It goes nowhere but here, no script reads it, and it ends by itself."""
    given = (await OperatorSessions(TOKEN).sign_in(request(), TOKEN)).decode()
    assert re.fullmatch(rf"{COOKIE}=[\w-]{{43}}; Path=/; Max-Age={LIFETIME:.0f}; HttpOnly; SameSite=Strict", given)


@pytest.mark.parametrize(
    "exchange",
    [
        {"scheme": "https"},
        {"x_forwarded_proto": "https"},
        {"x_forwarded_proto": "https, http"},
        {"forwarded": "for=192.0.2.1;proto=https, for=10.0.0.1;proto=http"},
        {"forwarded": 'Proto="https"'},
    ],
)
async def test_cookie_of_https_never_goes_over_http(exchange: dict[str, str]) -> None:
    """Wherever the browser came by https, be it to a proxy in front, the cookie is marked for it."""
    given = await OperatorSessions(TOKEN).sign_in(request(**exchange), TOKEN)
    assert given.endswith(b"; Secure")


@pytest.mark.parametrize("cookie", ["", f"{COOKIE}=", f"{COOKIE}=guess", f"{COOKIE}={'x' * 5000}", "\x00;;=;", "ü=ö"])
async def test_other_cookies_are_nobody_s(cookie: str) -> None:
    """What no browser got from here opens nothing, and breaks nothing."""
    sessions = OperatorSessions(TOKEN)
    await signed_in(sessions)
    assert await sessions.find(request(cookie=cookie)) is None


async def test_session_ends_with_its_time(autojump_clock: MockClock) -> None:
    """However busy it was."""
    sessions = OperatorSessions(TOKEN)
    cookie = await signed_in(sessions)
    await trio.sleep(LIFETIME - 1)
    session = await sessions.find(request(cookie=cookie))
    assert session is not None
    await trio.sleep(1)
    assert await sessions.find(request(cookie=cookie)) is None
    assert not await sessions.is_open(session)


async def test_sessions_are_bounded() -> None:
    """One more than there may be signs the oldest out."""
    sessions = OperatorSessions(TOKEN)
    cookies = [await signed_in(sessions) for _ in range(MOST + 1)]
    found = [await sessions.find(request(cookie=cookie)) is not None for cookie in cookies]
    assert found == [False] + [True] * MOST


async def test_action_needs_its_token() -> None:
    """A session's own, in the header or in the form; another session's or none is refused."""
    sessions = OperatorSessions(TOKEN)
    cookie, other = await signed_in(sessions), await signed_in(sessions)
    ours, theirs = [await sessions.find(request(cookie=each)) for each in (cookie, other)]
    assert ours is not None
    assert theirs is not None
    assert await sessions.admit(request(cookie=cookie), {"csrf": ours.csrf}) == ours
    assert await sessions.admit(request(cookie=cookie, x_csrf_token=ours.csrf), {}) == ours
    for wrong in ({}, {"csrf": ""}, {"csrf": theirs.csrf}, {"csrf": 1}, {"csrf": "ü"}):
        with pytest.raises(Unauthorized, match="did not come from the page"):
            await sessions.admit(request(cookie=cookie), wrong)
    with pytest.raises(Unauthorized, match="nobody is signed in"):
        await sessions.admit(request(), {"csrf": ours.csrf})


async def test_wrong_tries_are_limited() -> None:
    """After a few wrong tokens further ones wait, and the right one gets in all the same."""
    sessions = OperatorSessions(TOKEN)
    for _ in range(LIMIT):
        with pytest.raises(Unauthorized):
            await sessions.sign_in(request(), "wrong")
    with pytest.raises(Overloaded):
        await sessions.sign_in(request(), "wrong")
    assert await sessions.sign_in(request(), TOKEN)


async def test_watchers_are_bounded() -> None:
    """A seat that is left is free again."""
    sessions = OperatorSessions(TOKEN)
    for _ in range(2):
        with pytest.raises(Overloaded):
            _sit(sessions, MOST_WATCHERS + 1)


def _sit(sessions: OperatorSessions, count: int) -> None:
    if count:
        with sessions.seat():
            _sit(sessions, count - 1)
