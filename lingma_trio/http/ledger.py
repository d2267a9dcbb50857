"""What one request uses of its key's limits, in one place: the request itself, its tokens, its turns' places.

Says in the API's words what is refused. What there is to be used, and who else uses it, is the dues' to know.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Self

import trio

from lingma_trio.errors import PromptOverTokenLimit, RequestLimitExceeded
from lingma_trio.http.tenants import Tenant
from lingma_trio.policy.prompt_tokens import estimate_prompt
from lingma_trio.state.rates import Dues, tokens_used_up
from lingma_trio.turns import Prompt, Usage

JOINING = 0.05
"""Seconds that a place is held beyond its answer for what is kept of that, which a client that reads slowly delays."""


class Bill:
    """What one answer costs its tenant: the prompt's tokens in advance, the answer's once they are known."""

    def __init__(self, ledger: Ledger, advance: int) -> None:
        self.advance = advance
        self.settled = False
        self._ledger = ledger

    def settle(self, usage: Usage, now: float) -> None:
        """Lingma was asked, and this is what came of it, be it whole or not. More than what is left is owed then."""
        self.settled = True
        self._ledger.tenant.use(usage)
        self._ledger.dues.owe(usage.answer_tokens, now)


class Ledger:
    """One request of `tenant`, whose `dues` are counted here."""

    def __init__(self, tenant: Tenant, dues: Dues) -> None:
        self.tenant = tenant
        self.dues = dues

    def __repr__(self) -> str:
        return f"<Ledger of {self.tenant!r}>"

    async def admit(self) -> None:
        """Count the request, of which nothing but its head is known, and which costs a request whatever it is.

        Raises `RequestLimitExceeded`, and counts nothing, with the wait after which it would be let in.
        """
        if self.tenant.limits.requests is None:
            return
        wait = await self.dues.admit(trio.current_time())
        if wait:
            raise RequestLimitExceeded(
                f"this API key has {self.tenant.key.requests_per_minute} requests a minute; try again in {wait:.1f} s",
                retry_after=wait,
            )

    def charged(self, prompts: Sequence[Prompt]) -> AbstractContextManager[tuple[Bill, ...]]:
        """Count the prompts for the length of the block, each on a bill; `admit` came before.

        The tokens of a bill that is not settled in the block are given back. Raises `TokenLimitExceeded` with the wait
        after which all would be let in, and `PromptOverTokenLimit` where none helps.
        """
        return _Charged(self, prompts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave what the store was not told of a request that was cut off to be told by another task."""
        self.dues.abandon()

    async def finish(self) -> None:
        """Tell the store, where there is one, what it is to know before the client has its last bytes.

        Waits no longer than the request's budget for the store lasts. Cancelling does not cut it short.
        """
        if self.dues.trips is not None:
            await self.dues.trips.finish()

    async def finish_soon(self) -> None:
        """As `finish`, unless that is done within JOINING seconds, and what is kept of the answer goes along."""
        if self.dues.trips is not None and self.dues.trips.due:
            await trio.sleep(JOINING)
            await self.finish()

    def charge(self, tokens: int) -> None:
        """Count so many tokens; raises as `charged`."""
        most = self.tenant.key.tokens_per_minute
        if 0 < most < tokens:
            raise PromptOverTokenLimit(
                f"the prompt has about {tokens} tokens, and this API key {most} a minute; send less", param="messages"
            )
        wait = self.dues.charge(tokens, trio.current_time())
        if wait:
            raise tokens_used_up(most, tokens, wait)


class _Charged:
    """The block of `Ledger.charged`. A class, since each request has one and a generator for it costs more calls."""

    __slots__ = ("_bills", "_ledger", "_prompts")

    def __init__(self, ledger: Ledger, prompts: Sequence[Prompt]) -> None:
        self._ledger = ledger
        self._prompts = prompts

    def __enter__(self) -> tuple[Bill, ...]:
        ledger, prompts = self._ledger, self._prompts
        limited = ledger.tenant.limits.tokens is not None
        self._bills = tuple([Bill(ledger, estimate_prompt(prompt) if limited else 0) for prompt in prompts])
        if limited:
            ledger.charge(sum(bill.advance for bill in self._bills))
        return self._bills

    def __exit__(self, *exception: object) -> None:
        self._ledger.dues.close(sum([bill.advance for bill in self._bills if not bill.settled]))
