"""The sign-in site of the simulated Lingma: the pages a browser is sent through, and the callback at their end.

Knows HTTP and who may sign in. Must not know clients, files or what a login is good for.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import h11
import trio
from pydantic_core import to_json

from lingma_trio.simulator import sign_in_pages as pages

if TYPE_CHECKING:
    from collections.abc import Callable

    from lingma_trio.simulator.knobs import Knobs

WRONG_PASSWORD: Final = "账号名或登录密码不正确"  # noqa: S105 - a message
NOTHING_TYPED: Final = "请输入账号和密码"
REQUEST_TIME: Final = 30.0
"""Seconds a browser may take to send a request; they open connections that they never use."""

_LARGEST_BODY: Final = 65_536
_OUR_NAMES: Final = frozenset({"127.0.0.1", "localhost"})
_OBSTACLES: Final = frozenset({"slider", "punish"})
_FIRST_PAGES: Final = {"ram": "/login.htm", "qr_only": "/login/qr_login.htm"}


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response; with a `location` it is a redirection."""

    body: str = ""
    status: int = 200
    location: str = ""
    kind: str = "text/html"


@dataclass(frozen=True, slots=True)
class Visit:
    """An HTTP request: its path, the single values of query and form, and the port it came in on."""

    path: str
    values: dict[str, str]
    port: int

    @property
    def state(self) -> str:
        """The state of the login link that the visit began with."""
        return self.values.get("state", "")


class SignInSite:
    """One process's sign-in site; `serve` one browser connection, in the caller's nursery.

    `redeem` signs in with the state of a login link and returns whether that was possible.
    """

    def __init__(self, knobs: Knobs, *, redeem: Callable[[str], bool]) -> None:
        self._knobs = knobs
        self._redeem = redeem
        pairs = (entry.partition(":") for entry in knobs.passwords.split(";"))
        self._passwords = {name: password for name, _, password in pairs}
        self._pages: dict[str, Callable[[Visit], Reply]] = {
            "/lingma/login": self._begin,
            "/login/login.htm": self._outer,
            "/mini_login.htm": lambda visit: Reply(
                pages.form_page(knobs.sign_in, state=visit.state, wipes=knobs.sign_in_wipes)
            ),
            "/login.htm": lambda visit: Reply(pages.ram_page(state=visit.state)),
            "/login/qr_login.htm": lambda _: Reply(pages.qr_page()),
            "/iv/verify.htm": lambda _: Reply(pages.verification_page()),
            "/_____tmd_____/punish": lambda _: Reply(pages.message_page("请按住滑块")),
            "/sign_in": self._check,
            "/auth/callback": self._callback,
            "/auth/loginWithOrganization": lambda _: Reply(pages.organisation_page()),
        }

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Answer one request and close the stream. Cancelling breaks the connection off."""
        connection = h11.Connection(h11.SERVER)
        try:
            with trio.move_on_after(REQUEST_TIME):
                visit = await _read(stream, connection)
                if visit is not None:
                    await trio.sleep(self._knobs.sign_in_delay)
                    await _write(stream, connection, self.answer(visit))
        except (h11.RemoteProtocolError, trio.BrokenResourceError):
            return
        finally:
            await trio.aclose_forcefully(stream)

    def answer(self, visit: Visit) -> Reply:
        """Return what the site says to a visit; a path it has not is a 404."""
        page = self._pages.get(visit.path)
        return page(visit) if page is not None else Reply(pages.message_page("没有找到"), status=404)

    def _begin(self, visit: Visit) -> Reply:
        first = _FIRST_PAGES.get(self._knobs.sign_in, "/login/login.htm")
        return Reply(status=302, location=f"{first}?state={quote(visit.state)}")

    def _outer(self, visit: Visit) -> Reply:
        if self._knobs.sign_in == "changed":
            return Reply(pages.changed_page())
        # A browser takes the two names of this machine for two sites, so the frame is as foreign as the real one.
        return Reply(pages.outer_page(f"http://localhost:{visit.port}/mini_login.htm?state={quote(visit.state)}"))

    def _check(self, visit: Visit) -> Reply:
        """Say, as JSON for the form's script, what comes of a name and a password."""
        name, password = visit.values.get("name", ""), visit.values.get("password", "")
        site = f"http://127.0.0.1:{visit.port}"
        if not name or not password:
            said = {"error": NOTHING_TYPED}
        elif self._knobs.sign_in in _OBSTACLES:
            said = {"obstacle": pages.obstacle(self._knobs.sign_in)}
        elif self._passwords.get(name) != password:
            said = {"error": WRONG_PASSWORD}
        elif self._knobs.sign_in == "verification":
            said = {"location": f"{site}/iv/verify.htm"}
        else:
            said = {"location": f"{site}/auth/callback?{urlencode(_callback_values(visit.state))}"}
        return Reply(to_json(said).decode(), kind="application/json")

    def _callback(self, visit: Visit) -> Reply:
        if self._knobs.sign_in == "organisation":
            return Reply(status=302, location="/auth/loginWithOrganization")
        if visit.values.get("auth") and visit.values.get("token") and self._redeem(visit.state):
            return Reply(pages.message_page("登录成功"))
        return Reply(pages.message_page("链接无效或已使用"), status=400)


def _callback_values(state: str) -> dict[str, str]:
    """The query of the callback; nothing in it opens anything."""
    auth = b64encode(b"1000000000000001\n1000000000000001\nsimulator").decode()
    token = b64encode(b"pt-fictitious\nrt-fictitious\n4102444800000").decode()
    return {"state": state, "auth": auth, "token": token}


async def _read(stream: trio.abc.Stream, connection: h11.Connection) -> Visit | None:
    """Read a request; None where there is none, it is too large, or it is meant for another host."""
    request: h11.Request | None = None
    body = b""
    while True:
        event = connection.next_event()
        match event:
            case h11.NEED_DATA:
                connection.receive_data(bytes(await stream.receive_some()))
            case h11.Request():
                request = event
            case h11.Data():
                body += event.data
                if len(body) > _LARGEST_BODY:
                    return None
            case h11.EndOfMessage() if request is not None:
                return _visit(request, body)
            case _:
                return None


def _visit(request: h11.Request, body: bytes) -> Visit | None:
    try:
        host = urlsplit(f"//{dict(request.headers).get(b'host', b'').decode('ascii')}")
        target = urlsplit(request.target.decode("ascii"))
        port = host.port or 80
    except ValueError:
        return None
    if host.hostname not in _OUR_NAMES:
        return None
    found = {**parse_qs(target.query), **parse_qs(body.decode("utf-8", "replace"))}
    return Visit(target.path, {name: values[0] for name, values in found.items()}, port)


async def _write(stream: trio.abc.Stream, connection: h11.Connection, reply: Reply) -> None:
    body = reply.body.encode()
    headers = [
        ("Content-Type", f"{reply.kind}; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("Connection", "close"),
    ]
    if reply.location:
        headers.append(("Location", reply.location))
    events = (
        h11.Response(status_code=reply.status, headers=headers),
        h11.Data(data=body),
        h11.EndOfMessage(),
    )
    await stream.send_all(b"".join(connection.send(event) or b"" for event in events))
