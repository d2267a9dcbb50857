"""The link that `serve` prints on a terminal: whoever follows it and presses the button is signed in, once.

A GET shows the button and uses nothing up, so that neither a preview nor a browser that fetches ahead spends the link.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

import structlog

from lingma_trio.errors import NotFound, Unauthorized
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.orders import read_form
from lingma_trio.http.page.handlers import HTML, PAGE_HEADERS, go_to, language_of
from lingma_trio.http.page.rendering import prepare, render_link
from lingma_trio.http.page.wording import Language
from lingma_trio.http.services import Services

PATH = "/page/link"
FIELD = "once"

WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "title": "lingma-trio · Sign in",
        "sign_in": "Sign in",
        "hint": "This link signs one browser in, once.",
        "over": "This link is over",
        "over_how": "It was used already, or is older than ten minutes. ADMIN_TOKEN still signs in:",
        "to_page": "to the status page",
    },
    "zh": {
        "title": "lingma-trio · 登录",
        "sign_in": "登录",
        "hint": "此链接只能让一个浏览器登录一次。",
        "over": "此链接已失效",
        "over_how": "它已被使用，或已超过十分钟。仍可使用 ADMIN_TOKEN 登录：",
        "to_page": "前往状态页",
    },
}

log = structlog.get_logger("lingma_trio.page")


async def follow_link(exchange: Exchange, services: Services) -> None:
    """Show the button, or take its form: that leads to the page with a cookie, and uses the link up."""
    if not services.operators.enabled:
        raise NotFound("no such path")
    if exchange.scope["method"] != "POST":
        query = parse_qs(exchange.scope["query_string"].decode("latin-1"))
        link = query.get(FIELD, [""])[0]
        await _respond(exchange, link if await services.operators.is_offered(link) else "", status=200)
        return
    link = (await read_form(exchange)).get(FIELD, "")
    try:
        if exchange.head.from_another_site:
            raise Unauthorized("the form came from another site")
        cookie = await services.operators.follow_link(exchange, link)
    except Unauthorized as error:
        log.warning("sign_in_refused")
        exchange.outcome = error.code
        await _respond(exchange, "", status=error.status)
    else:
        log.info("signed_in")
        await go_to(exchange, b"/", cookie)


async def _respond(exchange: Exchange, link: str, *, status: int) -> None:
    language = language_of(exchange)
    await prepare()
    body = render_link(WORDS[language], language, link)
    await exchange.respond(status, body, content_type=HTML, headers=PAGE_HEADERS)
