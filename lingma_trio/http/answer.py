"""The making of one answer, from its place in the queue to its commit.

Each of its lifetimes ends as early as it can, inside out: turn, session, instance and slot, ticket. None of them waits
for the client, which is served out of the outbox; see `delivery`.
"""

from __future__ import annotations

import secrets
import time
from uuid import uuid4

import trio

from lingma_trio.api.answer_request import AnswerRequest, Origin
from lingma_trio.api.reply import Ending, Reply
from lingma_trio.emulation import AnswerCheck, check_of, with_word
from lingma_trio.errors import AnswerMalformed, GatewayError, PromptTooLong
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.outbox import Outbox, count_unread
from lingma_trio.http.services import Services
from lingma_trio.http.tenants import Bill, Tenant
from lingma_trio.lingma.asker import Asker
from lingma_trio.lingma.dialogue import Dialogue
from lingma_trio.lingma.seat import Seat
from lingma_trio.policy.answer_limits import AnswerLimits
from lingma_trio.policy.prompt_tokens import estimate_prompt
from lingma_trio.sessions.commit import Delivered
from lingma_trio.turns import AnswerEvent, Prompt

WORD_BYTES = 5  # of the word that proves a call: enough that no text holds it by chance, few enough to be copied


MARGIN = 2
"""How many times as long as its model reads a prompt has to be, by the estimate, to be refused without being asked."""


