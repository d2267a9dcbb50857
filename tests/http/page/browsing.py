"""A browser without a script, as far as the page's handlers can tell: forms, the cookie, the token of an action."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from tests.http.world import Visitor, World

ADMIN = "the-admin-token"
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Browser:
    """One visitor of a world's page, who keeps the cookie."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cookie = ""
        self.csrf = ""

    @property
    def headers(self) -> dict[str, str]:
        """What each request carries."""
        return {"cookie": self.cookie} if self.cookie else {}

    async def get(self, path: str = "/", query: str = "", **headers: str) -> Visitor:
        """Look at a page."""
        visitor = self.world.visitor("GET", path, headers={**self.headers, **headers})
        visitor.scope["query_string"] = query.encode()
        await visitor.visit()
        return visitor

    async def post(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> Visitor:
        """Send a form."""
        body = urlencode(fields).encode() or b"_="
        return await self.world.call("POST", path, body, headers={**FORM, **self.headers, **(headers or {})})

    async def sign_in(self, token: str = ADMIN) -> Visitor:
        """Send the sign-in form, and look at the page that it leads to."""
        visitor = await self.post("/page/sign-in", token=token)
        self.cookie = visitor.headers.get("set-cookie", "").partition(";")[0]
        if self.cookie:
            found = re.search(rb'data-csrf="(\w+)"', (await self.get()).body)
            assert found
            self.csrf = found[1].decode()
        return visitor
