"""`POST /v1/chat/completions`: one request from its body to its last byte.

    REQUEST NURSERY
    ├─ watcher      waits for the client to leave, then cancels everything here
    └─ body         ceiling → slot → session and turn → events → bytes → commit

Whatever ends the request, the `with` blocks on the way out stop upstream and free the slot, and the session is
committed by a statement that only a finished answer reaches.
"""

from __future__ import annotations

import math
import time

import trio

from lingma_trio.api.encoder import Encoder
from lingma_trio.api.openai.body import ChatBody
from lingma_trio.api.openai.request import ChatRequest, parse
from lingma_trio.api.openai.stream import KEEPALIVE, ChatStream
from lingma_trio.api.reply import Reply
from lingma_trio.errors import GatewayError
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.services import Services
from lingma_trio.lingma.dialogue import Asker, Dialogue
from lingma_trio.policy.answer_limits import AnswerLimits

BODY_SECONDS = 30.0  # for a request's body to arrive; Hypercorn has no bound of its own


async def complete_chat(exchange: Exchange, services: Services) -> None:
    """Serve one chat completion. Cancelling it tells upstream to stop and frees the slot."""
    tenant = services.gatekeeper.admit(exchange)
    request = parse(await exchange.body.read(limit=services.bounds.max_request, seconds=BODY_SECONDS))
    exchange.facts["stream"] = request.stream
    completion = Completion(exchange, services, request, tenant)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(exchange.watch_departure, nursery.cancel_scope)
        try:
            with services.ceiling.over():
                last = await completion.answer()
            await completion.deliver(last)
        except GatewayError as error:
            await completion.fail(error)
        nursery.cancel_scope.cancel("the response is complete")


class Completion:
    """One chat completion under way."""

    def __init__(self, exchange: Exchange, services: Services, request: ChatRequest, tenant: str) -> None:
        self._exchange = exchange
        self._services = services
        self._request = request
        self._tenant = tenant
        self._encoder: Encoder | None = None
        keepalive = services.bounds.keepalive
        self._patience = keepalive if request.stream and keepalive > 0 else math.inf

    async def answer(self) -> bytes:
        """Hold a slot until the answer is complete and committed; returns the bytes that end the response."""
        exchange, services, request = self._exchange, self._services, self._request
        services.pool.check()  # refuse now what waiting in the queue cannot help
        exchange.stage = "queued"
        async with services.limiter.slot() as waited:
            services.metrics.queue_wait.observe(waited)
            exchange.stage = "waiting"
            asker = Asker(self._tenant, request.model, request.user)
            with services.dialogues.open(request.prompt, asker) as dialogue:
                exchange.facts.update(model=dialogue.model, instance=dialogue.instance)
                self._encoder = self._make_encoder(dialogue.model)
                limits = AnswerLimits(stop=request.stop, max_tokens=request.max_tokens)
                reply = Reply(request.prompt, self._encoder, limits)
                try:
                    await self._relay(dialogue, reply)
                finally:
                    self._account(dialogue, reply)
                if not reply.cut:
                    dialogue.commit(reply.text)
                return reply.finish()

    async def deliver(self, last: bytes) -> None:
        """Send the end of a complete answer; the slot is free already."""
        if self._exchange.started:
            await self._exchange.end(last)
        elif self._request.stream:
            await self._exchange.begin_stream()
            await self._exchange.end(last)
        else:
            await self._exchange.respond(200, last)

    async def fail(self, error: GatewayError) -> None:
        """Tell of a fault: as a status while nothing is sent, else in-band, and the stream is left without its end."""
        stream = self._encoder
        if not (self._exchange.started and isinstance(stream, ChatStream)):
            await self._exchange.refuse(error)
            return
        self._exchange.outcome = error.code
        opening = b"" if stream.started else stream.start()  # comments may be all that was sent so far
        await self._exchange.write(opening + stream.fail(error))

    async def _relay(self, dialogue: Dialogue, reply: Reply) -> None:
        """Send on what comes, as it comes; what waits together leaves together."""
        exchange = self._exchange
        while reply.ended is None:
            events = await dialogue.batch(self._patience)
            if not events:
                await self._send(KEEPALIVE)
                continue
            if exchange.stage == "waiting":
                exchange.stage = "streaming"
                self._services.metrics.first_delta.observe(trio.current_time() - exchange.began)
            if data := reply.add(events):
                await self._send(data)

    async def _send(self, data: bytes) -> None:
        if not self._exchange.started:
            await self._exchange.begin_stream()
        await self._exchange.write(data)

    def _make_encoder(self, model: str) -> Encoder:
        identity = f"chatcmpl-{self._exchange.request_id.removeprefix('req_')}"
        created = int(time.time())
        if self._request.stream:
            return ChatStream(id=identity, model=model, created=created, include_usage=self._request.include_usage)
        return ChatBody(id=identity, model=model, created=created)

    def _account(self, dialogue: Dialogue, reply: Reply) -> None:
        usage = reply.usage()
        session = "hit" if dialogue.hit else "miss"
        self._exchange.facts.update(instance=dialogue.instance, session=session, answer_tokens=usage.answer_tokens)
        metrics = self._services.metrics
        metrics.deltas.inc(dialogue.deltas)
        metrics.prompt_tokens.inc(usage.prompt_tokens)
        metrics.answer_tokens.inc(usage.answer_tokens)
