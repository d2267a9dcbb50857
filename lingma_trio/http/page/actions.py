"""An action of the operator's, asked for by a program, by the page's script, or by a plain form of the page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from pydantic_core import to_json

from lingma_trio.errors import GatewayError
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.orders import take_order, wants_page
from lingma_trio.http.page.handlers import go_to, place_of, respond_page
from lingma_trio.http.services import Services

Report: TypeAlias = dict[str, Any]
Perform: TypeAlias = Callable[[Exchange, Services, Mapping[str, Any]], Report | Awaitable[Report]]
"""Does what is wished for, at once or by and by, and returns the report of it; raises `GatewayError`."""


class Action:
    """A handler. Programs and the script get the report as JSON, or an error; a form gets the page with the outcome.

    `done` is the page's word for what has been done. What the report `shows` to a form is on the page, and on none
    after it.
    """

    def __init__(self, perform: Perform, done: str, *, shows: bool = False) -> None:
        self._perform = perform
        self._done = done
        self._shows = shows

    async def __call__(self, exchange: Exchange, services: Services) -> None:
        """Take one order."""
        try:
            order = await take_order(exchange, services)
            report = self._perform(exchange, services, order.wishes)
            if not isinstance(report, dict):
                report = await report
        except GatewayError as error:
            if not wants_page(exchange):
                raise
            exchange.outcome = error.code
            session = await services.operators.find(exchange)
            await respond_page(
                exchange, services, session, place_of(exchange), status=error.status, fault=error.message
            )
            return
        if order.by_form and self._shows:
            session = await services.operators.find(exchange)
            await respond_page(exchange, services, session, place_of(exchange), done=self._done, made=report)
        elif order.by_form:
            await go_to(exchange, f"{place_of(exchange).path}?done={self._done}".encode())
        else:
            await exchange.respond(200, to_json(report))
