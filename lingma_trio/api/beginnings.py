"""What of a conversation is to be answered: its end, or the beginning of an answer for the model to go on with.

Knows messages; must not know in which fields of which surface they came.
"""

from __future__ import annotations

from collections.abc import Sequence

from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import AnswerFormat, Message


def to_be_answered(
    messages: Sequence[Message], *, param: str, wanted: AnswerFormat | None = None
) -> tuple[Message, ...]:
    """Return the conversation as it is to be answered, or gone on with where the assistant's message is the last.

    One that says nothing is left out. Raises `InvalidRequest` that names `param` where the last message calls tools,
    which only their results can follow; and where the answer has to be JSON, which is checked as a whole.
    """
    end = len(messages)
    while end and _says_nothing(messages[end - 1]):
        end -= 1
    last = messages[end - 1] if end else None
    if last is not None and last.role == "assistant":
        if last.tool_calls:
            raise InvalidRequest(
                f"{param} must not end with a call of a tool: send the call's result after it.", param=param
            )
        if wanted is not None:
            raise InvalidRequest(
                f"{param} must not end with the beginning of an answer that has to be JSON: end with what is to be"
                " answered, or ask for no format.",
                param=param,
            )
    return tuple(messages[:end])


def hold_nothing(messages: Sequence[Message]) -> bool:
    """Whether there is nothing to be answered in all of them; an attachment leaves its placeholder in the text."""
    return not any(message.text.strip() or message.tool_calls for message in messages)


def _says_nothing(message: Message) -> bool:
    return message.role == "assistant" and hold_nothing((message,))
