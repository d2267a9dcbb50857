"""Messages: what one side says is what the other one hears, and nothing else is heard at all."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.login.messages import HumanReason, Kind, LoginOutcome, Order, outcome_line, read_line, step_line

text = st.text(st.characters(codec="utf-8"))
orders = st.builds(
    Order,
    url=text,
    username=text,
    password=text,
    headless=st.booleans(),
    timeout=st.floats(0, 1e6),
    directory=text,
    browser=text,
)
outcomes = st.builds(
    LoginOutcome,
    st.sampled_from(get_args(Kind)),
    st.none() | st.sampled_from(get_args(HumanReason)),
    text,
    st.booleans(),
)


@given(orders)
def test_an_order_arrives_as_one_line(order: Order) -> None:
    """Whatever is in it."""
    assert order.line().index(b"\n") == len(order.line()) - 1
    assert Order.read(order.line()) == order


@given(outcomes)
def test_an_outcome_arrives_as_one_line(outcome: LoginOutcome) -> None:
    """Whatever a page said."""
    line = outcome_line(outcome)
    assert line.index(b"\n") == len(line) - 1
    assert read_line(line) == outcome


@given(text)
def test_a_step_arrives_as_one_line(name: str) -> None:
    """With its name."""
    assert read_line(step_line(name)) == name


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"a library was here",
        b"[]",
        b"7",
        b'{"step": 7}',
        b'{"outcome": {}}',
        b'{"outcome": {"kind": "nice", "reason": null, "detail": "", "submitted": true}}',
        b'{"outcome": {"kind": "needs_human", "reason": "nice", "detail": "", "submitted": true}}',
        b'{"outcome": {"kind": [], "reason": null, "detail": "", "submitted": true}}',
    ],
)
def test_other_lines_are_passed_over(line: bytes) -> None:
    """They are not the worker's."""
    assert read_line(line) is None


@pytest.mark.parametrize("line", [b"", b"hello", b"[]", b"{}", b'{"url": "x"}'])
def test_what_is_no_order_is_refused(line: bytes) -> None:
    """Rather than carried out in part."""
    with pytest.raises((ValueError, TypeError)):
        Order.read(line)


def test_an_order_hides_its_password() -> None:
    """From its repr, and together with the user's name from what a page says."""
    order = Order("u", "me", "secret", headless=True, timeout=1.0, directory="d")
    assert "secret" not in repr(order)
    assert order.without_credentials("me: secret is wrong") == "***: *** is wrong"
    assert Order("u", "", "", headless=True, timeout=1.0, directory="d").without_credentials("fine") == "fine"
