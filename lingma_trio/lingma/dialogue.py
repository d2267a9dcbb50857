"""One answer to one conversation: claims a session, asks, falls back to a fresh one unseen, commits on success.

Knows the session cache, the pool and its turns. Everything but waiting for events is synchronous, so there is no
checkpoint between deciding and doing, and a cancelled request leaves nothing half done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal
from uuid import uuid4

import structlog
import trio

from lingma_trio.errors import EmptyAnswer, GatewayError, UpstreamError, UpstreamRejected
from lingma_trio.lingma.instance import Instance
from lingma_trio.lingma.pool import Pool
from lingma_trio.lingma.turn import TurnBounds, UpstreamTurn
from lingma_trio.policy.aliases import Aliases
from lingma_trio.policy.answer_rules import rules
from lingma_trio.policy.fingerprint import Fingerprint, answer_digest, fingerprint, newest_calls, newest_part
from lingma_trio.policy.routing import affinity_key
from lingma_trio.policy.session_cache import Session, SessionCache
from lingma_trio.policy.transcript import render, render_newest
from lingma_trio.protocol.catalogue import Catalogue, Model
from lingma_trio.protocol.messages import Question
from lingma_trio.turns import AnswerEvent, Finished, Message, Prompt, ToolCall

MOST_MOVES = 2
"""Other instances one turn may be moved to: two that fail together must not fail what a third can answer, and a
question that itself brings Lingma down must not be carried through the whole pool."""

log = structlog.get_logger("lingma_trio.dialogue")


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
        return catalogue.resolve(self.aliases.model(requested), self.default_model)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: a digest of the API key, the model by any name, and the client's own name for its user or nothing."""

    tenant: str
    model: str
    user: str = ""


class Dialogue:
    """A conversation being answered. Take `batch`es until `Finished`, then `commit`; `Dialogues.open` closes it."""

    def __init__(
        self, pool: Pool, sessions: SessionCache, options: DialogueOptions, prompt: Prompt, asker: Asker
    ) -> None:
        self._pool = pool
        self._sessions = sessions
        self._options = options
        self._prompt = prompt
        self._affinity = affinity_key(prompt, tenant=asker.tenant, user=asker.user)
        self.model = options.key(asker.model, pool.catalogue)
        self._tools = _declared(prompt)
        self._mode = options.tool_mode if self._tools else options.mode
        self._print: Fingerprint = fingerprint(prompt, tenant=asker.tenant, model=self.model, mode=self._mode)
        self._claimed = self._claim()
        self._failed: set[str] = set()
        self._answering = False
        self._mended = 0  # deltas of the answers that were asked for again
        self._finished: Finished | None = None
        self._instance = self._pick()
        self._turn = self._ask()

    def __repr__(self) -> str:
        return f"<Dialogue {self._instance.name} hit={self.hit} {self._turn!r}>"

    @property
    def hit(self) -> bool:
        """Whether the answer continues an upstream session."""
        return self._claimed is not None

    @property
    def instance(self) -> str:
        """The name of the instance that is asked."""
        return self._instance.name

    @property
    def deltas(self) -> int:
        """Deltas with text that came from upstream."""
        return self._mended + self._turn.deltas

    async def batch(self, patience: float) -> list[AnswerEvent]:
        """Everything that has come since the last call; an empty list after `patience` seconds of nothing.

        As long as nothing was returned the client has seen nothing, and two faults are mended unseen: a continued
        session that upstream refuses, or replaces by an empty one, is given up for a fresh one with the whole
        conversation, and a turn that failed for its instance's sake moves to another, MOST_MOVES times at the most and
        never to one it failed on. Raises the `GatewayError` that ended the answer. Cancelling loses nothing.
        """
        while True:
            try:
                events = await self._turn.batch(patience)
            except GatewayError as failure:
                if not self._mend(failure):
                    raise
                continue
            if events and self._replaced():
                self._start_afresh("another session answered")
                continue
            self._note(events)
            return events

    def ask_again(self, text: str) -> None:
        """Have a finished answer mended: ask `text` in the session that gave it, for `batch` to go on with.

        Where that session must not be continued, the whole conversation is asked afresh with `text` at its end.
        Raises what opening a turn raises.
        """
        finished = self._finished
        session_id = finished.session_id if finished is not None and finished.keep else ""
        self._mended += self._turn.deltas
        self._finished = None
        self._turn.close()
        if session_id:
            self._turn = self._put(text, session_id=session_id)
        else:
            self._turn = self._put(f"{self._whole()}\n\n{text}", images=_images(self._prompt.messages))

    def commit(self, sent: str, calls: Sequence[ToolCall] = ()) -> None:
        """Remember the session under the conversation as it now stands; `sent` and `calls` are what the client got.

        Does nothing for a turn that did not end well, so only the path of success calls it, nor for a conversation
        that nobody will continue.
        """
        finished = self._finished
        if not self._options.reuse_sessions or finished is None or not finished.keep or not finished.session_id:
            return
        if self._prompt.once:
            return
        session = Session(finished.session_id, self._instance.name, self._generation)
        self._sessions.commit(self._print.commit, answer_digest(sent, calls), session, now=trio.current_time())

    def close(self) -> None:
        """Let go of the turn; upstream is told to stop if it still runs. Idempotent."""
        self._turn.close()

    def _claim(self) -> Session | None:
        if not self._options.reuse_sessions or self._print.claim is None:
            return None
        return self._sessions.claim(
            self._print.claim, self._print.answer, now=trio.current_time(), alive=self._pool.holds
        )

    def _pick(self) -> Instance:
        """Choose the instance; a session that lives on another one than the chosen is of no use."""
        instance = self._pool.pick(session=self._claimed, affinity=self._affinity, without=self._failed)
        if self._claimed is not None and self._claimed.instance != instance.name:
            self._claimed = None
        return instance

    def _ask(self) -> UpstreamTurn:
        if self._claimed is None:
            return self._put(self._whole(), images=_images(self._prompt.messages))
        newest = newest_part(self._prompt)
        text = render_newest(newest, rules(self._prompt, known=True), calls=newest_calls(self._prompt))
        return self._put(text, images=_images(newest), session_id=self._claimed.session_id)

    def _whole(self) -> str:
        return render(self._prompt.messages, rules(self._prompt, known=False))

    def _put(self, text: str, *, images: tuple[str, ...] = (), session_id: str = "") -> UpstreamTurn:
        """Ask `text`, in a session of its own without `session_id`."""
        self._generation = self._instance.generation
        self._asked = self._instance.asking(self.model)
        question = Question(
            request_id=uuid4().hex,
            text=text,
            model_key=self.model,
            session_id=session_id,
            is_reply=bool(session_id),
            mode=self._mode,
            images=images,
            tools=self._tools,
        )
        turn = UpstreamTurn(self._instance.channel(), question, self._options.bounds)
        turn.open()
        return turn

    def _mend(self, failure: GatewayError) -> bool:
        """Ask again, elsewhere or afresh, where that may help; returns whether it did."""
        for_its_sake = self._instance.failed(failure, self._asked) != "stands"
        if self._answering:
            return False
        if for_its_sake and len(self._failed) < MOST_MOVES:
            return self._move(failure)
        if self._claimed is not None and (
            type(failure) is UpstreamError or isinstance(failure, UpstreamRejected | EmptyAnswer)
        ):
            self._start_afresh(failure.code)
            return True
        return False

    def _move(self, failure: GatewayError) -> bool:
        """Ask another instance; without one the failure stands."""
        before = self._instance
        self._failed.add(before.name)
        try:
            self._instance = self._pool.pick(session=None, affinity=self._affinity, without=self._failed)
        except GatewayError:
            return False
        log.info("turn_moved", instance=before.name, to=self._instance.name, why=failure.code)
        self._start_afresh(failure.code)
        return True

    def _replaced(self) -> bool:
        """Whether upstream answers out of another session than the one asked for: one that remembers nothing."""
        if self._claimed is None or self._answering:
            return False
        return self._turn.answered_by not in ("", self._claimed.session_id)

    def _start_afresh(self, why: str) -> None:
        if self._claimed is not None:
            log.info("session_refused", instance=self._claimed.instance, why=why)
            self._claimed = None
        self._turn.close()
        self._turn = self._ask()

    def _note(self, events: list[AnswerEvent]) -> None:
        if events:
            if not self._answering:
                self._instance.answered(self._asked)
            self._answering = True
            last = events[-1]
            if isinstance(last, Finished):
                self._finished = last


