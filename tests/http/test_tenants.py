"""A tenant's rules and counts, the bill of an answer, and what a new set of keys changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lingma_trio.errors import ModelNotAllowed, PromptOverTokenLimit, RequestLimitExceeded, TokenLimitExceeded
from lingma_trio.http.tenants import Tenant, Tenants
from lingma_trio.keys.document import KeysFault
from lingma_trio.keys.key import ApiKey, digest_of
from lingma_trio.policy.rate_limit import Allowance
from lingma_trio.turns import Message, Prompt, Usage

NOW = datetime(2027, 1, 1, tzinfo=UTC)
PROMPT = Prompt((Message("user", "x" * 40),))  # ten tokens


def key(name: str = "ann", secret: str = "sk-1", **more: Any) -> ApiKey:  # noqa: ANN401 - its limits
    return ApiKey(name, digest_of(secret), **more)


def left(tenant: Tenant, now: float = 0.0) -> dict[str, int]:
    return {kind: allowance.remaining for kind, allowance in tenant.allowances(now)}


def test_prompt_is_counted_before_the_answer() -> None:
    """What is under way counts already, and the answer is added when it is known."""
    tenant = Tenant(key(tokens_per_minute=100))
    with tenant.charged([PROMPT], 0.0) as (bill,):
        assert left(tenant) == {"tokens": 90}
        bill.settle(Usage(10, 30), 0.0)
    assert left(tenant) == {"tokens": 60}
    assert (tenant.prompt_tokens, tenant.answer_tokens) == (10, 30)


def test_prompt_that_was_never_asked_is_given_back() -> None:
    """A request that fails in the queue costs no tokens."""
    tenant = Tenant(key(tokens_per_minute=100))
    with pytest.raises(ZeroDivisionError), tenant.charged([PROMPT], 0.0):
        raise ZeroDivisionError
    assert left(tenant) == {"tokens": 100}


def test_used_up_requests_are_refused_with_the_true_wait() -> None:
    """The refusal names the wait after which the request is let in, and costs nothing."""
    tenant = Tenant(key(requests_per_minute=2))
    for _ in range(2):
        tenant.count_request(0.0)
    with pytest.raises(RequestLimitExceeded) as refused:
        tenant.count_request(0.0)
    assert refused.value.retry_after == pytest.approx(30)
    assert left(tenant) == {"requests": 0}
    assert refused.value.retry_after is not None
    tenant.count_request(refused.value.retry_after)


def test_requests_without_a_limit_are_let_in() -> None:
    """A key without a limit has no allowance to show, however many come."""
    tenant = Tenant(key())
    for _ in range(100):
        tenant.count_request(0.0)
    assert left(tenant) == {}


def test_used_up_tokens_are_refused_with_the_true_wait() -> None:
    """Tokens of answers count, also beyond the limit; a refusal costs no token."""
    tenant = Tenant(key(tokens_per_minute=60))
    with tenant.charged([PROMPT], 0.0) as (bill,):
        bill.settle(Usage(10, 80), 0.0)
    with pytest.raises(TokenLimitExceeded) as refused, tenant.charged([PROMPT], 0.0):
        raise AssertionError
    assert refused.value.retry_after == pytest.approx(40)
    assert left(tenant) == {"tokens": 0}


def test_prompt_beyond_a_whole_minute_is_no_matter_of_waiting() -> None:
    """A prompt that no wait lets in is told so, and not to come again."""
    tenant = Tenant(key(tokens_per_minute=9))
    with pytest.raises(PromptOverTokenLimit) as refused, tenant.charged([PROMPT], 0.0):
        raise AssertionError
    assert not refused.value.retryable


def test_model_of_another_is_refused() -> None:
    """Only the models that are written for a key are its own."""
    tenant = Tenant(ApiKey("ann", b"x", models=("mine",)))
    tenant.check_model("mine")
    with pytest.raises(ModelNotAllowed, match="'other'"):
        tenant.check_model("other", "Other")


def test_key_expires_at_its_moment() -> None:
    """Up to its moment a key is good, and from then on it is not."""
    tenant = Tenant(ApiKey("ann", b"x", expires=NOW))
    assert not tenant.has_expired(NOW - timedelta(seconds=1))
    assert tenant.has_expired(NOW)
    assert not Tenant(key()).has_expired(NOW)


def test_new_keys_take_the_place_of_old_ones() -> None:
    """A key that stays goes on counting, one that goes is found no more, and a changed limit starts anew."""
    tenants = Tenants([key("fixed", "sk-0")])
    tenants.replace([key(requests_per_minute=5, tokens_per_minute=100), key("bob", "sk-2")])
    ann = tenants.find(digest_of("sk-1"))
    assert ann is not None
    ann.count_request(0.0)
    tenants.replace([key("anna", requests_per_minute=5, tokens_per_minute=50)])
    assert tenants.find(digest_of("sk-1")) is ann
    assert ann.name == "anna"
    assert left(ann) == {"requests": 4, "tokens": 50}
    assert tenants.find(digest_of("sk-2")) is None
    assert [tenant.name for tenant in tenants] == ["fixed", "anna"]


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ([key("other", "sk-0")], "other of KEYS_FILE is the key fixed of API_KEYS as well"),
        ([key("fixed", "sk-1")], "the name fixed is given in KEYS_FILE and in API_KEYS"),
    ],
)
def test_clash_with_fixed_keys_changes_nothing(keys: list[ApiKey], fault: str) -> None:
    """A name or a key that stands in both places is a fault, and the keys before stay."""
    tenants = Tenants([key("fixed", "sk-0")])
    tenants.replace([key()])
    with pytest.raises(KeysFault, match=fault):
        tenants.replace(keys)
    assert [tenant.name for tenant in tenants] == ["fixed", "ann"]


def test_nobody_is_served_without_a_key_where_keys_are_wanted() -> None:
    """A file without keys closes the gateway; without either the one tenant is anonymous."""
    assert Tenants(required=True).required
    assert list(Tenants(required=True)) == []
    assert not Tenants().required
    assert [tenant.name for tenant in Tenants()] == ["anonymous"]


def test_key_is_the_same_tenant_in_every_notation() -> None:
    """Sessions are kept under a name that neither shows the key nor depends on how it was written."""
    one, other = Tenant(key("ann")), Tenant(key("other"))
    assert one.id == other.id
    assert one.id not in digest_of("sk-1").hex()
    assert dict(one.allowances(0.0)) == dict[str, Allowance]()
