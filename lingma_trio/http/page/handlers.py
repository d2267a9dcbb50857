"""What a browser asks for: the page and its files, signing in and out, the live figures, the playground."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from urllib.parse import parse_qs, urlsplit

import structlog
import trio
from pydantic_core import to_json

from lingma_trio.api.openai.request import parse as parse_chat
from lingma_trio.errors import NotFound, Overloaded, Unauthorized
from lingma_trio.http.answering import serve_answer
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.intake import open_ledger, take_in
from lingma_trio.http.operator_sessions import OperatorSession
from lingma_trio.http.orders import read_form
from lingma_trio.http.page.connect import connect_panel
from lingma_trio.http.page.places import PLACES, Place
from lingma_trio.http.page.rendering import STATIC, prepare, render_page, render_regions
from lingma_trio.http.page.snapshot import take_view
from lingma_trio.http.page.use_panels import take_use_panels
from lingma_trio.http.page.wording import CATALOGUES, Language, choose_language
from lingma_trio.http.services import Services

HTML = b"text/html; charset=utf-8"
PAGE_HEADERS = (
    (
        b"content-security-policy",
        (
            b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
    ),
    (b"cache-control", b"no-store"),
    (b"vary", b"accept-language, cookie"),
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
FILE_HEADERS = ((b"cache-control", b"public, max-age=31536000, immutable"), (b"x-content-type-options", b"nosniff"))
"""No digest of a key and not `anonymous`: conversations of the playground are nobody else's."""

LOOK_EVERY = 1.0  # seconds between two pictures, each taken only where somebody watches
QUIET_SECONDS = 15.0  # after which a stream without news shows that it lives

log = structlog.get_logger("lingma_trio.page")


class ShowPlace:
    """A handler that shows one place of the page, as much of it as the visitor may see."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def __call__(self, exchange: Exchange, services: Services) -> None:
        """Show it as it stands."""
        done = _asked_for(exchange, "done")
        known = done if f"done_{done}" in CATALOGUES["en"] else ""
        await respond_page(exchange, services, await services.operators.find(exchange), self._place, done=known)


async def respond_page(
    exchange: Exchange,
    services: Services,
    session: OperatorSession | None,
    place: Place = PLACES["live"],
    *,
    status: int = 200,
    retry_after: float | None = None,
    done: str = "",
    fault: str = "",
    fault_key: str = "",
    made: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Send the page with what has just been done, or went wrong, at its top."""
    await prepare()
    more = await take_use_panels(services, place.sections) if session is not None else {}
    if "connect" in place.sections:
        more["connect"] = connect_panel(exchange, services, made)
    view = take_view(services, session, place, more=more, done=done, fault=fault, fault_key=fault_key, made=made)
    headers = [*PAGE_HEADERS]
    if retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, round(retry_after))))
    body = render_page(view, language_of(exchange))
    await exchange.respond(status, body, content_type=HTML, headers=headers)


async def serve_file(exchange: Exchange, services: Services) -> None:
    """One of the page's own files."""
    del services
    found = STATIC.get(exchange.scope["path_params"]["name"])
    if found is None:
        raise NotFound("no such path")
    content_type, content = found
    await exchange.respond(200, content, content_type=content_type, headers=FILE_HEADERS)


async def sign_in(exchange: Exchange, services: Services) -> None:
    """Take the form's token; a right one leads to the page with a cookie, a wrong one back to the form."""
    if not services.operators.enabled:
        raise NotFound("no such path")
    token = (await read_form(exchange)).get("token", "")
    if exchange.head.from_another_site:
        exchange.outcome = Unauthorized.code
        await respond_page(exchange, services, None, place_of(exchange), status=403, fault_key="other_site")
        return
    try:
        cookie = await services.operators.sign_in(exchange, token)
    except Unauthorized as error:
        log.warning("sign_in_refused")
        exchange.outcome = error.code
        await respond_page(exchange, services, None, place_of(exchange), status=error.status, fault_key="wrong_token")
    except Overloaded as error:
        exchange.outcome = error.code
        await respond_page(
            exchange,
            services,
            None,
            place_of(exchange),
            status=error.status,
            retry_after=error.retry_after,
            fault_key="too_many",
        )
    else:
        log.info("signed_in")
        await go_to(exchange, place_of(exchange).path.encode(), cookie)


