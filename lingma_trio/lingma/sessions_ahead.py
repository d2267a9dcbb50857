"""Sessions of one Lingma in one life that are opened before anybody needs them.

A conversation that begins in the `session/*` dialect costs three round trips: the session, its model, the question.
Whoever begins one has another opened meanwhile, with the same model, so that the next has its question answered at
once. Nothing waits here and nothing has a task of its own: what is not opened is opened by whoever needs it.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable

import trio

from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.protocol.messages import session_key
from lingma_trio.protocol.opening import Spare
from lingma_trio.protocol.request import Refusal, Request
from lingma_trio.protocol.session_messages import model_params, new_params, read_session_id

KEEP_SECONDS = 300.0  # Lingma may reclaim a session, nobody knows when; others have relied on 1,800


class SessionsAhead:
    """At most `most` of them, those on their way counted in.

    `fates` counts what became of each: it was `taken`, had `expired`, or was `refused`, when it was used or when it was
    to be opened, also by no answer within the RPC timeout. `whose` is a digest of the account that is signed in: what
    was opened for one is not used for another. They end with the channel, whose life they are of.
    """

    def __init__(self, channel: RpcChannel, fates: Counter[str], *, most: int, whose: Callable[[], str]) -> None:
        self._channel = channel
        self._fates = fates
        self._most = most
        self._whose = whose
        self._spares: list[tuple[Spare, str, float]] = []  # whose they are, and until when they are kept; newest last
        # By the number of the request that is under way: whose they are, and until when its answer is waited for.
        self._opening: dict[int, tuple[Spare, str, float]] = {}
        self._rests_until = -math.inf

    def __repr__(self) -> str:
        return f"<SessionsAhead spares={len(self._spares)} opening={len(self._opening)}>"

    def take(self) -> Spare | None:
        """The newest there is, which nobody else gets; None where there is none."""
        whose = self._whose()
        self._drop_old()
        while self._spares:
            spare, owner, _ = self._spares.pop()
            if owner == whose:
                self._fates["taken"] += 1
                return spare
            self._fates["expired"] += 1
        return None

    def order(self, model_key: str) -> None:
        """Have one opened for a conversation to come, which will probably ask this model too."""
        self._drop_old()
        if len(self._spares) + len(self._opening) < self._most and trio.current_time() >= self._rests_until:
            request = Request("session/new", new_params(self._channel.terms.directory, _timestamp()), awaited=True)
            self._send(request, Spare("", model_key), self._whose())

    def distrust(self) -> None:
        """Lingma refused one that was taken: forget the others, and open none for a while."""
        self._fates["expired"] += len(self._spares)
        self._spares.clear()
        self._refuse()

    # What the channel calls.

    def answered(self, number: int, result: object) -> None:
        """Lingma opened one, or took the model of one."""
        spare, whose, _ = self._opening.pop(number)
        if spare.session_id:
            self._spares.append((spare, whose, trio.current_time() + KEEP_SECONDS))
            return
        opened = Spare(read_session_id(result), spare.model_key)
        if not opened.session_id or self._knows(opened.session_id):
            self._refuse()
            return
        params = model_params(opened.model_key, opened.session_id, _timestamp())
        self._send(Request("session/set_model", params, awaited=True), opened, whose)

    def refused(self, number: int, refusal: Refusal) -> None:
        """Lingma refused either; nobody asked for it, so nobody is told."""
        del refusal, self._opening[number]
        self._refuse()

    def _send(self, request: Request, spare: Spare, whose: str) -> None:
        number = self._channel.send(request, self)
        if number:  # else the channel is lost, and all this with it
            self._opening[number] = spare, whose, trio.current_time() + self._channel.rpc_timeout

    def _drop_old(self) -> None:
        """Forget those that were kept, or asked for, for as long as they may be; else they would take the place of new
        ones.
        """
        now = trio.current_time()
        while self._spares and self._spares[0][2] <= now:
            del self._spares[0]
            self._fates["expired"] += 1
        for number in [number for number, (_, _, until) in self._opening.items() if until <= now]:
            del self._opening[number]
            self._channel.hand_over(number, None)
            self._refuse()

    def _refuse(self) -> None:
        self._fates["refused"] += 1
        self._rests_until = trio.current_time() + KEEP_SECONDS

    def _knows(self, session_id: str) -> bool:
        """Whether it is here, or a turn has it: two clients would read each other's conversations."""
        known = [spare for spare, _, _ in (*self._spares, *self._opening.values())]
        asked = self._channel.registry.holder(session_key(session_id)) is not None
        return asked or any(session_id == spare.session_id for spare in known)


def _timestamp() -> int:
    """Now in milliseconds since 1970, as Lingma wants it."""
    return int(time.time() * 1000)
