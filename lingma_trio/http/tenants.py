"""Whose requests are served: one tenant for each API key, with what it may do and what it has used.

Knows keys and counts. Does not know requests, and takes the time as an argument: `now` is of Trio's clock, a time of
day is a `datetime`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import blake2b
from hmac import compare_digest

import trio

from lingma_trio.errors import ModelNotAllowed, PromptOverTokenLimit, RequestLimitExceeded, TokenLimitExceeded
from lingma_trio.keys.document import check_beside
from lingma_trio.keys.key import ApiKey
from lingma_trio.policy.prompt_tokens import estimate_prompt
from lingma_trio.policy.rate_limit import Allowance, Bucket
from lingma_trio.turns import Prompt, Usage

ANONYMOUS = "anonymous"
OPERATOR = "operator"  # who asks from the status page, without any key


class Bill:
    """What one answer costs its tenant: the prompt's tokens in advance, the answer's once they are known."""

    def __init__(self, tenant: Tenant, advance: int) -> None:
        self.advance = advance
        self.settled = False
        self._tenant = tenant

    def settle(self, usage: Usage, now: float) -> None:
        """Lingma was asked, and this is what came of it, be it whole or not."""
        self.settled = True
        self._tenant.use(usage, now)


class Tenant:
    """The owner of one key. Sessions are kept under `id`, the same at every start, which tells nothing of the key."""

    def __init__(self, key: ApiKey) -> None:
        self.id = blake2b(key.digest, digest_size=8, person=b"lingma-tenant").hexdigest() if key.digest else key.name
        self.key = key
        self.outcomes: Counter[str] = Counter()
        self.prompt_tokens = 0
        self.answer_tokens = 0
        self.last_used: datetime | None = None
        self.at_work = trio.Lock()  # held while one of its large requests is worked on
        self._requests = _bucket(key.requests_per_minute)
        self._tokens = _bucket(key.tokens_per_minute)

    def __repr__(self) -> str:
        return f"<Tenant {self.name} requests={self.outcomes.total()}>"

    @property
    def name(self) -> str:
        """What logs and metrics call it."""
        return self.key.name

    def renew(self, key: ApiKey) -> None:
        """Take what is now written of the same key. A limit that did not change goes on counting."""
        if key.requests_per_minute != self.key.requests_per_minute:
            self._requests = _bucket(key.requests_per_minute)
        if key.tokens_per_minute != self.key.tokens_per_minute:
            self._tokens = _bucket(key.tokens_per_minute)
        self.key = key

    def has_expired(self, time: datetime) -> bool:
        """Whether the key's time is over."""
        return self.key.expires is not None and self.key.expires <= time

    def check_model(self, *names: str) -> None:
        """Raise `ModelNotAllowed` where the model of these names, its key first, is not for this tenant."""
        if not self.key.may_use(*names):
            raise ModelNotAllowed(
                f"this API key may not use the model {names[0][:100]!r}; GET /v1/models lists those it may",
                param="model",
            )

    def count_request(self, now: float) -> None:
        """Count one request, of which nothing but its head is known, and which costs a request whatever it is.

        Raises `RequestLimitExceeded`, and counts nothing, with the wait after which it would be let in.
        """
        requests = self._requests
        if requests is None:
            return
        wait = requests.wait(1, now)
        if wait:
            raise RequestLimitExceeded(
                f"this API key has {requests.per_minute} requests a minute; try again in {wait:.1f} s",
                retry_after=wait,
            )
        requests.spend(1, now)

    @contextmanager
    def charged(self, prompts: Sequence[Prompt], now: float) -> Iterator[tuple[Bill, ...]]:
        """Count the prompts of one request for the length of the block, each on a bill; `count_request` came before.

        The tokens of a bill that is not settled in the block are given back. Raises `TokenLimitExceeded` with the wait
        after which all would be let in, and `PromptOverTokenLimit` where none helps.
        """
        tokens = self._tokens
        bills = tuple(Bill(self, estimate_prompt(prompt) if tokens is not None else 0) for prompt in prompts)
        if tokens is not None:
            advance = sum(bill.advance for bill in bills)
            self._check_tokens(tokens, advance, now)
            tokens.spend(advance, now)
        try:
            yield bills
        finally:
            if tokens is not None:
                tokens.refund(sum(bill.advance for bill in bills if not bill.settled))

    def use(self, usage: Usage, now: float) -> None:
        """Count what an answer took. Its tokens may be more than what is left: they are owed then."""
        self.prompt_tokens += usage.prompt_tokens
        self.answer_tokens += usage.answer_tokens
        if self._tokens is not None:
            self._tokens.spend(usage.answer_tokens, now)

    def count(self, outcome: str, time: datetime) -> None:
        """Count one request that is over."""
        self.outcomes[outcome] += 1
        self.last_used = time

    def allowances(self, now: float) -> Iterator[tuple[str, Allowance]]:
        """What is left of `requests` and `tokens`, where they are limited."""
        for kind, bucket in (("requests", self._requests), ("tokens", self._tokens)):
            if bucket is not None:
                yield kind, bucket.allowance(now)

    @staticmethod
    def _check_tokens(tokens: Bucket, amount: int, now: float) -> None:
        if amount > tokens.per_minute:
            raise PromptOverTokenLimit(
                f"the prompt has about {amount} tokens, and this API key {tokens.per_minute} a minute; send less",
                param="messages",
            )
        wait = tokens.wait(amount, now)
        if wait:
            raise TokenLimitExceeded(
                f"this API key has {tokens.per_minute} tokens a minute, and this prompt has about {amount}; "
                f"try again in {wait:.1f} s",
                retry_after=wait,
            )


