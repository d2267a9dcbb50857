"""What one request costs its key: the request at once, its prompts in advance, its answers once they are known."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from lingma_trio.errors import PromptOverTokenLimit, RequestLimitExceeded, TokenLimitExceeded
from lingma_trio.http.ledger import Ledger
from lingma_trio.http.tenants import Tenant
from lingma_trio.keys.key import ApiKey, digest_of
from lingma_trio.state.rates_memory import LocalDues
from lingma_trio.turns import Message, Prompt, Usage

PROMPT = Prompt((Message("user", "x" * 40),))  # ten tokens


def ledger(requests: int = 0, tokens: int = 0) -> Ledger:
    tenant = Tenant(ApiKey("ann", digest_of("sk-1"), requests_per_minute=requests, tokens_per_minute=tokens))
    return Ledger(tenant, LocalDues(tenant.limits))


def left(of: Ledger, now: float = 0.0) -> dict[str, int]:
    return {kind: allowance.remaining for kind, allowance in of.tenant.limits.allowances(now)}


async def test_prompt_is_counted_before_the_answer(mock_clock: MockClock) -> None:
    """What is under way counts already, and the answer is added when it is known."""
    del mock_clock
    mine = ledger(tokens=100)
    with mine.charged([PROMPT]) as (bill,):
        assert left(mine) == {"tokens": 90}
        bill.settle(Usage(10, 30), 0.0)
    assert left(mine) == {"tokens": 60}
    assert (mine.tenant.prompt_tokens, mine.tenant.answer_tokens) == (10, 30)


async def test_prompt_that_was_never_asked_is_given_back(mock_clock: MockClock) -> None:
    """A request that fails in the queue costs no tokens."""
    del mock_clock
    mine = ledger(tokens=100)
    with pytest.raises(ZeroDivisionError), mine.charged([PROMPT]):
        raise ZeroDivisionError
    assert left(mine) == {"tokens": 100}


async def test_used_up_requests_are_refused_with_the_true_wait(mock_clock: MockClock) -> None:
    """The refusal names the wait after which the request is let in, and costs nothing."""
    mine = ledger(requests=2)
    for _ in range(2):
        await mine.admit()
    with pytest.raises(RequestLimitExceeded, match="has 2 requests a minute; try") as refused:
        await mine.admit()
    assert left(mine) == {"requests": 0}
    assert refused.value.retry_after == pytest.approx(30)
    mock_clock.jump(refused.value.retry_after or 0)
    await mine.admit()


async def test_requests_without_a_limit_are_let_in() -> None:
    """A key without a limit has no allowance to show, however many come."""
    mine = ledger()
    for _ in range(100):
        await mine.admit()
    assert left(mine) == {}


async def test_used_up_tokens_are_refused_with_the_true_wait(mock_clock: MockClock) -> None:
    """Tokens of answers count, also beyond the limit; a refusal costs no token."""
    del mock_clock
    mine = ledger(tokens=60)
    with mine.charged([PROMPT]) as (bill,):
        bill.settle(Usage(10, 80), 0.0)
    with pytest.raises(TokenLimitExceeded, match="60 tokens a minute") as refused, mine.charged([PROMPT]):
        raise AssertionError
    assert refused.value.retry_after == pytest.approx(40)
    assert left(mine) == {"tokens": 0}


async def test_prompt_beyond_a_whole_minute_is_no_matter_of_waiting() -> None:
    """A prompt that no wait lets in is told so, and not to come again."""
    with pytest.raises(PromptOverTokenLimit) as refused, ledger(tokens=9).charged([PROMPT]):
        raise AssertionError
    assert not refused.value.retryable