class Dialogues:
    """Opens dialogues with the instances of a pool."""

    def __init__(self, pool: Pool, sessions: SessionCache, options: DialogueOptions) -> None:
        self._pool = pool
        self._sessions = sessions
        self._options = options

    @property
    def default_model(self) -> str:
        """The key of the model that answers where none is named."""
        return self._pool.catalogue.resolve("", self._options.default_model)

    @property
    def aliases(self) -> Aliases:
        """Other names for models, which go before their own."""
        return self._options.aliases

    def find(self, model: str) -> Model | None:
        """The model that answers to this name; None where Lingma does not list it."""
        catalogue = self._pool.catalogue
        return catalogue.find(self._options.key(model, catalogue))

    @property
    def tool_mode(self) -> Literal["chat", "agent"]:
        """How questions are asked whose client declares tools; in `agent` mode Lingma may call them itself."""
        return self._options.tool_mode

    def names_of(self, model: str) -> tuple[str, ...]:
        """The key and the name of the model that answers to this name; the key alone of one that is in no list."""
        found = self.find(model)
        return (self._options.key(model, self._pool.catalogue),) if found is None else (found.key, found.name)

    def sees(self, model: str) -> bool:
        """Whether the model that answers to this name takes pictures; one that is in no list is given the chance."""
        found = self.find(model)
        return found is None or found.sees

    @contextmanager
    def open(self, prompt: Prompt, asker: Asker) -> Iterator[Dialogue]:
        """Ask `prompt` for the length of the block.

        Raises what `Pool.pick` raises when no instance can be asked. Leaving the block before the answer finished
        tells upstream to stop.
        """
        dialogue = Dialogue(self._pool, self._sessions, self._options, prompt, asker)
        try:
            yield dialogue
        finally:
            dialogue.close()


def _images(messages: Sequence[Message]) -> tuple[str, ...]:
    return tuple(image for message in messages for image in message.images)


def _declared(prompt: Prompt) -> frozenset[str]:
    """The names of the tools that the answer may call."""
    toolbox = prompt.toolbox
    if toolbox is None or toolbox.choice == "none":
        return frozenset()
    return frozenset(tool.name for tool in toolbox.tools)
