"""Sign-in site: pages on the way to the callback, for those who know a password, and not past what stops a program."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit

import h11
import pytest
import trio
import trio.testing
from pydantic_core import from_json

from lingma_trio.simulator.knobs import Knobs
from lingma_trio.simulator.sign_in import NOTHING_TYPED, REQUEST_TIME, WRONG_PASSWORD, SignInSite

DEMO = {"name": "demo", "password": "demo", "state": "2-abc"}


@dataclass
class Answer:
    """What came back over one connection."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> dict[str, str]:
        said: dict[str, str] = from_json(self.body)
        return said


@dataclass
class Browser:
    """Speaks to a site over memory streams, one connection for each request, and notes which states were redeemed."""

    words: tuple[str, ...] = ()
    valid: str = "2-abc"
    redeemed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.site = SignInSite(Knobs().turned(self.words), redeem=self._redeem)

    def _redeem(self, state: str) -> bool:
        self.redeemed.append(state)
        return state == self.valid

    async def raw(self, *chunks: bytes) -> bytes:
        """Everything that comes back for these bytes."""
        ours, theirs = trio.testing.memory_stream_pair()
        answer = b""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.site.serve, theirs)
            for chunk in chunks:
                await ours.send_all(chunk)
            async for part in ours:
                answer += part
        return answer

    async def get(self, target: str, *, host: str = "127.0.0.1:4000") -> Answer:
        return parse(await self.raw(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()))

    async def send_form(self, **said: str) -> Answer:
        """Send the form as its script does, head and body apart."""
        body = urlencode(said).encode()
        head = f"POST /sign_in HTTP/1.1\r\nHost: localhost:4000\r\nContent-Length: {len(body)}\r\n\r\n"
        return parse(await self.raw(head.encode(), body))


def parse(data: bytes) -> Answer:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    connection.receive_data(b"")
    response = connection.next_event()
    assert isinstance(response, h11.Response)
    body = b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += event.data
    headers = {name.decode(): value.decode() for name, value in response.headers}
    return Answer(response.status_code, headers, body.decode())


@pytest.mark.parametrize(
    ("word", "first"),
    [
        ("sign_in=form", "/login/login.htm"),
        ("sign_in=ram", "/login.htm"),
        ("sign_in=qr_only", "/login/qr_login.htm"),
    ],
)
async def test_a_login_link_leads_to_the_first_page(word: str, first: str) -> None:
    """And the state goes along."""
    answer = await Browser((word,)).get("/lingma/login?state=2-abc&nonce=n&port=4000")
    assert answer.status == 302
    target = urlsplit(answer.headers["location"])
    assert (target.path, target.query) == (first, "state=2-abc")


async def test_the_form_is_in_a_frame_of_another_site() -> None:
    """As the real one: the page is on the address, the frame on the name."""
    page = await Browser().get("/login/login.htm?state=2-abc")
    assert 'id="alibaba-login-box"' in page.body
    assert "http://localhost:4000/mini_login.htm?state=2-abc" in page.body
    frame = await Browser().get("/mini_login.htm?state=2-abc", host="localhost:4000")
    assert 'id="fm-login-id"' in frame.body
    assert 'id="fm-login-password"' in frame.body
    assert 'state: "2-abc"' in frame.body


async def test_the_right_password_leads_to_the_callback() -> None:
    """Whose query has what Lingma needs; following it signs in."""
    browser = Browser()
    location = (await browser.send_form(**DEMO)).json["location"]
    target = urlsplit(location)
    assert target.netloc == "127.0.0.1:4000"
    assert target.path == "/auth/callback"
    assert parse_qs(target.query).keys() == {"state", "auth", "token"}
    assert (await browser.get(location.removeprefix("http://127.0.0.1:4000"))).status == 200
    assert browser.redeemed == ["2-abc"]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"name": "demo", "password": "wrong"}, WRONG_PASSWORD),
        ({"name": "nobody", "password": "demo"}, WRONG_PASSWORD),
        ({"name": "demo", "password": ""}, NOTHING_TYPED),
        ({}, NOTHING_TYPED),
    ],
)
async def test_anything_else_is_told(said: dict[str, str], error: str) -> None:
    """Whether it is wrong or missing."""
    assert (await Browser().send_form(**said)).json == {"error": error}


