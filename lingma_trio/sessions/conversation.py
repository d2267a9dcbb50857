"""One request's conversation as the book of sessions sees it: what it continues, and what it is once it is answered."""

from __future__ import annotations

from collections.abc import Sequence

from lingma_trio.sessions.book import Held
from lingma_trio.sessions.forms import Forms
from lingma_trio.sessions.proof import Keys, Seed, Turns, defaults_of
from lingma_trio.turns import Message, Prompt, ToolCall


class Conversation:
    """A prompt, digested once. Costs what the prompt is long, so a long one belongs off the loop.

    `before` is what has been answered already, or None where there is nothing to continue: no answer yet, or nothing
    after it. `question` is the key of the whole, by which an answer that was altered is remembered. An answer whose
    beginning stands in the prompt is one with it, as its client puts them together.
    """

    __slots__ = ("_begun", "_seed", "_turns", "before", "question")

    def __init__(self, prompt: Prompt, seed: Seed, forms: Forms | None = None) -> None:
        self._seed = seed
        self._turns = Turns(defaults_of(prompt.toolbox), forms)
        self._begun = prompt.begun
        newest = newest_part(prompt)
        known = prompt.messages[: len(prompt.messages) - len(newest)]
        self._add(known)
        keys = self._turns.keys(self._seed) if newest else None
        self.before = None if keys is None else self._held(keys, self._turns.copy())
        self._add([message for message in newest if message.role != "assistant"])
        self.question = self._turns.question(self._seed)

    def answered(self, text: str, calls: Sequence[ToolCall]) -> Held:
        """The conversation with its answer, as its client has it. To be asked once."""
        self._add([Message("assistant", self._begun + text, tool_calls=tuple(calls))])
        keys = self._turns.keys(self._seed)
        assert keys is not None
        return self._held(keys, self._turns)

    def _add(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._turns.add(message)
        self._turns.settle()

    def _held(self, keys: Keys, turns: Turns) -> Held:
        return Held(self._seed.tenant, self._seed.model, self._seed.tools, keys, turns)


def newest_part(prompt: Prompt) -> tuple[Message, ...]:
    """The messages after the last answer that is whole: what a session that holds the rest has yet to be told."""
    return prompt.messages[_last_answer(prompt.messages) + 1 :]


def newest_calls(prompt: Prompt) -> tuple[ToolCall, ...]:
    """The calls of the last answer, which the newest messages may bring the results of."""
    last = _last_answer(prompt.messages)
    return prompt.messages[last].tool_calls if last >= 0 else ()


def _last_answer(messages: Sequence[Message]) -> int:
    """The place of the last assistant message but for one at the end, which is the beginning of an answer; or -1."""
    for place in range(len(messages) - 2, -1, -1):
        if messages[place].role == "assistant":
            return place
    return -1
