"""What a gateway asks of the instances of an agent beside turns, and how it is answered.

What is done at once is answered at once. What takes its time has a task, of which a gateway has few at a time.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final

import trio

from lingma_trio.agent.hosted import Hosted
from lingma_trio.errors import GatewayError, InvalidRequest, ProtocolFault, RpcError
from lingma_trio.lingma.bundle import BundleFault
from lingma_trio.lingma.instance import Instance
from lingma_trio.protocol.fields import string
from lingma_trio.protocol.fleet_messages import (
    DISCARD,
    DRAIN,
    EXPORT,
    LOGIN,
    RECHECK,
    REST,
    RESTART,
    RESUME,
)
from lingma_trio.protocol.jsonrpc import METHOD_NOT_FOUND, Connection, Notification, PeerId, ServerRequest
from lingma_trio.sessions.book import Session

REFUSED: Final = -32000  # JSON-RPC's code of an error that is the server's own
MOST_AT_ONCE: Final = 8
"""Wishes of one gateway that take their time."""

MOST_KEY: Final = 200
"""Characters of a model's key. What rests is told to every gateway each second, so that it must not be long."""


class Wishes:
    """One gateway's. `hear` what it says, and `post` sends it the answer. What takes time lives in `nursery`."""

    def __init__(self, hosted: Hosted, nursery: trio.Nursery, *, post: Callable[[bytes], None]) -> None:
        self._hosted = hosted
        self._nursery = nursery
        self._post = post
        self._rpc = Connection()
        self._at_work = 0

    def __repr__(self) -> str:
        return f"<Wishes at_work={self._at_work}>"

    def hear(self, data: bytes) -> None:
        """Take what the gateway said, in any cut. Raises `ProtocolFault`."""
        for event in self._rpc.receive(data):
            match event:
                case ServerRequest(number, method, params):
                    self._asked(number, method, params)
                case Notification(method, params):
                    if (instance := self._hosted.instances.get(string(params, "name"))) is not None:
                        _do(instance, method, params)
                case _:
                    raise ProtocolFault("a message that no gateway sends")

    def _asked(self, number: PeerId, method: str, params: dict[str, Any]) -> None:
        instance = self._hosted.instances.get(string(params, "name"))
        if instance is None:
            self._refuse(number, "this agent has no instance of that name")
        elif _do(instance, method, params):
            self._post(self._rpc.answer(number, {}))
        elif method not in {LOGIN, EXPORT}:
            self._refuse(number, f"Method not found: {method[:100]}", METHOD_NOT_FOUND)
        elif self._at_work >= MOST_AT_ONCE:
            self._refuse(number, "too much is asked at once; try again in a moment")
        else:
            self._at_work += 1
            self._nursery.start_soon(self._work, number, method, instance, params, name=f"{method} of a gateway")

    async def _work(self, number: PeerId, method: str, instance: Instance, params: dict[str, Any]) -> None:
        try:
            result = await (_export(instance) if method == EXPORT else _sign_in(instance, params))
        except (GatewayError, RpcError, BundleFault) as fault:
            self._refuse(number, str(fault))
        else:
            self._post(self._rpc.answer(number, result))
        finally:
            self._at_work -= 1

    def _refuse(self, number: PeerId, why: str, code: int = REFUSED) -> None:
        self._post(self._rpc.refuse(number, code, why))


def _do(instance: Instance, method: str, params: dict[str, Any]) -> bool:
    """Do what takes no time; returns whether it was such a thing."""
    if method == DRAIN:
        instance.standing.drain()
    elif method == RESUME:
        instance.standing.resume()
    elif method == RESTART:
        instance.lives.restart()
    elif method == RECHECK:
        instance.account.recheck()
    elif method == DISCARD:
        instance.discard(Session(string(params, "session"), instance.name, string(params, "life")))
    elif method == REST:
        seconds, model = params.get("seconds"), string(params, "model")
        # A gateway may not have heard yet that another account is signed in, and an older one names none.
        theirs = string(params, "account") in ("", instance.account.name)
        if theirs and isinstance(seconds, int | float) and 0 < seconds < math.inf and len(model) <= MOST_KEY:
            instance.health.heard_of_rests({model: seconds})
    else:
        return False
    return True


async def _sign_in(instance: Instance, params: dict[str, Any]) -> dict[str, Any]:
    if instance.account.login is None:
        raise InvalidRequest("an agent signs in with its token; give it one in ACP_TOKENS, and start it anew")
    await instance.sign_in(callback=string(params, "callback"), retry=params.get("retry") is True)
    return {}


async def _export(instance: Instance) -> dict[str, Any]:
    return {"bundle": b64encode(await instance.export_login()).decode()}