async def test_the_accounts_can_be_chosen() -> None:
    """Several, and with colons in their passwords."""
    browser = Browser(("passwords=a:b:c;d:e",))
    assert "location" in (await browser.send_form(name="a", password="b:c")).json
    assert "location" in (await browser.send_form(name="d", password="e")).json
    assert "error" in (await browser.send_form(**DEMO)).json


@pytest.mark.parametrize("target", ["state=2-abc", "state=2-abc&auth=x", "state=unknown&auth=x&token=y", ""])
async def test_a_callback_that_is_not_valid_is_an_error_page(target: str) -> None:
    """Nobody is signed in by half a callback, or by one nobody waits for."""
    browser = Browser()
    assert (await browser.get(f"/auth/callback?{target}")).status == 400
    assert "2-abc" not in browser.redeemed


@pytest.mark.parametrize("variant", ["slider", "punish"])
async def test_an_obstacle_appears_when_the_form_is_sent(variant: str) -> None:
    """Whatever the password is, so that a program learns nothing."""
    browser = Browser((f"sign_in={variant}",))
    right, wrong = await browser.send_form(**DEMO), await browser.send_form(name="demo", password="wrong")
    assert right.json == wrong.json
    assert right.json.keys() == {"obstacle"}


@pytest.mark.parametrize(
    ("variant", "target", "sign"),
    [
        ("check_code", "/mini_login.htm", 'id="fm-login-checkcode"'),
        ("qr_first", "/mini_login.htm", "密码登录"),
        ("qr_first_old", "/mini_login.htm", 'id="J_Quick2Static"'),
        ("qr_only", "/login/qr_login.htm", "扫码登录"),
        ("ram", "/login.htm", "下一步"),
        ("punish", "/_____tmd_____/punish", "滑块"),
        ("verification", "/iv/verify.htm", "验证码"),
        ("organisation", "/auth/loginWithOrganization", "organizationId=1"),
        ("changed", "/login/login.htm", "Welcome"),
    ],
)
async def test_each_variant_shows_its_sign(variant: str, target: str, sign: str) -> None:
    """And the plain form does not."""
    assert sign in (await Browser((f"sign_in={variant}",)).get(target)).body
    assert sign not in (await Browser().get("/mini_login.htm")).body + (await Browser().get("/login/login.htm")).body


async def test_a_verification_comes_instead_of_the_callback() -> None:
    """After the right password only."""
    browser = Browser(("sign_in=verification",))
    assert urlsplit((await browser.send_form(**DEMO)).json["location"]).path == "/iv/verify.htm"
    assert (await browser.send_form(name="demo", password="wrong")).json == {"error": WRONG_PASSWORD}


async def test_several_organisations_come_after_the_callback() -> None:
    """Nobody is signed in before one was chosen."""
    browser = Browser(("sign_in=organisation",))
    answer = await browser.get("/auth/callback?state=2-abc&auth=x&token=y")
    assert answer.headers["location"] == "/auth/loginWithOrganization"
    assert browser.redeemed == []


async def test_the_form_can_be_told_to_wipe() -> None:
    """The script gets the number."""
    assert "let wipes = 3;" in (await Browser(("sign_in_wipes=3",)).get("/mini_login.htm")).body


async def test_the_site_can_be_slow(autojump_clock: trio.testing.MockClock) -> None:
    """Each answer takes the knob's time."""
    began = trio.current_time()
    assert (await Browser(("sign_in_delay=3",)).get("/login.htm")).status == 200
    assert trio.current_time() - began == pytest.approx(3)


async def test_a_state_cannot_leave_its_quotes() -> None:
    """What stands in an address does not become part of a script."""
    body = (await Browser().get("/mini_login.htm?state=%22%3C/script%3E")).body
    assert 'state: "\\"\\u003c/script>"' in body


async def test_an_unknown_path_is_not_found() -> None:
    """With a page of its own."""
    assert (await Browser().get("/favicon.ico")).status == 404


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1:port\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70000,
    ],
)
async def test_what_is_not_for_this_site_gets_no_answer(request_bytes: bytes) -> None:
    """Another host, no HTTP, or more than any form holds: the connection is closed and the site goes on."""
    browser = Browser()
    assert await browser.raw(request_bytes) == b""
    assert (await browser.get("/login.htm")).status == 200


async def test_a_connection_without_a_request_is_closed(autojump_clock: trio.testing.MockClock) -> None:
    """Browsers open some that they never use."""
    began = trio.current_time()
    assert await Browser().raw() == b""
    assert trio.current_time() - began == pytest.approx(REQUEST_TIME)
