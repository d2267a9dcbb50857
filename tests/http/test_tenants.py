"""A tenant's rules and counts, and what a new set of keys changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lingma_trio.errors import ModelNotAllowed
from lingma_trio.http.tenants import Tenant, Tenants
from lingma_trio.keys.document import KeysFault
from lingma_trio.keys.key import ApiKey, digest_of
from lingma_trio.policy.rate_limit import Allowance
from lingma_trio.state.rates_memory import LocalDues
from lingma_trio.turns import Usage

NOW = datetime(2027, 1, 1, tzinfo=UTC)


def key(name: str = "ann", secret: str = "sk-1", **more: Any) -> ApiKey:  # noqa: ANN401 - its limits
    return ApiKey(name, digest_of(secret), **more)


def left(tenant: Tenant) -> dict[str, int]:
    return {kind: allowance.remaining for kind, allowance in tenant.limits.allowances(0.0)}


def test_used_tokens_are_counted() -> None:
    """What answers took is known of each tenant, limited or not."""
    tenant = Tenant(key())
    for _ in range(2):
        tenant.use(Usage(10, 30))
    assert (tenant.prompt_tokens, tenant.answer_tokens) == (20, 60)
    assert left(tenant) == {}


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


async def test_new_keys_take_the_place_of_old_ones() -> None:
    """A key that stays goes on counting, one that goes is found no more, and a changed limit starts anew."""
    tenants = Tenants([key("fixed", "sk-0")])
    tenants.replace([key(requests_per_minute=5, tokens_per_minute=100), key("bob", "sk-2")])
    ann = tenants.find(digest_of("sk-1"))
    assert ann is not None
    await LocalDues(ann.limits).admit(0.0)
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
    assert dict(one.limits.allowances(0.0)) == dict[str, Allowance]()