class Answer:
    """One answer to be made.

    After `patience` seconds without anything the outbox has a sign of life. `alone` says that nobody else holds the
    request, which is then done with at the end.
    """

    def __init__(
        self,
        exchange: Exchange,
        services: Services,
        request: AnswerRequest,
        tenant: Tenant,
        *,
        patience: float,
        alone: bool,
    ) -> None:
        self._exchange = exchange
        self._services = services
        self._request = request
        self._tenant = tenant
        self._patience = patience
        self._alone = alone
        self._noted = 0

    async def make(self, outbox: Outbox) -> None:
        """Put the answer into `outbox`, and its end or its fault.

        When the end is there, the session is committed, the slot is free, and nothing runs for the request but its
        delivery. Cancelling tells upstream to stop, frees the slot and commits nothing.
        """
        end: Ending | GatewayError
        try:
            with self._services.ceiling.over():
                end = (await self._make(outbox)).ending()
        except GatewayError as error:
            end = error
        held = self._exchange.held
        if self._alone:
            held.release()
        try:
            count_unread(held, outbox.size)
        except GatewayError as error:
            outbox.clear()
            end = error
        if isinstance(end, Ending):
            self._exchange.stage = "delivering"
            outbox.end(end)
        else:
            outbox.fail(end)

    async def _make(self, outbox: Outbox) -> Reply:
        services, request, tenant = self._services, self._request, self._tenant
        tenant.check_model(*services.dialogues.names_of(request.model))
        prompt = services.pictures.check(request.prompt, sees=services.dialogues.sees(request.model))
        await self._check_length(outbox)
        with tenant.charged(request.prompt, trio.current_time()) as bill:
            self._exchange.stage = "queued"
            asker = Asker(tenant.id, request.model, request.user or self._exchange.session)
            async with services.dialogues.seat(prompt, asker, most=tenant.key.max_in_flight) as seat:
                services.metrics.queue_wait.observe(seat.waited)
                self._exchange.stage = "waiting"
                prompt = await services.pictures.fetch_all(prompt, self._exchange.held.take)
                return await self._ask(prompt, asker, seat, bill, outbox)

    async def _check_length(self, outbox: Outbox) -> None:
        """Raise `PromptTooLong` for a prompt that would be so by far, before it waits and is asked in vain.

        What is less than MARGIN times as long as the model reads is for Lingma to judge, for tokens are estimated here.
        """
        prompt, model = self._request.prompt, self._services.dialogues.find(self._request.model)
        most = None if model is None else model.max_input_tokens
        if model is None or most is None or prompt.size <= MARGIN * most:  # no character is more than a token
            return
        tokens = await self._exchange.held.work(estimate_prompt, prompt)
        if tokens >= MARGIN * most:
            outbox.open(self._request.encoder(self._origin(model.key)))
            raise PromptTooLong(
                f"prompt is too long: {tokens} tokens > {most} maximum. This model's maximum context length is {most}"
                " tokens, and the gateway estimates more than twice as many; shorten the conversation"
            )

    async def _ask(self, prompt: Prompt, asker: Asker, seat: Seat, bill: Bill, outbox: Outbox) -> Reply:
        exchange, services, request = self._exchange, self._services, self._request
        prompt = with_word(prompt, secrets.token_hex(WORD_BYTES))
        self._tenant.check_model(*services.dialogues.names_of(request.model))  # the models may be others by now
        async with services.dialogues.open(prompt, asker, seat) as dialogue:
            exchange.facts.update(model=dialogue.model, instance=dialogue.instance)
            exchange.trace.event("claim", session=dialogue.session, instance=dialogue.instance)
            outbox.open(request.encoder(self._origin(dialogue.model)))
            reply = Reply(prompt, _limits(request, prompt))
            check = check_of(prompt, _call_id)
            try:
                await self._relay(dialogue, reply, check, outbox)
            finally:
                self._account(dialogue, reply, bill)
            self._exchange.facts["commit"] = await dialogue.commit(_delivered(reply, check))
            return reply

    async def _relay(self, dialogue: Dialogue, reply: Reply, check: AnswerCheck | None, outbox: Outbox) -> None:
        """Pass on what comes, as it comes, until the answer has ended.

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
                kept += self._ask_again(dialogue, check, complaint)
            outbox.put(reply.add(kept))

    def _ask_again(self, dialogue: Dialogue, check: AnswerCheck, complaint: str) -> list[AnswerEvent]:
        """Have the answer mended; returns what goes out instead where too much was asked again lately."""
        try:
            dialogue.ask_again(complaint)
        except AnswerMalformed as refusal:
            try:
                return check.unmended()
            except AnswerMalformed:
                raise refusal from None
        self._exchange.facts["asked_again"] = True
        self._exchange.trace.event("ask_again")
        return []

    def _note_first_delta(self) -> None:
        now = trio.current_time()
        self._services.metrics.first_delta.observe(now - self._exchange.began)
        self._services.pace.first_delta(now - self._exchange.began, now=now)

    def _note_deltas(self, count: int) -> None:
        """Tell the pace of those that are new, as they come; the metrics have them at the end."""
        if count > self._noted:
            self._services.pace.deltas(count - self._noted, now=trio.current_time())
            self._noted = count

    def _origin(self, model: str) -> Origin:
        return Origin(self._exchange.id, model, int(time.time()))

    def _account(self, dialogue: Dialogue, reply: Reply, bill: Bill) -> None:
        usage = reply.usage()
        bill.settle(usage, trio.current_time())
        if dialogue.miss:
            self._exchange.facts["miss"] = dialogue.miss
        self._exchange.facts.update(
            instance=dialogue.instance,
            session=dialogue.session,
            prompt_tokens=usage.prompt_tokens,
            answer_tokens=usage.answer_tokens,
        )
        metrics = self._services.metrics
        metrics.deltas.inc(dialogue.deltas)
        metrics.prompt_tokens.inc(usage.prompt_tokens)
        metrics.answer_tokens.inc(usage.answer_tokens)


def _delivered(reply: Reply, check: AnswerCheck | None) -> Delivered:
    """What the client was given, against what was said."""
    if check is None:
        return Delivered(reply.text, reply.calls, cut=reply.cut)
    return Delivered(reply.text, reply.calls, cut=reply.cut, altered=check.altered, untold=check.untold)


def _limits(request: AnswerRequest, prompt: Prompt) -> AnswerLimits:
    """The client's limits. JSON is whole or it is nothing, and no stop sequence is looked for in it."""
    if prompt.answer_format is None:
        return AnswerLimits(stop=request.stop, max_tokens=request.max_tokens)
    return AnswerLimits(stop=(), max_tokens=request.max_tokens, whole=True)


def _call_id() -> str:
    return f"call_{uuid4().hex[:24]}"
