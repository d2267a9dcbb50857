"""What a whole conversation is estimated to cost."""

from __future__ import annotations

from lingma_trio.policy.prompt_tokens import PICTURE, estimate_prompt
from lingma_trio.policy.tokens import estimate
from lingma_trio.turns import Message, Prompt, ToolCall


def test_everything_that_is_asked_counts() -> None:
    """Texts, tools, calls and pictures all cost tokens."""
    call = ToolCall("call_1", "look", '{"at":1}')
    messages = (
        Message("user", "What is it? [image]", images=("https://example.com/a.png", "data:image/png;base64,AAAA")),
        Message("assistant", "", tool_calls=(call,)),
    )
    texts = sum(map(estimate, ("What is it? [image]", "look", '{"at":1}', '{"tools":[]}')))
    assert estimate_prompt(Prompt(messages, tools='{"tools":[]}')) == texts + 2 * PICTURE
