"""One request for an answer, on any surface, from its body to its last byte.

    REQUEST NURSERY
    ├─ watcher      waits for the client to leave, then cancels everything here
    └─ body         ceiling → pictures → slot → session and turn → events → bytes → commit

Whatever ends the request, the `with` blocks on the way out stop upstream and free the slot, and the session is
committed by a statement that only a finished answer reaches.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from uuid import uuid4

import trio

from lingma_trio.api.answer_request import AnswerRequest, Origin
from lingma_trio.api.encoder import Encoder
from lingma_trio.api.reply import Reply
from lingma_trio.errors import GatewayError
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.intake import admit, take_in
from lingma_trio.http.services import Services
from lingma_trio.http.tenants import Bill, Tenant
from lingma_trio.lingma.dialogue import Asker, Dialogue
from lingma_trio.policy.answer_check import AnswerCheck, check_of
from lingma_trio.policy.answer_limits import AnswerLimits
from lingma_trio.turns import Prompt


class Answering:
    """A handler for the requests of one surface; `parse` reads a body and raises `InvalidRequest`."""

    def __init__(self, parse: Callable[[bytes], AnswerRequest]) -> None:
        self._parse = parse

    async def __call__(self, exchange: Exchange, services: Services) -> None:
        """Serve one request. Cancelling it tells upstream to stop and frees the slot."""
        tenant = admit(exchange, services)
        request = await take_in(exchange, services, tenant, self._parse)
        await serve_answer(exchange, services, request, tenant)


async def serve_answer(
    exchange: Exchange,
    services: Services,
    request: AnswerRequest,
    tenant: Tenant,
    *,
    completed: Callable[[Encoder], None] | None = None,
) -> None:
    """Answer a checked request of `tenant`.

    `completed` is called with the answer's encoder once the answer is whole and committed, before its last bytes go
    out; never for one that was cancelled or failed. Cancelling tells upstream to stop and frees the slot.
    """
    exchange.facts["stream"] = request.stream
    answer = Answer(exchange, services, request, tenant)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(exchange.watch_departure, nursery.cancel_scope, name="departure watch")
        try:
            with services.ceiling.over():
                last = await answer.make()
                if completed is not None:
                    completed(answer.encoder)
            await answer.deliver(last)
        except GatewayError as error:
            await answer.fail(error)
        nursery.cancel_scope.cancel("the response is complete")


class Answer:
    """One answer under way."""

    def __init__(self, exchange: Exchange, services: Services, request: AnswerRequest, tenant: Tenant) -> None:
        self._exchange = exchange
        self._services = services
        self._request = request
        self._tenant = tenant
        self._encoder: Encoder | None = None
        keepalive = services.bounds.keepalive
        self._patience = keepalive if request.stream and keepalive > 0 else math.inf
        self._sent_at = trio.current_time()
        self._noted = 0

    @property
    def encoder(self) -> Encoder:
        """What encodes the answer, once it has been asked for."""
        assert self._encoder is not None
        return self._encoder

    async def make(self) -> bytes:
        """Hold a slot until the answer is complete and committed; returns the bytes that end the response."""
        services, request = self._services, self._request
        services.pool.check()  # refuse now what waiting in the queue cannot help
        self._tenant.check_model(*services.dialogues.names_of(request.model))
        with self._tenant.charged(request.prompt, trio.current_time()) as bill:
            sees = services.dialogues.sees(request.model)
            prompt = await services.pictures.prepare(request.prompt, sees=sees)
            self._exchange.stage = "queued"
            async with services.limiter.slot(self._tenant.id, most=self._tenant.key.max_in_flight) as waited:
                services.metrics.queue_wait.observe(waited)
                self._exchange.stage = "waiting"
                return await self._ask(prompt, bill)

    async def _ask(self, prompt: Prompt, bill: Bill) -> bytes:
        exchange, services, request = self._exchange, self._services, self._request
        self._tenant.check_model(*services.dialogues.names_of(request.model))  # the models may be others by now
        asker = Asker(self._tenant.id, request.model, request.user)
        with services.dialogues.open(prompt, asker) as dialogue:
            exchange.facts.update(model=dialogue.model, instance=dialogue.instance)
            exchange.trace.event("claim", session=_session(dialogue), instance=dialogue.instance)
            encoder = self._encoder = request.encoder(self._origin(dialogue.model))
            reply = Reply(prompt, encoder, _limits(request, prompt))
            check = check_of(prompt, _call_id)
            try:
                await self._relay(dialogue, reply, encoder, check)
            finally:
                self._account(dialogue, reply, bill)
            if not reply.cut:
                dialogue.commit(reply.text, reply.calls)
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
        """Tell of a fault: as a status while nothing is sent, else in-band.

        The stream is left without its end, but where the surface has an event that says by itself that it failed.
        """
        encoder = self._encoder
        if encoder is None or not self._exchange.started:
            await self._exchange.refuse(error)
            return
        self._exchange.outcome = error.code
        opening = b"" if encoder.started else encoder.start()  # comments may be all that was sent so far
        last = opening + encoder.fail(error)
        if encoder.fails_whole:
            await self._exchange.end(last)
        else:
            await self._exchange.write(last)

    async def _relay(self, dialogue: Dialogue, reply: Reply, encoder: Encoder, check: AnswerCheck | None) -> None:
        """Send on what comes, as it comes; what waits together leaves together.

        Where the answer has something to keep to, only what keeps to it goes on, and the answer may be asked for again.
        """
        exchange = self._exchange
        while reply.ended is None:
            events = await dialogue.batch(self._patience)
            if events and exchange.stage == "waiting":
                exchange.stage = "streaming"
                self._note_first_delta()
            self._note_deltas(dialogue.deltas)
            kept = events if check is None else check.take(events)
            if check is not None and (complaint := check.complaint()):
                exchange.facts["asked_again"] = True
                exchange.trace.event("ask_again")
                dialogue.ask_again(complaint)
            if data := reply.add(kept):
                await self._send(data)
            elif not events or trio.current_time() - self._sent_at >= self._patience:
                await self._send(encoder.keepalive)

    def _note_first_delta(self) -> None:
        now = trio.current_time()
        self._services.metrics.first_delta.observe(now - self._exchange.began)
        self._services.pace.first_delta(now - self._exchange.began, now=now)

    def _note_deltas(self, count: int) -> None:
        """Tell the pace of those that are new, as they come; the metrics have them at the end."""
        if count > self._noted:
            self._services.pace.deltas(count - self._noted, now=trio.current_time())
            self._noted = count

    async def _send(self, data: bytes) -> None:
        if not self._exchange.started:
            await self._exchange.begin_stream()
        await self._exchange.write(data)
        self._sent_at = trio.current_time()

    def _origin(self, model: str) -> Origin:
        return Origin(self._exchange.request_id.removeprefix("req_"), model, int(time.time()))

    def _account(self, dialogue: Dialogue, reply: Reply, bill: Bill) -> None:
        usage = reply.usage()
        bill.settle(usage, trio.current_time())
        session = _session(dialogue)
        self._exchange.facts.update(
            instance=dialogue.instance,
            session=session,
            prompt_tokens=usage.prompt_tokens,
            answer_tokens=usage.answer_tokens,
        )
        metrics = self._services.metrics
        metrics.deltas.inc(dialogue.deltas)
        metrics.prompt_tokens.inc(usage.prompt_tokens)
        metrics.answer_tokens.inc(usage.answer_tokens)


def _session(dialogue: Dialogue) -> str:
    """Whether it continues one of Lingma's sessions, as log and trace have it."""
    return "hit" if dialogue.hit else "miss"


def _limits(request: AnswerRequest, prompt: Prompt) -> AnswerLimits:
    """The client's limits. JSON is whole or it is nothing, and no stop sequence is looked for in it."""
    if prompt.answer_format is None:
        return AnswerLimits(stop=request.stop, max_tokens=request.max_tokens)
    return AnswerLimits(stop=(), max_tokens=request.max_tokens, whole=True)


def _call_id() -> str:
    return f"call_{uuid4().hex[:24]}"
