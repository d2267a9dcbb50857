"""One answer to one conversation: claims a session, asks, falls back to a fresh one unseen, commits on success.

Knows the session cache and the turns of an instance. Everything but waiting for events is synchronous, so there is no
checkpoint between deciding and doing, and a cancelled request leaves nothing half done.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal
from uuid import uuid4

import structlog
import trio

from lingma_trio.errors import EmptyAnswer, GatewayError, UpstreamError, UpstreamRejected
from lingma_trio.lingma.instance import Instance
from lingma_trio.lingma.turn import TurnBounds, UpstreamTurn
from lingma_trio.policy.fingerprint import Fingerprint, answer_digest, fingerprint, newest_part
from lingma_trio.policy.session_cache import Session, SessionCache
from lingma_trio.policy.transcript import render, render_newest
from lingma_trio.protocol.messages import Question
from lingma_trio.turns import AnswerEvent, Finished, Prompt

log = structlog.get_logger("lingma_trio.dialogue")


@dataclass(frozen=True, slots=True)
class DialogueOptions:
    """What every dialogue needs to know. `default_model` stands in for names nobody knows; `mode` is chat or agent."""

    bounds: TurnBounds
    default_model: str
    mode: Literal["chat", "agent"]
    reuse_sessions: bool


class Dialogue:
    """A conversation being answered. Take `batch`es until `Finished`, then `commit`; `Dialogues.open` closes it."""

    def __init__(
        self,
        instance: Instance,
        sessions: SessionCache,
        options: DialogueOptions,
        prompt: Prompt,
        *,
        tenant: str,
        model: str,
    ) -> None:
        self._instance = instance
        self._sessions = sessions
        self._options = options
        self._prompt = prompt
        self._generation = instance.generation
        self._channel = instance.channel()
        self.model = instance.catalogue.resolve(model, options.default_model)
        self._print: Fingerprint = fingerprint(prompt, tenant=tenant, model=self.model, mode=options.mode)
        self._claimed = self._claim()
        self._answering = False
        self._finished: Finished | None = None
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
        return self._turn.deltas

    async def batch(self, patience: float) -> list[AnswerEvent]:
        """Everything that has come since the last call; an empty list after `patience` seconds of nothing.

        A continued session that upstream refuses, or replaces by an empty one, before anything was returned is
        given up for a fresh one with the whole conversation. Raises the `GatewayError` that ended the answer.
        Cancelling loses nothing.
        """
        while True:
            try:
                events = await self._turn.batch(patience)
            except GatewayError as failure:
                if not self._fresh_may_help(failure):
                    raise
                self._start_afresh(failure.code)
                continue
            if events and self._replaced():
                self._start_afresh("another session answered")
                continue
            self._note(events)
            return events

    def commit(self, sent: str) -> None:
        """Remember the session under the conversation as it now stands; `sent` is the answer the client was given.

        Does nothing for a turn that did not end well, so only the path of success calls it.
        """
        finished = self._finished
        if not self._options.reuse_sessions or finished is None or not finished.keep or not finished.session_id:
            return
        session = Session(finished.session_id, self._instance.name, self._generation)
        self._sessions.commit(self._print.commit, answer_digest(sent), session, now=trio.current_time())

    def close(self) -> None:
        """Let go of the turn; upstream is told to stop if it still runs. Idempotent."""
        self._turn.close()

    def _claim(self) -> Session | None:
        if not self._options.reuse_sessions or self._print.claim is None:
            return None
        return self._sessions.claim(
            self._print.claim, self._print.answer, now=trio.current_time(), alive=self._is_alive
        )

    def _is_alive(self, session: Session) -> bool:
        return session.instance == self._instance.name and session.generation == self._generation

    def _ask(self) -> UpstreamTurn:
        claimed = self._claimed
        question = Question(
            request_id=uuid4().hex,
            text=render_newest(newest_part(self._prompt)) if claimed else render(self._prompt.messages),
            model_key=self.model,
            session_id=claimed.session_id if claimed else "",
            is_reply=claimed is not None,
            mode=self._options.mode,
        )
        turn = UpstreamTurn(self._channel, question, self._options.bounds)
        turn.open()
        return turn

    def _fresh_may_help(self, failure: GatewayError) -> bool:
        """Whether the failure may be the session's fault, and the client has seen nothing yet."""
        if self._claimed is None or self._answering:
            return False
        return type(failure) is UpstreamError or isinstance(failure, UpstreamRejected | EmptyAnswer)

    def _replaced(self) -> bool:
        """Whether upstream answers out of another session than the one asked for: one that remembers nothing."""
        if self._claimed is None or self._answering:
            return False
        return self._turn.session_id not in ("", self._claimed.session_id)

    def _start_afresh(self, why: str) -> None:
        log.info("session_refused", instance=self._instance.name, why=why)
        self._turn.close()
        self._claimed = None
        self._turn = self._ask()

    def _note(self, events: list[AnswerEvent]) -> None:
        if events:
            self._answering = True
            last = events[-1]
            if isinstance(last, Finished):
                self._finished = last


class Dialogues:
    """Opens dialogues with the instance that serves them."""

    def __init__(self, instance: Instance, sessions: SessionCache, options: DialogueOptions) -> None:
        self._instance = instance
        self._sessions = sessions
        self._options = options

    @contextmanager
    def open(self, prompt: Prompt, *, tenant: str, model: str) -> Iterator[Dialogue]:
        """Ask `prompt` for the length of the block; `tenant` is a digest of the API key, `model` any name.

        Raises `Unavailable`, `LoginRequired` or `ShuttingDown` when no instance can be asked. Leaving the block before
        the answer finished tells upstream to stop.
        """
        dialogue = Dialogue(self._instance, self._sessions, self._options, prompt, tenant=tenant, model=model)
        try:
            yield dialogue
        finally:
            dialogue.close()