class Tenants:
    """The tenants of `fixed` keys and of those that `replace` brings.

    `required` says that nobody is served without a key, also while there is none; fixed keys say so by themselves.
    """

    def __init__(self, fixed: Iterable[ApiKey] = (), *, required: bool = False) -> None:
        self.fixed = tuple(fixed)
        self._by_digest = {key.digest: Tenant(key) for key in self.fixed}
        self.required = required or bool(self.fixed)
        self.anonymous = Tenant(ApiKey(ANONYMOUS, b""))
        self.operator = Tenant(ApiKey(OPERATOR, b""))

    def __len__(self) -> int:
        return len(self._by_digest)

    def __iter__(self) -> Iterator[Tenant]:
        return iter(self._by_digest.values() if self.required else (self.anonymous,))

    def is_fixed(self, tenant: Tenant) -> bool:
        """Whether its key stands in the settings, or there is none, so that nothing here can be done to it."""
        return not tenant.key.digest or any(key.digest == tenant.key.digest for key in self.fixed)

    def replace(self, keys: Iterable[ApiKey]) -> None:
        """Let these keys stand beside the fixed ones, in place of those before.

        A key that stays keeps its counts. One that goes has no further request admitted; what runs for it finishes.
        Raises `KeysFault`, and changes nothing, where a name or a key stands among the fixed ones as well.
        """
        keys = tuple(keys)
        check_beside(self.fixed, keys)
        before, self._by_digest = self._by_digest, {}
        for key in (*self.fixed, *keys):
            tenant = before.get(key.digest)
            if tenant is None:
                tenant = Tenant(key)
            else:
                tenant.renew(key)
            self._by_digest[key.digest] = tenant

    def find(self, digest: bytes) -> Tenant | None:
        """The tenant of a key. Compares with every one, so that the time taken tells nothing of which came close."""
        found = None
        for known, tenant in self._by_digest.items():
            if compare_digest(digest, known):
                found = tenant
        return found


def utc_now() -> datetime:
    """The time of day."""
    return datetime.now(UTC)


def _bucket(per_minute: int) -> Bucket | None:
    return Bucket(per_minute) if per_minute > 0 else None
