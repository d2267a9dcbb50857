"""The making of one answer from a seat that is there: from the question to its commit.

Waits for no client, which is served out of the outbox; see `delivery`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from uuid import uuid4

from lingma_trio.api.answer_request import AnswerRequest, Origin
from lingma_trio.api.encoder import Encoder
from lingma_trio.api.reply import Ending, Reply
from lingma_trio.emulation import AnswerCheck, check_of, with_word
from lingma_trio.errors import AnswerMalformed
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.ledger import Bill
from lingma_trio.http.outbox import Outbox
from lingma_trio.http.services import Services
from lingma_trio.lingma.asker import Asker
from lingma_trio.lingma.dialogue import Dialogue
from lingma_trio.lingma.seat import Seat
from lingma_trio.policy.answer_limits import AnswerLimits
from lingma_trio.sessions.commit import Delivered
from lingma_trio.turns import AnswerEvent, Prompt

WORD_BYTES = 5  # of the word that proves a call: enough that no text holds it by chance, few enough to be copied


class Answer:
    """One answer to be made of what `request` asks, whose `prompt` may be one of several.

    It goes into `outbox`, for the encoder that `encoder` returns. After `patience` seconds without anything the outbox
    has a sign of life.
    """

    def __init__(
        self,
        exchange: Exchange,
        services: Services,
        request: AnswerRequest,
        prompt: Prompt,
        outbox: Outbox,
        *,
        encoder: Callable[[Origin], Encoder],
        patience: float,
    ) -> None:
        self._exchange = exchange
        self._services = services
        self._request = request
        self._prompt = prompt
        self._outbox = outbox
        self._encoder = encoder
        self._patience = patience
        self._noted = 0

    async def make(self, asker: Asker, seat: Seat, bill: Bill) -> Ending:
        """Ask from `seat`, see to the answer until it has ended, and commit its session.

        Cancelling tells upstream to stop and commits nothing.
        """
        exchange, services = self._exchange, self._services
        prompt = self._prompt
        if prompt.toolbox is not None:
            prompt = with_word(prompt, os.urandom(WORD_BYTES).hex())
        async with services.dialogues.open(prompt, asker, seat) as dialogue:
            exchange.facts.update(model=dialogue.model, instance=dialogue.instance)
            exchange.progress.trace.event("claim", session=dialogue.session, instance=dialogue.instance)
            self._outbox.open(self._encoder(origin_of(exchange, dialogue.model)))
            reply = Reply(prompt, _limits(self._request, prompt))
            check = check_of(prompt, _call_id)
            try:
                await self._relay(dialogue, reply, check)
            finally:
                self._account(dialogue, reply, bill)
            exchange.facts["commit"] = await dialogue.commit(_delivered(reply, check))
            return reply.ending()

    async def _relay(self, dialogue: Dialogue, reply: Reply, check: AnswerCheck | None) -> None:
        """Pass on what comes, as it comes, until the answer has ended.

        Where the answer has something to keep to, only what keeps to it goes on, and the answer may be asked for again.
        """
        progress = self._exchange.progress
        begun = False

        def pass_on(events: list[AnswerEvent]) -> bool:
            nonlocal begun
            if events and not begun:
                begun = True
                if progress.stage == "waiting":
                    progress.stage = "streaming"
                    self._note_first_delta(progress.entered["streaming"])
            self._note_deltas(dialogue)
            kept = events if check is None else check.take(events)
            if check is not None and (complaint := check.complaint()):
                kept += self._ask_again(dialogue, check, complaint)
            self._outbox.put(reply.add(kept))
            return reply.ended is None

        await dialogue.follow(self._patience, pass_on)

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
        self._exchange.progress.trace.event("ask_again")
        return []

    def _note_first_delta(self, now: float) -> None:
        self._services.metrics.first_delta.observe(now - self._exchange.progress.began)
        self._services.pace.first_delta(now - self._exchange.progress.began, now=now)

    def _note_deltas(self, dialogue: Dialogue) -> None:
        """Tell the pace of those that are new, as they come; the metrics have them at the end."""
        count = dialogue.deltas
        if count > self._noted:
            self._services.pace.deltas(count - self._noted, now=self._exchange.progress.now())
            self._exchange.progress.deltas += count - self._noted
            self._noted = count

    def _account(self, dialogue: Dialogue, reply: Reply, bill: Bill) -> None:
        usage = reply.usage()
        bill.settle(usage, self._exchange.progress.now())
        if dialogue.miss:
            self._exchange.facts["miss"] = dialogue.miss
        facts = self._exchange.facts
        facts.update(
            instance=dialogue.instance,
            session=dialogue.session,
            prompt_tokens=facts.get("prompt_tokens", 0) + usage.prompt_tokens,
            answer_tokens=facts.get("answer_tokens", 0) + usage.answer_tokens,
        )
        metrics = self._services.metrics
        metrics.deltas.count += dialogue.deltas
        metrics.prompt_tokens.count += usage.prompt_tokens
        metrics.answer_tokens.count += usage.answer_tokens


def origin_of(exchange: Exchange, model: str) -> Origin:
    """Where the answers of an exchange come from, by the model's key."""
    return Origin(exchange.head.id, model, int(time.time()))


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