async def sign_out(exchange: Exchange, services: Services) -> None:
    """End the session and its live figures."""
    fields = await read_form(exchange)
    try:
        await services.operators.admit(exchange, fields)
    except Unauthorized:
        await go_to(exchange, b"/")
        return
    await go_to(exchange, b"/", await services.operators.sign_out(exchange))


def place_of(exchange: Exchange) -> Place:
    """The place that a form was sent from, as the browser says it; where it does not, the first."""
    path = ""
    with suppress(ValueError):  # what it says is no address
        path = urlsplit(exchange.head.text(b"referer")).path
    return next((place for place in PLACES.values() if place.path == path), PLACES["live"])


async def go_to(exchange: Exchange, place: bytes, cookie: bytes = b"") -> None:
    """Send the browser there with a GET."""
    headers = [(b"location", place), (b"cache-control", b"no-store")]
    if cookie:
        headers.append((b"set-cookie", cookie))
    await exchange.respond(303, b"", headers=headers)


async def stream_events(exchange: Exchange, services: Services) -> None:
    """The regions of the place that the query names as server-sent events, `{region: HTML}`: all of them first, then
    those that changed.

    Each picture is taken when the one before it has been written, so a slow watcher misses pictures and never gets an
    old one. Ends when the session does, and when the gateway stops. Raises `Unauthorized`, and `Overloaded` where too
    many watch. Cancelling is safe.
    """
    session = await services.operators.find(exchange)
    if session is None:
        raise Unauthorized("nobody is signed in, or not any more; sign in again")
    await prepare()
    with services.operators.seat():
        exchange.progress.stage = "streaming"
        exchange.open_ended = True
        await exchange.begin_stream()
        async with trio.open_nursery() as nursery:
            exchange.watch_departure(nursery)
            await _tell(exchange, services, session)
            nursery.cancel_scope.cancel("there is nothing more to tell")
    if not exchange.departed:
        await exchange.end()


async def _tell(exchange: Exchange, services: Services, session: OperatorSession) -> None:
    language = language_of(exchange)
    place = PLACES.get(_asked_for(exchange, "place"), PLACES["live"])
    shown: dict[str, str] = {}
    told_at = trio.current_time()
    while await services.operators.is_open(session) and not services.ceiling.draining:
        fresh = render_regions(take_view(services, session, place, sections=place.regions), language)
        news = {name: html for name, html in fresh.items() if shown.get(name) != html}
        if news:
            await exchange.write(b"data: " + to_json(news) + b"\n\n")
            told_at = trio.current_time()
        elif trio.current_time() - told_at >= QUIET_SECONDS:
            await exchange.write(b": nothing new\n\n")
            told_at = trio.current_time()
        shown = fresh
        await trio.sleep(LOOK_EVERY)


async def ask(exchange: Exchange, services: Services) -> None:
    """A chat of the playground: the body of a chat completion, answered as every client's is.

    Cancelling tells upstream to stop and frees the slot.
    """
    await services.operators.admit(exchange, {})
    tenant = exchange.tenant = services.gatekeeper.tenants.operator
    open_ledger(exchange, services, tenant)
    await serve_answer(exchange, services, await take_in(exchange, services, tenant, parse_chat), tenant)


def _asked_for(exchange: Exchange, name: str) -> str:
    """What the query says under this name, or nothing."""
    query: bytes = exchange.scope["query_string"]
    return parse_qs(query.decode("latin-1")).get(name, [""])[0]


def language_of(exchange: Exchange) -> Language:
    """The visitor's language."""
    return choose_language(exchange.head.text(b"accept-language"))
