"""The app's own life, as ASGI has it: begun before anybody is served, ended after the last."""

from __future__ import annotations

from typing import Any

import trio
from starlette.types import ASGIApp, Message


class LifespanFailed(Exception):
    """The app said that it could not start, or that it failed; the log has its reason."""


class Lifespan:
    """The life of one app. `state` is what it keeps there for its requests."""

    def __init__(self, app: ASGIApp, state: dict[str, Any]) -> None:
        self._app = app
        self._state = state
        self._begun = False
        self._ending = trio.Event()
        self._fault = ""

    def __repr__(self) -> str:
        return f"<Lifespan begun={self._begun} ending={self._ending.is_set()}>"

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Live until `end`, and start with the app. Raises `LifespanFailed` for one that does not start, that fails, or
        that ends by itself. Cancelling ends the app.
        """

        async def send(message: Message) -> None:
            await trio.lowlevel.checkpoint()
            if message["type"] == "lifespan.startup.complete":
                task_status.started()
            elif message["type"].endswith(".failed"):
                self._fault = message.get("message", "") or "no reason was given"

        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        await self._app(scope, self._receive, send)
        if self._fault or not self._ending.is_set():
            raise LifespanFailed(self._fault or "the app ended by itself")

    def end(self) -> None:
        """Tell the app that the last request is answered."""
        self._ending.set()

    async def _receive(self) -> Message:
        if not self._begun:
            self._begun = True
            await trio.lowlevel.checkpoint()
            return {"type": "lifespan.startup"}
        await self._ending.wait()
        return {"type": "lifespan.shutdown"}
