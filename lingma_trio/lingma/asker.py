"""Who asks, and how questions are asked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from lingma_trio.emulation import rules
from lingma_trio.lingma.turn import TurnBounds
from lingma_trio.policy.aliases import Aliases
from lingma_trio.policy.transcript import render_newest
from lingma_trio.protocol.catalogue import Catalogue, Model
from lingma_trio.protocol.messages import Question
from lingma_trio.records import record
from lingma_trio.sessions.conversation import newest_calls, newest_part
from lingma_trio.state.places import Entry
from lingma_trio.state.places_memory import FREE
from lingma_trio.state.trips import Trips
from lingma_trio.turns import NO_NAMES, Message, Prompt

ID_BYTES = 16  # of a question's id, which no other has


@dataclass(frozen=True, slots=True)
class DialogueOptions:
    """What every dialogue needs to know.

    `aliases` are other names for models, `default_model` stands in for names nobody knows. `mode` is how questions are
    asked, and `tool_mode` those whose client declares tools.
    """

    bounds: TurnBounds
    default_model: str
    mode: Literal["chat", "agent"]
    reuse_sessions: bool
    tool_mode: Literal["chat", "agent"] = "chat"
    aliases: Aliases = field(default_factory=Aliases)

    def key(self, requested: str, catalogue: Catalogue) -> str:
        """The key to ask Lingma with for a model by any name."""
        return catalogue.resolve(self._named(requested, catalogue), self.default_model)

    def find(self, requested: str, catalogue: Catalogue) -> Model | None:
        """The model itself, where the catalogue has it; the default's where it has not."""
        return catalogue.choose(self._named(requested, catalogue), self.default_model)

    def _named(self, requested: str, catalogue: Catalogue) -> str:
        return self.aliases.model(requested, known=catalogue.find)

    def mode_of(self, prompt: Prompt) -> Literal["chat", "agent"]:
        """How this conversation is asked."""
        return self.tool_mode if declared_tools(prompt) else self.mode


@record
class Asker:
    """Who asks: a digest of the API key, the model by any name, and the client's own name for its user or nothing.

    `entry` is how its turns come in among all those of the key, `trips` are those that it makes to a store, if any.
    """

    tenant: str
    model: str
    user: str = ""
    entry: Entry = FREE
    trips: Trips | None = None


def declared_tools(prompt: Prompt) -> frozenset[str]:
    """The names of the tools that the answer may call."""
    toolbox = prompt.toolbox
    if toolbox is None or toolbox.choice == "none":
        return NO_NAMES
    return frozenset(tool.name for tool in toolbox.tools)


def newest_question(prompt: Prompt, untold: str) -> str:
    """What a session that holds the rest is asked; `untold` is what it has to be told before."""
    return render_newest(newest_part(prompt), rules(prompt, known=True), calls=newest_calls(prompt), untold=untold)


def question_of(
    prompt: Prompt,
    shown: Sequence[Message],
    *,
    text: str,
    model_key: str,
    mode: Literal["chat", "agent"],
    session_id: str,
) -> Question:
    """The question `text`, which shows these messages of `prompt`, in a session of its own without `session_id`."""
    last = prompt.messages[prompt.last]
    return Question(
        request_id=os.urandom(ID_BYTES).hex(),
        text=text,
        model_key=model_key,
        session_id=session_id,
        is_reply=bool(session_id),
        mode=mode,
        images=pictures_in(shown),
        older_images=len(pictures_in([message for message in shown if message is not last])),
        tools=declared_tools(prompt),
    )


def pictures_in(messages: Sequence[Message]) -> tuple[str, ...]:
    """The pictures that these messages show, in their order."""
    return tuple(image for message in messages for image in message.images)
