"""The table of paths, and the edge where every request's faults become a response, a log line and a count."""

from __future__ import annotations

import errno
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, get_args

import structlog
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from lingma_trio.api.anthropic import envelope as anthropic
from lingma_trio.api.completions.request import parse as parse_completion
from lingma_trio.api.ollama.envelope import error_body as ollama_error
from lingma_trio.api.ollama.request import parse_chat, parse_generate
from lingma_trio.api.openai.envelope import error_body
from lingma_trio.errors import (
    ClientGone,
    GatewayError,
    InternalError,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    UpgradeRefused,
)
from lingma_trio.http import (
    administration,
    chat,
    counting,
    description,
    key_administration,
    messages,
    ollama,
    operations,
    responses,
)
from lingma_trio.http.absent import ABSENT, ABSENT_FROM_OLLAMA, Absent
from lingma_trio.http.answering import Answering
from lingma_trio.http.exchange import Envelope, Exchange
from lingma_trio.http.key_usage import show_usage
from lingma_trio.http.origins import Headers
from lingma_trio.http.page import handlers as page
from lingma_trio.http.page.actions import Action, Perform
from lingma_trio.http.page.link import follow_link
from lingma_trio.http.page.places import PLACES
from lingma_trio.http.request_reports import list_requests, show_request
from lingma_trio.http.services import Services
from lingma_trio.http.tenants import utc_now
from lingma_trio.http.use_export import export_use
from lingma_trio.lingma.instance import Order
from lingma_trio.policy.recent import RequestLine

Handler = Callable[[Exchange, Services], Awaitable[None]]

MAX_PATH = 1024
"""Characters of a path. The longest name a model, with 256 characters at the most, and looking for one costs the square
of its slashes."""

UNTRACED = frozenset(
    {"healthz", "readyz", "metrics", "stats", "tree", "page", "page_file", "events", "requests", "request"}
)
"""Routes that programs ask every few seconds, and the status page: their traces would bury the others."""

log = structlog.get_logger("lingma_trio.http")


