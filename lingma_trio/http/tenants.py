"""Whose requests are served: one tenant for each API key, with what it may do and what it has used.

Knows keys and counts. Does not know requests, and takes the time of day as an argument.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import blake2b
from hmac import compare_digest

import trio

from lingma_trio.errors import ModelNotAllowed
from lingma_trio.keys.document import check_beside
from lingma_trio.keys.key import ApiKey
from lingma_trio.policy.use import Use, last_hour
from lingma_trio.state.rates import Limits
from lingma_trio.turns import Usage

ANONYMOUS = "anonymous"
OPERATOR = "operator"  # who asks from the status page, without any key


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
        self.limits = Limits(self.id, **_limits(key))

    def __repr__(self) -> str:
        return f"<Tenant {self.name} requests={self.outcomes.total()}>"

    @property
    def name(self) -> str:
        """What logs and metrics call it."""
        return self.key.name

    def renew(self, key: ApiKey) -> None:
        """Take what is now written of the same key. A limit that did not change goes on counting."""
        self.limits.renew(**_limits(key))
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

    def use(self, usage: Usage) -> None:
        """Count what an answer took."""
        self.prompt_tokens += usage.prompt_tokens
        self.answer_tokens += usage.answer_tokens

    def count(self, outcome: str, time: datetime) -> None:
        """Count one request that is over."""
        self.outcomes[outcome] += 1
        self.last_used = time

    def last_use(self, own: Use) -> datetime | None:
        """When it was used last: here, or by what is kept of its `own` use, which knows the hour."""
        return max(filter(None, (self.last_used, last_hour(own))), default=None)


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


def _limits(key: ApiKey) -> dict[str, int]:
    return {"requests": key.requests_per_minute, "tokens": key.tokens_per_minute, "places": key.max_in_flight}
