"""The making of what one request asks for, be it one answer or several, from its place in the queue to the last commit.

    MAKING, the task `turn`
    ├─ ticket → seat      answers, one after another
    └─ further turn       with a spare seat, while there is one and answers are left; one task less than answers

Each of its lifetimes ends as early as it can, inside out: turn, session, instance and slot, ticket. Several answers
share the ticket: they wait in the queue once, and what they do at once takes slots that nobody else waits for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeAlias

from lingma_trio.api.answer_request import AnswerRequest, Origin
from lingma_trio.api.choices import SeveralAnswers
from lingma_trio.api.encoder import Encoder
from lingma_trio.api.reply import Ending
from lingma_trio.errors import GatewayError, PromptTooLong
from lingma_trio.http.answer import Answer, origin_of
from lingma_trio.http.crew import Crew
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.ledger import Bill
from lingma_trio.http.outbox import Outbox, count_unread
from lingma_trio.http.outboxes import Outboxes
from lingma_trio.http.services import Services
from lingma_trio.http.tenants import Tenant
from lingma_trio.http.underway import Entry
from lingma_trio.lingma.asker import Asker
from lingma_trio.lingma.seat import Seat
from lingma_trio.policy.prompt_tokens import estimate_prompt
from lingma_trio.protocol.catalogue import Model
from lingma_trio.turns import Prompt, Usage

_Make: TypeAlias = Callable[[Seat, list[Prompt], tuple[Bill, ...]], Awaitable[Ending]]

MARGIN = 2
"""How many times as long as its model reads a prompt has to be, by the estimate, to be refused without being asked."""


class Making:
    """What a request of `tenant` asks for, to be made.

    After `patience` seconds without anything there is a sign of life. `alone` says that nobody else holds the request,
    which is then done with at the end. `entry` is told what makes it, for whoever may end that; without one
    the making is for its caller to bound, and to say why it ended.
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
        entry: Entry | None,
    ) -> None:
        self._exchange = exchange
        self._entry = entry
        self._services = services
        self._request = request
        self._tenant = tenant
        self._patience = patience
        self._alone = alone
        ledger = exchange.ledger
        assert ledger is not None
        self._ledger = ledger
        user = request.user or exchange.head.session
        self._asker = Asker(tenant.id, request.model, user, ledger.dues.entry, ledger.dues.trips)

    async def make(self, outbox: Outbox) -> None:
        """Put the one answer into `outbox`, and its end or its fault.

        When the end is there, the session is committed, the slot is free, and nothing runs for the request but its
        delivery. Cancelling tells upstream to stop, frees the slot and commits nothing.
        """
        await self._into(outbox, partial(self._make, outbox))

    async def make_several(self, asked: SeveralAnswers, outboxes: Outboxes) -> None:
        """Put each of the answers into an outbox of its own, and the end or the fault of all; as `make`.

        One that fails ends the others, which upstream is told to stop.
        """
        await self._into(outboxes, partial(self._make_several, asked, outboxes))

    async def _into(self, outbox: Outbox | Outboxes, make: Callable[[], Awaitable[Ending]]) -> None:
        end: Ending | GatewayError
        try:
            end = await (make() if self._entry is None else self._in_time(make, self._entry))
        except GatewayError as error:
            end = error
        if self._alone or not isinstance(end, Ending):
            await self._ledger.finish()
        held = self._exchange.held
        if self._alone:
            held.release()
        try:
            count_unread(held, outbox.size)
        except GatewayError as error:
            outbox.clear()
            end = error
        if isinstance(end, Ending):
            self._exchange.progress.stage = "delivering"
            outbox.end(end)
        else:
            outbox.fail(end)

    async def _in_time(self, make: Callable[[], Awaitable[Ending]], entry: Entry) -> Ending | GatewayError:
        """What is made within the request's time, or what its client is told where somebody ended that."""
        end: Ending | GatewayError = entry.verdict
        try:
            with self._services.ceiling.over() as scope:
                entry.make_in(scope)
                end = await make()
        finally:
            entry.make_in(None)
        return end

    async def _make(self, outbox: Outbox) -> Ending:
        request = self._request

        def make(seat: Seat, prompts: list[Prompt], bills: tuple[Bill, ...]) -> Awaitable[Ending]:
            return self._answer(prompts[0], outbox, request.encoder).make(self._asker, seat, bills[0])

        return await self._seated([request.prompt], 1, partial(_open, outbox, request), make)

    async def _make_several(self, asked: SeveralAnswers, outboxes: Outboxes) -> Ending:
        endings: dict[int, Ending] = {}

        async def make_one(index: int, answer: Answer, bill: Bill, seat: Seat) -> None:
            endings[index] = ending = await answer.make(self._asker, seat, bill)
            outboxes.each[index].end(ending)

        async def make(seat: Seat, prompts: list[Prompt], bills: tuple[Bill, ...]) -> Ending:
            answers = [
                self._answer(prompts[index // asked.each], outbox, partial(outboxes.encoder, index))
                for index, outbox in enumerate(outboxes.each)
            ]
            jobs = [partial(make_one, index, answer, bills[index]) for index, answer in enumerate(answers)]
            del prompts, answers
            await Crew(jobs, partial(self._services.dialogues.spare_seat, self._asker, seat)).run(seat)
            usages = [endings[index].usage for index in sorted(endings)]
            return Ending("stop", total(usages, each=asked.each))

        return await self._seated(asked.prompts, asked.each, partial(outboxes.encoder, 0), make)

    async def _seated(
        self, asked: Sequence[Prompt], each: int, speak: Callable[[Origin], object], make: _Make
    ) -> Ending:
        """What `make` returns, which is given all that is needed to ask these, `each` of them so often: a seat, the
        prompts with their pictures, and what they are paid with.

        `speak` makes the encoder that says in a stream's own words that one is too long.
        """
        services, tenant, model = self._services, self._tenant, self._request.model
        dialogues = services.dialogues
        found = dialogues.find(model)
        tenant.check_model(*(dialogues.names_of(model) if found is None else found.names))
        blind = "" if found is None or found.sees else found.key
        await services.pictures.prepare(asked)
        prompts = [services.pictures.check(prompt, blind=blind) for prompt in asked]
        if found is not None and found.max_input_tokens is not None:
            for prompt in asked:
                await self._check_length(prompt, found, found.max_input_tokens, speak)
        paid = [prompt for prompt in asked for _ in range(each)]
        with self._ledger.charged(paid) as bills:
            self._exchange.progress.stage = "queued"
            lease = await dialogues.lease(prompts[0], self._asker)
            async with dialogues.seat(lease, self._asker, most=tenant.key.max_in_flight) as seat:
                services.metrics.queue_wait.observe(seat.waited)
                self._exchange.progress.stage = "waiting"
                prompts = [await services.pictures.fetch_all(prompt, self._exchange.held.take) for prompt in prompts]
                if tenant.key.models:  # which may be other ones by now
                    tenant.check_model(*dialogues.names_of(model))
                return await make(seat, prompts, bills)

    async def _check_length(self, prompt: Prompt, model: Model, most: int, speak: Callable[[Origin], object]) -> None:
        """Raise `PromptTooLong` for a prompt that would be so by far, before it waits and is asked in vain.

        What is less than MARGIN times as long as the model reads is for Lingma to judge, for tokens are estimated here.
        """
        if prompt.size <= MARGIN * most:  # no character is more than a token
            return
        tokens = await self._exchange.held.work(estimate_prompt, prompt)
        if tokens >= MARGIN * most:
            speak(origin_of(self._exchange, model.key))
            raise PromptTooLong(
                f"prompt is too long: {tokens} tokens > {most} maximum. This model's maximum context length is {most}"
                " tokens, and the gateway estimates more than twice as many; shorten the conversation"
            )

    def _answer(self, prompt: Prompt, outbox: Outbox, encoder: Callable[[Origin], Encoder]) -> Answer:
        return Answer(
            self._exchange,
            self._services,
            self._request,
            prompt,
            outbox,
            encoder=encoder,
            patience=self._patience,
        )


def _open(outbox: Outbox, request: AnswerRequest, origin: Origin) -> None:
    outbox.open(request.encoder(origin))


def total(usages: Sequence[Usage], *, each: int) -> Usage:
    """What answers took together, `each` of them of one prompt, whose tokens count once as OpenAI counts them."""
    return Usage(
        sum(usage.prompt_tokens for usage in usages[::each]),
        sum(usage.answer_tokens for usage in usages),
        sum(usage.thought_tokens for usage in usages),
    )