class Endpoint:
    """An ASGI app for one path: makes the exchange, runs the handler, accounts for what became of it.

    Web pages of CORS_ORIGINS may use it, unless it is `closed` to all of them but the gateway's own. Without `methods`
    it takes any.
    """

    def __init__(
        self, route: str, handler: Handler, *methods: str, envelope: Envelope | None = None, closed: bool = False
    ) -> None:
        self._route = route
        self._handler = handler
        self.methods = methods
        self._envelope = envelope
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Cancelling it cancels everything that runs for it."""
        exchange = Exchange(self._route, scope, receive, send, envelope=self._envelope)
        services: Services = scope["state"]["services"]
        if not self._closed:
            exchange.shared = services.origins.shared_with(exchange.head.headers)
        structlog.contextvars.bind_contextvars(request_id=exchange.head.request_id)
        if self._route not in UNTRACED:
            self._trace(exchange, services)
        try:
            with services.tree.labelled(f"request {exchange.head.request_id}", exchange.describe):
                await self._serve(exchange, services)
        finally:
            exchange.held.release()
            self._account(exchange, services)

    def _trace(self, exchange: Exchange, services: Services) -> None:
        method = exchange.scope["method"]
        trace = services.tracing.begin(self._route, method, exchange.head.request_id, exchange.head.headers)
        exchange.progress.trace = trace
        if trace.trace_id:
            structlog.contextvars.bind_contextvars(trace_id=trace.trace_id)

    async def _serve(self, exchange: Exchange, services: Services) -> None:
        try:
            if (permission := self._preflight(exchange, services)) is not None:
                await exchange.respond(200, b"", content_type=b"text/plain", headers=permission)
            elif exchange.head.offers_websocket:
                await self._decline(exchange, services)
            elif self.methods and exchange.scope["method"] not in self.methods:
                allowed = ", ".join(self.methods)
                error = MethodNotAllowed(f"this path takes {allowed}")
                await exchange.refuse(error, headers=[(b"allow", allowed.encode())])
            else:
                await self._handler(exchange, services)
        except GatewayError as error:
            await exchange.refuse(error)
        except Exception as fault:  # the edge: a bug costs one request and never the server
            told: GatewayError = InternalError("a fault in the gateway; the log has more under this request's id")
            if _lacks_descriptors(fault):
                told = Overloaded("the gateway can open no more files just now; try again in a moment", retry_after=1)
                log.warning("no_descriptor_left", route=self._route, fault=str(fault))
            else:
                log.exception("request_failed", route=self._route)
            exchange.outcome = told.code
            if not exchange.started:
                await exchange.refuse(told)

    async def _decline(self, exchange: Exchange, services: Services) -> None:
        """Refuse a WebSocket, to whom the path is open at all; Codex goes on over HTTP after a 426 and nothing else."""
        if not self._closed:
            services.gatekeeper.admit(exchange)
        error = UpgradeRefused("no WebSocket is spoken here; send the same request over HTTP")
        await exchange.refuse(error, headers=[(b"upgrade", b"HTTP/1.1"), (b"connection", b"close")])

    def _preflight(self, exchange: Exchange, services: Services) -> Headers | None:
        """What to tell a browser that asks whether a page may send a request; None where nobody asks, or it may not."""
        if self._closed or exchange.scope["method"] != "OPTIONS":
            return None
        return services.origins.preflight(exchange.head.headers)

    def _account(self, exchange: Exchange, services: Services) -> None:
        seconds = exchange.progress.now() - exchange.progress.began
        if exchange.departed and exchange.open_ended:
            exchange.outcome = "ok"
        elif exchange.departed or exchange.outcome == ClientGone.code:
            exchange.outcome = "cancelled"
            services.metrics.count_cancellation(exchange.progress.stage)
        outcome = exchange.outcome or ("ok" if exchange.progress.stage == "sent" else "cut_off")
        if exchange.tenant is not None:
            exchange.tenant.count(outcome, utc_now())
        services.metrics.count_request(self._route, outcome, seconds)
        exchange.progress.trace.end(status=exchange.status, outcome=outcome, facts=exchange.facts)
        log.info(
            "request",
            route=self._route,
            status=exchange.status,
            outcome=outcome,
            stage=exchange.progress.stage,
            seconds=round(seconds, 4),
            key=None if exchange.tenant is None else exchange.tenant.name,
            **exchange.facts,
        )
        if "stream" in exchange.facts:  # an answer was asked for
            line = self._line(exchange, outcome, seconds)
            services.recent.add(line)
            services.use.count(line)

    def _line(self, exchange: Exchange, outcome: str, seconds: float) -> RequestLine:
        facts = exchange.facts
        return RequestLine(
            id=exchange.head.request_id,
            at=time.time(),
            route=self._route,
            model=facts.get("model", ""),
            instance=facts.get("instance", ""),
            session=facts.get("session", ""),
            miss=facts.get("miss", ""),
            prompt_tokens=facts.get("prompt_tokens", 0),
            answer_tokens=facts.get("answer_tokens", 0),
            seconds=seconds,
            outcome=outcome,
            key=exchange.tenant.name if exchange.tenant is not None else "",
            client=exchange.head.client,
            spans=exchange.progress.spans(),
        )


def _lacks_descriptors(fault: Exception) -> bool:
    """Whether the system had no more files to open, and nothing else was wrong; what a task lacked comes in a group."""
    if isinstance(fault, ExceptionGroup):
        return all(map(_lacks_descriptors, fault.exceptions))
    return isinstance(fault, OSError) and fault.errno in {errno.EMFILE, errno.ENFILE}


async def refuse_path(exchange: Exchange, services: Services) -> None:
    """Whatever has no path of its own."""
    del services
    await exchange.refuse(NotFound(f"no such path: {exchange.scope['path'][:200]}"))


class Paths(Router):
    """A router that knows no path over MAX_PATH, and looks into none. A slash at a path's end makes no difference.

    A path without parameters, as nearly all that are asked for, is looked up; only the others are compared with each in
    turn. Those without come before what they could be taken for.
    """

    def __init__(self, endpoints: Sequence[tuple[str, Endpoint]], *, unknown: Endpoint) -> None:
        routes = [Route(path, endpoint) for path, endpoint in endpoints]
        super().__init__(routes, redirect_slashes=False, default=unknown)
        self._unknown = unknown
        self._fixed = {path: endpoint for path, endpoint in endpoints if "{" not in path}

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        """Serve one request. Cancelling it cancels everything that runs for it."""
        path = scope["path"]
        if (endpoint := self._fixed.get(path)) is not None:
            return endpoint(scope, receive, send)
        if len(path) > MAX_PATH:
            return self._unknown(scope, receive, send)
        if path.endswith("/") and path != "/":
            scope = {**scope, "path": path[:-1]}
        return super().__call__(scope, receive, send)


def build_router() -> Paths:
    """Every path, with and without the `/v1` prefix where clients differ about it."""
    api = {
        "/chat/completions": Endpoint("chat", chat.create_chat, "POST", envelope=error_body),
        "/completions": Endpoint("completions", Answering(parse_completion), "POST", envelope=error_body),
        "/messages": Endpoint("messages", messages.create_message, "POST", envelope=anthropic.error_body),
        "/messages/count_tokens": Endpoint(
            "count_tokens", counting.count_tokens, "POST", envelope=anthropic.error_body
        ),
        "/responses": Endpoint("responses", responses.create_response, "POST", envelope=error_body),
        "/responses/input_tokens": Endpoint("count_input", responses.count_input, "POST", envelope=error_body),
        "/responses/compact": Endpoint("compact", responses.sum_up, "POST", envelope=error_body),
        "/responses/{response}": Endpoint(
            "response", responses.one_response, "GET", "HEAD", "DELETE", envelope=error_body
        ),
        "/responses/{response}/input_items": Endpoint(
            "input_items", responses.list_input_items, "GET", "HEAD", envelope=error_body
        ),
        "/capabilities": Endpoint("capabilities", description.show_capabilities, "GET", "HEAD"),
        "/models": Endpoint("models", operations.list_models, "GET", "HEAD"),
        "/models/{model:path}": Endpoint("model", operations.show_model, "GET", "HEAD"),
    }
    for path, missing in ABSENT.items():
        api[f"/{path}"] = api[f"/{path}/{{rest:path}}"] = Endpoint("absent", Absent(f"/v1/{path}", missing))
    endpoints = [(prefix + path, endpoint) for path, endpoint in api.items() for prefix in ("/v1", "")]
    endpoints += [*_own().items(), *_ollama().items()]
    return Paths(endpoints, unknown=Endpoint("unknown", refuse_path))


def _own() -> dict[str, Endpoint]:
    """The paths of the gateway itself, which web pages of elsewhere may not use."""
    own = partial(Endpoint, closed=True)
    fixed = {
        **{place.path: own("page", page.ShowPlace(place), "GET", "HEAD") for place in PLACES.values()},
        "/page/sign-in": own("sign_in", page.sign_in, "POST"),
        "/page/sign-out": own("sign_out", page.sign_out, "POST"),
        "/page/link": own("link", follow_link, "GET", "HEAD", "POST"),
        "/page/{name}": own("page_file", page.serve_file, "GET", "HEAD"),
        "/healthz": own("healthz", operations.show_health, "GET", "HEAD"),
        "/readyz": own("readyz", operations.show_readiness, "GET", "HEAD"),
        "/openapi.json": own("openapi", description.show_document, "GET", "HEAD"),
        "/docs": own("docs", description.show_page, "GET", "HEAD"),
        "/metrics": own("metrics", operations.show_metrics, "GET", "HEAD"),
        "/internal/stats": own("stats", operations.show_stats, "GET", "HEAD"),
        "/internal/tree": own("tree", operations.show_tree, "GET", "HEAD"),
        "/internal/usage": own("usage", show_usage, "GET", "HEAD"),
        "/internal/use.csv": own("use", export_use, "GET", "HEAD"),
        "/internal/session/export": own("export", administration.export_session, "POST"),
        "/internal/requests": own("requests", list_requests, "GET", "HEAD"),
        "/internal/requests/{id}": own("request", show_request, "GET", "HEAD"),
        "/internal/events": own("events", page.stream_events, "GET"),
        "/internal/playground": own("playground", page.ask, "POST"),
    }
    actions: dict[str, tuple[str, Perform]] = {
        "/internal/login": ("login", administration.start_login),
        "/internal/sessions/clear": ("clear", administration.clear_sessions),
        "/internal/keys/{name}/revoke": ("revoke", key_administration.revoke_key),
        "/internal/requests/{id}/cancel": ("cancel", administration.cancel_request),
    }
    for order in get_args(Order):
        actions[f"/internal/instances/{{name}}/{order}"] = (order, partial(administration.order_instance, order=order))
    fixed["/internal/keys"] = own("new_key", Action(key_administration.new_key, "new_key", shows=True), "POST")
    fixed |= {path: own(name, Action(perform, name), "POST") for path, (name, perform) in actions.items()}
    fixed["/internal/{rest:path}"] = own("unknown", refuse_path)
    return fixed


def _ollama() -> dict[str, Endpoint]:
    """The paths of Ollama's API, whose clients know of no other prefix."""
    spoken = partial(Endpoint, envelope=ollama_error)
    paths = {
        "/api/chat": spoken("ollama_chat", ollama.Asking(parse_chat), "POST"),
        "/api/generate": spoken("ollama_generate", ollama.Asking(parse_generate), "POST"),
        "/api/show": spoken("ollama_show", ollama.show_model, "POST"),
        "/api/tags": spoken("ollama_tags", ollama.list_tags, "GET", "HEAD"),
        "/api/ps": spoken("ollama_running", ollama.list_running, "GET", "HEAD"),
        "/api/version": spoken("ollama_version", ollama.show_version, "GET", "HEAD"),
    }
    for path, missing in ABSENT_FROM_OLLAMA.items():
        absent = spoken("absent", Absent(f"/api/{path}", missing))
        paths[f"/api/{path}"] = paths[f"/api/{path}/{{rest:path}}"] = absent
    paths["/api/{rest:path}"] = spoken("unknown", refuse_path)
    return paths
