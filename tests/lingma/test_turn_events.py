"""What a turn's machine says goes into the inbox as what it is; a refusal that may be a lost login is kept."""

from __future__ import annotations

import pytest

from lingma_trio.errors import GatewayError
from lingma_trio.lingma.inbox import Inbox
from lingma_trio.lingma.turn_events import FORBIDDEN, TurnEvents
from lingma_trio.protocol.answer import Failed
from lingma_trio.turns import Finished, TextDelta, TextReplaced, ThoughtDelta, ToolCall


async def test_each_word_is_the_event_that_it_is() -> None:
    """In the order in which it was said."""
    inbox = Inbox(max_size=100)
    events = TurnEvents(inbox, "the agent")
    call, end = ToolCall("1", "look", "{}"), Finished("s-1")
    events.thought("hm")
    events.text("Blue")
    events.call(call)
    events.text(" it is")
    events.finished(end)
    assert await inbox.take() == [ThoughtDelta("hm"), TextDelta("Blue"), call, TextDelta(" it is"), end]


async def test_text_that_voids_what_came_before_is_told_as_such() -> None:
    """Whoever has taken that already has to know."""
    inbox = Inbox(max_size=100)
    events = TurnEvents(inbox, "the agent")
    events.text("Blue")
    await inbox.take()
    events.replaced("Green")
    assert await inbox.take() == [TextReplaced("Green")]


@pytest.mark.parametrize("status", [FORBIDDEN, 500], ids=["forbidden", "broken"])
async def test_failure_is_raised_and_kept_where_it_may_be_a_lost_login(status: int) -> None:
    """With what upstream says."""
    inbox = Inbox(max_size=100)
    events = TurnEvents(inbox, "the agent")
    events.failed(Failed(status, "no more"))
    with pytest.raises(GatewayError, match="no more") as raised:
        await inbox.take()
    assert events.forbidden is (raised.value if status == FORBIDDEN else None)
    assert status == FORBIDDEN or "the agent" in str(raised.value)
